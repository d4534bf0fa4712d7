"""test_keepalive_g5.py: how client connections end when they are idle or slow, items 100 to 109 of the keep-alive test matrix (G.5); 103
is in test_tls_server.py, 105 to 107 are in test_client_limits.py, more of 108 in tests/unit/gateway/test_keep.c. SPDX-License-Identifier: Apache-2.0"""
import contextlib
import re
import threading
import time
import urllib.request

import pytest
from configs import proxy
from netlab import Relay, namespace
from origin import reply
from rawhttp import Client
from waiting import Stopwatch, eventually


def metric(running, name):
    text = urllib.request.urlopen(f"http://{running.addresses[1][0]}:{running.addresses[1][1]}/metrics", timeout=5).read().decode()
    found = re.search(rf"^{re.escape(name)} (\d+)", text, re.M)
    return int(found[1]) if found else 0


def watched(make, handler=None, server=None, **root):
    origin = make.origin(handler) if handler else make.origin()
    return make.gateway(proxy(origin, server, {"holdfast/admin": {"listen": "127.0.0.1:0"}}, **root))


def test_100_idle_time_and_grace_pass_without_a_word(make):
    running = watched(make, idle_timeout="1s")
    client = make.client(running)
    assert client.get().get("keep-alive") == "timeout=1"
    watch = Stopwatch()
    assert client.ended(8)
    assert watch.seconds > 1.5, "the promise and a second of grace"
    eventually(lambda: metric(running, 'holdfast_client_closes_total{reason="idle",side="ours",listener="127.0.0.1:0"}') == 1, what="the ledger")


def test_101_a_request_that_crosses_the_close_is_counted(make):
    running = watched(make, idle_timeout="1s", server={"keep_alive_header": False})
    raced = 0
    for _ in range(5):
        with Client(running.address) as client:
            assert client.get().status == 200
            assert client.ended(8)
            try:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            except OSError:
                pass
            time.sleep(0.2)
        raced = metric(running, "holdfast_client_races_total")
        if raced:
            break
    assert raced > 0


def test_102_the_answer_arrives_though_the_client_still_uploads(make):
    big = b"a" * 300_000
    running = watched(make, lambda conn, _: conn.send(
        b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(big) + big), timeout="10s")
    client = make.client(running)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"b" * 100_000)
    response = client.read_response()
    assert (response.status, len(response.body)) == (403, len(big))


@pytest.mark.parametrize("round_trip", [0.05, 0.3])
def test_102_over_a_long_path(make, round_trip):
    """What is under way to us when we have answered meets no reset, which would undo what the client has not read yet."""
    big = b"a" * 300_000
    with namespace(), Relay(round_trip=round_trip), contextlib.ExitStack() as inside:
        local = type(make)(inside, make.directory)
        upstream = local.origin(lambda conn, _: conn.send(
            b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(big) + big))
        running = local.gateway(proxy(upstream, {"listeners": [{"listen": f"{Relay.NEAR}:0"}]}, timeout="20s"))
        client = local.client((Relay.FAR, running.address[1]))
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + b"b" * 100_000)
        uploads, stop = [], threading.Event()

        def upload():
            try:
                while not stop.wait(round_trip / 10):
                    client.sock.sendall(b"b" * 1000)
                    uploads.append(time.monotonic())
            except OSError:
                pass

        thread = threading.Thread(target=upload)
        thread.start()
        try:
            response = client.read_head()
            began = time.monotonic()
            time.sleep(round_trip * 2)  # a client that is in no hurry
            client.read_body(response)
        finally:
            stop.set()
            thread.join()
        assert (response.status, len(response.body)) == (403, len(big))
        assert any(at > began for at in uploads) or len(uploads) > 2, "it was uploading all the while"


def test_a_half_closed_client_gets_its_answers(make):
    """FIN behind two requests says that no third one comes, and nothing about the answers."""
    running = watched(make, lambda conn, _: (time.sleep(0.3), conn.send(reply(b"late"))))
    client = make.client(running)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    client.half_close()
    first, last = client.read_response(), client.read_response()
    assert (first.body, first.says_close) == (b"late", False)
    assert (last.body, last.says_close) == (b"late", True)
    assert client.ended()
    eventually(lambda: metric(running, 'holdfast_client_closes_total{reason="closed",side="client",listener="127.0.0.1:0"}') == 1, what="the ledger")


