"""test_large_bodies.py: a gigabyte in either direction in constant memory; slow peers hold back fast ones.

$HOLDFAST_RELEASE_BINARY is used where given: a sanitizer build is slower and larger by itself.
SPDX-License-Identifier: Apache-2.0
"""
import socket
import threading

import pytest
import servers
from configs import proxy
from gateway import binary_path, release_binary_path
from origin import reply
from rawhttp import Client
from waiting import Stopwatch, eventually, standstill

GIB = 1 << 30
MEMORY_MAX_KIB = 64 << 10
BUFFERS_MAX = 32 << 20  # kernel buffers of both connections, and ours


def memory_grown_kib(running, before):
    """Under a sanitizer the process is large from the start: its growth counts. Else all of it does."""
    most = running.memory_kib("VmHWM")
    return most if release_binary_path() != binary_path() else most - before


def read_and_count(sock, size_max):
    into, count = bytearray(1 << 20), 0
    while count < size_max:
        got = sock.recv_into(into)
        if not got:
            break
        count += got
    return count


@pytest.mark.heavy
def test_a_gigabyte_down(make, tmp_path, note):
    if servers.Nginx.missing:
        pytest.skip(servers.Nginx.missing)
    servers.let_others_read(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    with open(root / "sparse", "wb") as file:
        file.truncate(GIB)
    upstream = make.stack.enter_context(servers.Nginx(tmp_path / "nginx", root))
    running = make.gateway(proxy(upstream, timeout="200s"), binary=release_binary_path())
    client, before, watch = make.client(running), running.memory_kib(), Stopwatch()
    client.send_request("GET", "/sparse")
    response = client.read_head()
    assert (response.status, response.get("content-length")) == (200, str(GIB))
    assert len(client.buffer) + read_and_count(client.sock, GIB - len(client.buffer)) == GIB
    client.buffer = b""
    grown = memory_grown_kib(running, before)
    note("1 GiB down", f"{watch.seconds:.1f} s, {grown} KiB")
    assert grown < MEMORY_MAX_KIB
    assert client.get("/none").status == 404, "the connection goes on"


@pytest.mark.heavy
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_gigabyte_up(make, framing, note):
    counted = []

    def sink(conn, request):
        """Counts without keeping; for chunks, all bytes up to the end mark."""
        size = int(request.get("content-length", 0)) or None
        got, tail = len(conn.buffer), conn.buffer
        conn.sock.settimeout(30)
        while (got < size) if size else not tail.endswith(b"0\r\n\r\n"):
            data = conn.sock.recv(1 << 20)
            assert data, f"ended after {got}"
            got, tail = got + len(data), data[-5:] if len(data) >= 5 else (tail + data)[-5:]
        counted.append(got)
        conn.buffer, request.body = b"", b"counted"
        conn.send(reply(str(got)))

    upstream = make.origin(sink)
    running = make.gateway(proxy(upstream, timeout="200s"), binary=release_binary_path())
    client, before, watch = make.client(running), running.memory_kib(), Stopwatch()
    block = b"u" * (1 << 20)
    if framing == "length":
        client.send(f"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n")
    else:
        client.send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"100000\r\n" + block + b"\r\n"
    for _ in range(GIB >> 20):
        client.send(block)
    if framing == "chunked":
        client.send("0\r\n\r\n")
    assert client.read_response().status == 200
    grown = memory_grown_kib(running, before)
    note(f"1 GiB up, {framing}", f"{watch.seconds:.1f} s, {grown} KiB")
    assert counted[0] == GIB if framing == "length" else counted[0] >= GIB
    assert grown < MEMORY_MAX_KIB


def test_a_client_that_does_not_read_stops_the_origin(make):
    sent = [0]

    def floods(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"10000\r\n" + b"d" * 65536 + b"\r\n"
        while True:
            conn.send(block)
            sent[0] += len(block)

    running = make.gateway(proxy(make.origin(floods), timeout="60s"))
    before = running.memory_kib()
    client = make.client(running, receive_buffer=65536)
    client.send_request("GET", "/")
    client.read_head()
    stalled = eventually(lambda: standstill(lambda: sent[0]), 20, "the origin held back")
    assert stalled < BUFFERS_MAX
    assert running.memory_kib() - before < 16 << 10
    assert read_and_count(client.sock, 8 << 20) >= 8 << 20, "reading lets it go on"


def test_an_origin_that_does_not_read_stops_the_client(make):
    release = threading.Event()

    def ignores(conn, _):
        release.wait(40)
        conn.body()
        conn.send(reply())

    upstream = make.origin(ignores, receive_buffer=65536)
    running = make.gateway(proxy(upstream, timeout="60s"))
    before = running.memory_kib()
    client = make.client(running)
    size = 48 << 20
    client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
    sent = client.send_until_blocked(b"u" * 65536, size)
    assert sent < BUFFERS_MAX
    assert running.memory_kib() - before < 16 << 10
    release.set()
    while sent < size:
        sent += client.sock.send(b"u" * min(65536, size - sent))
    assert client.read_response().status == 200
    assert len(upstream.requests[0].body) == size


def test_slow_clients_do_not_slow_others(make):
    """Ten clients that read nothing of a large answer; the eleventh is served at once."""
    body = reply(b"d" * (4 << 20))
    upstream = make.origin(lambda conn, request: conn.send(body if request.path == "/large" else reply()))
    running = make.gateway(proxy(upstream, timeout="60s"))
    slow = [make.client(running, receive_buffer=4096) for _ in range(10)]
    for each in slow:
        each.send_request("GET", "/large")
        each.read_head()
    watch = Stopwatch()
    with Client(running.address) as quick:
        assert [quick.get("/x").status for _ in range(20)] == [200] * 20
    assert watch.awake < 3
    for each in slow:
        each.sock.shutdown(socket.SHUT_RDWR)
