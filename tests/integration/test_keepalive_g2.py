"""test_keepalive_g2.py: framing and smuggling, items 21 to 48 of the keep-alive test matrix (G.2), HTTP/1 ones.

Every refusal closes the client connection and nothing complete reaches the origin; every malformed upstream answer ends its
upstream connection. SPDX-License-Identifier: Apache-2.0
"""
import pytest
from configs import proxy
from origin import Origin, answers, answers_ok, by_path, chunked, reply
from rawhttp import Client, Cut, fetch
from waiting import eventually


class Front:
    """One gateway for the file. Its origin's handler is replaced by tests; connections are counted from `mark`."""

    def __init__(self, make):
        self.origin = make.origin()
        self.gateway = make.gateway(proxy(self.origin, max_header_bytes=16384))
        self.mark = 0

    def fresh(self, handler=answers_ok):
        """A client, with an origin that has nothing pooled and nothing recorded."""
        self.origin.handler = answers(reply(b"", fields=[("Connection", "close")]))
        while self.origin.open_connections():
            fetch(self.gateway.address, "/drain")
        self.origin.requests.clear()
        self.mark = len(self.origin.connections)
        self.origin.handler = handler
        return Client(self.gateway.address)

    @property
    def connections(self):
        return self.origin.connections[self.mark:]

    def complete(self):
        return [request for request in self.origin.requests if request.body is not None]

    def unspoiled(self):
        """What is open has got nothing: a dial that nobody needs any more is kept for the next request (G.9 167)."""
        left = self.origin.open_connections()
        return len(left) <= 1 and not any(conn.received for conn in left)


@pytest.fixture(scope="module")
def front(shared):
    return Front(shared)


@pytest.fixture
def tainted(make):
    """One of its own for a test whose origin sends what nobody asked for: such a host is in quarantine afterwards."""
    return Front(make)


POST = "POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n"
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSED_HEADS = {
    "21 CL and TE": CHUNKED + "Content-Length: 4\r\n\r\n0\r\n\r\n",
    "21 TE after CL": POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "22 CL list of equals": POST + "Content-Length: 4, 4\r\n\r\nabcd",
    "22 two equal CL": POST + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "23 two CL": POST + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "24 +4": POST + "Content-Length: +4\r\n\r\nabcd",
    "24 -1": POST + "Content-Length: -1\r\n\r\nabcd",
    "24 4_0": POST + "Content-Length:  4_0\r\n\r\nabcd",
    "24 0x4": POST + "Content-Length: 0x4\r\n\r\nabcd",
    "24 2^64": POST + "Content-Length: 18446744073709551616\r\n\r\nabcd",
    "25 chunked, identity": POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "25 xchunked": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "25 chunked twice": POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "26 TE in HTTP/1.0": "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "27 space before the colon": POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "28 fold": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
    "29 bare LF": "GET / HTTP/1.1\nHost: a\n\n",
    "29 bare LF behind a field": "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n",
    "30 bare CR": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n",
    "30 NUL": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n",
    "31 nine empty lines": "\r\n" * 9 + "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "32 no Host": "GET / HTTP/1.1\r\n\r\n",
    "32 two Hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "32 invalid Host": "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED_HEADS)
def test_refused_head(front, name):
    with front.fresh() as client:
        client.send(REFUSED_HEADS[name] + SMUGGLED)
        allowed = (400, 501) if name.startswith(("25", "26")) else (400,)
        assert client.read_response().status in allowed
        assert client.ended()
    assert front.complete() == []


