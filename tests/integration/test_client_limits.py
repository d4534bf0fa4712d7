"""test_client_limits.py: deadlines and limits on the client side. SPDX-License-Identifier: Apache-2.0"""
import json
import re
import threading
import time

import h2.events
import pytest
from admin import ADMIN, metrics
from configs import proxy
from gateway import run_to_end
from h2client import Client as Client2
from origin import by_path
from rawhttp import Client, Cut, fetch
from waiting import Stopwatch, eventually


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
    assert watch.between(0.2, 4), watch


def test_a_trickling_head_has_no_more_time(make):
    client = make.client(make.gateway(proxy(make.origin(), read_header_timeout="600ms")))
    watch = Stopwatch()
    try:
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 10_000:
            client.send(bytes([byte]))
            if not client.silent(0.05):
                break
        ends_with_408_or_silently(client)
    except ConnectionError:
        pass  # closed while a byte was under way
    assert watch.awake < 5


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
    running = make.gateway(proxy(make.origin(), idle_timeout="3s"))
    for _ in range(4):
        client, watch = make.client(running), Stopwatch()
        promise = client.get().get("keep-alive", "")
        seconds = int(re.match(r"timeout=(\d+)", promise)[1])
        assert 1 <= seconds <= 3
        time.sleep(seconds)
        client.send_request("GET", "/")
        if watch.seconds < seconds + 0.5:  # else the machine is too late for what was promised
            break
    assert client.read_final().status == 200


@pytest.mark.parametrize("settings,promise", [({}, 75), ({"idle_timeout_max": "20s"}, 20), ({"idle_timeout_max": "2s", "idle_timeout_min": "1s"}, 2)])
def test_what_is_promised_without_an_idle_timeout(make, settings, promise):
    """Nothing is short: the longest that may be promised."""
    client = make.client(make.gateway(proxy(make.origin(), {"max_connections": 100, **settings})))
    assert client.get().get("keep-alive") == f"timeout={promise}"
    if promise < 5:
        assert client.ended(10)


def test_the_adaptive_idle_timeout_has_an_order(make, tmp_path):
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(proxy("http://127.0.0.1:9001", {"idle_timeout_min": "9s", "idle_timeout_max": "8s"})))
    code, _, err = run_to_end(["check", "-c", path])
    assert code == 1 and "idle_timeout_min: is longer than idle_timeout_max" in err, (code, err)


def test_connections_are_many_at_most(make):
    """max_connections: who comes then waits, and is served when there is room."""
    running = make.gateway(proxy(make.origin(), {"max_connections": 3, "idle_timeout_min": "60s"}))
    inside = [make.client(running) for _ in range(3)]
    assert {each.get().status for each in inside} == {200}
    outside = make.client(running)
    outside.send_request("GET", "/")
    assert outside.silent(0.7)
    assert inside[0].get().status == 200
    inside[0].close()
    assert outside.read_response().status == 200


def test_who_waits_gets_the_place_of_a_busy_client(make):
    """G.0, pressure: nobody is idle, and somebody waits: who came first is told by an answer."""
    running = make.gateway(proxy(make.origin(), {"workers": 1, "max_connections": 3, "idle_timeout_min": "1s"}, ADMIN))
    inside = [make.client(running) for _ in range(3)]
    assert {each.get().status for each in inside} == {200}
    outside = make.client(running)
    outside.send_request("GET", "/")
    watch, told = Stopwatch(), 0
    while outside.silent(0.05) and watch.seconds < 20:
        for each in list(inside):
            response = each.get()
            assert response.status == 200
            if response.says_close:
                assert each.ended()
                each.close()
                inside.remove(each)
                told += 1
    response = outside.read_response()
    assert (response.status, response.says_close) == (200, False)
    assert watch.seconds > 0.9, "it is waited for idle ones first"
    assert 1 <= told <= 2, "one is enough; a second one if the machine stood still"
    assert {each.get().status for each in inside} == {200}
    assert metrics(running)['holdfast_client_closes_total{reason="pressure",side="ours",listener="127.0.0.1:0"}'] == told


def test_who_goes_on_for_too_long_is_cut_for_who_waits(make):
    """G.0, pressure, the hard limit: one request that takes longer than drain_limit, and somebody who waits for its place."""
    release = threading.Event()
    upstream = make.origin(by_path({"/held": lambda conn, _: release.wait(60)}))
    settings = {"workers": 1, "max_connections": 1, "idle_timeout_min": "1s", "drain_limit": "1s"}
    running = make.gateway(proxy(upstream, settings, ADMIN, timeout="60s"))
    inside = make.client(running)
    inside.send_request("GET", "/held")
    upstream.wait_requests(1)
    outside = make.client(running, seconds=30)
    outside.send_request("GET", "/")
    assert outside.read_response().status == 200
    assert inside.ended()
    release.set()
    assert metrics(running)['holdfast_client_closes_total{reason="cut",side="ours",listener="127.0.0.1:0"}'] == 1
    running.wait_output(r"left at the drain limit: listener 127\.0\.0\.1:0, peer \S+, age \d+ s, requests 1, under way: /\*", 10)


