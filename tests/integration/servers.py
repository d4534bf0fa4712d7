"""servers.py: real origins: nginx, Apache httpd, node, HAProxy and Python's http.server, each on a free loopback port.

All serve the same folder (HAProxy has a server behind it for that) and write the client's port for each request, so that
connections can be counted. `idle_ms` is how long they keep a connection that nobody uses; None: as they come. They run as children
with their own configuration in a temporary folder, never as services.
SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys

from waiting import eventually

NGINX = """
daemon off; master_process off; worker_processes 1; pid {work}/pid; error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format ports 'port=$remote_port'; access_log {work}/access.log ports;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  keepalive_requests 1000000; sendfile on; {idle}
  server {{ listen 127.0.0.1:{port}; root {root};
    location /close/ {{ alias {root}/; keepalive_timeout 0; }}
    location /idle {{ return 200 ok; }}
    location /packed/ {{ alias {root}/; gzip on; gzip_min_length 1; gzip_types *; }} }}
}}
"""

APACHE = """
ServerRoot {work}
PidFile {work}/pid
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
{user}
ErrorLog {work}/error.log
LogFormat "port=%{{remote}}p" ports
CustomLog {work}/access.log ports
DocumentRoot {root}
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout {idle}
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
<Directory {root}>
  Require all granted
</Directory>
"""

NODE = """
const http = require('http'), fs = require('fs'), path = require('path');
const [port, root, log, idle] = process.argv.slice(2);
const out = fs.createWriteStream(log);
const server = http.createServer((req, res) => {
  out.write(`port=${req.socket.remotePort}\\n`);
  if (req.method === 'POST') { res.writeHead(200); req.pipe(res); return; }
  const file = path.join(root, path.basename(req.url.split('?')[0]));
  fs.stat(file, (err, stat) => {
    if (err) { res.writeHead(404); res.end(); return; }
    const head = req.url.startsWith('/chunked/') ? {} : {'Content-Length': stat.size};
    res.writeHead(200, head);
    if (req.method === 'HEAD') { res.end(); return; }
    fs.createReadStream(file).pipe(res);
  });
});
if (idle) server.keepAliveTimeout = Number(idle);
server.listen(Number(port), '127.0.0.1');
"""

HAPROXY = """
global
  maxconn 512
  nbthread 1
defaults
  mode http
  log stdout format raw local0
  log-format "port=%cp"
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  {idle}
frontend front
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string ok if {{ path /idle }}
  default_backend files
backend files
  server files 127.0.0.1:{behind}
"""

PYTHON = """
import functools, http.server, sys
port, root, log = sys.argv[1:]
out = open(log, 'w', buffering=1)
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/{version}'
    def log_message(self, *_):
        out.write(f'port={{self.client_address[1]}}\\n')
http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), functools.partial(Handler, directory=root)).serve_forever()
"""


HELD = []  # sockets, to the end of this process


def free_port():
    """A port that stays free until it is listened at: beneath those that the kernel gives out by itself, and no other test of this machine
    gets it, because its number is the name of a socket of ours."""
    first_given_out = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    while True:
        port = random.randrange(10_000, max(first_given_out, 20_000))
        name = socket.socket(socket.AF_UNIX)
        with contextlib.ExitStack() as probes:
            try:
                name.bind(f"\0holdfast-test-port-{port}")
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probes.enter_context(socket.socket(type=kind)).bind(("0.0.0.0", port))
            except OSError:
                name.close()
                continue
        HELD.append(name)
        return port


@contextlib.contextmanager
def full_listener():
    """The URL of a port that connecting to takes for ever: nobody accepts, and the queue is full."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


def find_tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def let_others_read(folder):
    """Apache and nginx may read as another user: so they can reach the folder of a test."""
    for each in (folder, *folder.parents):
        if str(each).startswith("/tmp/"):
            each.chmod(0o755)


class Server:
    """A child that listens; `missing` says why it cannot be run here."""

    missing = None

    def __init__(self, work, root, idle_ms=None):
        self.idle_ms = idle_ms
        self.work, self.root, self.port = pathlib.Path(work), pathlib.Path(root), free_port()
        self.work.mkdir(parents=True, exist_ok=True)
        self.work.chmod(0o755)
        self.log = self.work / "access.log"
        self.child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.open_output(),
                                      stderr=open(self.work / "stderr", "wb"))
        eventually(self.listens, 15, f"{type(self).__name__} on port {self.port}: {self.work}")

    def command(self):
        raise NotImplementedError

    def open_output(self):
        return subprocess.DEVNULL

    def listens(self):
        assert self.child.poll() is None, f"ended at once: {(self.work / 'stderr').read_text()[-500:]}"
        try:
            socket.create_connection(self.address, 1).close()
        except OSError:
            return False
        return True

    def values(self):
        return {"work": self.work, "root": self.root, "port": self.port}

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def used_ports(self):
        """One client port for each request served so far."""
        return re.findall(r"port=(\d+)", self.log.read_text()) if self.log.exists() else []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Nginx(Server):
    missing = None if find_tool("nginx") else "nginx is not installed"

    def command(self):
        (self.work / "nginx.conf").write_text(NGINX.format(
            **self.values(), idle=f"keepalive_timeout {self.idle_ms}ms;" if self.idle_ms else ""))
        return [find_tool("nginx"), "-p", str(self.work), "-c", str(self.work / "nginx.conf")]


class Apache(Server):
    modules = pathlib.Path("/usr/lib/apache2/modules")
    missing = None if find_tool("apache2") and modules.exists() else "apache2 is not installed"

    def command(self):
        user = "LoadModule unixd_module {}/mod_unixd.so".format(self.modules)
        built_in = subprocess.run([find_tool("apache2"), "-l"], capture_output=True, text=True, check=False).stdout
        user = "" if "mod_unixd" in built_in else user
        if os.geteuid() == 0:
            user += "\nUser www-data\nGroup www-data"
        (self.work / "httpd.conf").write_text(APACHE.format(
            **self.values(), modules=self.modules, user=user, idle=f"{self.idle_ms}ms" if self.idle_ms else 5))
        return [find_tool("apache2"), "-X", "-f", str(self.work / "httpd.conf")]


class Node(Server):
    missing = None if find_tool("node") else "node is not installed"

    def command(self):
        (self.work / "server.js").write_text(NODE)
        return [find_tool("node"), str(self.work / "server.js"), str(self.port), str(self.root), str(self.log),
                str(self.idle_ms or "")]


class HAProxy(Server):
    missing = None if find_tool("haproxy") else "haproxy is not installed"

    def __init__(self, work, root, idle_ms=None):
        self.behind = (Python if Nginx.missing else Nginx)(pathlib.Path(work) / "behind", root)
        super().__init__(work, root, idle_ms)

    def command(self):
        idle = f"timeout http-keep-alive {self.idle_ms}ms" if self.idle_ms else ""
        (self.work / "haproxy.cfg").write_text(HAPROXY.format(**self.values(), behind=self.behind.port, idle=idle))
        return [find_tool("haproxy"), "-db", "-f", str(self.work / "haproxy.cfg")]

    def open_output(self):
        return open(self.log, "wb")

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self.behind.__exit__(*arguments)


class Python(Server):
    version = "1.1"

    def command(self):
        (self.work / "server.py").write_text(PYTHON.format(version=self.version))
        return [sys.executable, str(self.work / "server.py"), str(self.port), str(self.root), str(self.log)]


class Python10(Python):
    """Closes after each answer."""

    version = "1.0"
