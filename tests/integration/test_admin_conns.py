"""test_admin_conns.py: what the admin listener tells of a running gateway's connections, and its commands.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import socket
import ssl
import threading
import time

import pytest
from admin import ADMIN, pool_of
from configs import proxy
from crowd import Gate, at_once
from origin import answers_ok, by_path, reply
from rawhttp import fetch
from tls_origin import TlsOrigin
from waiting import Stopwatch, eventually


def ask(running, path):
    response = fetch(running.addresses[-1], path)
    assert response.status == 200, response.body
    return json.loads(response.body)


def test_how_long_a_connection_to_it_may_be_silent_is_a_setting(make):
    running = make.gateway(proxy(make.origin(answers_ok), None, {"holdfast/admin": {**ADMIN["holdfast/admin"], "timeout": "300ms"}}))
    watch = Stopwatch()
    with socket.create_connection(running.addresses[-1], timeout=30) as sock:
        while sock.recv(4096):
            pass
    assert watch.awake < 8, "sooner than the default of 10 s"


class Crowd:
    """A handler that holds requests back until it is told."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, conn, _):
        self.go.wait(20)
        conn.send(reply())


def crowd_of(make, count, **server):
    """A gateway with so many upstream connections in use; let them go by crowd.go.set()."""
    crowd = Crowd()
    upstream = make.origin(by_path({"/held": crowd}))
    running = make.gateway(proxy(upstream, server, ADMIN))
    clients = [make.client(running) for _ in range(count)]
    for client in clients:
        client.send_request("GET", "/held")
    upstream.wait_requests(count)
    return running, upstream, crowd, clients


@pytest.mark.parametrize("workers", [1, 3])
def test_every_upstream_connection_is_told_once_over_all_pages(make, workers):
    running, upstream, crowd, clients = crowd_of(make, 23, workers=workers)
    crowd.go.set()
    for client in clients:
        assert client.read_final().status == 200
    eventually(lambda: pool_of(running)["idle"] == 23)
    rows, after = [], 0
    while after is not None:
        page = ask(running, f"/v1/conns?limit=7&after={after}")
        assert len(page["connections"]) <= 7
        rows += page["connections"]
        after = page["next"]
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == 23 and ids == sorted(ids)
    for row in rows:
        assert (row["host"], row["state"], row["requests"], row["tls"]) == (upstream.url, "idle", 1, False)
        assert (row["peer"], row["tls_resumed"]) == (upstream.url.removeprefix("http://"), False)
        assert row["cwnd"] > 0 and row["rtt_seconds"] > 0 and 0 <= row["last_ack_seconds"] < 60
        assert row["bytes_in"] > 30 and row["bytes_out"] > 30 and 0 <= row["idle_seconds"] <= row["age_seconds"]


def test_connections_in_use_and_clients_are_told(make):
    running, _, crowd, clients = crowd_of(make, 3)
    assert [row["state"] for row in ask(running, "/v1/conns?side=upstream")["connections"]] == ["active"] * 3
    rows = ask(running, "/v1/conns?side=client")["connections"]
    assert [row["state"] for row in rows] == ["active"] * 3
    assert {row["protocol"] for row in rows} == {"http/1.1"} and all(row["cwnd"] > 0 for row in rows)
    ports = {client.sock.getsockname()[1] for client in clients}
    assert {int(row["peer"].rpartition(":")[2]) for row in rows} == ports
    crowd.go.set()
    for client in clients:
        client.read_final()
    eventually(lambda: [row["state"] for row in ask(running, "/v1/conns?side=client")["connections"]] == ["idle"] * 3)


