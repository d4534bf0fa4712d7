"""race_peers.py: the gateways that ./dev race compares, each with the keep-alive settings that its makers recommend: one
worker, connections to the origin kept without a limit, HTTP/1.1 on both sides. A peer that is not installed is left out.

SPDX-License-Identifier: Apache-2.0"""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

from common import BUILD

HOLDFAST = BUILD / "release/holdfast"

NGINX = """
worker_processes 1; daemon off; master_process off; pid {work}/nginx.pid; error_log {work}/error.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 8000; }}
http {{
  access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s; keepalive_requests 1000000000; keepalive_timeout 300s;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 2048; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  option http-keep-alive
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{port}
  default_backend origin
backend origin
  http-reuse safe
{more}
  server one 127.0.0.1:{origin} pool-max-conn -1
"""

# Its layer 7 retries, for what may be repeated only.
HAPROXY_RETRY = """  retry-on conn-failure empty-response
  http-request disable-l7-retry if METH_POST
"""

APACHE = """
ServerRoot {work}
PidFile {work}/pid
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{user}
ErrorLog {work}/error.log
LogLevel crit
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
StartServers 1
ServerLimit 1
ThreadsPerChild 128
ThreadLimit 128
MaxRequestWorkers 128
ProxyPass "/" "http://127.0.0.1:{origin}/" enablereuse=on keepalive=On max=256
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def holdfast(resend=None):
    def command(work, port, origin):
        ours = {"server": {"workers": 1, "error_status": "precise", "listeners": [{"listen": f"127.0.0.1:{port}"}]}}
        admin = free_port()
        ours["admin"] = {"listen": f"127.0.0.1:{admin}"}
        (work / "admin").write_text(str(admin))
        if resend:
            ours["upstream"] = {"resend": resend}
        config = {
            "version": 3, "timeout": "60s",
            "extra_config": {"router": {"disable_access_log": True},
                             **{f"holdfast/{name}": value for name, value in ours.items()}},
            "endpoints": [{
                "endpoint": "/*", "method": "*", "output_encoding": "no-op", "input_headers": ["*"],
                "backend": [{"host": [f"http://127.0.0.1:{origin}"], "url_pattern": "/*", "encoding": "no-op"}]}]}
        path = work / "gateway.json"
        path.write_text(json.dumps(config))
        check = subprocess.run([HOLDFAST, "check", "--strict", "-c", path], capture_output=True, check=False)
        return [HOLDFAST, "run", "-c", path] if check.returncode == 0 else None
    return command


def from_file(template, words, **more):
    def command(work, port, origin):
        program = find(words[0])
        if not program:
            return None
        path = work / "peer.conf"
        path.write_text(template.format(work=work, port=port, origin=origin, **more))
        return [program, *(word.format(work=work, file=path) for word in words[1:])]
    return command


def apache(work, port, origin):
    modules = Path("/usr/lib/apache2/modules")
    program = find("apache2")
    if not program or not modules.exists():
        return None
    built_in = subprocess.run([program, "-l"], capture_output=True, text=True, check=False).stdout
    user = "" if "mod_unixd" in built_in else f"LoadModule unixd_module {modules}/mod_unixd.so"
    if os.geteuid() == 0:
        user += "\nUser www-data\nGroup www-data"
    return from_file(APACHE, ["apache2", "-X", "-f", "{file}"], modules=modules, user=user)(work, port, origin)


# Name to a function(work, port, origin port) that gives the command line, or None when there is no such peer here.
PEERS = {
    "holdfast": holdfast(),
    "holdfast unacked": holdfast("unacked"),
    "nginx": from_file(NGINX, ["nginx", "-p", "{work}", "-c", "{file}"]),
    "haproxy": from_file(HAPROXY, ["haproxy", "-db", "-f", "{file}"], more=""),
    "haproxy retry": from_file(HAPROXY, ["haproxy", "-db", "-f", "{file}"], more=HAPROXY_RETRY),
    "apache": apache,
}