def test_who_waits_gets_the_place_of_a_busy_client_of_http2(make):
    """GOAWAY, in two steps; what is asked until then is answered."""
    running = make.gateway(proxy(make.origin(), {"workers": 1, "max_connections": 1, "idle_timeout_min": "1s"}, use_h2c=True))
    inside = Client2(running.address)
    make.stack.callback(inside.sock.close)
    inside.request(1)
    assert inside.status(1) == 200
    outside = make.client(running)
    outside.send_request("GET", "/")
    stream, watch = 1, Stopwatch()
    while not inside.of(h2.events.ConnectionTerminated) and watch.seconds < 20:
        stream += 2
        inside.request(stream)
        assert inside.status(stream) == 200
        time.sleep(0.05)
    assert {each.error_code for each in inside.of(h2.events.ConnectionTerminated)} == {0}
    assert watch.seconds > 0.9
    assert outside.read_response().status == 200


def test_an_answer_that_is_not_done_in_time_is_cut(make):
    """write_timeout counts from the request's head to the last byte, as in Go."""
    def slowly(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            conn.send(b"a")
            time.sleep(0.1)

    client = make.client(make.gateway(proxy(make.origin(slowly), write_timeout="1s", timeout="30s")))
    watch = Stopwatch()
    client.send_request("GET", "/")
    with pytest.raises((Cut, ConnectionError)):
        client.read_response()
    assert watch.between(0.8, 6), watch


def test_an_answer_does_not_wait_for_a_body_that_stops(make):
    """The endpoint's deadline ends the request. In KrakenD its answer waits for the rest of the body."""
    client = make.client(make.gateway(proxy(make.origin(), {"body_gap_timeout": "20s"}, timeout="400ms")))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello")
    assert client.read_response().status == 504
    assert client.ended()


def test_an_answer_in_http_1_0_is_one_of_http_1_1(make):
    running = make.gateway(proxy(make.origin()))
    for fields, close in (("", True), ("Connection: keep-alive\r\n", False)):
        client = make.client(running)
        client.send(f"GET / HTTP/1.0\r\nHost: a\r\n{fields}\r\n".encode())
        response = client.read_response()
        assert (response.version, response.status, response.says_close) == ("1.1", 200, close)


def test_a_body_that_stops_is_given_up(make):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream, {"body_gap_timeout": "400ms"}, timeout="20s")))
    watch = Stopwatch()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello")
    ends_with_408_or_silently(client)
    assert watch.between(0.2, 5), watch
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


def crowd_of(make, limit, **server):
    return make.gateway(proxy(make.origin(), {"max_connections_per_ip": limit, "workers": 2, **server}))


@pytest.mark.parametrize("limit", [10, 50])
def test_107_one_connection_too_many_of_an_address(make, limit):
    """The limits of the seeds: 10, and 50 connections for each address; over both workers."""
    running = crowd_of(make, limit)
    inside = [make.client(running) for _ in range(limit)]
    assert {each.get().status for each in inside} == {200}
    with pytest.raises((Cut, ConnectionError)), Client(running.address) as outside:  # maybe while it connects
        outside.get()
    assert {each.get().status for each in inside} == {200}, "the others are unharmed"
    inside[0].close()
    eventually(lambda: is_served(running.address), what="room again")


def is_served(address):
    try:
        return fetch(address).status == 200
    except (Cut, ConnectionError):
        return False


def test_107_or_told_with_503(make):
    running = crowd_of(make, 1, refuse_with="503")
    first = make.client(running)
    assert first.get().status == 200
    second = make.client(running)
    response = second.get()
    assert (response.status, response.says_close) == (503, True)
    assert response.body == b"503 Service Unavailable: too_many_connections"
    assert second.ended()
    assert first.get().status == 200


