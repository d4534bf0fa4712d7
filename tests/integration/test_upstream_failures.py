"""test_upstream_failures.py: origins that refuse, die, stall or talk nonsense: a clear status, a log line, never a hang.

`error_status` krakend gives 500 where KrakenD does; precise names the cause: 502, or 504 when time ran out.
SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest
from configs import backend, endpoint, forward_all, proxy, service
from origin import answers_ok, by_path, reply
from rawhttp import Cut, fetch
from servers import free_port, full_listener
from waiting import Stopwatch, eventually


def closes(conn, _):
    conn.body()
    conn.close()


def resets(conn, _):
    conn.body()
    conn.reset()


def stalls(conn, _):
    conn.body()
    conn.wait_end(10)


def says(raw, then="close"):
    def handler(conn, _):
        conn.body()
        conn.send(raw)
        getattr(conn, then)()
    return handler


HEAD = b"HTTP/1.1 200 OK\r\n"

# name: (handler, status under "precise"); all are 500 under "krakend".
BEFORE_THE_ANSWER = {
    "closes": (closes, 502),
    "resets": (resets, 502),
    "stalls": (stalls, 504),
    "stalls after 100": (says(b"HTTP/1.1 100 Continue\r\n\r\n", "wait_end"), 504),
    "closes after 100": (says(b"HTTP/1.1 100 Continue\r\n\r\n"), 502),
    "half a status line": (says(b"HTTP/1."), 502),
    "half a head": (says(HEAD + b"Content-Le"), 502),
    "stalls in the head": (says(HEAD + b"Content-Le", "wait_end"), 504),
    "no HTTP": (says(b"<html>hello</html>"), 502),
    "binary": (says(bytes(range(256)) * 4), 502),
    "TLS alert": (says(b"\x15\x03\x01\x00\x02\x02\x28"), 502),
    "SSH": (says(b"SSH-2.0-OpenSSH_9.2\r\n", "wait_end"), 502),
    "HTTP/2 settings": (says(b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18, "wait_end"), (502, 504)),  # no line end: may wait
    "bad length": (says(HEAD + b"Content-Length: 5x\r\n\r\nhello"), 502),
    "negative length": (says(HEAD + b"Content-Length: -1\r\n\r\n"), 502),
    "no colon": (says(HEAD + b"Foo\r\nContent-Length: 0\r\n\r\n"), 502),
    "NUL": (says(HEAD + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n"), 502),
    "status 2000": (says(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"), 502),
    "101 unasked": (says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "wait_end"), 502),
    "a head without end": (says(HEAD + b"X-A: " + b"a" * 20_000_000), 502),
}


class Front:
    """Both error styles, with streamed (/noop) and decoded (/json) endpoints, in front of one faulty origin."""

    def __init__(self, make):
        self.origin = make.origin()
        self.gateways = {}
        for style in ("krakend", "precise"):
            endpoints = [endpoint("/json", backend(self.origin, "/x")), forward_all(self.origin)]
            self.gateways[style] = make.gateway(service(endpoints, {"error_status": style}, timeout="800ms"))


@pytest.fixture(scope="module")
def front(shared):
    return Front(shared)


@pytest.mark.parametrize("style", ["krakend", "precise"])
@pytest.mark.parametrize("name", BEFORE_THE_ANSWER)
def test_failure_before_the_answer(front, name, style):
    handler, precise = BEFORE_THE_ANSWER[name]
    running = front.gateways[style]
    for method, target in (("GET", "/x"), ("POST", "/x"), ("GET", "/json")):
        front.origin.handler = handler
        told = len(running.out), len(running.err)
        watch = Stopwatch()
        response = fetch(running.address, target, method, body=b"hi" if method == "POST" else None)
        allowed = precise if isinstance(precise, tuple) else (precise,)
        assert response.status in (allowed if style == "precise" else (500,)), (method, target)
        assert watch.awake < 4
        assert response.body == b"" or style == "precise"
        assert response.get("x-krakend-completed") == "false"
        eventually(lambda: any("ERROR" in line.upper() for line in running.out[told[0]:] + running.err[told[1]:]),
                   what="a line in the log")
        front.origin.handler = answers_ok
        assert fetch(running.address, "/ok").body == b"OK", "the next request must not suffer"


CUTS = {
    "length": says(HEAD + b"Content-Length: 10\r\n\r\nhello"),
    "length, reset": says(HEAD + b"Content-Length: 10\r\n\r\nhello", "reset"),
    "chunked": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    "chunked, mid-chunk": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\na\r\nhello"),
    "bad chunk": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", "wait_end"),
    "stalls": says(HEAD + b"Content-Length: 10\r\n\r\nhello", "wait_end"),
    "stalls, chunked": says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "wait_end"),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_streamed_body_that_breaks_off_is_visibly_incomplete(front, name):
    running = front.gateways["precise"]
    front.origin.handler = CUTS[name]
    watch = Stopwatch()
    try:
        assert fetch(running.address).status >= 500, "a complete response"
    except Cut:
        pass
    assert watch.awake < 4
    broken = front.origin.last.conn
    front.origin.handler = answers_ok
    assert fetch(running.address).body == b"OK"
    eventually(lambda: broken.sock.fileno() == -1, what="the broken connection closed")


@pytest.mark.parametrize("name", CUTS)
def test_a_decoded_body_that_breaks_off_is_an_error(front, name):
    running = front.gateways["precise"]
    front.origin.handler = CUTS[name]
    assert fetch(running.address, "/json").status == (504 if name.startswith("stalls") else 502)


@pytest.mark.parametrize("style, allowed", [("krakend", (500,)), ("precise", (502, 503))])
def test_nobody_listens(make, style, allowed):
    running = make.gateway(proxy(f"http://127.0.0.1:{free_port()}", {"error_status": style}))
    client = make.client(running)
    for method in ("GET", "POST"):
        assert client.request(method, "/", body=b"hi").status in allowed
    assert client.silent(), "the client's connection is not to blame"


@pytest.mark.parametrize("style, allowed", [("krakend", (500,)), ("precise", (502, 503, 504))])
def test_a_name_that_does_not_resolve(make, style, allowed):
    running = make.gateway(proxy("http://no-such-host.invalid:80", {"error_status": style}, timeout="3s"))
    assert fetch(running.address).status in allowed


def test_an_origin_comes_back(make):
    port = free_port()
    running = make.gateway(proxy(f"http://127.0.0.1:{port}"))
    assert fetch(running.address).status in (502, 503)
    make.origin(answers_ok, ("127.0.0.1", port))
    assert fetch(running.address).body == b"OK"


def test_an_origin_whose_accept_queue_is_full(make):
    """Connecting takes for ever: the endpoint's deadline, or dialer_timeout, ends it."""
    with full_listener() as url:
        for setting in ({"timeout": "700ms"}, {"timeout": "20s", "dialer_timeout": "700ms"}):
            running, watch = make.gateway(proxy(url, **setting)), Stopwatch()
            assert fetch(running.address).status in (502, 503, 504)
            assert watch.between(0.5, 5), watch


