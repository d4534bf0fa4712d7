"""test_proxying.py: pass-through endpoints: methods, bodies, framings and trailers arrive as they were sent.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import itertools
import posixpath
import random
import threading
from urllib.parse import unquote

import pytest
from configs import backend, endpoint, forward_all, proxy, service
from crowd import in_threads
from origin import answers, answers_ok, by_path, chunked, reply
from rawhttp import Client, fetch

SIZES = [0, 1, 127, 2048, 2049, 65535, 65536, 65537, 1_000_003]
BODIES = {size: random.Random(size).randbytes(size) for size in SIZES}


def echo(conn, request):
    conn.send(reply(conn.body(), fields=[("X-Method", request.method), ("Content-Type", "application/octet-stream")]))


@pytest.fixture(scope="module")
def echoing(shared):
    """The address of a proxy in front of an origin that answers with the request's body."""
    return shared.gateway(proxy(shared.origin(echo))).address


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("size", SIZES)
def test_bodies_with_a_length_come_back_unchanged(echoing, method, size):
    response = fetch(echoing, "/x", method, body=BODIES[size])
    assert (response.status, response.get("x-method")) == (200, method)
    assert response.body == BODIES[size]


@pytest.mark.parametrize("size", SIZES)
def test_chunked_bodies_come_back_unchanged(echoing, size):
    body = BODIES[size]
    steps = itertools.cycle([1, 7, 100, 4096, 70000])
    with Client(echoing) as client:
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        at = 0
        while at < size:
            part = body[at:at + next(steps)]
            client.send(b"%x\r\n%s\r\n" % (len(part), part))
            at += len(part)
        client.send("0\r\n\r\n")
        assert client.read_response().body == body
        assert client.get("/next").status == 200


def test_a_request_in_single_bytes(echoing):
    with Client(echoing) as client:
        for byte in b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n":
            client.send(bytes([byte]))
        assert client.read_response().body == b"hello"


FRAMINGS = {
    "length": lambda body: (reply(body), False),
    "chunked": lambda body: (chunked([body[:10], body[10:]] if len(body) > 10 else [body] if body else []), False),
    "close": lambda body: (b"HTTP/1.1 200 OK\r\n\r\n" + body, True),
    "http/1.0 close": lambda body: (b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\n" + body, True),
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_framing_of_the_upstream(make, framing):
    def handler(conn, request):
        raw, ends = FRAMINGS[framing](BODIES[int(request.path[1:])])
        conn.send(raw)
        if ends:
            conn.close()

    client = make.client(make.gateway(proxy(make.origin(handler))))
    for size in SIZES:
        response = client.get(f"/{size}")
        assert (response.status, response.body) == (200, BODIES[size]), size
    if framing == "length":
        assert response.framing == "length"


def test_an_answer_in_single_bytes(make):
    def handler(conn, _):
        for byte in chunked([b"hel", b"lo"], fields=[("X-A", "1")], trailers=[("X-T", "1")]):
            conn.send(bytes([byte]))

    client = make.client(make.gateway(proxy(make.origin(handler))))
    for _ in range(2):
        response = client.get()
        assert (response.status, response.get("x-a"), response.body) == (200, "1", b"hello")


def test_the_first_bytes_arrive_before_the_last_are_made(make):
    """Streaming: no body is held until it is complete, in either direction, but small ones (test_first_flight.py)."""
    got_first, go_on = threading.Event(), threading.Event()

    def handler(conn, request):
        if request.method == "POST":
            while len(conn.buffer) < 20_000:
                conn._more()
            got_first.set()
            conn.body()
            conn.send(reply())
            return
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert go_on.wait(10)
        conn.send(b"4\r\nlast\r\n0\r\n\r\n")

    client = make.client(make.gateway(proxy(make.origin(handler), timeout="20s")))
    client.send_request("GET", "/")
    client.read_head()
    assert client._until(b"first\r\n").endswith(b"first\r\n")
    go_on.set()
    assert client._until(b"0\r\n\r\n")
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" + b"a" * 20_000)
    assert got_first.wait(10), "the body's first half was held back"
    client.send(b"a" * 20_000)
    assert client.read_response().status == 200


def test_head_through_any_method(make):
    upstream = make.origin(answers(reply(b"", fields=[("X-A", "1")]).replace(b"Length: 0", b"Length: 1234")))
    client = make.client(make.gateway(proxy(upstream)))
    for _ in range(2):
        response = client.request("HEAD", "/x")
        assert (response.status, response.get("content-length"), response.get("x-a")) == (200, "1234", "1")
    assert [request.method for request in upstream.requests] == ["HEAD", "HEAD"]
    assert len(upstream.connections) == 1


def test_any_token_is_a_method(make):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream)))
    for method in ("OPTIONS", "PROPFIND", "X-TEST", "REPORT"):
        assert client.request(method, "/x").status == 200
        assert upstream.last.method == method


