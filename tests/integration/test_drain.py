"""test_drain.py: the end of a gateway that is in use: nobody's request fails, each connection is told once, and the limits
hold (G.0, and 162 of the keep-alive matrix). SPDX-License-Identifier: Apache-2.0"""
import asyncio
import json
import re
import signal
import socket
import threading
import time

import h2.events
import pytest
from configs import proxy, service
from crowd import Crowd
from gateway import binary_path
from h2client import Client as Client2
from origin import reply
from rawhttp import Client, fetch
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
    crowd = drain_a_crowd(running, CLIENTS, pause=(0.2, 0.8), window=6)
    late = crowd.ends.pop("late", 0)
    assert late < CLIENTS / 2 and crowd.ends == {"told": CLIENTS - late}
    assert crowd.announcements == CLIENTS - late
    assert set(crowd.statuses) == {"200"}
    running.stop(None)
    note(f"drain of {CLIENTS}, {workers} workers, {binary_path().parent.name}",
         f"{crowd.answers} answers, told from {min(crowd.told_at):.1f} to {max(crowd.told_at):.1f} s" + f", {late} late" * (late > 0))


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


def test_who_has_just_connected_is_served(make):
    """Accepted, but its request is not here when the gateway is told to end, without a window."""
    running = make.gateway(fixed(drain_window="0s", drain_limit="20s"))
    seen = make.client(running)
    assert seen.get().status == 200
    client = make.client(running)
    time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    assert seen.ended(5)
    response = client.get()
    assert (response.status, response.says_close) == (200, True)
    running.stop(None)


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


def test_who_is_left_at_the_limit_is_named(make):
    """G.0, 6: with age and route."""
    release = threading.Event()
    upstream = make.origin(lambda conn, _: release.wait(20))
    running = make.gateway(proxy(upstream, {"drain_window": "200ms", "drain_limit": "1s"}, timeout="30s"))
    client = make.client(running)
    client.send_request("GET", "/slow")
    upstream.wait_requests(1)
    running.stop()
    release.set()
    assert re.search(r"left at the drain limit: listener 127\.0\.0\.1:0, peer 127\.0\.0\.1:\d+, age \d+ s, requests 1, under way: /\*",
                     running.output)


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


def two_doors(**server):
    """Two listeners; the admin's address is the last one."""
    own = {"endpoint": "/", "extra_config": {"holdfast/answer": {"body": "fixed"}}}
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.2:0"}]
    return service([own], {"listeners": listeners, **server},
                   {"router": {"disable_access_log": True}, "holdfast/admin": {"listen": "127.0.0.1:0"}}, use_h2c=True)


def name_of(address):
    return f"{address[0]}:{address[1]}"


def drain_listener(running, name):
    return fetch(running.addresses[-1], f"/v1/drain?listener={name}", "POST", body=b"").status


def status_of(running, number):
    return json.loads(fetch(running.addresses[-1], "/v1/status").body)["listeners"][number]


class Staying(threading.Thread):
    """Keep-alive clients at a listener that is not concerned: they ask until they are told to stop."""

    def __init__(self, address, count):
        super().__init__()
        self.stop = threading.Event()
        self.clients = [Client(address) for _ in range(count)]
        self.answers, self.wrong = 0, []

    def run(self):
        while not self.stop.is_set():
            for client in self.clients:
                response = client.get()
                self.answers += 1
                if response.status != 200 or response.says_close:
                    self.wrong.append((response.status, response.says_close))
            time.sleep(0.05)

    def end(self):
        self.stop.set()
        self.join(20)
        for client in self.clients:
            client.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_listener_goes_without_a_failed_request_and_the_other_stays(make, workers):
    """G.0, listener removed: each of its clients is told once, nobody's request fails, the rest sees nothing of it."""
    running = make.gateway(two_doors(workers=workers, drain_window="4s", drain_limit="15s"), open_files=4096)
    going, other, admin = running.addresses
    staying = Staying(other, 20)
    staying.start()
    crowd = Crowd(going, 200, pause=(0.1, 0.4))
    asyncio.run(crowd.run(lambda: drain_listener(running, name_of(going))))
    assert crowd.ends == {"told": 200}
    assert crowd.announcements == 200
    assert set(crowd.statuses) == {"200"}
    assert sum(at > 1.5 for at in crowd.told_at) > 40, "telling is paced over the window"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(going, 5)
    eventually(lambda: status_of(running, 0)["connections"] == 0)
    assert status_of(running, 0)["draining"] and not status_of(running, 1)["draining"]
    assert fetch(admin, "/readyz").status == 200 and fetch(other, "/__health").status == 200
    before = staying.answers
    eventually(lambda: staying.answers > before + 40)
    staying.end()
    assert staying.wrong == []
    text = fetch(admin, "/metrics").body.decode()
    assert 'holdfast_client_closes_total{reason="drain",side="ours",listener="127.0.0.1:0"} 200\n' in text
    assert 'reason="drain",side="ours",listener="127.0.0.2:0"' not in text
    assert 'holdfast_listener_draining{listener="127.0.0.1:0"} 1\n' in text
    assert drain_listener(running, name_of(going)) == 200, "once more changes nothing"
    assert drain_listener(running, "127.0.0.9:1") == 404
    assert fetch(admin, "/v1/drain?listen=x", "POST", body=b"").status == 400
    running.stop()


def test_a_listener_that_goes_cuts_what_is_busy_at_the_limit(make):
    running = make.gateway(two_doors(drain_window="500ms", drain_limit="2s"))
    going, other, _ = running.addresses
    busy, staying = make.client(going), make.client(other)
    busy.send(b"GET / HTTP/1.1\r\nHo")
    assert staying.get().status == 200
    assert drain_listener(running, name_of(going)) == 202
    running.wait_output(r"left at the drain limit: listener 127\.0\.0\.1:0, peer 127\.0\.0\.1:\d+, age \d+ s, requests 0, under way: "
                        "nothing that is whole", 10)
    running.wait_output(r"drain limit of listener 127\.0\.0\.1:0 reached, 1 connections were cut", 10)
    assert busy.ended(5)
    assert staying.get().status == 200


def test_a_listener_that_goes_tells_http2_in_two_steps(make):
    """GOAWAY without traffic, the open stream is answered, then the true last number."""
    running = make.gateway(two_doors(drain_window="1s", drain_limit="20s"))
    going, other, _ = running.addresses
    silent, staying = Client2(going), Client2(other)
    make.stack.callback(silent.sock.close)
    make.stack.callback(staying.sock.close)
    silent.poll()
    assert drain_listener(running, name_of(going)) == 202
    first = silent.wait(h2.events.ConnectionTerminated)[0]
    assert (first.error_code, first.last_stream_id) == (0, 2**31 - 1)
    eventually(lambda: silent.poll() or silent.closed or len(silent.of(h2.events.ConnectionTerminated)) > 1)
    assert silent.of(h2.events.ConnectionTerminated)[-1].last_stream_id == 0
    staying.request(1)
    assert staying.status(1) == 200
    assert not staying.of(h2.events.ConnectionTerminated)


def test_a_unix_socket_goes_too(make, tmp_path):
    path = tmp_path / "gate.sock"
    config = two_doors(workers=2, drain_window="500ms", drain_limit="5s",
                       listeners=[{"listen": "127.0.0.1:0"}, {"listen": f"unix:{path}"}])
    running = make.gateway(config)
    assert fetch(running.addresses[-1], f"/v1/drain?listener=unix:{path}", "POST", body=b"").status == 202

    def is_refused():
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(path)) != 0

    eventually(is_refused)
    assert fetch(running.address).status == 200
