"""test_trailers.py: what stands behind a body is passed on to those that keep it, and what may not stand there is not.

SPDX-License-Identifier: Apache-2.0
"""
import time

import h2.events
import pytest
from configs import forward_all, proxy, service
from h2client import Client as H2Client
from h2_servers import NodeH2
from h2peer import Peer
from origin import answers, chunked, reply
from rawhttp import Client

TRAILERS = [("X-Sum", "1"), ("Content-Length", "9"), ("Set-Cookie", "evil=1"), ("Authorization", "no"), ("X-Forwarded-For", "1"),
            ("Server-Timing", "db;dur=5")]
KEPT = [("X-Sum", "1"), ("Server-Timing", "db;dur=5")]
ANNOUNCED = ("Trailer", "X-Sum, Server-Timing")


def no_op(origin, **keys):
    return proxy(origin, use_h2c=True, **keys)


def h2_client(make, gateway):
    made = H2Client(gateway.address)
    make.stack.callback(made.sock.close)
    return made


def test_a_client_that_keeps_trailers_gets_them(make):
    origin = make.origin(answers(chunked([b"hel", b"lo"], [ANNOUNCED], TRAILERS)))
    with Client(make.gateway(no_op(origin)).address) as client:
        response = client.get("/", [("TE", "trailers"), ("Connection", "TE")])
        assert (response.body, response.trailers) == (b"hello", KEPT)
        assert response.get("trailer") == ANNOUNCED[1]
        assert client.get("/", [("TE", "trailers")]).trailers == KEPT
    assert len(origin.connections) == 1, "the connection is kept behind trailers"
    assert all(request.get("te") == "trailers" for request in origin.requests)


@pytest.mark.parametrize("fields, version", [((), "1.1"), ((("TE", "gzip"),), "1.1"), ((("TE", "trailers"),), "1.0")])
def test_other_clients_do_not(make, fields, version):
    origin = make.origin(answers(chunked([b"hello"], [ANNOUNCED], TRAILERS)))
    with Client(make.gateway(no_op(origin)).address) as client:
        response = client.get("/", fields, version=version)
        assert (response.body, response.trailers, response.get("trailer")) == (b"hello", [], None)
    assert origin.last.get("te") is None


def test_trailers_behind_nothing(make):
    origin = make.origin(answers(chunked([], (), [("X-Sum", "0")])))
    with Client(make.gateway(no_op(origin)).address) as client:
        response = client.get("/", [("TE", "trailers")])
        assert (response.body, response.trailers) == (b"", [("X-Sum", "0")])


def test_http2_always_gets_them(make):
    origin = make.origin(answers(chunked([b"x" * 100000], [ANNOUNCED], TRAILERS)))
    client = h2_client(make, make.gateway(no_op(origin)))
    client.request(1, "/")
    assert client.body(1) == b"x" * 100000
    assert client.trailers(1) == [(name.lower(), value) for name, value in KEPT]
    assert dict(client.of(h2.events.ResponseReceived, 1)[0].headers)["trailer"] == ANNOUNCED[1]


def test_a_decoded_answer_has_none(make):
    origin = make.origin(answers(chunked([b"{}"], [ANNOUNCED, ("Content-Type", "application/json")], TRAILERS)))
    way = {"endpoint": "/", "backend": [{"host": [origin.url], "url_pattern": "/"}]}
    with Client(make.gateway(service([way])).address) as client:
        response = client.get("/", [("TE", "trailers")])
        assert (response.status, response.trailers, response.get("trailer")) == (200, [], None)
    assert origin.last.get("te") is None


def test_malformed_trailers_cut_the_answer(make):
    data = chunked([b"hello"]).replace(b"0\r\n\r\n", b"0\r\nno colon\r\n\r\n")
    with Client(make.gateway(no_op(make.origin(answers(data)))).address) as client:
        client.send_request("GET", "/", [("TE", "trailers")])
        told = client.read_to_end()
    assert told.startswith(b"HTTP/1.1 200 ") and told.endswith(b"5\r\nhello\r\n"), told


