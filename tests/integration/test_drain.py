"""test_drain.py: the end of a gateway that is in use: nobody's request fails, each connection is told once, and the limits
hold (G.0, and 162 of the keep-alive matrix). SPDX-License-Identifier: Apache-2.0"""
import asyncio
import signal
import socket
import threading
import time

import pytest
from configs import proxy, service
from crowd import Crowd
from gateway import binary_path
from origin import reply
from rawhttp import fetch
from waiting import Stopwatch, eventually

CLIENTS = 1000


def fixed(**server):
    """No backend: what is measured is the client side alone."""
    own = {"endpoint": "/", "extra_config": {"holdfast/answer": {"body": "fixed"}}}
    return service([own], server, {"router": {"disable_access_log": True}})


def drain_a_crowd(running, count, **keys):
    crowd = Crowd(running.address, count, **keys)
    asyncio.run(crowd.run(lambda: running.send_signal(signal.SIGTERM)))
    return crowd


@pytest.mark.parametrize("workers", [1, 2])
def test_a_thousand_active_clients_lose_nothing(make, note, workers):
    """The same with the sanitizers' binary: only the pace is slower there."""
    running = make.gateway(fixed(workers=workers, drain_window="6s", drain_limit="20s"), open_files=4096)
    crowd = drain_a_crowd(running, CLIENTS, pause=(0.2, 0.8))
    assert crowd.ends == {"told": CLIENTS}
    assert crowd.announcements == CLIENTS
    assert set(crowd.statuses) == {"200"}
    running.stop(None)
    note(f"drain of {CLIENTS}, {workers} workers, {binary_path().parent.name}",
         f"{crowd.answers} answers, told from {min(crowd.told_at):.1f} to {max(crowd.told_at):.1f} s")


def test_telling_is_spread_over_the_window(make):
    running = make.gateway(fixed(drain_window="8s", drain_limit="20s"), open_files=4096)
    crowd = drain_a_crowd(running, 200, pause=(0.05, 0.1))
    assert crowd.ends == {"told": 200}
    assert sum(at < 1.5 for at in crowd.told_at) < 100, "most were told at once"
    assert sum(at > 3 for at in crowd.told_at) > 40, "nobody was told late"
    running.stop(None)


def test_with_an_origin_too(make):
    running = make.gateway(proxy(make.origin(), {"drain_window": "3s", "drain_limit": "20s"}, timeout="10s"))
    crowd = drain_a_crowd(running, 50, pause=(0.1, 0.4))
    assert crowd.ends == {"told": 50} and set(crowd.statuses) == {"200"}
    running.stop(None)


def test_health_says_it(make):
    running = make.gateway(fixed(drain_window="4s", drain_limit="20s"), ["-d"])
    client, other = make.client(running), make.client(running)
    assert client.get("/__health").status == 200
    running.send_signal(signal.SIGTERM)
    eventually(lambda: fetch(running.address, "/__health").status == 503, what="health while draining")
    response = fetch(running.address, "/")
    assert response.status == 200 and response.says_close, "newcomers are served, once"
    response = eventually(lambda: last_of(client), what="a last answer")
    assert (response.status, client.ended()) == (503, True)
    assert other.ended(10), "a silent connection ends with the window"
    running.stop(None)


def last_of(client):
    response = client.get("/__health")
    return response if response.says_close else time.sleep(0.05)


def test_idle_connections_stay_until_the_window_ends(make):
    running = make.gateway(fixed(drain_window="2s", drain_limit="20s"))
    idle = [make.client(running) for _ in range(5)]
    assert [each.get().status for each in idle] == [200] * 5
    watch = Stopwatch()
    running.send_signal(signal.SIGTERM)
    assert all(each.ended(10) for each in idle)
    assert watch.seconds > 1.5
    running.stop(None)


def test_without_clients_it_ends_at_once(make):
    running = make.gateway(fixed(drain_window="30s", drain_limit="60s"))
    fetch(running.address)
    watch = Stopwatch()
    running.stop()
    assert watch.awake < 10


def test_162_a_request_that_is_shorter_than_the_window_is_not_waited_for_any_longer(make):
    """The request takes 2 s, the window is 30 s: it ends when the request has."""
    event = threading.Event()

    def slow(conn, _):
        event.wait(20)
        conn.send(reply(b"done"))

    upstream = make.origin(slow)
    running = make.gateway(proxy(upstream, {"drain_window": "30s", "drain_limit": "60s"}, timeout="30s"))
    client = make.client(running)
    client.send_request("GET", "/")
    upstream.wait_requests(1)
    watch = Stopwatch()
    running.send_signal(signal.SIGTERM)
    time.sleep(2)
    event.set()
    response = client.read_response()
    assert (response.status, response.body) == (200, b"done")
    if not response.says_close:  # its turn had not come; the next answer is the last
        client.close()
    running.stop(None)
    assert watch.awake < 15


def test_the_limit_is_harder_than_the_window(make):
    running = make.gateway(fixed(drain_window="600s", drain_limit="2s"))
    client = make.client(running)
    assert client.get().status == 200
    watch = Stopwatch()
    running.stop()
    assert watch.awake < 10
    assert client.ended(), "closed, not cut: the window ends before the limit"


def test_who_waits_in_the_kernels_queue_is_served(make):
    """Connected, but not accepted when the signal comes: the worker is at its cap of connections."""
    running = make.gateway(fixed(max_connections=1, drain_window="3s", drain_limit="20s"))
    first = make.client(running)
    assert first.get().status == 200
    waiting = socket.create_connection(running.address, 5)
    waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    running.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    first.close()
    waiting.settimeout(8)
    assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
    waiting.close()
    running.stop(None)