@pytest.mark.parametrize("sends", [False, True])
def test_lingering_is_bounded(make, sends):
    """Behind its last answer the gateway reads on for two seconds and 256 KiB, not for as long as a client likes."""
    running = watched(make)
    client = make.client(running)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert client.read_response().says_close
    watch, sent = Stopwatch(), 0
    try:
        while metric(running, "holdfast_client_connections_closed_total") < 1 and watch.seconds < 10:
            client.send(b"x" * 100_000 if sends else b"")
            sent += sends
            time.sleep(0.05)
    except OSError:
        pass
    eventually(lambda: metric(running, "holdfast_client_connections_closed_total") == 1, what="its end")
    assert watch.awake < (3 if sends else 8)
    assert sent < 12, "256 KiB are three of these, and what is under way"
    assert sends or watch.seconds > 1


def test_104_a_byte_a_second_ends_at_the_deadline(make):
    running = watched(make, read_header_timeout="2s")
    client = make.client(running)
    watch = Stopwatch()
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-":
        client.send(bytes([byte]))
        if not client.silent(0.3):
            break
    assert client.read_response().status == 408
    assert watch.between(1.5, 7), watch
    assert client.ended()
    eventually(lambda: metric(running, 'holdfast_client_closes_total{reason="head_timeout",side="ours",listener="127.0.0.1:0"}') == 1,
               what="the ledger")


def test_104_a_head_that_trickles_is_not_waited_for(make):
    """The deadline is far away; what counts is the rate behind the first five seconds."""
    running = watched(make, read_header_timeout="60s")
    client = make.client(running)
    watch = Stopwatch()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ")
    while client.silent(0.3) and watch.seconds < 30:
        client.send(b"a")
    assert client.read_response().status == 408
    assert 4.5 < watch.seconds < 15
    assert client.ended()
    eventually(lambda: metric(running, 'holdfast_client_closes_total{reason="head_timeout",side="ours",listener="127.0.0.1:0"}') == 1,
               what="the ledger")


def test_108_short_of_descriptors_the_idlest_go_first(make):
    """Nobody waits to be accepted, and what is under way is not hurt; the ledger says why."""
    release = threading.Event()

    def waits(conn, request):
        if request.target == "/slow":
            release.wait(30)
        conn.send(reply(b"done"))

    origin = make.origin(waits)
    config = proxy(origin, {"idle_timeout_min": "1s", "idle_timeout_max": "60s"}, {"holdfast/admin": {"listen": "127.0.0.1:0"}}, timeout="40s")
    running = make.gateway(config, open_files=200)
    active = make.client(running)
    active.send_request("GET", "/slow")
    origin.wait_requests(1)
    first = [make.client(running) for _ in range(60)]
    assert {client.get().status for client in first} == {200}
    time.sleep(1.2)
    later = []
    for _ in range(150):
        later.append(make.client(running))
        assert later[-1].get().status == 200
        time.sleep(0.01)
    assert sum(client.ended(0.1) for client in first) >= 40, "those idle for longest have gone"
    assert later[-1].get().status == 200
    release.set()
    assert active.read_response().status == 200
    assert metric(running, 'holdfast_client_closes_total{reason="pressure",side="ours",listener="127.0.0.1:0"}') >= 20


def test_109_a_request_at_the_last_moment_is_served(make):
    """Sent at the end of what was promised: it never meets a close."""
    running = watched(make, idle_timeout="1s")
    for early in (0.3, 0.1, 0.02, 0.0):
        for _ in range(4):
            client, watch = make.client(running), Stopwatch()
            assert client.get().status == 200
            time.sleep(1.0 - early)
            client.send_request("GET", "/")
            if watch.seconds < 1.5:  # else the machine is too late for what was promised
                break
        assert client.read_final().status == 200
        client.close()
