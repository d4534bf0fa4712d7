"""test_transport_bounds.py: what zero and negative values of KrakenD's transport settings mean, and what holds when they are not given: no
limit in most places, the default in some, and off in others (docs/configuration.md). Each through a running gateway. That a dial without
a limit ends with the system's patience, and who races whom, is in tests/sim/test_sim_dial.c.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest
from configs import proxy
from crowd import Gate, at_once
from foreign_sockets import keep_alive_seconds, tcp_options
from origin import answers_ok, by_path, reply
from rawhttp import fetch

SLOW_SECONDS = 0.4


def slow(conn, _):
    time.sleep(SLOW_SECONDS)
    conn.send(reply())


@pytest.mark.parametrize("value, seconds", [(None, 15), ("0s", 15), ("40s", 40), ("-1s", None), ("-1h", None)])
def test_dialer_keep_alive(make, value, seconds):
    """Seconds until the first probe; None: there is none."""
    upstream = make.origin()
    running = make.gateway(proxy(upstream, **({} if value is None else {"dialer_keep_alive": value})))
    assert fetch(running.address).status == 200
    assert keep_alive_seconds(running.pid, upstream.address[1]) == [seconds]


@pytest.mark.parametrize("traffic", ["stream", "tunnel"])
@pytest.mark.parametrize("root, own, probes", [
    ({}, {}, (60, 10, 6)), ({"dialer_keep_alive": "0s"}, {}, (60, 10, 6)), ({"dialer_keep_alive": "40s"}, {}, (40, 40, 9)),
    ({}, {"tcp_keep_alive_interval": "3s", "tcp_keep_alive_count": 2}, (60, 3, 2)),
], ids=["none", "zero", "given", "own"])
def test_what_lasts_is_probed_after_a_minute(make, traffic, root, own, probes):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, extra={"holdfast/upstream": {"class": traffic, **own}}, **root))
    assert fetch(running.address).status == 200
    (told,) = tcp_options(running.pid, upstream.address[1])
    assert (told["idle"], told["interval"], told["count"]) == probes


@pytest.mark.parametrize("key", ["max_idle_connections", "max_idle_connections_per_host"])
@pytest.mark.parametrize("value, kept", [(None, 8), (0, 8), (3, 3), (-1, 0), (-250, 0)])
def test_idle_caps(make, key, value, kept):
    upstream = make.origin(Gate(8))
    running = make.gateway(proxy(upstream, **({} if value is None else {key: value})))
    assert [response.status for response in at_once(running.address, 8)] == [200] * 8
    upstream.wait_open(kept)


@pytest.mark.parametrize("key", ["response_header_timeout", "dialer_timeout", "expect_continue_timeout", "dialer_fallback_delay"])
@pytest.mark.parametrize("value", ["0s", "-1s", "0", 0])
def test_zero_and_less_are_no_time_limit(make, key, value):
    """An answer that takes its time comes; a connection is made."""
    upstream = make.origin(slow)
    running = make.gateway(proxy(upstream, timeout="20s", **{key: value}))
    assert fetch(running.address).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("value", [None, "0s", "-1s"])
def test_idle_connection_timeout_of_zero_and_less_closes_nothing_soon(make, value):
    """It becomes the learned limit; never has to be asked for by name."""
    upstream = make.origin(answers_ok)
    running = make.gateway(proxy(upstream, **({} if value is None else {"idle_connection_timeout": value})))
    assert fetch(running.address).status == 200
    time.sleep(0.5)
    assert fetch(running.address).status == 200
    assert len(upstream.connections) == 1 and len(upstream.open_connections()) == 1


@pytest.mark.parametrize("value", ["0s", "-1s"])
def test_expect_continue_timeout_of_zero_and_less_sends_the_body_at_once(make, value):
    """The origin never says 100; the client is told by the gateway."""
    upstream = make.origin(by_path({"/": lambda conn, request: conn.send(reply(conn.body()))}))
    running = make.gateway(proxy(upstream, timeout="20s", expect_continue_timeout=value))
    client = make.client(running)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert client.read_response().status == 100
    client.send("hello")
    assert client.read_response().body == b"hello"


@pytest.mark.parametrize("given, connections", [({}, 1), ({"disable_keep_alives": False}, 1), ({"disable_keep_alives": True}, 3)])
def test_disable_keep_alives(make, given, connections):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, **given))
    assert [fetch(running.address).status for _ in range(3)] == [200] * 3
    assert len(upstream.connections) == connections
