"""test_keepalive_g9.py: many requests at few connections, items 165 to 168 and 173 of the keep-alive test matrix (G.9).

Of the others 151 to 158 are in test_proxy_protocol.py, 159 in test_send_proxy_protocol.py, 162 in test_drain.py, 164 in
test_http2.py, 171 in test_discovery.py, 172 in tests/sim/test_sim_dial.c (dial_races_addresses_as_rfc_8305_says). A dial that
fails while a connection is returned (166) is in tests/unit/upstream/test_fetch.c, a number of a descriptor that is used again (170)
in tests/unit/os/test_linux_world.c. 173 is in test_upstream_h2.py. Of 161 and 163 test_drain.py has what happens to one
listener (a_listener_goes_without_a_failed_request_and_the_other_stays); as they stand they need reload, and so does 169. SPDX-License-Identifier: Apache-2.0
"""
import random
import socket
import threading
import time

import pytest
from configs import proxy
from crowd import in_threads
from h2_servers import NodeH2
from origin import reply
from rawhttp import Client
from test_upstream_tls import TlsOrigin, pool_of, secured, trust
from tls_origin import TlsConnection
from waiting import eventually


def limited(make, upstream, limits, **server):
    return make.gateway(proxy(upstream, server, {"holdfast/upstream": limits, "holdfast/admin": {"listen": "127.0.0.1:0"}},
                              timeout="30s"))


@pytest.mark.parametrize("workers", [2, 4])
def test_165_an_idle_connection_has_one_taker(make, workers):
    """Clients of all workers ask at once, again and again, and fewer connections are kept than they need: a connection that two
    had taken would carry two requests, or the answer of another. The simulator does the same with all interleavings of letters."""
    doubles = []

    def echo(conn, request):
        time.sleep(random.uniform(0, 0.002))
        conn.sock.setblocking(False)
        try:
            if conn.buffer or conn.sock.recv(1, socket.MSG_PEEK):
                doubles.append(request.path)
        except BlockingIOError:
            conn.sock.setblocking(True)
        conn.send(reply(request.path.encode()))

    def work(number):
        paths = [f"/{number}-{i}" for i in range(150)]
        with Client(running.address) as client:
            return [path for path in paths if client.get(path).body != path.encode()]

    upstream = make.origin(echo)
    running = limited(make, upstream, {"max_connections_per_host": 6, "queue_timeout": "20s"}, workers=workers)
    assert (in_threads(work, range(10)), doubles) == ([[]] * 10, [])
    assert len(upstream.requests) == 1500 and len(upstream.connections) <= 6
    pool = eventually(lambda: (now := pool_of(running))["idle"] == now["open"] and now, what="nothing lent any more")
    assert pool["reused"] + sum(pool["new_by"].values()) == 1500


def test_166_who_waits_is_served_in_order(make):
    """First come, first served; who has left is passed over, and nobody waits beyond the deadline."""
    gate = threading.Event()

    def held(conn, _):
        gate.wait(20)
        conn.send(reply())

    def wait_queue(count):
        eventually(lambda: pool_of(running)["waiting"] == count, what=f"{count} waiting")

    upstream = make.origin(held)
    running = limited(make, upstream, {"max_connections_per_host": 1, "queue_timeout": "20s"})
    clients = [make.client(running) for _ in range(8)]
    for number, client in enumerate(clients):
        client.send_request("GET", f"/{number}")
        upstream.wait_requests(1)
        wait_queue(number)
    clients[2].reset()
    clients[5].reset()
    wait_queue(5)
    gate.set()
    for number in (0, 1, 3, 4, 6, 7):
        assert clients[number].read_final().status == 200
    assert [request.path for request in upstream.requests] == ["/0", "/1", "/3", "/4", "/6", "/7"]
    assert len(upstream.connections) == 1


class SlowConnection(TlsConnection):
    """A handshake that takes as long as the test wants."""

    def serve(self):
        self.origin.go_on.wait(20)
        super().serve()


class SlowOrigin(TlsOrigin):
    connection_class = SlowConnection

    def __init__(self, *arguments):
        self.go_on = threading.Event()
        super().__init__(*arguments)


def test_167_a_dial_outlives_its_request(make, authority, certificate):
    upstream = make.stack.enter_context(SlowOrigin(certificate))
    running = make.gateway(secured(upstream, trust(authority)))
    with Client(running.address) as client:
        client.send_request("GET", "/left")
        eventually(lambda: upstream.connections, what="the dial")
        client.reset()
    running.wait_output(r"\| 499 \|")
    upstream.go_on.set()
    eventually(lambda: pool_of(running)["idle"] == 1, what="the connection that nobody waits for any more")
    assert make.client(running).get("/next").status == 200
    assert [request.path for request in upstream.requests] == ["/next"]
    assert len(upstream.connections) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_168_a_cap_of_one_with_a_hundred_waiting(make, workers):
    """Never more than the one connection; with one worker in order; too many waiting are told so by name."""
    busy, most, lock = [0], [0], threading.Lock()

    def slow(conn, _):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.005)
        with lock:
            busy[0] -= 1
        conn.send(reply())

    upstream = make.origin(slow)
    running = limited(make, upstream, {"max_connections_per_host": 1, "queue_timeout": "20s"}, workers=workers)
    clients = [make.client(running) for _ in range(101)]
    for number, client in enumerate(clients):
        client.send_request("GET", f"/{number}")
    assert [client.read_final().status for client in clients] == [200] * 101
    assert most[0] == 1 and len(upstream.connections) == 1
    assert len({request.path for request in upstream.requests}) == 101


def test_168_more_than_may_wait_are_told_so(make):
    gate = threading.Event()

    def held(conn, _):
        gate.wait(20)
        conn.send(reply())

    upstream = make.origin(held)
    running = limited(make, upstream, {"max_connections_per_host": 1, "queue_timeout": "300ms"})
    first = make.client(running)
    first.send_request("GET", "/")
    upstream.wait_requests(1)
    others = [make.client(running) for _ in range(20)]
    for client in others:
        client.send_request("GET", "/")
    for client in others:
        response = client.read_final()
        assert (response.status, response.get("x-krakend-completed")) == (503, "false")
    gate.set()
    assert first.read_final().status == 200
    running.wait_output(r"\| 503 \|")


@pytest.mark.skipif(NodeH2.missing is not None, reason=str(NodeH2.missing))
def test_173_pipelined_requests_over_a_shared_connection_are_answered_in_order(make, tmp_path):
    """The host answers in HTTP/2, where what is quick overtakes what is slow; several clients share its connection."""
    sizes = [3000 - 100 * i for i in range(12)]
    with NodeH2(tmp_path / "node") as upstream:
        running = make.gateway(proxy(upstream, None, {"holdfast/upstream": {"protocol": "h2c"},
                                                      "holdfast/admin": {"listen": "127.0.0.1:0"}}))
        clients = [make.client(running) for _ in range(3)]
        for number, client in enumerate(clients):
            asked = [f"/hold?ms={300 - 100 * number}"] + [f"/bytes?n={size + number}" for size in sizes] + ["/hold?ms=50", "/bytes?n=7"]
            client.send("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in asked))
        for number, client in enumerate(clients):
            answers = [client.read_final().body for _ in range(len(sizes) + 3)]
            assert answers[0] == answers[-2] == b"held"
            assert [len(body) for body in answers[1:-2]] == [size + number for size in sizes]
            assert answers[-1] == b"x" * 7
        assert len(upstream.sessions()) == 1
    assert pool_of(running)["shared"] > 0
