"""demo.py: the word `demo [--once]`: builds, starts `holdfast run --demo`, sends the requests of REQUESTS over connections
that stay open, prints the answers and how often upstream connections were reused, and leaves the gateway running.

SPDX-License-Identifier: Apache-2.0"""

import http.client
import json
import re
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable

import build
from common import BUILD, ROOT, Failed, environment, say, stop_group

GATEWAY = ("127.0.0.1", 8080)
ADMIN = ("127.0.0.1", 9901)


def is_object(body, **members):
    """Whether the body is a JSON object that has these members."""
    found = json.loads(body)
    return isinstance(found, dict) and all(found.get(name) == value for name, value in members.items())


@dataclass
class Request:
    target: str
    shows: str
    right: Callable[[bytes], bool]
    status: int = 200
    method: str = "GET"
    body: bytes = None


UPLOAD = b"kept " * 4000

# What the embedded example answers; its configuration is in src/cli/demo.c. Change both together.
REQUESTS = (
    Request("/__health", "the gateway itself", lambda body: is_object(body, status="ok")),
    Request("/hello", "streamed through, as it came (no-op)", lambda body: len(body) == 128),
    Request("/api/items/7", "JSON decoded and written again", lambda body: is_object(body, id=7) and b"7.50" in body),
    Request("/files/chunked/1000", "a subtree proxied", lambda body: len(body) == 1000),
    Request("/files/echo", "a body both ways", lambda body: body == UPLOAD, method="POST", body=UPLOAD),
    Request("/nowhere", "no such endpoint", lambda body: True, status=404),
)
CONNECTIONS = 2
ROUNDS = 50
READY_LIMIT_S = 15
ACCESS_LOG = BUILD / "demo.log"


def check_ports_are_free():
    for address in (GATEWAY, ADMIN):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as err:
                raise Failed(f"the demo needs port {address[1]}: {err.strerror}; what holds it: ss -ltnp") from None


class Gateway:
    """The running program; its stderr goes to ours, its access log to a file, and the `ready:` line is waited for."""

    def __init__(self):
        self.ready = threading.Event()
        with open(ACCESS_LOG, "wb") as log:
            self.process = subprocess.Popen([str(BUILD / "release/holdfast"), "run", "--demo"], cwd=ROOT,
                                            env=environment(), stdout=log, stderr=subprocess.PIPE,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        self.reader = threading.Thread(target=self.pass_on, daemon=True)
        self.reader.start()

    def pass_on(self):
        for line in self.process.stderr:
            text = line.decode(errors="backslashreplace").rstrip("\n")
            say(f"    {text}")
            if text.startswith("ready:"):
                self.ready.set()

    def wait_ready(self):
        deadline = time.monotonic() + READY_LIMIT_S
        while not self.ready.wait(0.05):
            if self.process.poll() is not None:
                self.reader.join(1)
                raise Failed(f"the gateway ended with code {self.process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise Failed(f"no ready: line within {READY_LIMIT_S} s")

    def stop(self):
        """SIGTERM, as an operator would. Returns the exit code."""
        if self.process.poll() is None:
            stop_group(self.process, grace_s=10)
        return self.process.returncode


def ask(connection, request):
    """Sends one request and returns what is wrong with the answer ("" when nothing is), and the answer."""
    connection.request(request.method, request.target, body=request.body, headers={"Host": f"{GATEWAY[0]}:{GATEWAY[1]}"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != request.status:
        return f"status {answer.status}, expected {request.status}", answer, body
    try:
        right = request.right(body)
    except ValueError:
        right = False
    return "" if right else "not the body that was expected", answer, body


def show(request, answer, body):
    text = body.decode("latin-1")
    say(f"\n{request.method} {request.target}    ({request.shows})")
    say(f"  HTTP/1.1 {answer.status} {answer.reason}")
    for name, value in answer.getheaders():
        say(f"  {name}: {value}")
    say("  " + (text[:200] + (" ..." if len(text) > 200 else "")).strip())


def send_requests():
    """All requests, ROUNDS times, over CONNECTIONS connections. Returns what went wrong, as lines for people."""
    wrong = []
    for number in range(CONNECTIONS):
        connection = http.client.HTTPConnection(*GATEWAY, timeout=10)
        connection.connect()
        ours = connection.sock.getsockname()
        for turn in range(ROUNDS):
            for request in REQUESTS:
                problem, answer, body = ask(connection, request)
                if number == 0 and turn == 0:
                    show(request, answer, body)
                if problem:
                    wrong.append(f"{request.method} {request.target}: {problem}")
                if connection.sock is None or connection.sock.getsockname() != ours:
                    wrong.append(f"{request.method} {request.target}: the connection did not stay open")
                    connection.close()
                    connection.connect()
                    ours = connection.sock.getsockname()
        connection.close()
    return wrong


def upstream_requests(metrics):
    """Requests to upstream hosts by kind of connection ("reused", "new", "shared"), from the text of /metrics."""
    counts = {}
    for labels, value in re.findall(r"^holdfast_upstream_requests_total\{([^}]*)\}\s+(\S+)", metrics, flags=re.M):
        conn = re.search(r'\bconn="([^"]*)"', labels)
        if conn:
            counts[conn.group(1)] = counts.get(conn.group(1), 0) + int(float(value))
    return counts


def show_reuse():
    """Prints the reuse ratio as the admin listener tells it. Returns what is wrong."""
    try:
        connection = http.client.HTTPConnection(*ADMIN, timeout=5)
        connection.request("GET", "/metrics")
        counts = upstream_requests(connection.getresponse().read().decode())
        connection.close()
    except (OSError, http.client.HTTPException) as err:
        return [f"http://{ADMIN[0]}:{ADMIN[1]}/metrics: {err}"]
    total = sum(counts.values())
    if not total:
        return ["/metrics names no upstream request"]
    again = total - counts.get("new", 0)
    say(f"upstream: {total} requests over {counts.get('new', 0)} new connections: {100 * again / total:.1f} % reused")
    return []


def run_requests():
    try:
        wrong = send_requests()
    except (OSError, http.client.HTTPException) as err:
        wrong = [f"the gateway did not answer: {err!r}"]
    sent = CONNECTIONS * ROUNDS * len(REQUESTS)
    say(f"\nclient side: {sent} requests over {CONNECTIONS} connections, {sent - len(wrong)} answered as expected")
    return wrong + show_reuse()


def demo(arguments):
    """The word `demo`. Returns the exit code: 0 when all answers were right."""
    if arguments not in ([], ["--once"]):
        raise Failed("usage: ./dev demo [--once]")
    build.build("release")
    check_ports_are_free()
    gateway = Gateway()
    try:
        gateway.wait_ready()
        wrong = run_requests()
        for line in list(dict.fromkeys(wrong))[:10]:
            say(f"WRONG: {line}")
        if not arguments:
            say(f"\nrunning: http://{GATEWAY[0]}:{GATEWAY[1]}/hello   live page: http://{ADMIN[0]}:{ADMIN[1]}/"
                f"   access log: {ACCESS_LOG.relative_to(ROOT)}   Ctrl-C ends it")
            gateway.process.wait()
    except KeyboardInterrupt:
        say()
        wrong = []
    finally:
        code = gateway.stop()
    if code not in (0, None):
        wrong.append(f"the gateway ended with code {code}")
        say(f"WRONG: {wrong[-1]}")
    return 1 if wrong else 0