UPLOAD = ("Transfer-Encoding: chunked\r\nTrailer: X-Sum, X-Other\r\n\r\n5\r\nhello\r\n0\r\n"
          "X-Sum: 1\r\nContent-Length: 7\r\nAuthorization: no\r\nX-Other: 2\r\n\r\n")


@pytest.mark.parametrize("headers, passed, announced", [
    (["*"], [("X-Sum", "1"), ("X-Other", "2")], "X-Sum, X-Other"), (["X-Sum"], [("X-Sum", "1")], None), ([], [], None)])
def test_trailers_of_requests_pass_by_the_lists_of_the_endpoint(make, headers, passed, announced):
    origin = make.origin()
    gateway = make.gateway(service([forward_all(origin, input_headers=headers)]))
    with Client(gateway.address) as client:
        for _ in range(2):
            client.send("POST /up HTTP/1.1\r\nHost: a\r\n" + UPLOAD)
            assert client.read_final().status == 200
    for request in origin.requests:
        assert (request.body, request.trailers, request.get("trailer")) == (b"hello", passed, announced)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("announced", ["", "Trailer: X-Sum\r\n"])
def test_trailers_of_an_empty_request_are_passed(make, method, announced):
    """Also those that nothing announces; without any a GET has no body at all, and none is announced."""
    origin = make.origin()
    with Client(make.gateway(service([forward_all(origin, input_headers=["*"])])).address) as client:
        head = f"{method} /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{announced}\r\n"
        client.send(head + "0\r\nX-Sum: 0\r\n\r\n" + head + "0\r\n\r\n")
        assert [client.read_final().status for _ in range(2)] == [200, 200]
    first, second = origin.requests
    assert (first.body, first.trailers) == (b"", [("X-Sum", "0")])
    assert (second.body, second.trailers, second.get("trailer")) == (b"", [], None)
    assert (second.get("transfer-encoding") is None) == (method == "GET")


def test_trailers_of_a_request_over_http2(make):
    origin = make.origin()
    client = h2_client(make, make.gateway(no_op(origin)))
    client.request(1, "/up", "POST", b"hello", end=False)
    client.h2.send_headers(1, [("x-sum", "1"), ("cookie", "no")], end_stream=True)
    client.flush()
    assert client.status(1) == 200
    assert (origin.last.body, origin.last.trailers) == (b"hello", [("X-Sum", "1")])


def test_trailers_go_again_with_a_body_that_goes_again(make):
    """A kept connection dies under a PUT: the fresh one gets the body with what stands behind it."""
    def handler(conn, request):
        if conn.number == 0 and len(conn.origin.requests) > 1:
            conn.reset()
            return
        conn.body()
        conn.send(reply())

    origin = make.origin(handler)
    with Client(make.gateway(no_op(origin)).address) as client:
        assert client.get("/").status == 200
        client.send("PUT /up HTTP/1.1\r\nHost: a\r\n" + UPLOAD)
        assert client.read_final().status == 200
    assert (origin.last.body, origin.last.trailers) == (b"hello", [("X-Sum", "1"), ("X-Other", "2")])


@pytest.mark.skipif(NodeH2.missing is not None, reason=str(NodeH2.missing))
def test_trailers_of_a_host_that_speaks_http2(make, tmp_path):
    node = make.stack.enter_context(NodeH2(tmp_path / "node"))
    gateway = make.gateway(no_op(node, extra={"holdfast/upstream": {"protocol": "h2c"}}))
    with Client(gateway.address) as client:
        response = client.get("/trailers", [("TE", "trailers")])
        assert (response.body, response.trailers) == (b"with trailers", [("X-Sum", "1")])
        assert client.get("/trailers").trailers == []
    far = h2_client(make, gateway)
    far.request(1, "/trailers")
    assert (far.body(1), far.trailers(1)) == (b"with trailers", [("x-sum", "1")])
    asked = node.requests("/trailers")
    assert [request["headers"].get("te") for request in asked] == ["trailers", None, None]
    assert len(node.sessions()) == 1