@pytest.mark.parametrize("workers", [1, 3])
def test_clients_that_left_are_told_with_their_reasons(make, workers):
    running = make.gateway(proxy(make.origin(), {"workers": workers}, ADMIN, idle_timeout="60s"))
    clients = [make.client(running) for _ in range(4)]
    ports = [client.sock.getsockname()[1] for client in clients]
    assert all(client.get().status == 200 for client in clients)
    assert ask(running, "/v1/conns?side=client&state=closed")["connections"] == []

    def told(count):
        return eventually(lambda: (rows := ask(running, "/v1/conns?state=closed&side=client")["connections"])[count - 1:] and rows)

    clients[0].close()
    told(1)
    assert clients[1].get(fields=[("Connection", "close")]).status == 200
    told(2)
    clients[2].send_request("GET", "/", fields=[("Content-Length", "x")])
    assert clients[2].read_final().status == 400
    told(3)
    clients[3].reset()
    rows = told(4)
    assert [(row["reason"], row["side"], row["requests"]) for row in rows] == [
        ("reset", "client", 1), ("refused", "client", 1), ("asked", "client", 2), ("closed", "client", 1)]
    assert [int(row["peer"].rpartition(":")[2]) for row in rows] == ports[::-1]
    for row in rows:
        assert (row["listener"], row["state"], row["protocol"]) == ("127.0.0.1:0", "closed", "http/1.1")
        assert (row["tls"], row["tls_resumed"], row["tls_version"]) == (False, False, None)
        assert row["bytes_in"] > 20 and row["bytes_out"] > 20 and 0 <= row["idle_seconds"] <= row["age_seconds"] < 60
        assert 0 <= row["closed_seconds_ago"] < 60
    assert len(ask(running, "/v1/conns?side=client&state=closed&limit=3")["connections"]) == 3


def test_a_client_that_is_refused_before_http_is_told(make):
    running = make.gateway(proxy(make.origin(), {"max_connections_per_ip": 1, "refuse_with": "503"}, ADMIN))
    first = make.client(running)
    assert first.get().status == 200
    assert fetch(running.address).status == 503
    row, = eventually(lambda: ask(running, "/v1/conns?side=client&state=closed")["connections"])
    assert (row["reason"], row["side"], row["protocol"], row["requests"]) == ("crowd", "ours", None, 0)


@pytest.mark.parametrize("version, number", [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")])
def test_tls_of_clients_is_told(make, authority, version, number):
    certificate = authority.issue("localhost")
    keys = {"min_version": "TLS12", "public_key": certificate.certificate, "private_key": certificate.key}
    listener = {"listen": "127.0.0.1:0", "tls": keys}
    running = make.gateway(proxy(make.origin(), {"listeners": [listener]}, ADMIN))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    session = None
    for resumed in (False, True):
        with socket.create_connection(running.address) as plain, context.wrap_socket(plain, session=session) as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert secured.recv(1000).startswith(b"HTTP/1.1 200")
            session = secured.session
            row, = ask(running, "/v1/conns?side=client")["connections"]
            assert (row["tls"], row["tls_resumed"], row["tls_version"]) == (True, resumed, number)
        eventually(lambda: ask(running, "/v1/conns?side=client")["connections"] == [])
        row = ask(running, "/v1/conns?side=client&state=closed")["connections"][0]
        assert (row["tls"], row["tls_resumed"], row["tls_version"]) == (True, resumed, number)


def test_gateways_of_one_configuration_tell_one_digest(make):
    upstream = make.origin()
    config = proxy(upstream, None, ADMIN)
    one, same, other = make.gateway(config), make.gateway(config), make.gateway({**config, "timeout": "7s"})
    digests = [ask(running, "/v1/status")["configuration"] for running in (one, same, other)]
    assert re.fullmatch("sha256:[0-9a-f]{64}", digests[0])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("query", ["side=left", "limit=0", "limit=1001", "after=x", "after", "colour=red", "state=open"])
def test_a_query_that_makes_no_sense_is_refused(make, query):
    running = make.gateway(proxy(make.origin(), None, ADMIN))
    assert fetch(running.addresses[-1], f"/v1/conns?{query}").status == 400


@pytest.mark.parametrize("workers", [1, 3])
def test_connections_that_closed_are_told_with_their_reasons(make, workers):
    running, upstream, crowd, clients = crowd_of(make, 5, workers=workers)
    crowd.go.set()
    for client in clients:
        assert client.read_final().status == 200
    eventually(lambda: pool_of(running)["idle"] == 5)
    assert ask(running, "/v1/conns?state=closed")["connections"] == []
    time.sleep(0.05)
    upstream.connections[0].close()
    eventually(lambda: pool_of(running)["closed_idle"] == 1)
    assert fetch(running.addresses[-1], "/v1/pools:flush", "POST", body=b"").status == 200
    rows = ask(running, "/v1/conns?state=closed")["connections"]
    assert [(row["reason"], row["side"]) for row in rows] == [("drain", "ours")] * 4 + [("peer_close_idle", "peer")]
    assert len({row["id"] for row in rows}) == 5
    for row in rows:
        assert (row["host"], row["state"], row["requests"]) == (upstream.url, "closed", 1)
        assert 0.03 < row["idle_seconds"] <= row["age_seconds"] and row["closed_seconds_ago"] >= 0
    assert [row["id"] for row in ask(running, "/v1/conns?state=closed&limit=2")["connections"]] == [row["id"] for row in rows[:2]]


def test_pools_are_flushed(make):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, {"workers": 2}, ADMIN))
    admin = running.addresses[-1]
    fetch(running.address)
    assert fetch(admin, "/v1/pools:flush").status == 405, "a GET changes nothing"
    assert fetch(admin, "/v1/pools:flush", "POST", [("Origin", "http://elsewhere.test")], body=b"").status == 403
    assert len(upstream.open_connections()) == 1
    assert fetch(admin, "/v1/pools:flush", "POST", body=b"").status == 200
    upstream.wait_open(0)
    assert pool_of(running)["closes"] == {"drain": {"ours": 1, "peer": 0}}


