"""test_multiplexed_clients.py: clients and servers of HTTP/2 and gRPC that people use, beside those of test_http2.py: Go's
(net/http over TLS, golang.org/x/net without it), Go's gRPC, Chromium with its WebSocket. SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest
from admin import ADMIN, metrics
from configs import backend, endpoint, forward_all, service
from origin import reply
from rawhttp import fetch
from test_websocket_clients import needs_python, python_server
from tls_front import tls_block

PROGRAMS = pathlib.Path(__file__).parent / "multiplexed"
GO = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}


def build_go(folder, name, package):
    """The program, built from Debian's packages of Go's libraries; without them the test is skipped."""
    if not shutil.which("go"):
        pytest.skip("left out: golang-go is not installed")
    if not os.path.isdir(f"/usr/share/gocode/src/{package}"):
        pytest.skip(f"left out: the Debian package of {package} is not installed")
    program = folder / name
    if not program.exists():
        done = subprocess.run(["go", "build", "-o", program, PROGRAMS / f"{name}.go"], env=GO, capture_output=True, text=True,
                              timeout=220, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    """go("h2", ...): the program, built once."""
    folder = tmp_path_factory.mktemp("go")
    return lambda name, package: build_go(folder, name, package)


def begin(make, *command):
    """A child that prints its port."""
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    make.stack.callback(child.stdout.close)
    make.stack.callback(child.wait)
    make.stack.callback(child.kill)
    return int(child.stdout.readline())


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=50, check=False).stdout


def front(make, certificate, endpoints, **root):
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(certificate)}]
    return make.gateway(service(endpoints, {"listeners": listeners}, ADMIN, use_h2c=True, **root))


@pytest.mark.heavy  # the first run compiles Go's standard library
@pytest.mark.parametrize("secure", [False, True], ids=["x/net, h2c", "net/http, TLS"])
def test_go_on_both_sides(make, go, authority, certificate, secure):
    program = go("h2", "golang.org/x/net/http2")
    port = begin(make, program, "server", *([certificate.certificate, certificate.key] if secure else []))
    url = f"{'https' if secure else 'http'}://localhost:{port}"
    way = forward_all(url, timeout="20s")
    way["backend"][0]["extra_config"] = {"holdfast/upstream": {"protocol": "h2" if secure else "h2c"}}
    running = front(make, certificate, [way], client_tls={"ca_certs": [str(authority.certificate)], "min_version": "TLS12"})
    scheme = "https" if secure else "http"
    assert run(program, "client", f"{scheme}://127.0.0.1:{running.addresses[1 if secure else 0][1]}") == "done\n"
    assert fetch(running.addresses[0], "/ended").body == b"1 HTTP/2.0"
    numbers = metrics(running)
    assert numbers["holdfast_http2_streams_total"] == 42
    if not secure:  # net/http makes one connection for each request of a cold burst
        assert numbers["holdfast_http2_connections_total"] == 1
    opened = sum(number for name, number in numbers.items() if name.startswith("holdfast_upstream_connections_opened_total"))
    assert opened <= 2, "uploads that fill the window of one connection may have a second"


@pytest.mark.heavy
def test_grpc_of_go_on_both_sides(make, go, certificate):
    program = go("grpc", "google.golang.org/grpc")
    upstream = {"class": "stream", "protocol": "h2c"}
    way = endpoint("/a.Go/*", backend(f"http://127.0.0.1:{begin(make, program, 'server')}", "/a.Go/*", encoding="no-op",
                                      extra_config={"holdfast/upstream": upstream}),
                   method="POST", output_encoding="no-op", timeout="10s", input_headers=["*"])
    running = front(make, certificate, [way])
    assert run(program, "client", f"127.0.0.1:{running.addresses[0][1]}") == "done\n"
    assert metrics(running)["holdfast_http2_connections_total"] == 1


@needs_python
def test_chromium(make, certificate, tmp_path):
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not browser:
        pytest.skip("left out: no Chromium is installed")
    results, arrived = [], threading.Event()

    def take(conn, request):
        if request.path == "/hang":
            conn.wait_end()
            return
        body = conn.body()
        conn.send(reply(b"thanks" if request.path == "/done" else body))
        if request.path == "/done":
            results.append(json.loads(body))
            arrived.set()

    page = endpoint("/page", extra_config={"holdfast/answer": {"body": (PROGRAMS / "page.html").read_text(encoding="utf-8"),
                                                               "headers": {"Content-Type": "text/html"}}})
    with python_server(compression="deflate") as port:
        tunnel = forward_all(f"http://127.0.0.1:{port}", "/ws", "/ws", method="GET")
        tunnel["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "tunnel"}}
        running = front(make, certificate, [page, tunnel, forward_all(make.origin(take))])
        log = tmp_path / "browser.log"
        with log.open("wb") as output:
            child = subprocess.Popen([browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run",
                                      "--disable-background-networking", "--disable-quic", "--ignore-certificate-errors",
                                      f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0",
                                      f"https://localhost:{running.addresses[1][1]}/page"],
                                     stdout=output, stderr=output, start_new_session=True)
            try:
                assert arrived.wait(50), log.read_text(errors="replace")[-2000:]
            finally:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        told = results[0]
        assert told["wrong"] == [] and told["protocols"] == ["h2"] and told["messages"] == 5
        assert "permessage-deflate" in told["extensions"]
        numbers = metrics(running)
        assert numbers["holdfast_http2_connections_total"] >= 1
        assert numbers["holdfast_tunnel_closes_total{by=\"client\",code=\"4xxx\"}"] == 1
