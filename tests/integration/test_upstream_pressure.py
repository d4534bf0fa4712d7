"""test_upstream_pressure.py: descriptors that run out, hosts that send what nobody asked for, connections kept ready.

SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

import pytest
from admin import ADMIN, closed_connections, pool_of
from configs import proxy
from origin import answers_ok, reply
from rawhttp import fetch
from waiting import eventually


def test_requests_are_shed_by_name_before_descriptors_run_out(make):
    inside = threading.Semaphore(0)

    def waits(conn, request):
        if request.path == "/wait":
            inside.acquire(timeout=20)
        answers_ok(conn, request)

    upstream = make.origin(waits)
    config = proxy(upstream, extra={**ADMIN, "holdfast/upstream": {"queue_timeout": "300ms"}}, timeout="20s")
    gateway = make.gateway(config, open_files=128)
    results = []
    crowd = [threading.Thread(target=lambda: results.append(fetch(gateway.address, "/wait").status)) for _ in range(70)]
    for thread in crowd:
        thread.start()
    eventually(lambda: 503 in results, what="requests shed")
    time.sleep(0.5)
    assert gateway.open_descriptors() <= 128
    for _ in crowd:
        inside.release()
    for thread in crowd:
        thread.join()
    assert len(results) == len(crowd) and set(results) == {200, 503}
    gateway.wait_output("descriptors grow short")
    gateway.wait_output("no descriptor is left")
    assert pool_of(gateway)["shed_by_fd"] == results.count(503)
    assert fetch(gateway.address).status == 200
    metrics = fetch(gateway.addresses[-1], "/metrics").body.decode()
    assert 'holdfast_file_descriptors{kind="limit"} 128' in metrics
    assert f'reason="pressure_fd"}} {results.count(503)}' in metrics


def test_descriptors_are_counted_right(make):
    upstream = make.origin()
    gateway = make.gateway(proxy(upstream, {"workers": 2}, ADMIN))

    def used():
        metrics = fetch(gateway.addresses[-1], "/metrics").body.decode()
        return int(metrics.split('holdfast_file_descriptors{kind="used"} ')[1].split("\n")[0])

    clients = [make.client(gateway) for _ in range(20)]
    for client in clients:
        assert client.get().status == 200
    # The connection that asks for metrics belongs to the main thread, which is not counted.
    eventually(lambda: abs(used() - gateway.open_descriptors()) <= 1, what="as many as are open")
    assert used() >= 21
    for client in clients:
        client.close()
    eventually(lambda: abs(used() - gateway.open_descriptors()) <= 1, what="as many as are open")


def test_stray_bytes_make_a_hosts_connections_single_use(make):
    upstream = make.origin()
    gateway = make.gateway(proxy(upstream, extra=ADMIN))
    assert [fetch(gateway.address).status for _ in range(3)] == [200] * 3
    assert len(upstream.connections) == 1
    upstream.handler = lambda conn, _: conn.send(reply() + reply(b"smuggled"))
    assert fetch(gateway.address).body == b"OK"
    upstream.handler = answers_ok
    assert [fetch(gateway.address).body for _ in range(5)] == [b"OK"] * 5
    assert len(upstream.connections) == 6
    assert [request.get("connection") for request in upstream.requests[-5:]] == ["close"] * 5
    line = gateway.wait_output("bytes that nobody asked for")
    assert "behind 4 requests: its connections carry one request each for 60 s" in line
    assert r'The first bytes: "HTTP/1.1 200 OK\r\n' in line and "smuggled" not in line
    told = pool_of(gateway)
    assert (told["stray_bytes"], told["quarantines"]) == (1, 1)
    row, = [row for row in closed_connections(gateway) if row["reason"] == "stray_bytes"]
    assert f"on connection {row['id']} " in line
    assert row["first_bytes"].startswith("HTTP/1.1 200 OK\r\n") and "smuggled" not in row["first_bytes"]
    assert ["first_bytes" in row for row in closed_connections(gateway)].count(True) == 1


SHOWN = [("\r\n", "\r\n"), ("HTTP/1.1 408 Request Timeout\r\nSet-Cookie: id=s3cret\r\n\r\n",
                            "HTTP/1.1 408 Request Timeout\r\nSet-Cookie: xx=x9xxxx\r\n\r\n"),
         ('{"password": "hunter2"}' + "z" * 100, '{"xxxxxxxx": "xxxxxx9"}' + "x" * 41), ("\x00\x7f", "..")]


@pytest.mark.parametrize("sent, shown", SHOWN, ids=["CRLF", "408", "64 bytes", "no text"])
def test_the_first_stray_bytes_are_shown_without_what_may_be_secret(make, sent, shown):
    """On an idle connection: the first time is no quarantine, and no line of the log; the connection tells."""
    upstream = make.origin()
    gateway = make.gateway(proxy(upstream, extra=ADMIN))
    assert fetch(gateway.address).status == 200
    eventually(lambda: pool_of(gateway)["idle"] == 1, what="behind an answer it would be another sign")
    upstream.connections[0].send(sent)
    row, = eventually(lambda: closed_connections(gateway))
    assert (row["reason"], row["first_bytes"]) == ("stray_crlf" if sent == "\r\n" else "stray_bytes", shown)
    assert fetch(gateway.address).status == 200
    assert pool_of(gateway)["quarantines"] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_are_kept_ready(make, workers):
    upstream = make.origin()
    gateway = make.gateway(proxy(upstream, {"workers": workers}, {**ADMIN, "holdfast/upstream": {"min_idle_per_host": 3,
                                                                                                   "idle_timeout": "30s"}}))
    eventually(lambda: pool_of(gateway)["idle"] == 3, what="three in the pool")
    assert upstream.requests == []
    if workers == 1:  # of two, one that is held up may be too late to hand its own to the other
        assert fetch(gateway.address).status == 200
        told = pool_of(gateway)
        assert (told["new"], told["reused"], told["warm"]) == (0, 1, 1)
    for conn in upstream.open_connections():
        conn.close()
    eventually(lambda: len(upstream.connections) >= 6, what="replaced")
    upstream.wait_open(3)


@pytest.mark.parametrize("caps, kept", [({"max_idle_connections_per_host": 2}, 2), ({"max_idle_connections": 2}, 2),
                                        ({"max_idle_connections": -1}, 0), ({"max_idle_connections_per_host": -1}, 0)])
def test_a_floor_above_the_caps_is_the_cap(make, caps, kept):
    """And no connection is made only to be closed."""
    upstream = make.origin()
    settings = {"min_idle_per_host": 5, "idle_timeout": "30s"}
    gateway = make.gateway({**proxy(upstream, extra={**ADMIN, "holdfast/upstream": settings}), **caps})
    upstream.wait_open(kept)
    time.sleep(1.5)
    assert len(upstream.connections) == kept and pool_of(gateway)["idle"] == kept


def test_connections_are_replaced_before_they_retire(make):
    upstream = make.origin()
    settings = {"min_idle_per_host": 2, "idle_timeout": "2s"}
    gateway = make.gateway(proxy(upstream, extra={**ADMIN, "holdfast/upstream": settings}))
    eventually(lambda: pool_of(gateway)["idle"] == 2, what="both in the pool")
    seen = []
    end = time.monotonic() + 6
    while time.monotonic() < end:
        seen.append(pool_of(gateway)["idle"])
        time.sleep(0.05)
    assert min(seen) >= 1 and len(upstream.connections) >= 4
    assert max(seen) <= 5
    assert sum(count >= 2 for count in seen) >= len(seen) * 0.8


def test_a_host_that_is_down_is_not_hammered(make):
    upstream = make.origin()
    upstream.stop_listening()
    gateway = make.gateway(proxy(upstream, extra={**ADMIN, "holdfast/upstream": {"min_idle_per_host": 5}}))
    time.sleep(3)
    assert 1 <= pool_of(gateway)["dial_failures"] <= 16
