"""test_keepalive_g1.py: persistence basics, items 1 to 20 of the keep-alive test matrix (G.1), one test for each number.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest
from configs import proxy
from origin import answers, chunked, reply
from rawhttp import Client, Cut
from waiting import eventually


@pytest.fixture
def front(make):
    """(origin, client): a client on a plain reverse proxy."""
    def build(handler=None, server=None, **root):
        upstream = make.origin(handler) if handler else make.origin()
        running = make.gateway(proxy(upstream, server, **root))
        return upstream, make.client(running)
    return build


def closes_after(client, response):
    """The response says so on HTTP/1.1, and the connection ends in order."""
    return (response.says_close or response.fields == []) and client.ended()


def test_01_two_requests_on_one_connection(front):
    upstream, client = front()
    for _ in range(2):
        response = client.get()
        assert (response.status, response.body, response.says_close) == (200, b"OK", False)
    assert client.silent()
    assert len(upstream.connections) == 1


def test_02_close_is_answered_by_close_and_the_end_lingers(front):
    _, client = front()
    response = client.get(fields=[("Connection", "close")])
    assert response.status == 200 and response.says_close
    assert client.ended()
    # Bytes that cross the close must not turn into a reset: the end lingers.
    client.send("GET /late HTTP/1.1\r\n")
    time.sleep(0.1)
    assert client.sock.recv(100) == b""


def test_03_http_1_0_closes_and_is_never_chunked(front):
    _, client = front(answers(chunked([b"hello", b"world"])))
    response = client.get(version="1.0")
    assert response.status == 200 and response.body == b"helloworld"
    assert response.framing != "chunked" and not response.trailers
    assert response.framing == "close" or client.ended()


def test_04_http_1_0_keep_alive_with_a_length(front):
    upstream, client = front()
    for _ in range(2):
        response = client.get(version="1.0", fields=[("Connection", "keep-alive")])
        assert response.status == 200 and response.framing == "length"
        assert "keep-alive" in response.tokens("connection")
    assert len(upstream.requests) == 2


def test_05_http_1_0_keep_alive_without_a_length(front):
    _, client = front(answers(chunked([b"hello", b"world"])))
    response = client.get(version="1.0", fields=[("Connection", "keep-alive")])
    assert response.body == b"helloworld"
    assert response.framing in ("length", "close")
    if response.framing == "close":
        assert "keep-alive" not in response.tokens("connection")


def test_06_close_wins_over_keep_alive(front):
    _, client = front()
    response = client.get(version="1.0", fields=[("Connection", "keep-alive, close")])
    assert response.status == 200 and "keep-alive" not in response.tokens("connection")
    assert client.ended()


def test_07_keep_alive_token_on_http_1_1_changes_nothing(front):
    _, client = front()
    for _ in range(2):
        assert client.get(fields=[("Connection", "Keep-Alive")]).status == 200
    assert client.silent()


@pytest.mark.parametrize("value", ["not-closed", "closed", "close-d", "xclose"])
def test_08_only_the_whole_token_closes(front, value):
    _, client = front()
    assert not client.get(fields=[("Connection", value)]).says_close
    assert client.get().status == 200


def test_09_odd_list_syntax_is_understood(front):
    upstream, client = front()
    response = client.get(fields=[("CONNECTION", " foo ,, CLOSE  ,bar"), ("Foo", "1"), ("Bar", "2"), ("Baz", "3")])
    assert closes_after(client, response)
    assert not {"foo", "bar"} & upstream.last.names()
    assert upstream.last.get("baz") == "3"


def test_10_close_in_the_second_line(front):
    _, client = front()
    response = client.get(fields=[("Connection", "x-a"), ("Accept", "*/*"), ("Connection", "close")])
    assert closes_after(client, response)


def test_11_fields_named_in_connection_are_not_forwarded(front):
    upstream, client = front()
    client.get(fields=[("Connection", "X-Secret"), ("X-Secret", "1"), ("X-Open", "2")])
    assert "x-secret" not in upstream.last.names()
    assert upstream.last.get("x-open") == "2"


def test_12_framing_and_routing_fields_cannot_be_named_in_connection(front):
    upstream, client = front()
    fields = [("Connection", "Host, Content-Length, Authorization"), ("Authorization", "Basic eDp5")]
    response = client.request("POST", "/", fields, b"hello")
    assert response.status == 400
    assert client.ended()
    assert upstream.requests == []


def test_13_proxy_connection_is_ignored_and_not_forwarded(front):
    upstream, client = front()
    response = client.get(version="1.0", fields=[("Proxy-Connection", "keep-alive")])
    assert response.status == 200 and client.ended()
    assert "proxy-connection" not in upstream.last.names()


def test_14_the_clients_keep_alive_field_is_not_forwarded(front):
    upstream, client = front()
    client.get(fields=[("Connection", "keep-alive"), ("Keep-Alive", "timeout=5, max=7")])
    assert "timeout=5" not in (upstream.last.get("keep-alive") or "")


@pytest.mark.parametrize("emits", [True, False])
def test_15_the_upstreams_keep_alive_field_is_not_forwarded(front, emits):
    hint = [("Connection", "keep-alive"), ("Keep-Alive", "timeout=20, max=100"), ("X-End", "1")]
    _, client = front(answers(reply(b"OK", fields=hint)), {"keep_alive_header": emits})
    response = client.get()
    value = response.get("keep-alive", "")
    assert response.get("x-end") == "1"
    assert "max=100" not in value and "timeout=20," not in value
    assert value.startswith("timeout=") if emits else value == ""


def test_16_a_higher_minor_version_is_served_as_1_1(front):
    upstream, client = front()
    response = client.get(version="1.2")
    assert (response.status, response.version) == (200, "1.1")
    assert upstream.last.version == "1.1"


@pytest.mark.parametrize("raw", ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_17_http_2_on_a_plain_http_1_port_is_refused(front, raw):
    upstream, client = front()
    client.send(raw)
    try:
        assert client.read_response().status in (400, 505)
    except Cut:
        pass
    else:
        assert client.ended()
    assert upstream.requests == []


@pytest.mark.parametrize("fields, reusable", [([("Connection", "keep-alive")], True), ([], False)])
def test_18_an_http_1_0_upstream_is_reused_only_with_keep_alive(front, fields, reusable):
    upstream, client = front(answers(reply(b"OK", version="1.0", fields=fields)))
    assert [client.get().status for _ in range(3)] == [200] * 3
    assert len(upstream.connections) == (1 if reusable else 3)
    if not reusable:
        eventually(lambda: not upstream.open_connections(), what="the gateway closing its connections")


def test_19_an_upstream_that_says_close_is_not_pooled(front):
    upstream, client = front(answers(reply(b"OK", fields=[("Connection", "close")])))
    for count in (1, 2):
        response = client.get()
        assert (response.status, response.body, response.says_close) == (200, b"OK", False)
        assert len(upstream.connections) == count
        eventually(lambda: not upstream.open_connections(), what="the gateway closing its connection")


def test_20_the_last_allowed_request_is_told_and_later_ones_are_not_eaten(front):
    upstream, client = front(server={"max_requests_per_connection": 3})
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
    responses = []
    while not responses or not responses[-1].says_close:
        responses.append(client.read_response())
    assert len(responses) == 3
    assert client.ended()
    assert len(upstream.requests) == 3


def test_20_without_a_limit_a_connection_serves_a_thousand(front):
    upstream, client = front()
    for _ in range(1001):
        assert client.get().status == 200
    assert len(upstream.connections) == 1


def test_clients_keep_their_connection_when_another_one_closes(front):
    upstream, first = front()
    second = Client(first.sock.getpeername())
    assert first.get().status == second.get().status == 200
    second.close()
    assert first.get().status == 200
    assert len(upstream.connections) <= 2