class TestTimeouts:
    def test_the_endpoint_deadline(self, make):
        upstream = make.origin(stalls)
        config = service([forward_all(upstream, "/slow/*", timeout="300ms"), forward_all(upstream)], timeout="3s")
        running = make.gateway(config)
        for target, least, most in (("/slow/x", 0.25, 2.8), ("/x", 2.8, 8)):
            watch = Stopwatch()
            assert fetch(running.address, target).status == 500
            assert watch.between(least, most), (target, watch)
        eventually(lambda: not upstream.open_connections(), what="the upstream connections closed")

    def test_the_response_header_timeout(self, make):
        upstream = make.origin(by_path({"/slow": stalls}))
        client = make.client(make.gateway(proxy(upstream, timeout="20s", response_header_timeout="300ms")))
        watch = Stopwatch()
        assert client.get("/slow").status == 504
        assert watch.between(0.25, 4), watch
        assert client.get("/fast").status == 200

    def test_a_slow_body_is_no_slow_header(self, make):
        def slow_body(conn, _):
            conn.send(HEAD + b"Content-Length: 10\r\n\r\n")
            for _ in range(10):
                time.sleep(0.06)
                conn.send(b"x")

        running = make.gateway(proxy(make.origin(slow_body), timeout="20s", response_header_timeout="300ms"))
        assert fetch(running.address).body == b"x" * 10

    def test_the_deadline_covers_the_streamed_body(self, make):
        def endless(conn, _):
            conn.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
            while True:
                conn.send(b"x" * 10)
                time.sleep(0.02)

        upstream = make.origin(endless)
        watch = Stopwatch()
        with pytest.raises(Cut):
            fetch(make.gateway(proxy(upstream, timeout="500ms")).address)
        assert watch.between(0.4, 4), watch


def test_after_all_faults_nothing_is_left_open(front):
    """Descriptors come back to where a healthy gateway has them."""
    running = front.gateways["precise"]
    front.origin.handler = answers_ok
    fetch(running.address)
    eventually(lambda: len(front.origin.open_connections()) <= 2, what="idle connections only")
    eventually(lambda: running.open_descriptors() < 40, what="few descriptors")
    assert fetch(running.address, "/x").body == b"OK"


def test_a_long_reason_phrase_and_odd_but_legal_heads_pass(front):
    running = front.gateways["precise"]
    for raw in (reply(status="200 "), reply(status="200 " + "r" * 500), reply(fields=[("X-A", "a" * 8000)]),
                reply(fields=[("x-lower", "1"), ("X-Empty", "")])):
        front.origin.handler = says(raw)
        assert fetch(running.address).body == b"OK"
