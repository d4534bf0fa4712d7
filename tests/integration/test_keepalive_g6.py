"""test_keepalive_g6.py: G.6, HTTP/2, the numbers that no other file has: 110, 111, 125, 127, and 46 and 47 of G.2. The others: 112 to 118 and 123 in
test_upstream_h2.py, 119 to 122 and 124 in tests/unit/http, 126 in test_http2.py, 128 to 130 in test_websocket_http2.py.

SPDX-License-Identifier: Apache-2.0
"""
import h2.events
import pytest
from admin import ADMIN, metrics
from configs import forward_all, proxy, service
from h2_servers import NodeH2
from h2client import Client
from origin import reply
from rawhttp import fetch
from tls_origin import TlsOrigin
from waiting import eventually

PROTOCOL_ERROR = 1


@pytest.fixture
def front(make):
    def start(handler=None, **root):
        origin = make.origin(handler) if handler else make.origin()
        running = make.gateway(service([forward_all(origin)], None, ADMIN, use_h2c=True, **root))
        client = Client(running.addresses[0])
        make.stack.callback(client.sock.close)
        client.h2.config.validate_outbound_headers = client.h2.config.normalize_outbound_headers = False
        client.poll()
        return running, client, origin
    return start


def test_46_a_length_that_is_not_kept_ends_the_stream_and_nothing_of_it_is_complete(front):
    """Too little and too much; the host never has a whole request of it, and its connection is not used again for others."""
    bodies = []

    def takes(conn, _):
        bodies.append(conn.body())
        conn.send(reply(b"OK"))

    running, client, _ = front(takes)
    for stream, length in ((1, 10), (3, 2)):
        client.request(stream, method="POST", body=b"short", fields=[("content-length", str(length))])
        assert client.wait(h2.events.StreamReset, stream)[0].error_code == PROTOCOL_ERROR
        assert not client.of(h2.events.ResponseReceived, stream)
    client.request(5, method="POST", body=b"whole", fields=[("content-length", "5")])
    assert client.status(5) == 200
    assert bodies == [b"whole"]
    assert not client.of(h2.events.ConnectionTerminated)
    assert metrics(running)['holdfast_http2_resets_total{code="PROTOCOL_ERROR"}'] == 2


@pytest.mark.parametrize("asked", [
    {"fields": [("x-a", "b\r\nX-Evil: 1")]}, {"fields": [("x-a", "b\nc")]}, {"fields": [("x-a", "b\0c")]}, {"fields": [("X-Upper", "1")]},
    {"fields": [("x a", "1")]}, {"path": "/a b"}, {"path": "/a\r\nX-Evil: 1"}, {"method": "GET /evil HTTP/1.1\r\nX:"}], ids=str)
def test_47_what_would_mean_something_in_http_1_does_not_get_there(front, asked):
    running, client, origin = front()
    client.request(1, **asked)
    eventually(lambda: client.poll() or client.of(h2.events.StreamReset, 1) or client.of(h2.events.ResponseReceived, 1))
    if client.of(h2.events.ResponseReceived, 1):
        assert client.status(1) == 400
    else:
        assert client.of(h2.events.StreamReset, 1)[0].error_code == PROTOCOL_ERROR
    assert origin.requests == []
    client.request(3)
    assert client.status(3) == 200
    assert len(origin.requests) == 1 and not origin.last.get("X-Evil")
    assert metrics(running)["holdfast_http2_streams_total"] >= 2


@pytest.mark.parametrize("field", [("connection", "close"), ("keep-alive", "timeout=5"), ("proxy-connection", "close"),
                                   ("upgrade", "h2c"), ("te", "gzip"), ("transfer-encoding", "chunked")])
def test_110_fields_of_a_connection_are_malformed(front, field):
    running, client, origin = front()
    client.request(1, fields=[field])
    assert client.wait(h2.events.StreamReset, 1)[0].error_code == PROTOCOL_ERROR
    client.request(3, fields=[("te", "trailers")])
    assert client.status(3) == 200
    assert len(origin.requests) == 1
    assert metrics(running)['holdfast_http2_resets_total{code="PROTOCOL_ERROR"}'] == 1


def test_111_fields_of_a_connection_stay_behind(front):
    fields = [("Connection", "X-Named, keep-alive"), ("Keep-Alive", "timeout=5"), ("X-Named", "1"), ("Upgrade", "h2c"),
              ("Proxy-Connection", "keep-alive"), ("X-Kept", "1")]
    _, client, _ = front(lambda conn, _: conn.send(reply(b"OK", fields=fields)))
    client.request(1)
    assert client.body(1) == b"OK"
    seen = {name for name, _ in client.of(h2.events.ResponseReceived, 1)[0].headers}
    assert "x-kept" in seen
    assert not {"connection", "keep-alive", "x-named", "upgrade", "proxy-connection", "transfer-encoding"} & seen


def test_125_ten_thousand_resets(front):
    running, client, origin = front()
    for number in range(10_000):
        stream = 2 * number + 1
        client.h2.send_headers(stream, [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/")],
                               end_stream=True)
        client.h2.reset_stream(stream, 8)
        if number % 200 == 199:
            try:
                client.flush()
                client.poll(0)
            except OSError:
                break
        if client.closed or client.of(h2.events.ConnectionTerminated):
            break
    assert number < 9_999
    assert len(origin.requests) <= 100
    eventually(lambda: metrics(running)["holdfast_http2_exhausted_total"] == 1, what="the budget is used up")
    eventually(lambda: metrics(running).get('holdfast_http2_goaways_total{code="ENHANCE_YOUR_CALM"}') == 1, what="it is told")


@pytest.mark.skipif(NodeH2.missing is not None, reason=str(NodeH2.missing))
def test_127_a_host_that_speaks_http_1_alone_after_a_restart(make, authority, certificate, tmp_path):
    before = NodeH2(tmp_path / "node", certificate=certificate)
    with before:
        extra = {**ADMIN, "holdfast/upstream": {"protocol": "auto"}}
        running = make.gateway(proxy(before, None, extra, client_tls={"ca_certs": [str(authority.certificate)],
                                                                      "min_version": "TLS12"}))
        assert [fetch(running.address, "/").status for _ in range(3)] == [200] * 3
        assert before.sessions() == [1]
    after = make.stack.enter_context(TlsOrigin(certificate, address=("127.0.0.1", before.port)))
    assert [fetch(running.address, "/").status for _ in range(3)] == [200] * 3
    assert len(after.requests) == 3
