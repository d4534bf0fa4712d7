"""test_lifecycle.py: start, listeners, workers, drain on a signal, and running out of file descriptors.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import signal
import socket
import threading
import time

import pytest
from configs import forward_all, proxy, service
from crowd import in_threads
from gateway import binary_path, release_binary_path
from origin import reply
from rawhttp import Client, Cut, fetch
from waiting import Stopwatch, eventually


def waits_for(event):
    def handler(conn, request):
        if request.path == "/slow":
            event.wait(20)
        conn.body()
        conn.send(reply(b"done" if request.path == "/slow" else b"OK"))
    return handler


def refuses(address):
    try:
        socket.create_connection(address, 2).close()
    except OSError:
        return True
    return False


def test_the_ready_line(make):
    running = make.gateway(service([], {"workers": 2}))
    assert re.search(r"^ready: http://127\.0\.0\.1:\d+ .*2 workers", running.ready)
    assert sum("ready:" in line for line in running.err) == 1


def test_several_listeners(make, tmp_path):
    path = f"{tmp_path}/gateway.sock"
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0"}, {"listen": f"unix:{path}"}]
    if socket.has_ipv6 and not refuses_ipv6():
        listeners.append({"listen": "[::1]:0"})
    running = make.gateway(proxy(make.origin(), {"listeners": listeners}))
    assert len(set(running.addresses)) == len(listeners) - 1
    for address in running.addresses:
        assert fetch(address).body == b"OK"
    assert fetch(path).body == b"OK"


def refuses_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_named_and_ends_it_well(make, number):
    running = make.gateway(proxy(make.origin()))
    assert fetch(running.address).status == 200
    running.stop(number)
    assert number.name in running.output or number.name[3:].lower() in running.output.lower()
    assert refuses(running.address)


def test_idle_connections_do_not_hold_it(make):
    running = make.gateway(proxy(make.origin(), {"drain_limit": "30s"}))
    clients = [make.client(running) for _ in range(5)]
    assert [each.get().status for each in clients[:4]] == [200] * 4
    watch = Stopwatch()
    running.stop()
    assert watch.awake < 5
    assert all(each.ended() for each in clients)


def test_requests_in_flight_are_completed(make):
    event = threading.Event()
    upstream = make.origin(waits_for(event))
    running = make.gateway(proxy(upstream, {"drain_limit": "15s"}, timeout="20s"))
    clients = [make.client(running) for _ in range(3)]
    for each in clients:
        each.send_request("POST", "/slow", body=b"x")
    upstream.wait_requests(3)
    running.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert running.running(), "it did not wait"
    event.set()
    for each in clients:
        response = each.read_response()
        assert (response.status, response.body, response.says_close) == (200, b"done", True)
        assert each.ended()
    running.stop()


def test_streams_in_flight_are_completed(make):
    def slow(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            conn.send(b"4\r\npart\r\n")
            time.sleep(0.1)
        conn.send(b"0\r\n\r\n")

    running = make.gateway(proxy(make.origin(slow), {"drain_limit": "15s"}, timeout="20s"))
    client = make.client(running)
    client.send_request("GET", "/")
    response = client.read_head()
    running.send_signal(signal.SIGTERM)
    client.read_body(response)
    assert response.body == b"part" * 10
    running.stop()


@pytest.mark.parametrize("settings", [{"server": {"drain_limit": "1s"}},
                                      {"server": {"drain_limit": "60s"}, "max_shutdown_wait_time": "1s"}])
def test_the_limit_ends_what_does_not_end(make, settings):
    event = threading.Event()
    upstream = make.origin(waits_for(event))
    running = make.gateway(proxy(upstream, timeout="60s", **settings))
    client = make.client(running)
    client.send_request("GET", "/slow")
    upstream.wait_requests(1)
    watch = Stopwatch()
    running.stop()
    assert watch.between(0.7, 5), watch
    event.set()
    assert re.search(r'\| 499 \|.*"/slow"\nError #01: cut off by the end of the gateway', running.output)
    with pytest.raises((Cut, ConnectionError)):
        assert client.read_response().status >= 500
        raise Cut("an error status says it too")


def test_a_second_signal_does_not_wait(make):
    event = threading.Event()
    upstream = make.origin(waits_for(event))
    running = make.gateway(proxy(upstream, {"drain_limit": "60s"}, timeout="60s"))
    client = make.client(running)
    client.send_request("GET", "/slow")
    upstream.wait_requests(1)
    running.send_signal(signal.SIGTERM)
    running.wait_output("SIGTERM")
    running.send_signal(signal.SIGTERM)
    assert running.child.wait(10) is not None
    event.set()


def test_a_second_signal_finds_the_workers_that_are_left(make):
    """All but one have nothing to do and end at the first signal; it is rarely the first one that remains."""
    event = threading.Event()
    upstream = make.origin(waits_for(event))
    running = make.gateway(proxy(upstream, {"drain_limit": "60s", "workers": 16}, timeout="60s"))
    client = make.client(running)
    client.send_request("GET", "/slow")
    upstream.wait_requests(1)
    running.send_signal(signal.SIGTERM)
    eventually(lambda: threads_of(running) == 2, what="the main thread and one worker")
    running.send_signal(signal.SIGTERM)
    assert running.child.wait(10) is not None
    event.set()


def threads_of(running):
    return len(os.listdir(f"/proc/{running.pid}/task"))


class TestDescriptors:
    """With RLIMIT_NOFILE 64: accepting pauses, what is open goes on, and later everybody is served."""

    @pytest.fixture
    def running(self, make):
        # Those who wait say nothing meanwhile: they are not to be taken for idle ones, or for slow ones.
        return make.gateway(proxy(make.origin(), {"idle_timeout_min": "60s"}, read_header_timeout="60s"), open_files=64)

    def test_open_connections_go_on(self, running, make):
        first = make.client(running)
        assert first.get().status == 200
        crowd = [socket.create_connection(running.address, 5) for _ in range(150)]
        try:
            time.sleep(0.3)
            for _ in range(20):
                assert first.get().status == 200
            before = running.cpu_seconds()
            time.sleep(1)
            assert running.cpu_seconds() - before < 0.5, "it spins while it cannot accept"
        finally:
            for sock in crowd:
                sock.close()
        eventually(lambda: served(running.address), 10, "service after the crowd has gone")

    def test_those_who_wait_are_served_when_others_leave(self, running):
        crowd = [Client(running.address) for _ in range(80)]
        try:
            answered = []
            for each in crowd:  # the first ones are accepted; each leaves after its answer and makes room
                each.seconds = 10
                each.sock.settimeout(10)
                answered.append(each.get().status)
                each.close()
            assert all(status in (200, 502, 503) for status in answered)
            assert answered[-1] == 200
        finally:
            for each in crowd:
                each.close()
        assert running.running()


def test_idle_connections_cost_no_processor(make):
    """Nothing happens but a look now and then: a thousand take less than a hundredth of a processor."""
    running = make.gateway(proxy(make.origin()), open_files=4096)
    crowd = [make.client(running) for _ in range(1000)]
    assert {each.get().status for each in crowd} == {200}
    time.sleep(2)  # what a rush took is given back meanwhile
    before, watch = running.cpu_seconds(), Stopwatch()
    time.sleep(4)
    assert running.cpu_seconds() - before < 0.01 * watch.seconds + 0.02, "two ticks of the scheduler's clock"


def test_a_gateway_at_rest_sleeps(make):
    """Where each thread would wake six times, at most one of them does, for the look twice a minute; behind a request
    the main thread looks again."""
    running = make.gateway(proxy(make.origin()))
    crowd = [make.client(running) for _ in range(20)]
    assert {each.get().status for each in crowd} == {200}

    def sleeps():
        before = running.sleeps()
        time.sleep(6)
        return running.sleeps() - before

    eventually(lambda: sleeps() <= 1, 40, "rest")
    before = running.sleeps("main")
    assert crowd[0].get().status == 200
    eventually(lambda: running.sleeps("main") >= before + 3, what="looks at memory again")


@pytest.mark.heavy
def test_what_a_crowd_took_is_given_back(make, note):
    """Half an upload each: a buffer for every connection, and more than the workers keep for the next crowd."""
    if release_binary_path() == binary_path():
        pytest.skip("a sanitizer keeps freed memory")
    running = make.gateway(proxy(make.origin(lambda conn, _: conn.body())), binary=release_binary_path())
    before = running.memory_kib()
    crowd = [Client(running.address) for _ in range(900)]
    for each in crowd:
        each.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"a" * 50000)
    eventually(lambda: running.memory_kib() > before + 40_000, what="memory in use")
    for each in crowd:
        each.close()
    eventually(lambda: running.memory_kib() < before + 25_000, 10, "memory given back")
    note("a crowd", f"{before} KiB, {running.memory_kib('VmHWM')} KiB, {running.memory_kib()} KiB")


def served(address):
    try:
        return fetch(address).status == 200
    except (AssertionError, OSError):
        return False


def test_a_worker_more_serves_too(make):
    upstream = make.origin(lambda conn, request: (time.sleep(0.05), conn.send(reply(request.target))))
    address = make.gateway(service([forward_all(upstream)], {"workers": 3})).address
    assert in_threads(lambda n: fetch(address, f"/{n}").body, range(24)) == [b"/%d" % n for n in range(24)]


def test_the_access_log_has_a_line_for_each_request(make):
    running = make.gateway(proxy(make.origin()))
    fetch(running.address, "/seen?x=1")
    line = running.wait_output(r"/seen\?x=1")
    assert re.search(r"\b200\b", line) and "GET" in line and "127.0.0.1" in line


def test_the_access_log_can_be_turned_off(make):
    running = make.gateway(proxy(make.origin(), extra={"router": {"disable_access_log": True}}))
    fetch(running.address, "/unseen")
    assert "/unseen" not in running.all_output()