def nothing_then_trailers(conn, event):
    """The answer says Content-Length: 0, and goes on (0: at once, 1: a while later, 2: without trailers)."""
    if not isinstance(event, h2.events.StreamEnded):
        return
    stream, how = event.stream_id, conn.requests[event.stream_id][":path"]
    conn.h2.send_headers(stream, [(":status", "200"), ("content-length", "0"), ("content-type", "application/grpc")])
    if how == "/later":
        conn.flush()
        time.sleep(0.2)
    if how == "/none":
        conn.h2.send_data(stream, b"", end_stream=True)
    else:
        conn.h2.send_headers(stream, [("grpc-status", "7"), ("x-sum", "0")], end_stream=True)


@pytest.fixture
def behind_a_peer(make):
    def start(handler=nothing_then_trailers):
        peer = make.stack.enter_context(Peer(handler))
        return peer, make.gateway(no_op(peer, extra={"holdfast/upstream": {"protocol": "h2c"}}))
    return start


@pytest.mark.parametrize("path", ["/now", "/later"])
def test_trailers_of_an_answer_whose_length_is_0(make, behind_a_peer, path):
    peer, gateway = behind_a_peer()
    far = h2_client(make, gateway)
    for stream in (1, 3):
        far.request(stream, path)
        assert (far.body(stream), far.trailers(stream)) == (b"", [("grpc-status", "7"), ("x-sum", "0")])
    with Client(gateway.address) as client:
        response = client.get(path, [("TE", "trailers")])
        assert (response.body, response.trailers) == (b"", [("Grpc-Status", "7"), ("X-Sum", "0")])
        assert (client.get(path).body, client.get(path).trailers) == (b"", [])
    assert len(peer.conns) == 1 and not peer.conns[0].of(h2.events.StreamReset)


def test_an_answer_whose_length_is_0_and_that_ends_late_has_no_trailers(make, behind_a_peer):
    peer, gateway = behind_a_peer()
    far = h2_client(make, gateway)
    far.request(1, "/none")
    assert (far.status(1), far.body(1), far.trailers(1)) == (200, b"", [])
    with Client(gateway.address) as client:
        assert [client.get("/none").body for _ in range(2)] == [b""] * 2
    assert len(peer.conns) == 1 and not peer.conns[0].of(h2.events.StreamReset)


@pytest.mark.parametrize("body, length", [(None, "0"), (b"hello", "5")])
@pytest.mark.parametrize("late", [False, True])
def test_trailers_of_a_request_that_says_its_length(make, behind_a_peer, body, length, late):
    def handler(conn, event):
        if isinstance(event, h2.events.StreamEnded):
            conn.answer(event.stream_id)

    peer, gateway = behind_a_peer(handler)
    far = h2_client(make, gateway)
    far.request(1, "/up", "POST", body, [("content-length", length), ("te", "trailers")], end=False)
    if late:
        time.sleep(0.2)
    far.h2.send_headers(1, [("x-sum", "1"), ("cookie", "no")], end_stream=True)
    far.flush()
    assert far.status(1) == 200
    conn = peer.conns[0]
    assert b"".join(event.data for event in conn.of(h2.events.DataReceived)) == (body or b"")
    assert [event.headers for event in conn.of(h2.events.TrailersReceived)] == [[("x-sum", "1")]]


def test_a_host_of_http1_gets_no_trailers_behind_a_length(make):
    origin = make.origin()
    far = h2_client(make, make.gateway(no_op(origin)))
    for stream, body, length in ((1, b"hello", "5"), (3, None, "0")):
        far.request(stream, "/up", "POST", body, [("content-length", length)], end=False)
        far.h2.send_headers(stream, [("x-sum", "1")], end_stream=True)
        far.flush()
        assert far.status(stream) == 200
    first, second = origin.requests
    assert (first.body, first.get("content-length"), first.trailers) == (b"hello", "5", [])
    assert (second.body, second.trailers) == (b"", [("X-Sum", "1")]), "in chunks"
