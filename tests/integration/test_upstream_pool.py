"""test_upstream_pool.py: which upstream connections are reused, kept, closed; counted where they arrive, at the origin.

SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

import pytest
from admin import pool_of
from configs import forward_all, proxy, service
from crowd import Gate, at_once
from origin import Origin, answers, answers_ok, by_path, reply
from rawhttp import Client, fetch
from servers import free_port
from waiting import Stopwatch, eventually


def test_one_connection_serves_many_clients_one_after_another(make):
    upstream = make.origin()
    address = make.gateway(proxy(upstream)).address
    assert [fetch(address).status for _ in range(20)] == [200] * 20
    assert len(upstream.connections) == 1


def test_with_several_workers_connections_stay_few(make):
    upstream = make.origin()
    address = make.gateway(proxy(upstream, {"workers": 2})).address
    assert [fetch(address).status for _ in range(40)] == [200] * 40
    upstream.wait_at_most(2)


def test_the_last_used_connection_is_used_next(make):
    upstream = make.origin(by_path({"/gate": Gate(3)}))
    address = make.gateway(proxy(upstream)).address
    at_once(address, 3, "/gate")
    used = []
    for _ in range(10):
        fetch(address)
        used.append(upstream.last.conn.number)
    assert len(upstream.connections) == 3
    assert len(set(used)) == 1


def test_idle_connections_of_one_host_are_capped(make):
    upstream = make.origin(Gate(6))
    address = make.gateway(proxy(upstream, max_idle_connections_per_host=2)).address
    at_once(address, 6)
    upstream.wait_open(2)
    assert len(upstream.connections) == 6


def test_idle_connections_of_all_hosts_are_capped(make):
    first, second = make.origin(Gate(3)), make.origin(Gate(3))
    config = service([forward_all(first, "/1/*"), forward_all(second, "/2/*")], max_idle_connections=2)
    address = make.gateway(config).address
    at_once(address, 3, "/1/x")
    at_once(address, 3, "/2/x")
    eventually(lambda: len(first.open_connections()) + len(second.open_connections()) <= 2, what="two idle connections")


def test_idle_connections_expire(make):
    upstream = make.origin()
    address = make.gateway(proxy(upstream, idle_connection_timeout="500ms")).address
    fetch(address)
    watch = Stopwatch()
    assert upstream.connections[0].ended.wait(10), "never closed"
    assert upstream.connections[0].ended_at - upstream.last.at > 0.4, "closed too early"
    assert watch.awake < 3
    assert fetch(address).status == 200
    assert len(upstream.connections) == 2


def test_use_restarts_the_idle_clock(make):
    upstream = make.origin()
    address = make.gateway(proxy(upstream, idle_connection_timeout="2s")).address
    for _ in range(6):
        fetch(address)
        time.sleep(0.5)
    assert len(upstream.connections) == 1


def test_keep_alive_to_upstreams_can_be_turned_off(make):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, disable_keep_alives=True))
    client = make.client(running)
    assert [client.get().status for _ in range(3)] == [200] * 3, "the client's own connection is not concerned"
    assert len(upstream.connections) == 3
    assert [request.get("connection", "").lower() for request in upstream.requests] == ["close"] * 3
    upstream.wait_open(0)


def test_the_ledger_explains_every_new_connection_and_every_close(make):
    def says_close(conn, request):
        conn.send(reply(fields=[("Connection", "close")]) if request.target == "/bye" else reply())

    upstream = make.origin(says_close)
    running = make.gateway(proxy(upstream, None, {"holdfast/admin": {"listen": "127.0.0.1:0"}}))
    for target in ("/1", "/2", "/bye", "/3"):
        assert fetch(running.address, target).status == 200
    upstream.connections[-1].close()
    admin = running.addresses[-1]
    eventually(lambda: pool_of(running)["closed_idle"] == 1 and "peer_close_idle" in pool_of(running)["closes"])
    pool = pool_of(running)
    assert pool["new_by"] == {"cold": 1, "peer_close_announced": 1}
    assert pool["closes"] == {"peer_close_idle": {"ours": 0, "peer": 1}, "peer_close_announced": {"ours": 0, "peer": 1}}
    assert (pool["new"], pool["reused"], pool["resends_by"]) == (2, 2, {})
    metrics = fetch(admin, "/metrics").body.decode()
    assert f'holdfast_upstream_connects_total{{host="{upstream.url}",family="ipv4"}} 2\n' in metrics
    assert 'reason="peer_close_idle",side="peer"} 1\n' in metrics
    assert f'holdfast_upstream_stale_total{{host="{upstream.url}",phase="idle"}} 1\n' in metrics


@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_origin_that_ends_idle_connections_does_no_harm(make, end):
    def ends_soon(conn, _):
        conn.send(reply())
        time.sleep(0.02)
        getattr(conn, end)()

    upstream = make.origin(ends_soon)
    client = make.client(make.gateway(proxy(upstream)))
    for _ in range(15):
        assert client.get().status == 200
        time.sleep(0.06)
    assert len(upstream.connections) == 15


def test_a_closed_idle_connection_is_let_go_at_once(make):
    upstream = make.origin()
    running = make.gateway(proxy(upstream))
    fetch(running.address)
    before = running.open_descriptors()
    upstream.connections[0].close()
    eventually(lambda: running.open_descriptors() < before, what="the descriptor closed")
    upstream.wait_open(0)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_idle_connection_ended_while_the_gateway_could_not_look(make, method):
    """The process is stopped, the origin closes, a request comes, the process goes on: the end is seen before use."""
    upstream = make.origin()
    running = make.gateway(proxy(upstream))
    client = make.client(running)
    assert client.get().status == 200
    with running.frozen():
        upstream.connections[0].close()
        client.send_request(method, "/", body=b"hi" if method == "POST" else None)
        time.sleep(0.1)
    assert client.read_final(method).status == 200
    assert len(upstream.requests) == 2


STRAYS = [b"\r\n", b"x", reply(b"EVIL"), b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"]


@pytest.mark.parametrize("stray", STRAYS, ids=["CRLF", "byte", "answer", "408"])
@pytest.mark.parametrize("delay", [0, 0.05])
def test_stray_bytes_on_an_idle_connection_reach_nobody(make, stray, delay):
    def handler(conn, _):
        conn.send(reply(b"first"))
        time.sleep(delay)
        conn.send(stray)

    upstream = make.origin(by_path({"/stray": handler}))
    client = make.client(make.gateway(proxy(upstream)))
    assert client.get("/stray").body == b"first"
    if stray == b"\r\n":
        time.sleep(0.15)
    else:
        assert upstream.connections[0].ended.wait(8), "a connection with surplus bytes was kept"
    assert client.get("/next").body == b"OK"


def test_a_restarted_origin(make):
    upstream = make.origin(Gate(5), ("127.0.0.1", free_port()))
    address = make.gateway(proxy(upstream)).address
    at_once(address, 5)
    upstream.close()
    with Origin(answers_ok, upstream.address) as again:
        assert [response.status for response in at_once(address, 5)] == [200] * 5
        assert len(again.requests) == 5


def test_a_post_on_a_fresh_connection_is_sent_once(make):
    def dies(conn, _):
        conn.body()
        conn.close()

    upstream = make.origin(dies)
    assert fetch(make.gateway(proxy(upstream)).address, "/", "POST", body=b"x").status == 502
    assert len(upstream.requests) == 1


def test_each_host_has_its_own_connections(make):
    first, second = make.origin(answers(reply(b"1"))), make.origin(answers(reply(b"2")))
    config = service([forward_all(first, "/1/*"), forward_all(second, "/2/*")])
    client = make.client(make.gateway(config))
    for _ in range(5):
        assert client.get("/1/x").body == b"1"
        assert client.get("/2/x").body == b"2"
    assert len(first.connections) == len(second.connections) == 1


def test_several_hosts_share_the_requests(make):
    origins = [make.origin() for _ in range(3)]
    config = proxy(origins[0])
    config["endpoints"][0]["backend"][0]["host"] = [each.url for each in origins]
    client = make.client(make.gateway(config))
    for _ in range(90):
        assert client.get().status == 200
    assert sum(len(each.requests) for each in origins) == 90
    assert all(len(each.requests) >= 10 and len(each.connections) == 1 for each in origins)


def test_idle_clients_do_not_hold_upstream_connections(make):
    upstream = make.origin()
    address = make.gateway(proxy(upstream)).address
    clients = [Client(address) for _ in range(30)]
    try:
        assert [each.get().status for each in clients] == [200] * 30
        assert len(upstream.connections) == 1
    finally:
        for each in clients:
            each.close()


def test_a_connection_carries_no_more_requests_than_it_may(make):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream, extra={"holdfast/upstream": {"max_requests_per_connection": 3}})))
    assert [client.get().status for _ in range(9)] == [200] * 9
    assert [request.conn.number for request in upstream.requests] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_old_connection_is_not_used_again(make):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream, extra={"holdfast/upstream": {"max_connection_age": "2s"}})))
    assert [client.get().status for _ in range(3)] == [200] * 3
    time.sleep(2.3)  # 2 s and 10 %
    assert client.get().status == 200
    assert [request.conn.number for request in upstream.requests] == [0, 0, 0, 1]


def test_fifo_uses_the_connection_that_was_idle_for_longest(make):
    upstream = make.origin(by_path({"/gate": Gate(3)}))
    running = make.gateway(proxy(upstream, extra={"holdfast/upstream": {"pick": "fifo"}}))
    at_once(running.address, 3, "/gate")
    for _ in range(6):
        fetch(running.address)
    used = [request.conn.number for request in upstream.requests[3:]]
    assert used[:3] == used[3:] and sorted(used[:3]) == [0, 1, 2]


@pytest.mark.parametrize("block, root, expires", [({"idle_timeout": "200ms"}, {}, True), ({"idle_timeout": "never"}, {}, False),
                                                  ({"idle_timeout": "never"}, {"idle_connection_timeout": "200ms"}, True)])
def test_idle_timeout_of_ours_and_krakends(make, block, root, expires):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, extra={"holdfast/upstream": block}, **root))
    fetch(running.address)
    if expires:
        upstream.wait_open(0)
    else:
        time.sleep(0.6)
        assert len(upstream.open_connections()) == 1


def slowly(seconds):
    def handler(conn, _):
        time.sleep(seconds)
        conn.send(reply())

    return handler


def test_requests_queue_at_the_cap_of_a_host(make):
    upstream = make.origin(slowly(0.05))
    running = make.gateway(proxy(upstream, extra={"holdfast/upstream": {"max_connections_per_host": 2, "queue_timeout": "5s"}}))
    assert [response.status for response in at_once(running.address, 12)] == [200] * 12
    assert len(upstream.connections) == 2


def test_workers_share_the_connections_of_a_host_at_its_cap(make):
    """Idle connections go to the workers whose requests wait, whichever made them."""
    upstream = make.origin(slowly(0.05))
    limits = {"max_connections_per_host": 2, "queue_timeout": "8s"}
    running = make.gateway(proxy(upstream, {"workers": 4}, {"holdfast/upstream": limits}))
    assert [response.status for response in at_once(running.address, 24)] == [200] * 24
    assert len(upstream.connections) == 2


def test_workers_use_each_others_connections(make):
    """Each request comes by a connection of its own, to any worker; one at a time, so at most two stay open (1.2 times the
    peak, rounded up) however slow a worker is to answer another."""
    upstream = make.origin()
    running = make.gateway(proxy(upstream, {"workers": 8}))
    assert [fetch(running.address).status for _ in range(80)] == [200] * 80
    upstream.wait_at_most(2)


def test_the_queue_has_a_deadline(make):
    release = threading.Event()
    upstream = make.origin(lambda conn, _: (release.wait(20), conn.send(reply())))
    limits = {"max_connections_per_host": 1, "queue_timeout": "200ms"}
    running = make.gateway(proxy(upstream, extra={"holdfast/upstream": limits}, timeout="30s"))
    first = make.client(running)
    first.send_request("GET", "/")
    upstream.wait_requests(1)
    assert [response.status for response in at_once(running.address, 2)] == [503, 503]
    release.set()
    assert first.read_final().status == 200
    assert fetch(running.address).status == 200, "those who gave up hold no place"
    assert len(upstream.connections) == 1


def test_who_leaves_the_queue_holds_nobody_up(make):
    upstream = make.origin(slowly(0.3))
    running = make.gateway(proxy(upstream, extra={"holdfast/upstream": {"max_connections_per_host": 1, "queue_timeout": "5s"}}))
    with Client(running.address) as first, Client(running.address) as last:
        first.send_request("GET", "/")
        upstream.wait_requests(1)
        with Client(running.address) as second:
            second.send_request("GET", "/")
            time.sleep(0.1)
            last.send_request("GET", "/")
            time.sleep(0.05)
            second.reset()
        assert first.read_final("GET").status == 200
        assert last.read_final("GET").status == 200