def test_options_asterisk_is_answered_or_forwarded(make):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream)))
    assert client.request("OPTIONS", "*").status == 200
    assert all(request.target in ("*", "/*") for request in upstream.requests)


@pytest.mark.parametrize("status", ["201 Created", "404 Not Found", "418 I'm a teapot", "500 Oops", "599 Odd"])
def test_status_headers_and_body_pass(make, status):
    fields = [("X-A", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "text/x-test")]
    client = make.client(make.gateway(proxy(make.origin(answers(reply(b"body", status, fields))))))
    response = client.get()
    assert (response.status, response.body) == (int(status[:3]), b"body")
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert (response.get("x-a"), response.get("content-type")) == ("1", "text/x-test")


@pytest.mark.parametrize("raw", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"])
def test_answers_without_a_body(make, raw):
    upstream = make.origin(answers(raw))
    client = make.client(make.gateway(proxy(upstream)))
    for _ in range(3):
        assert client.get().status == int(raw[9:12])
    assert len(upstream.connections) == 1


def test_trailers_of_an_answer_do_not_become_headers(make):
    """KrakenD drops them; passing them on as trailers is fine too."""
    trailers = [("X-Sum", "1"), ("Content-Length", "9"), ("Set-Cookie", "evil=1")]
    client = make.client(make.gateway(proxy(make.origin(answers(chunked([b"hello"], trailers=trailers))))))
    response = client.get()
    assert response.body == b"hello"
    assert response.get("x-sum") is None and response.all("set-cookie") == []
    assert {name.lower() for name, _ in response.trailers} <= {"x-sum", "set-cookie"}
    assert client.get().status == 200


def test_hop_by_hop_fields_of_an_answer_stay_behind(make):
    fields = [("Connection", "X-Hop"), ("X-Hop", "1"), ("Keep-Alive", "timeout=77"), ("Proxy-Authenticate", "Basic"),
              ("X-End", "2")]
    client = make.client(make.gateway(proxy(make.origin(answers(reply(fields=fields))))))
    response = client.get()
    assert response.get("x-hop") is None and response.get("x-end") == "2"
    assert "timeout=77" not in response.get("keep-alive", "")


def test_date_is_added_once(make):
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    handlers = by_path({"/with": answers(reply(fields=[("Date", date)]))})
    client = make.client(make.gateway(proxy(make.origin(handlers))))
    assert client.get("/with").get("date") == date
    assert client.get("/without").get("date", "").endswith("GMT")


@pytest.mark.parametrize("target", ["/", "/a/b?c=d&c=e&b=", "/a%20b/%C3%A9?x=%2F", "/a//b/", "/a;v=1/b,c?q", "/x.y/..z",
                                    "/very/" + "long/" * 600])
def test_the_rest_of_the_path_passes_as_it_came(make, target):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream)))
    assert client.get(target).status == 200
    assert upstream.last.target == target


def test_a_subtree_with_its_own_prefix(make):
    upstream, other = make.origin(), make.origin(answers(reply(b"other")))
    config = service([forward_all(upstream, "/api/*", "/v1/*"), forward_all(other)])
    client = make.client(make.gateway(config))
    assert client.get("/api/users/7?q=1").body == b"OK"
    assert upstream.last.target == "/v1/users/7?q=1"
    assert client.get("/apix").body == b"other"


CLIMBING = ["/api/../secret", "/api/%2e%2e/secret", "/api/a/..%2f..%2fsecret", "/api/..", "/api/%2E./x",
            "/api//../../secret"]


