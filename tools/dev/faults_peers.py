"""faults_peers.py: the gateways that ./dev faults compares: each before four origins, with a second to answer, two workers, and
connections to the origins kept. A peer that is not installed is left out.

SPDX-License-Identifier: Apache-2.0"""

import http.client
import json
import shutil
import socket
import subprocess
import time

from common import BUILD, Failed, environment, stop_group

HOLDFAST = BUILD / "release/holdfast"
START_LIMIT_S = 10

NGINX = """
worker_processes 2; daemon off; pid {work}/nginx.pid; error_log {work}/error.log crit; worker_rlimit_nofile 20000; user root;
events {{ worker_connections 8000; }}
http {{
  access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s; keepalive_requests 1000000;
  upstream origins {{ {servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://origins; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout 1s; proxy_read_timeout 1s;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 2
  maxconn 8000
defaults
  mode http
  option redispatch
  retries 3
  timeout connect 1s
  timeout client 60s
  timeout server 1s
  default-server check inter 500ms
frontend in
  bind 127.0.0.1:{port}
  default_backend origins
backend origins
  balance roundrobin
  http-reuse safe
{servers}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def holdfast(**upstream):
    def command(work, port, ports):
        admin = free_port()
        (work / "admin").write_text(str(admin))
        config = {
            "version": 3, "timeout": "4s", "response_header_timeout": "1s", "dialer_timeout": "1s",
            "extra_config": {
                "router": {"disable_access_log": True}, "holdfast/admin": {"listen": f"127.0.0.1:{admin}"},
                "holdfast/server": {"workers": 2, "error_status": "precise", "listeners": [{"listen": f"127.0.0.1:{port}"}]},
                "holdfast/upstream": {"balance": "round_robin", **upstream}},
            "endpoints": [{
                "endpoint": "/*", "method": "*", "output_encoding": "no-op", "input_headers": ["*"],
                "backend": [{"host": [f"http://127.0.0.1:{each}" for each in ports], "url_pattern": "/*", "encoding": "no-op"}]}]}
        path = work / "gateway.json"
        path.write_text(json.dumps(config))
        check = subprocess.run([HOLDFAST, "check", "--strict", "-c", path], capture_output=True, text=True, check=False)
        if check.returncode != 0:
            raise Failed(f"holdfast check: {check.stdout}{check.stderr}")
        return [HOLDFAST, "run", "-c", path]
    return command


def from_file(template, server, words):
    def command(work, port, ports):
        program = shutil.which(words[0], path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        if not program:
            return None
        path = work / "peer.conf"
        servers = "\n".join(server.format(number=number, port=each) for number, each in enumerate(ports))
        path.write_text(template.format(work=work, port=port, servers=servers))
        return [program, *(word.format(work=work, file=path) for word in words[1:])]
    return command


# Name to a function(work, port, origin ports) that gives the command line, or None when there is no such peer here.
PEERS = {
    "holdfast": holdfast(),
    "holdfast unacked": holdfast(resend="unacked"),
    "nginx": from_file(NGINX, "server 127.0.0.1:{port};", ["nginx", "-p", "{work}", "-c", "{file}"]),
    "haproxy": from_file(HAPROXY, "  server s{number} 127.0.0.1:{port}", ["haproxy", "-db", "-f", "{file}"]),
}


class Gateway:
    """A gateway as a context: it listens inside."""

    def __init__(self, command, name, port, work):
        self.command, self.name, self.port, self.work, self.process = command, name, port, work, None

    def __enter__(self):
        self.process = subprocess.Popen([str(word) for word in self.command], env=environment(), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.wait()
        except BaseException:
            stop_group(self.process)
            raise
        return self

    def wait(self):
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise Failed(f"{self.name} does not listen (exit code {self.process.poll()})")

    def __exit__(self, *_):
        stop_group(self.process)

    def ledger(self):
        """What Holdfast tells of its hosts; of peers nothing."""
        address = self.work / "admin"
        if not address.exists():
            return None
        connection = http.client.HTTPConnection("127.0.0.1", int(address.read_text()), timeout=10)
        try:
            connection.request("GET", "/v1/pools")
            return json.loads(connection.getresponse().read())["hosts"]
        finally:
            connection.close()