def test_addresses_count_apart_and_networks_together(make):
    """By PROXY headers, which say any address."""
    running = crowd_of(make, 1, proxy_protocol="require", ipv4_prefix=24, ipv6_prefix=56)

    def enters(address):
        kind = "TCP6" if ":" in address else "TCP4"
        other = "::1" if ":" in address else "192.0.2.1"
        client = make.client(running)
        try:
            client.send(f"PROXY {kind} {address} {other} 1 2\r\n".encode() + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.read_response().status == 200
        except (Cut, ConnectionError):
            return False

    assert enters("198.51.100.1")
    assert not enters("198.51.100.200")
    assert enters("198.51.101.1")
    assert enters("2001:db8:0:100::1")
    assert not enters("2001:db8:0:1ff::2")
    assert enters("2001:db8:0:200::1")


@pytest.mark.parametrize("server", [{"min_body_rate": 1000, "body_gap_timeout": "1s"}])
def test_105_a_trickling_body_is_answered_408(make, server):
    upstream = make.origin()
    client = make.client(make.gateway(proxy(upstream, server, timeout="60s")))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    watch = Stopwatch()
    while client.silent(0.2) and watch.seconds < 20:
        client.send(b"a")
    assert client.read_response().status == 408
    assert watch.between(3, 15), watch
    assert client.ended()
    eventually(lambda: not any(conn.received for conn in upstream.open_connections()), what="the host's connection given up")
    assert all(request.body is None for request in upstream.requests)


@pytest.mark.parametrize("takes,server", [(0, {"send_gap_timeout": "1s", "min_send_rate": 0}),
                                          (20000, {"send_gap_timeout": "5s", "min_send_rate": 2000000})], ids=["nothing", "a little at a time"])
def test_106_a_reader_that_takes_nothing_frees_the_upstream(make, takes, server):
    """Or hardly anything, beneath the rate. What the host has not said yet is not read, and its connection is given up."""
    body = b"a" * (20 << 20)
    upstream = make.origin(lambda conn, _: conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
    running = make.gateway(proxy(upstream, server, timeout="60s"))
    client = make.client(running)
    client.send_request("GET", "/")
    watch = Stopwatch()
    while not re.search(r'\| 200 \|.*"/"', running.output) and watch.seconds < 30:
        time.sleep(0.1)
        if takes:
            client.sock.recv(takes)
    assert watch.between(0.7, 25), watch
    eventually(lambda: not upstream.open_connections(), what="the host's connection given up")
    with pytest.raises((Cut, ConnectionError)):
        client.read_response()


def test_too_many_fields(make):
    running = make.gateway(proxy(make.origin(), {"max_header_fields": 20}))
    assert fetch(running.address, fields=[("X-A", "a")] * 15).status == 200
    assert fetch(running.address, fields=[("X-A", "a")] * 30).status == 431


@pytest.mark.parametrize("raw,status", [
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 1_100_000, 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)], ids=lambda value: str(value) if isinstance(value, int) else "")
def test_statuses_of_what_is_refused(make, raw, status):
    client = make.client(make.gateway(proxy(make.origin())))
    try:
        client.send(raw)
    except OSError:
        pass
    response = client.read_response()
    assert (response.status, response.says_close) == (status, True)
    assert b"aaaa" not in response.body, "nothing of the request comes back"


def test_a_client_may_shorten_its_idle_timeout(make):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, extra={"holdfast/admin": {"listen": "127.0.0.1:0"}}))
    client = make.client(running)
    assert client.get(fields=[("Keep-Alive", "timeout=1, max=5")]).get("keep-alive").startswith("timeout=1")
    assert upstream.last.get("keep-alive") is None
    assert client.ended(6)
    assert fetch(running.address).status == 200
    eventually(lambda: b"holdfast_client_hinted_connections_total 1\n" in fetch(running.addresses[1], "/metrics").body)


def test_age_is_announced(make):
    client = make.client(make.gateway(proxy(make.origin(), {"max_connection_age": "1s"})))
    watch = Stopwatch()
    while not (response := client.get()).says_close and watch.seconds < 10:
        time.sleep(0.1)
    assert response.says_close and response.status == 200
    assert client.ended()


def test_the_hard_age_has_an_audit_line(make):
    running = make.gateway(proxy(make.origin(), {"max_connection_age_hard": "1s"}))
    client = make.client(running)
    assert client.get().status == 200
    running.wait_output(
        r"AUDIT.*max_connection_age_hard: listener 127\.0\.0\.1:0, peer 127\.0\.0\.1:\d+, age \d+ s, requests 1", 8)
    assert client.ended()


def test_the_hard_age_is_that_of_the_listener(make):
    """139: compliance is asked of one way in, not of all."""
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.2:0", "max_connection_age_hard": "1s"}]
    running = make.gateway(proxy(make.origin(), {"listeners": listeners}))
    free, limited = [make.client(address) for address in running.addresses[:2]]
    assert free.get().status == limited.get().status == 200
    running.wait_output(r"AUDIT.*max_connection_age_hard: listener 127\.0\.0\.2:0, peer", 8)
    assert limited.ended()
    assert free.get().status == 200
