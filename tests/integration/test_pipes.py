"""test_pipes.py: large bodies of a known length between two clear sockets, which the kernel passes on by itself (splice): the
client must not be able to tell. SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import socket
import time

import pytest
from configs import proxy
from origin import reply
from waiting import eventually, standstill

MIB = 1 << 20
PIPES_MAX = 64  # of a worker at a time


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def pipes_of(running):
    """Pipes among the gateway's descriptors: both ends of each."""
    count = 0
    for name in os.listdir(f"/proc/{running.pid}/fd"):
        try:
            count += os.readlink(f"/proc/{running.pid}/fd/{name}").startswith("pipe:")
        except FileNotFoundError:
            pass
    return count


def read_exactly(client, size):
    got = client.buffer[:size]
    client.buffer = client.buffer[size:]
    parts, count = [got], len(got)
    while count < size:
        parts.append(client.sock.recv(min(MIB, size - count)))
        assert parts[-1], f"ended after {count}"
        count += len(parts[-1])
    return b"".join(parts)


SIZES = [65536, 65537, 100_000, MIB, 3 * MIB + 77, 9 * MIB]


@pytest.mark.parametrize("pause", [False, True], ids=["at_once", "in_pieces"])
def test_bodies_arrive_byte_for_byte_and_both_connections_go_on(make, pause):
    bodies = {f"/{size}": noise(size, size) for size in SIZES}

    def handler(conn, request):
        body = bodies.get(request.path, b"OK")
        if not pause:
            conn.send(reply(body))
            return
        conn.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n")
        for at in range(0, len(body), len(body) // 5 + 1):
            conn.send(body[at:at + len(body) // 5 + 1])
            time.sleep(0.01)

    upstream = make.origin(handler)
    running = make.gateway(proxy(upstream, timeout="60s"))
    client = make.client(running)
    for size in [*SIZES, *reversed(SIZES)]:
        response = client.get(f"/{size}")
        assert response.body == bodies[f"/{size}"]
        assert client.get("/small").body == b"OK"
    assert len(upstream.connections) == 1


def test_a_slow_reader_holds_back_the_origin_and_gets_it_all(make):
    body, sent = noise(48 * MIB), [0]

    def floods(conn, _):
        conn.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n")
        for at in range(0, len(body), 65536):
            conn.send(body[at:at + 65536])
            sent[0] += 65536

    running = make.gateway(proxy(make.origin(floods), timeout="60s"))
    before = pipes_of(running)
    client = make.client(running, receive_buffer=65536)
    client.send_request("GET", "/")
    client.read_head()

    assert eventually(lambda: standstill(lambda: sent[0]), 20, "the origin held back") < 32 * MIB
    assert pipes_of(running) == before + 2, "a pipe holds what the client does not take"
    assert read_exactly(client, len(body)) == body
    assert client.get("/").body == body


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_body_that_the_origin_cuts_is_cut_for_the_client(make, end):
    body = noise(2 * MIB)

    def cuts(conn, request):
        if request.path == "/fine":
            conn.send(reply())
            return
        conn.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:MIB])
        time.sleep(0.3)
        getattr(conn, end)()

    running = make.gateway(proxy(make.origin(cuts), timeout="60s"))
    client = make.client(running)
    client.send_request("GET", "/cut")
    response = client.read_head()
    assert response.get("content-length") == str(len(body))
    got = bytearray(client.buffer)
    try:
        while data := client.sock.recv(MIB):
            got += data
    except ConnectionResetError:
        pass
    assert len(got) < len(body)
    assert body.startswith(bytes(got))
    if end == "close":
        assert len(got) == MIB, "all that came was passed on"
    assert make.client(running).get("/fine").status == 200


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(make, how):
    body = noise(24 * MIB)
    upstream = make.origin(lambda conn, request: conn.send(reply(body if request.path == "/large" else b"OK")))
    running = make.gateway(proxy(upstream, timeout="60s"))
    assert make.client(running).get("/").status == 200
    descriptors = running.open_descriptors()
    for _ in range(5):
        leaver = make.client(running, receive_buffer=65536)
        leaver.send_request("GET", "/large")
        leaver.read_head()
        time.sleep(0.1)
        getattr(leaver, how)()
    eventually(lambda: running.open_descriptors() <= descriptors + 2 * 16, what="descriptors given back")
    assert make.client(running).get("/").status == 200


def test_many_slow_readers_share_few_pipes(make):
    """More of them than a worker lends pipes: the others are copied to."""
    body = noise(8 * MIB)
    upstream = make.origin(lambda conn, _: conn.send(reply(body)))
    running = make.gateway(proxy(upstream, timeout="60s"))
    before = pipes_of(running)
    clients = [make.client(running, receive_buffer=8192) for _ in range(70)]
    for client in clients:
        client.send_request("GET", "/")
    heads = [client.read_head() for client in clients]
    assert all(head.status == 200 for head in heads)
    eventually(lambda: pipes_of(running) >= before + 2 * PIPES_MAX, what="all the pipes of the worker")
    time.sleep(0.3)
    assert pipes_of(running) == before + 2 * PIPES_MAX, "and no more"
    for client in clients:
        assert read_exactly(client, len(body)) == body


@pytest.mark.parametrize("most", [0, 2])
def test_how_many_pipes_there_are_is_a_setting(make, most):
    body = noise(4 * MIB)
    running = make.gateway(proxy(make.origin(lambda conn, _: conn.send(reply(body))), {"max_pipes": most}, timeout="60s"))
    before = pipes_of(running)
    clients = [make.client(running, receive_buffer=8192) for _ in range(6)]
    for client in clients:
        client.send_request("GET", "/")
    assert [client.read_head().status for client in clients] == [200] * 6
    eventually(lambda: pipes_of(running) >= before + 2 * most, what="as many as there may be")
    time.sleep(0.2)
    assert pipes_of(running) == before + 2 * most
    for client in clients:
        assert read_exactly(client, len(body)) == body


def test_a_client_of_http_1_0_gets_the_same(make):
    body = noise(MIB)
    running = make.gateway(proxy(make.origin(lambda conn, _: conn.send(reply(body)))))
    client = make.client(running)
    assert client.request("GET", "/", version="1.0").body == body
    assert client.ended()


def test_an_answer_may_come_while_the_request_is_still_sent(make):
    """Both directions at once: the answer by a pipe, the request through our buffers."""
    body, sink = noise(4 * MIB), []

    def echoes_later(conn, _):
        conn.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:MIB])
        sink.append(conn.body())
        conn.send(body[MIB:])

    running = make.gateway(proxy(make.origin(echoes_later), timeout="60s"))
    client = make.client(running)
    up = noise(3 * MIB, 2)
    client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(up)}\r\n\r\n".encode() + up[:100])
    client.read_head("POST")
    first = read_exactly(client, MIB)
    client.sock.settimeout(30)
    client.send(up[100:])
    assert first + read_exactly(client, len(body) - MIB) == body
    assert sink == [up]


def test_a_head_request_and_a_short_body_use_no_pipe(make):
    running = make.gateway(proxy(make.origin(lambda conn, request: conn.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" if request.method == "HEAD" else reply()))))
    client = make.client(running)
    before = pipes_of(running)
    assert client.request("HEAD", "/").get("content-length") == "1000000"
    assert client.get("/").body == b"OK"
    assert pipes_of(running) == before
    client.sock.shutdown(socket.SHUT_RDWR)
