"""test_strays.py: a host that says bytes nobody has asked for right behind its answers, cut at any byte, on real sockets, while its
connections go on being shared (quarantine: 0): no client gets one of them (keepalive F-16). Small unless HOLDFAST_STRAYS says how many
requests: HOLDFAST_STRAYS=100000. Bytes that come later cannot be told from an answer when a request has crossed them; the simulated
world, where that is known, has them too: `./dev sim --until 1000000 --scenario strays_of`.

SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import threading

import pytest
from admin import ADMIN, pool_of
from configs import proxy
from origin import chunked, reply
from rawhttp import Client

CLIENTS = 8
REQUESTS = int(os.environ.get("HOLDFAST_STRAYS", "400")) // CLIENTS
pytestmark = [pytest.mark.heavy] if REQUESTS > 1000 else []

STRAYS = [reply(b"STRAY"), chunked([b"STRAY"]), b"STRAY", b"5\r\nSTRAY\r\n0\r\n\r\n", b"\r\n" + reply(b"STRAY"),
          b"HTTP/1.1 204 No Content\r\nX-A: STRAY\r\n\r\n"]
DICE = random.Random(16)
LOCK = threading.Lock()


def choose(count):
    with LOCK:
        return DICE.randrange(count)


def answer_to(request):
    _, kind, number = request.target.split("/")
    body = b"" if request.method == "HEAD" else f"answer {number}".encode()
    if kind == "length":
        return reply(body) if body else b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
    if kind == "chunked":
        return chunked([body]) if body else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return b"HTTP/1.1 204 No Content\r\n\r\n" if kind == "204" else b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"


def says_too_much(conn, request):
    """Two of three times, in one piece with at least the last byte of the answer."""
    answer = answer_to(request)
    if choose(3) == 0:
        conn.send(answer)
        return
    said, cut = answer + STRAYS[choose(len(STRAYS))], choose(len(answer))
    if cut > 0:
        conn.send(said[:cut])
    conn.send(said[cut:])


def visit(address, first, wrong):
    dice = random.Random(first)
    with Client(address, seconds=30) as client:
        for number in range(first, first + REQUESTS):
            kind, method = dice.choice(["length", "chunked", "204", "304"]), dice.choice(["GET", "GET", "GET", "HEAD"])
            response = client.request(method, f"/{kind}/{number}")
            right = {"204": 204, "304": 304}.get(kind, 200)
            body = f"answer {number}".encode() if right == 200 and method == "GET" else b""
            if (response.status, response.body) != (right, body):
                wrong.append((method, kind, number, response.status, response.body))
        if client.buffer:
            wrong.append(client.buffer)


def test_what_is_said_too_much_behind_an_answer_reaches_nobody(make, note):
    running = make.gateway(proxy(make.origin(says_too_much), {"workers": 2}, {**ADMIN, "holdfast/upstream": {"quarantine": "0s"}},
                                 timeout="25s"))
    wrong = []
    crowd = [threading.Thread(target=visit, args=(running.address, 1 + i * REQUESTS, wrong)) for i in range(CLIENTS)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    pool = pool_of(running)
    assert wrong == []
    assert pool["stray_bytes"] > CLIENTS * REQUESTS // 3 and pool["quarantines"] == 0 and pool["reused"] > 0
    note("stray bytes on sockets", f"{CLIENTS * REQUESTS} requests, {pool['stray_bytes']} with stray bytes, {pool['reused']} reused")