@pytest.mark.parametrize("target", CLIMBING)
def test_dot_segments_do_not_leave_the_subtree(make, target):
    """A redirect, a refusal or a cleaned path are all fine."""
    upstream = make.origin()
    response = make.client(make.gateway(service([forward_all(upstream, "/api/*", "/v1/*")]))).get(target)
    assert response.status in (200, 301, 400, 404)
    for request in upstream.requests:
        assert posixpath.normpath(unquote(request.path)).startswith("/v1")


def test_a_fixed_path_wins_over_a_subtree(make):
    upstream = make.origin()
    config = service([forward_all(upstream),
                      endpoint("/fixed", backend(upstream, "/there", encoding="no-op"), output_encoding="no-op")])
    client = make.client(make.gateway(config))
    assert client.get("/fixed").status == client.get("/fixed/x").status == 200
    assert [request.target for request in upstream.requests] == ["/there", "/fixed/x"]


def test_an_answer_without_a_backend(make):
    answer = {"status": 418, "headers": {"X-Kind": "teapot", "Content-Type": "text/x-tea"}, "body": "short and stout"}
    config = service([{"endpoint": "/tea", "extra_config": {"holdfast/answer": answer}}])
    client = make.client(make.gateway(config))
    for _ in range(2):
        response = client.get("/tea")
        assert (response.status, response.body, response.get("x-kind")) == (418, b"short and stout", "teapot")
        assert response.get("content-type") == "text/x-tea"
    assert client.get("/other").status == 404


def test_no_op_says_completed_false(make):
    upstream = make.origin()
    config = service([endpoint("/a", backend(upstream, encoding="no-op"), output_encoding="no-op", cache_ttl="60s")])
    response = make.client(make.gateway(config)).get("/a")
    assert response.get("x-krakend", "").startswith("Version ")
    assert response.get("x-krakend-completed") == "false"
    assert response.get("cache-control") is None


def test_gzip_that_the_gateway_asked_for_is_undone(make):
    """Whether it asks is its own affair; the client, who did not ask, gets plain bytes."""
    packed = gzip.compress(b"hello hello hello")

    def handler(conn, request):
        asked = "gzip" in request.get("accept-encoding", "")
        conn.send(reply(packed, fields=[("Content-Encoding", "gzip")]) if asked else reply(b"hello hello hello"))

    config = service([endpoint("/a", backend(make.origin(handler), encoding="no-op"), output_encoding="no-op")])
    response = make.client(make.gateway(config)).get("/a")
    assert (response.body, response.get("content-encoding")) == (b"hello hello hello", None)


def test_many_clients_at_once_get_their_own_answers(make):
    def handler(conn, request):
        conn.send(reply(request.target.encode() * 50))

    address = make.gateway(proxy(make.origin(handler), {"workers": 2})).address

    def run(number):
        targets = [f"/{number}/{turn}" for turn in range(30)]
        with Client(address) as client:
            return [target for target in targets if client.get(target).body != target.encode() * 50]

    assert in_threads(run, range(16)) == [[]] * 16


def test_answers_ok_is_what_other_tests_rely_on(make):
    assert fetch(make.gateway(proxy(make.origin(answers_ok))).address).body == b"OK"


@pytest.mark.parametrize("body, kind", [(b"plain words", "text/plain; charset=utf-8"), (b"<html>x", "text/html; charset=utf-8"),
                                        (b"\x89PNG\r\n\x1a\nxxxx", "image/png"), (b"", None)])
def test_a_body_without_a_type_gets_the_one_go_would_sniff(make, body, kind):
    def typeless(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if body:
            conn.send(b"%x\r\n" % len(body) + body + b"\r\n")
        conn.send(b"0\r\n\r\n")

    upstream = make.origin(typeless)
    whole = make.gateway(proxy(upstream))
    single = make.gateway({"version": 3, "endpoints": [{
        "endpoint": "/x", "output_encoding": "no-op",
        "backend": [{"host": [upstream.url], "url_pattern": "/x", "encoding": "no-op"}]}]})
    answer = make.client(single).get("/x")
    assert (answer.body, answer.get("content-type")) == (body, kind)
    assert make.client(whole).get("/x").get("content-type") is None  # a plain proxy passes answers as they are