def test_pages_are_given_to_many_who_ask_at_once_and_leave(make):
    """Who leaves before the workers have answered takes nothing with him."""
    running, _, crowd, clients = crowd_of(make, 2, workers=2)
    for _ in range(30):
        with make.client(running.addresses[-1]) as visitor:
            visitor.send_request("GET", "/v1/conns", host="localhost")
            visitor.reset()
    assert len(ask(running, "/v1/conns")["connections"]) == 2
    crowd.go.set()
    for client in clients:
        client.read_final()


def test_a_host_whose_limit_is_unknown_is_asked_for_a_hint_once_for_each_connection(make):
    def hints(conn, request):
        conn.send(reply(fields=[("Keep-Alive", "timeout=20")] if request.path == "/hint" else []))

    upstream = make.origin(hints)
    running = make.gateway(proxy(upstream, None, ADMIN))
    for target in ("/1", "/2", "/hint"):
        fetch(running.address, target)
    upstream.connections[0].close()
    eventually(lambda: pool_of(running)["closed_idle"] == 1)
    fetch(running.address, "/3")
    asked = [request.get("connection") for request in upstream.requests]
    assert asked == ["keep-alive", None, None, None], "once, and no more since it is known"
    learner = pool_of(running)["learner"]
    assert (learner["hint_seconds"], learner["hint_trusted"]) == (20, True)


def test_dwell_times_are_told(make):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, None, ADMIN))
    for _ in range(4):
        fetch(running.address)
        time.sleep(0.1)
    upstream.connections[0].close()
    eventually(lambda: pool_of(running)["closed_idle"] == 1)
    dwell = pool_of(running)["dwell"]
    assert {name: part["count"] for name, part in dwell.items()} == {
        "idle_at_reuse": 3, "idle_at_close_ours": 0, "idle_at_close_peer": 1, "connection_age": 1, "connection_requests": 1,
        "queue_wait": 0, "connect": 1, "tls_full": 0, "tls_resumed": 0, "first_byte": 4}
    assert 0.08 < dwell["idle_at_reuse"]["p50"] < 5
    assert abs(dwell["connection_requests"]["p50"] - 4) < 0.2
    metrics = fetch(running.addresses[-1], "/metrics").body.decode()
    assert f'holdfast_upstream_idle_at_reuse_seconds_bucket{{host="{upstream.url}",le="+Inf"}} 3\n' in metrics
    assert "holdfast_ledger_mismatches_total 0\n" in metrics


