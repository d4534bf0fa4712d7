"""test_first_flight.py: a request takes its connection when its first flight is here: the head and the whole of a small body, or
16 KiB of a longer one. Until then it holds none, whatever the client does. The rows are in tests/unit/gateway/test_first_flight.c.

SPDX-License-Identifier: Apache-2.0
"""
import time

import h2client
import pytest
from admin import ADMIN, connections, pool_of
from configs import backend, endpoint, forward_all, service
from origin import reply
from rawhttp import fetch
from waiting import Stopwatch, eventually

SMALL = 'POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{{"a":'
LONG = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
STALL_SECONDS = 0.5  # longer than any body is awaited that may be long
NONE = {"active": 0, "dialing": 0, "new": 1, "reused": 0, "idle": 1}


def echoes(conn, request):
    conn.send(reply(conn.body(), fields=[("Content-Type", "application/json")]))


def answers_early(conn, _):
    conn.send(reply())


def front(make, origin, upstream=None, server=None, **root):
    """With a connection in the pool."""
    endpoints = [forward_all(origin),
                 endpoint("/json", backend(origin), method="POST", output_encoding="json", input_headers=["*"])]
    config = service(endpoints, {"error_status": "precise", **(server or {})}, {**ADMIN, "holdfast/upstream": upstream or {}},
                     **{"timeout": "20s", "use_h2c": True, **root})
    running = make.gateway(config)
    assert fetch(running.address).status == 200
    eventually(lambda: pool_of(running)["idle"] == 1, what="a pooled connection")
    return running


def uses(running):
    pool = pool_of(running)
    return {name: pool[name] for name in NONE}


@pytest.mark.parametrize("path", ["/", "/json"])
def test_a_client_that_stalls_inside_a_small_body_holds_no_connection(make, path):
    upstream = make.origin(echoes)
    running = front(make, upstream)
    client = make.client(running)
    client.send(SMALL.format(path))
    time.sleep(STALL_SECONDS)
    assert uses(running) == NONE
    assert fetch(running.address, "/other").status == 200, "others may have the connection meanwhile"
    client.send("123")
    time.sleep(0.1)
    assert pool_of(running)["active"] == 0
    client.send("4}")
    assert client.read_response().body == b'{"a":1234}'
    assert (upstream.last.body, len(upstream.connections)) == (b'{"a":1234}', 1)
    assert pool_of(running)["reused"] == 2


def test_a_stream_of_http2_that_stalls_inside_a_small_body_holds_no_connection(make):
    upstream = make.origin(echoes)
    running = front(make, upstream)
    client = h2client.Client(running.address)
    client.request(1, "/", "POST", b"hello", [("content-length", "10")], end=False)
    client.request(3, "/beside")
    assert client.status(3) == 200
    time.sleep(STALL_SECONDS)
    assert uses(running) == {**NONE, "reused": 1}
    client.h2.send_data(1, b"world", end_stream=True)
    client.flush()
    assert (client.status(1), client.body(1)) == (200, b"helloworld")
    assert len(upstream.connections) == 1


def test_a_connection_that_ends_while_a_client_is_awaited_costs_nothing(make):
    """With `resend: off` a request that was written to it would be lost."""
    upstream = make.origin(echoes)
    running = front(make, upstream, {"resend": "off"})
    client = make.client(running)
    client.send(SMALL.format("/"))
    time.sleep(0.1)
    upstream.connections[0].close()
    eventually(lambda: pool_of(running)["idle"] == 0, what="its end seen")
    client.send("1234}")
    assert client.read_response().body == b'{"a":1234}'
    pool = pool_of(running)
    assert (pool["resends_by"], pool["closed_idle"], pool["new"], len(upstream.connections)) == ({}, 1, 2, 2)


@pytest.mark.parametrize("head, first", [(LONG, "x" * 16384), (CHUNKED, "10000\r\n" + "x" * 16384), (CHUNKED, "5\r\nhello\r\n0\r\n\r\n")],
                         ids=["length", "chunks", "small and whole"])
def test_what_is_longer_starts_with_its_first_flight(make, head, first):
    """However long the rest may be awaited."""
    upstream = make.origin(answers_early)
    running = front(make, upstream, {"first_flight_timeout": "1h"})
    client = make.client(running)
    client.send(head)
    time.sleep(0.1)
    assert uses(running) == NONE
    client.send(first)
    upstream.wait_requests(2)
    assert client.read_response().status == 200, "an early answer comes through"


@pytest.mark.parametrize("head, first", [(LONG, ""), (LONG, "x" * 100), (CHUNKED, ""), (CHUNKED, "5\r\nhello\r\n")],
                         ids=["length, nothing", "length", "chunks, nothing", "chunks"])
def test_what_may_be_long_is_not_awaited_for_long(make, head, first):
    upstream = make.origin(answers_early)
    running = front(make, upstream, {"first_flight_timeout": "600ms"})
    client = make.client(running)
    watch = Stopwatch()
    client.send(head + first)
    upstream.wait_requests(2)
    assert watch.seconds > 0.5, "the setting counts"
    assert client.read_response().status == 200


def test_nothing_is_awaited_where_the_configuration_says_so(make):
    """As KrakenD: the host sees the head at once."""
    upstream = make.origin(answers_early)
    running = front(make, upstream, {"first_flight": 0})
    client = make.client(running)
    client.send(SMALL.format("/"))
    upstream.wait_requests(2)
    assert client.read_response().status == 200


def test_a_client_that_leaves_before_its_body_is_here_was_no_use(make):
    upstream = make.origin()
    running = front(make, upstream)
    for end in ("reset", "half_close"):
        client = make.client(running)
        client.send(SMALL.format("/left"))
        eventually(lambda: any(row["state"] == "active" for row in connections(running, "?side=client")), what="its head was read")
        getattr(client, end)()
        running.wait_output(r'\| (499|400) \|.*"/left"')
    assert uses(running) == NONE
    assert upstream.connections[0].ended_at is None
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("server, timeout, status", [({"body_gap_timeout": "400ms"}, "20s", 408),
                                                     ({"body_gap_timeout": "1s", "min_body_rate": 1000}, "60s", 408),
                                                     ({}, "500ms", 504)])
def test_clocks_go_on_while_a_body_is_awaited(make, server, timeout, status):
    """The client's, and the endpoint's deadline, which is no failure of the host."""
    upstream = make.origin()
    running = front(make, upstream, server=server, timeout=timeout)
    client = make.client(running)
    client.send(SMALL.format("/").replace("10", "10000"))
    watch = Stopwatch()
    while client.silent(0.2) and watch.seconds < 20:
        if "min_body_rate" in server:
            client.send("a")
    assert client.read_response().status == status
    assert uses(running) == NONE
    assert len(upstream.requests) == 1
