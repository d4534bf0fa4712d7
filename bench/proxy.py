#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per request of plain proxying, Holdfast and nginx side by side in one run.

Both proxies run at once, each pinned to the first processor; load (wrk) and the origin (holdfast origin) to the second. They are
loaded in turn in slices of a second over several rounds; each round gives a ratio, the median and quartiles of the ratios are the
result. CPU comes from the scheduler's accounting (schedstat) of all threads of a proxy. Also: system calls per request, and
bytes of memory per idle client connection.

   bench/proxy.py [--rounds 8] [--connections 64] [--bytes 128] [--binary build/release/holdfast] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROXY_CPU, LOAD_CPU = 0, 1

NGINX_CONF = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log crit; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s; keepalive_requests 1000000000; keepalive_timeout 300s;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 2048; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffer_size 8k; proxy_buffers 8 64k;
    }}
  }}
}}
"""


def holdfast_conf(port, origin):
    return {
        "version": 3, "timeout": "60s",
        "extra_config": {
            "router": {"disable_access_log": True},
            "holdfast/server": {"workers": 1, "error_status": "precise", "profile": "safe",
                                "listeners": [{"listen": f"127.0.0.1:{port}"}]}},
        "endpoints": [{
            "endpoint": "/*", "method": "*", "output_encoding": "no-op",
            "input_headers": ["*"], "input_query_strings": ["*"],
            "backend": [{"host": [f"http://127.0.0.1:{origin}"], "url_pattern": "/*", "encoding": "no-op"}]}]}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(command, cpu, ready_port):
    process = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", ready_port)) == 0:
                return process
        if process.poll() is not None:
            sys.exit(f"{command[0]} ended with {process.returncode}")
        time.sleep(0.05)
    sys.exit(f"{command[0]} does not answer on port {ready_port}")


def family(pid):
    """The process and its children: nginx works in a child."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [int(c) for c in children]


def cpu_ns(pid):
    total = 0
    for member in family(pid):
        for task in pathlib.Path(f"/proc/{member}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def rss_bytes(pid):
    page = resource.getpagesize()
    return sum(int(pathlib.Path(f"/proc/{m}/statm").read_text().split()[1]) * page for m in family(pid))


def load(port, path, connections, seconds=1):
    out = subprocess.run(["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                          f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", out)[1])
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    bad = (int(errors[1]) if errors else 0) + (sum(map(int, sockets.groups())) if sockets else 0)
    return requests, bad, out


def slice_of(peer, path, connections):
    before = cpu_ns(peer["pid"])
    requests, bad, _ = load(peer["port"], path, connections)
    return (cpu_ns(peer["pid"]) - before) / 1000 / max(requests, 1), requests, bad


def syscalls_per_request(peer, path, connections):
    """Counts with perf's raw tracepoint; strace would change the batches it counts."""
    if not shutil.which("perf"):
        return None
    pids = ",".join(str(p) for p in family(peer["pid"]))
    perf = subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", pids], stderr=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, text=True)
    time.sleep(0.3)
    requests, _, _ = load(peer["port"], path, connections, 2)
    perf.send_signal(signal.SIGINT)
    text = perf.communicate(timeout=10)[1]
    match = re.search(r"^(\d+),", text, re.M)
    return int(match[1]) / requests if match else None


def idle_bytes(peer, count):
    """Memory per connection that has had one request and is kept."""
    before = rss_bytes(peer["pid"])
    held = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", peer["port"]))
        s.sendall(b"GET /bytes/128 HTTP/1.1\r\nHost: bench\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 128:
            piece = s.recv(65536)
            if not piece:
                sys.exit(f"{peer['name']} closed a connection that should idle")
            got += piece
        held.append(s)
    time.sleep(0.5)
    grown = rss_bytes(peer["pid"]) - before
    for s in held:
        s.close()
    return grown / count


def quartiles(values):
    q = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return q[0], statistics.median(values), q[2]


def run(options):
    binary = str(pathlib.Path(options.binary).resolve())
    with tempfile.TemporaryDirectory() as folder:
        origin_port, nginx_port, ours_port = free_port(), free_port(), free_port()
        pathlib.Path(folder, "nginx.conf").write_text(
            NGINX_CONF.format(dir=folder, origin=origin_port, port=nginx_port))
        pathlib.Path(folder, "holdfast.json").write_text(json.dumps(holdfast_conf(ours_port, origin_port)))
        started = [start([binary, "origin", "--listen", f"127.0.0.1:{origin_port}"], LOAD_CPU, origin_port)]
        try:
            nginx = shutil.which("nginx") or "/usr/sbin/nginx"
            started.append(start([nginx, "-c", f"{folder}/nginx.conf", "-p", folder], PROXY_CPU, nginx_port))
            started.append(start([binary, "run", "-c", f"{folder}/holdfast.json"], PROXY_CPU, ours_port))
            peers = [{"name": "nginx", "port": nginx_port, "pid": started[1].pid},
                     {"name": "holdfast", "port": ours_port, "pid": started[2].pid}]
            return measure(options, peers)
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                process.wait(10)


def measure(options, peers):
    path = f"/bytes/{options.bytes}"
    for peer in peers:
        load(peer["port"], path, options.connections)
    rounds = []
    for number in range(options.rounds):
        row = {}
        for peer in peers if number % 2 == 0 else reversed(peers):
            row[peer["name"]] = slice_of(peer, path, options.connections)
        rounds.append(row)
        print(f"round {number + 1}/{options.rounds}: " + ", ".join(
            f"{name} {us:.2f} us/request ({requests} requests, {bad} errors)" for name, (us, requests, bad) in row.items()),
            flush=True)
    result = {"case": f"{options.bytes} B, {options.connections} connections", "peers": {}}
    for peer in peers:
        us = [row[peer["name"]][0] for row in rounds]
        ratios = [row[peer["name"]][0] / row["nginx"][0] for row in rounds]
        result["peers"][peer["name"]] = {
            "us_per_request": statistics.median(us), "ratio_to_nginx": quartiles(ratios),
            "requests_per_second": statistics.median(row[peer["name"]][1] for row in rounds),
            "errors": sum(row[peer["name"]][2] for row in rounds),
            "syscalls_per_request": syscalls_per_request(peer, path, options.connections),
            "bytes_per_idle_connection": idle_bytes(peer, options.idle) if options.idle else None}
    return result


def show(result):
    print(f"\n{result['case']}")
    print(f"{'':10} {'us/request':>11} {'to nginx [quartiles]':>24} {'requests/s':>11} {'syscalls':>9} {'B/idle conn':>12} {'errors':>7}")
    for name, row in result["peers"].items():
        low, middle, high = row["ratio_to_nginx"]
        calls = f"{row['syscalls_per_request']:.2f}" if row["syscalls_per_request"] else "-"
        idle = f"{row['bytes_per_idle_connection']:.0f}" if row["bytes_per_idle_connection"] is not None else "-"
        print(f"{name:10} {row['us_per_request']:11.2f} {middle:12.3f} [{low:.3f}-{high:.3f}] {row['requests_per_second']:11.0f} "
              f"{calls:>9} {idle:>12} {row['errors']:7}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bytes", type=int, default=128)
    parser.add_argument("--idle", type=int, default=5000, help="idle connections to hold for the memory figure; 0: skip it")
    parser.add_argument("--binary", default=str(ROOT / "build/release/holdfast"))
    parser.add_argument("--json", help="write the result here")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed; ./dev setup installs it")
    if (os.cpu_count() or 1) < 2:
        sys.exit("two processors are needed: one for the proxies, one for the load")
    result = run(options)
    show(result)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