def test_31_one_empty_line_before_the_request_line(front):
    with front.fresh() as client:
        client.send("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 200


def test_33_the_authority_of_an_absolute_target_wins(front):
    with front.fresh() as client:
        client.send("GET http://right.test/p?q=1 HTTP/1.1\r\nHost: wrong.test\r\n\r\n")
        assert client.read_response().status == 200
    request = front.origin.last
    assert request.target == "/p?q=1"
    assert request.get("x-forwarded-host") == "right.test"
    assert b"wrong.test" not in request.raw_head


@pytest.mark.parametrize("line, fine", [("5;ext=a", True), ("5;" + "e" * 65536, False), ("5 ", False)])
def test_34_chunk_extensions(front, line, fine):
    with front.fresh() as client:
        client.send(CHUNKED + f"\r\n{line}\r\nhello\r\n0\r\n\r\n")
        response = client.read_response()
        assert (response.status == 200) if fine else (400 <= response.status < 500 and client.ended())
    if fine:
        assert front.origin.last.body == b"hello"
    else:
        assert front.complete() == []


BROKEN_BODIES = {
    "size overflows": "10000000000000000\r\nhello",
    "no CRLF behind the data": "5\r\nhelloXX0\r\n\r\n",
    "no size": "\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_35_broken_chunked_bodies(front, name):
    with front.fresh() as client:
        client.send(CHUNKED + "\r\n" + BROKEN_BODIES[name] + SMUGGLED)
        assert client.read_response().status == 400
        assert client.ended()
    assert front.complete() == []
    eventually(front.unspoiled, what="the connection that had a part of the request closed")


@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_35_the_connection_that_had_a_part_of_a_broken_body_is_closed(front, name):
    with front.fresh() as client:
        client.send(CHUNKED + "\r\n3\r\nabc\r\n")
        eventually(lambda: any(b"abc" in conn.received for conn in front.connections), what="the first chunk at the origin")
        client.send(BROKEN_BODIES[name] + SMUGGLED)
        assert client.read_response().status == 400
        assert client.ended()
    assert front.complete() == []
    eventually(lambda: not front.origin.open_connections(), what="the upstream connection closed")


@pytest.mark.parametrize("body", ["5\r\nhello\r\n0\r\n", "5\r\nhello\r\n", "5\r\nhe"])
def test_35_a_body_that_ends_too_early(front, body):
    with front.fresh() as client:
        client.send(CHUNKED + "\r\n" + body)
        client.half_close()
        try:
            assert client.read_response().status in (400, 408)
        except Cut:
            pass
    assert front.complete() == []
    eventually(front.unspoiled, what="the connection that had a part of the request closed")


def test_36_framing_fields_in_trailers_go_nowhere(front):
    trailers = "Content-Length: 3\r\nHost: evil\r\nTransfer-Encoding: gzip\r\nX-Sum: 1\r\n"
    with front.fresh() as client:
        client.send(CHUNKED + f"\r\n5\r\nhello\r\n0\r\n{trailers}\r\n")
        assert client.read_response().status == 200
        assert client.get("/next").status == 200
    request = front.origin.requests[0]
    assert request.body == b"hello"
    assert b"evil" not in request.raw_head and b"gzip" not in request.raw_head.split(b"\r\n", 1)[0]
    assert not {name.lower() for name, _ in request.trailers} & {"content-length", "host", "transfer-encoding"}


def test_37_upstream_length_and_coding_together(front):
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    with front.fresh(answers(raw)) as client:
        response = client.get()
    assert (response.status, response.body) == (200, b"hello") or response.status == 502
    eventually(lambda: not front.origin.open_connections(), what="the upstream connection closed")


def test_38_two_different_lengths_from_the_upstream(front):
    with front.fresh(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello")) as client:
        assert client.get().status == 502
    eventually(lambda: not front.origin.open_connections(), what="the upstream connection closed")


def test_39_an_upstream_coding_that_is_not_chunked(front):
    def handler(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello")
        conn.close()
    with front.fresh(handler) as client:
        try:
            assert client.get().status in (200, 502)
        except Cut:
            pass
    assert fetch(front.gateway.address, "/next").status in (200, 502)
    assert len(front.connections) == 2


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                                 b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"])
def test_40_a_cut_upstream_body_is_seen_as_cut(front, raw):
    def handler(conn, _):
        conn.send(raw)
        conn.close()
    with front.fresh(handler) as client:
        with pytest.raises(Cut):
            assert client.get().status >= 500, "complete, and not an error"
            raise Cut("an error status says it too")


def test_41_surplus_bytes_reach_nobody(tainted):
    evil = reply(b"EVIL", fields=[("X-Evil", "1")])
    with tainted.fresh(by_path({"/surplus": answers(reply(b"hello") + evil)})) as client:
        assert client.get("/surplus").body == b"hello"
        assert client.get("/next").body == b"OK"
    assert len(tainted.connections) == 2
    assert tainted.connections[0].ended.wait(5)


def test_42_head_has_no_body_and_the_connection_is_reused(front):
    with front.fresh(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")) as client:
        response = client.request("HEAD", "/")
        assert (response.get("content-length"), response.body) == ("100", b"")
        front.origin.handler = answers_ok
        assert client.get().body == b"OK"
    assert len(front.connections) == 1


BODIES_WHERE_NONE_IS_DUE = {
    "42 HEAD": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"),
    "43 204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"),
    "43 304": ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"),
}


@pytest.mark.parametrize("name", BODIES_WHERE_NONE_IS_DUE)
def test_bodies_where_none_is_due(tainted, name):
    method, raw = BODIES_WHERE_NONE_IS_DUE[name]
    with tainted.fresh(by_path({"/x": answers(raw)})) as client:
        assert b"EVIL" not in client.request(method, "/x").body
        assert client.get("/next").body == b"OK"
    assert len(tainted.connections) == 2
    assert tainted.connections[0].ended.wait(5)


def test_44_205_with_an_empty_chunked_body(front):
    with front.fresh(answers(chunked([], status="205 Reset Content"))) as client:
        for _ in range(2):
            response = client.get()
            assert (response.status, response.body) == (205, b"")
    assert len(front.connections) == 1


def test_45_an_upstream_without_framing(front):
    def handler(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        conn.send(b"world")
        conn.close()
    with front.fresh(handler) as client:
        for _ in range(2):
            response = client.get()
            assert (response.status, response.framing, response.body) == (200, "chunked", b"helloworld")
    assert len(front.connections) == 2


@pytest.mark.parametrize("head", ["X-A: " + "a" * 65536, "\r\n".join(f"X-{n}: {'a' * 100}" for n in range(600))],
                         ids=["one field", "many fields"])
def test_48_a_head_over_the_limit(front, head):
    with front.fresh() as client:
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n")
        assert client.read_response().status == 431
        assert client.ended()
    assert front.origin.requests == []


def test_the_file_ends_with_a_healthy_gateway(front):
    assert isinstance(front.origin, Origin)
    with front.fresh() as client:
        assert [client.get().status for _ in range(3)] == [200] * 3
    assert len(front.connections) == 1