def test_times_of_dials_handshakes_and_answers_are_told_apart(make, authority):
    """Each answer takes 50 ms, which is no part of what a dial or a handshake takes; three of four requests wait at the cap."""
    def slow(conn, _):
        assert all_wait.wait(20)
        time.sleep(0.05)
        conn.send(reply())

    all_wait = threading.Event()

    upstream = make.stack.enter_context(TlsOrigin(authority.issue("server", "IP:127.0.0.1"), slow))
    own = {"max_connections_per_host": 1, "max_requests_per_connection": 1, "queue_timeout": "20s", "protocol": "http/1.1"}
    running = make.gateway(proxy(upstream.url, None, {**ADMIN, "holdfast/upstream": own}, timeout="20s",
                                 client_tls={"ca_certs": [str(authority.certificate)]}))
    asking = threading.Thread(target=lambda: statuses.extend(response.status for response in at_once(running.address, 4)))
    statuses = []
    asking.start()
    eventually(lambda: pool_of(running)["waiting"] == 3, what="three in the queue")
    all_wait.set()
    asking.join()
    assert statuses == [200] * 4
    dwell = pool_of(running)["dwell"]
    assert [dwell[name]["count"] for name in ("connect", "first_byte", "queue_wait")] == [4, 4, 3]
    assert (dwell["tls_full"]["count"], dwell["tls_resumed"]["count"]) == (1, 3)
    assert dwell["first_byte"]["p50"] > 0.045 and dwell["queue_wait"]["p50"] > 0.045
    assert 0 < dwell["connect"]["mean"] < dwell["first_byte"]["mean"]
    metrics = fetch(running.addresses[-1], "/metrics").body.decode()
    host = f'host="{upstream.url}"'
    for series, count in (("queue_seconds_count{" + host, 3), ("connect_seconds_count{" + host, 4), ("first_byte_seconds_count{" + host, 4),
                          ("tls_handshake_seconds_count{" + host + ',resumed="no"', 1),
                          ("tls_handshake_seconds_count{" + host + ',resumed="yes"', 3)):
        assert f"holdfast_upstream_{series}}} {count}\n" in metrics


def play(make, trace, **root):
    """The same arrivals against a gateway with these settings: its reuse ratio, and what it foretells. Where the machine stood still
    meanwhile, pauses were others: once more then."""
    for _ in range(2):
        watch = Stopwatch()
        pool = play_once(make, trace, **root)
        if watch.stalled < 0.2:
            break
    return pool


def play_once(make, trace, **root):
    upstream = make.origin(answers_ok)
    running = make.gateway(proxy(upstream, None, ADMIN, **root))
    for count, pause in trace:
        upstream.handler = Gate(count)
        assert [response.status for response in at_once(running.address, count)] == [200] * count
        eventually(lambda: pool_of(running)["active"] == 0)
        time.sleep(pause)
    return pool_of(running)


def test_what_other_caps_and_timeouts_would_give_is_foretold(make):
    """F-3: one run foretells the runs with other settings."""
    trace = [(1, 0.05), (4, 0.05), (2, 0.05), (8, 0.7), (3, 0.05), (8, 0.05), (4, 0.7), (2, 0.05), (1, 0.05), (6, 0.05)] * 2
    table = play(make, trace, idle_connection_timeout="1h")["what_if"]
    assert table["requests"] == sum(count for count, _ in trace)
    for cap, timeout in ((1, None), (4, None), (8, 0.5), (2, 0.5)):
        foretold = table["reuse_ratio"][table["caps"].index(cap)][table["idle_seconds"].index(timeout)]
        real = play(make, trace, max_idle_connections_per_host=cap,
                    idle_connection_timeout=f"{timeout}s" if timeout else "1h")["reuse_ratio"]
        assert abs(foretold - real) <= 0.03, (cap, timeout)


def test_connections_to_the_admin_listener_are_limited(make):
    running = make.gateway(proxy(make.origin(), None, {"holdfast/admin": {"listen": "127.0.0.1:0", "max_connections": 2}}))
    visitors = [make.client(running.addresses[-1]) for _ in range(2)]
    for visitor in visitors:
        assert visitor.request("GET", "/livez", host="localhost").status == 200

    def is_served():
        try:
            return fetch(running.addresses[-1], "/livez").status == 200
        except (OSError, AssertionError):
            return False

    assert not is_served()
    for visitor in visitors:
        assert visitor.request("GET", "/livez", host="localhost").status == 200
    visitors[0].close()
    eventually(is_served, what="a place that has become free")
