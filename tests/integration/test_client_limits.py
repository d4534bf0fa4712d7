"""test_client_limits.py: deadlines and limits on the client side. SPDX-License-Identifier: Apache-2.0"""
import re
import time

import pytest
from configs import proxy
from rawhttp import BadAnswer, Client, Cut, fetch
from waiting import Stopwatch


def ends_with_408_or_silently(client):
    """Before an answer is begun, a deadline ends in 408 or in a plain close."""
    try:
        assert client.read_response().status == 408
    except Cut:
        return
    assert client.ended()


@pytest.mark.parametrize("settings", [{"read_header_timeout": "400ms"}, {"read_timeout": "400ms"}])
def test_a_head_that_does_not_come_to_its_end(make, settings):
    client = make.client(make.gateway(proxy(make.origin(), **settings)))
    watch = Stopwatch()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n")
    ends_with_408_or_silently(client)
    assert 0.2 < watch.seconds < 4


def test_a_trickling_head_has_no_more_time(make):
    client = make.client(make.gateway(proxy(make.origin(), read_header_timeout="600ms")))
    watch = Stopwatch()
    with pytest.raises((Cut, ConnectionError, BadAnswer)):
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 10_000:
            client.send(bytes([byte]))
            if client.sock.gettimeout() and not client.silent(0.05):
                client.read_response()
                raise Cut("answered, as by a 408")
    assert watch.seconds < 5


def test_an_idle_connection_is_closed_without_a_word(make):
    client = make.client(make.gateway(proxy(make.origin(), idle_timeout="500ms")))
    assert client.get().status == 200
    watch = Stopwatch()
    assert client.ended(5)
    assert watch.seconds > 0.3


def test_a_new_connection_without_a_byte_is_closed(make):
    client = make.client(make.gateway(proxy(make.origin(), read_header_timeout="500ms", idle_timeout="500ms")))
    assert client.ended(5)


def test_what_is_promised_is_kept(make):
    """Keep-Alive: timeout=T says T or less, and the connection is still good after T."""
    client = make.client(make.gateway(proxy(make.origin(), idle_timeout="3s")))
    promise = client.get().get("keep-alive", "")
    seconds = int(re.match(r"timeout=(\d+)", promise)[1])
    assert 1 <= seconds <= 3
    time.sleep(seconds)
    assert client.get().status == 200


def test_a_body_that_stops_is_given_up(make):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream, {"body_gap_timeout": "400ms"}, timeout="20s")))
    watch = Stopwatch()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello")
    ends_with_408_or_silently(client)
    assert 0.2 < watch.seconds < 5
    assert upstream.requests == [] or upstream.requests[0].body is None


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_the_limit(make, framing):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, {"max_body_bytes": 1000}))
    with Client(running.address) as client:
        if framing == "length":
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + b"a" * 1001)
        else:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(b"3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n")
        assert client.read_response().status == 413
        assert client.ended()
    assert fetch(running.address, "/", "POST", body=b"a" * 1000).status == 200
    assert [request.body is not None for request in upstream.requests].count(True) == 1


def test_the_head_limit_has_krakends_slack(make):
    """max_header_bytes plus 4096 bytes."""
    running = make.gateway(proxy(make.origin(), max_header_bytes=8192))
    assert fetch(running.address, fields=[("X-A", "a" * 8000)]).status == 200
    assert fetch(running.address, fields=[("X-A", "a" * 20_000)]).status == 431


def test_a_tiny_head_limit_does_not_refuse_small_requests(make):
    assert fetch(make.gateway(proxy(make.origin(), max_header_bytes=1)).address).status == 200
