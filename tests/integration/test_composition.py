"""test_composition.py: several backends at work: time, leaving clients, large bodies, connections. What answers look like
stands in tests/krakend.

krakend-core 4.8, 4.9 and 4.12. SPDX-License-Identifier: Apache-2.0
"""
import json
import threading
import time

import pytest
from configs import backend, endpoint, service
from origin import by_path, chunked, reply
from rawhttp import fetch
from waiting import Stopwatch, eventually

SHADOW = {"extra_config": {"proxy": {"shadow": True}}}
SEQUENTIAL = {"extra_config": {"proxy": {"sequential": True}}}


def gives(value, fields=()):
    data = json.dumps(value)

    def handler(conn, _):
        conn.body()
        conn.send(reply(data, fields=fields))
    return handler


def silent(conn, _):
    conn.wait_end(30)


def test_late_backends_are_given_up_in_time(make):
    upstream = make.origin(by_path({"/a": gives({"a": 1}), "/silent": silent}))
    address = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(upstream, "/silent"), timeout="4s")])).address
    watch = Stopwatch()
    response = fetch(address, "/x")
    assert (response.status, response.body, response.get("x-krakend-completed")) == (200, b'{"a":1}', "false")
    assert watch.between(2.6, 3.98), watch  # 85 % of 4 s


def test_backends_run_side_by_side(make):
    meeting = threading.Barrier(3, timeout=5)

    def meets(conn, _):
        meeting.wait()  # none answers before all have been asked
        conn.send(reply('{"a":1}'))

    upstream = make.origin(meets)
    address = make.gateway(service([endpoint("/x", *(backend(upstream, f"/{n}", group=f"g{n}") for n in range(3)))])).address
    assert json.loads(fetch(address, "/x").body) == {f"g{n}": {"a": 1} for n in range(3)}


def test_a_client_that_leaves_ends_all_calls(make):
    upstream = make.origin(silent)
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(upstream, "/b"), concurrent_calls=2,
                                             timeout="20s")]))
    client = make.client(gateway)
    client.send_request("GET", "/x")
    upstream.wait_requests(4)
    client.reset()
    eventually(lambda: not upstream.open_connections(), 8, "the calls to end with their client")


def test_the_first_complete_try_ends_the_others(make):
    lock, seen = threading.Lock(), []

    def first_only(conn, _):
        with lock:
            seen.append(conn)
            first = len(seen) == 3
        if first:
            conn.send(reply('{"a":1}'))
        else:
            conn.wait_end(20)

    upstream = make.origin(first_only)
    address = make.gateway(service([endpoint("/x", backend(upstream, "/a"), concurrent_calls=3, timeout="10s")])).address
    watch = Stopwatch()
    assert fetch(address, "/x").body == b'{"a":1}'
    assert watch.awake < 5
    eventually(lambda: len(upstream.open_connections()) <= 1, 8, "the other tries to end")


def test_compositions_use_connections_again(make):
    upstream = make.origin(by_path({"/a": gives({"a": 1}), "/b": gives({"b": 1})}))
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(upstream, "/b")),
                                    endpoint("/s", backend(upstream, "/a"), backend(upstream, "/b"), **SEQUENTIAL)]))
    client = make.client(gateway)
    for path in ("/x", "/s") * 20:
        assert client.get(path).body == b'{"a":1,"b":1}'
    assert len(upstream.connections) == 2


def test_large_answers_are_merged(make):
    large = {f"k{n:05}": "x" * 90 for n in range(20_000)}
    upstream = make.origin(by_path({"/large": gives(large), "/small": gives({"z": 1, "k00007": 7})}))
    config = service([endpoint("/x", backend(upstream, "/small"), backend(upstream, "/large", deny=["k00008"]),
                               timeout="20s", **SEQUENTIAL)])
    answer = json.loads(fetch(make.gateway(config).address, "/x").body)
    assert len(answer) == 20_000 and answer["z"] == 1 and "k00008" not in answer and answer["k00007"] == "x" * 90


def test_a_large_body_reaches_all(make):
    got = []

    def handler(conn, _):
        got.append(len(conn.body()))
        conn.send(chunked([b'{"a"', b':1}']))

    upstream = make.origin(handler)
    config = service([endpoint("/x", backend(upstream, "/1"), backend(upstream, "/2"), backend(upstream, "/3", **SHADOW),
                               method="POST", timeout="20s")])
    response = fetch(make.gateway(config).address, "/x", "POST", body=b"x" * 3_000_000)
    assert (response.status, response.body) == (200, b'{"a":1}')
    eventually(lambda: got == [3_000_000] * 3, 10, "three bodies")


def test_a_shadow_outlives_its_client(make):
    gate = threading.Event()
    done = []

    def slow(conn, request):
        gate.wait(10)
        conn.send(reply('{"a":1}'))
        done.append(request.target)

    upstream, shadow = make.origin(gives({"a": 1})), make.origin(slow)
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(shadow, "/s", **SHADOW), timeout="8s")]))
    with make.client(gateway) as client:
        assert client.get("/x").body == b'{"a":1}'
        shadow.wait_requests(1)
    assert shadow.open_connections()
    gate.set()
    eventually(lambda: done == ["/s"], 5, "the shadow's answer")


def test_shadows_have_connections_of_their_own(make):
    upstream = make.origin(gives({"a": 1}))
    running = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(upstream, "/s", **SHADOW))],
                                   extra={"holdfast/admin": {"listen": "127.0.0.1:0"}}))

    def active():
        return sum(host["active"] for host in json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"])

    client = make.client(running)
    for number in range(1, 21):
        assert client.get("/x").body == b'{"a":1}'
        upstream.wait_requests(2 * number)
        eventually(lambda: active() == 0, what="the shadow's connection back")
    used = {(id(request.conn), request.target) for request in upstream.requests}
    assert len(upstream.connections) == len(used) == 2


def test_shadows_end_with_the_gateway(make):
    upstream, shadow = make.origin(gives({"a": 1})), make.origin(silent)
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(shadow, "/s", **SHADOW), timeout="60s")]))
    assert fetch(gateway.address, "/x").body == b'{"a":1}'
    shadow.wait_requests(1)
    watch = Stopwatch()
    gateway.stop()
    assert watch.awake < 8
    eventually(lambda: not shadow.open_connections(), 5, "the shadow's connection to end")


@pytest.mark.parametrize("server, requests, bound", [({}, 300, 256), ({"max_shadows": 3}, 12, 3)])
def test_shadows_are_bounded(make, server, requests, bound):
    upstream, shadow = make.origin(gives({"a": 1})), make.origin(silent)
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(shadow, "/s", **SHADOW), timeout="30s")], server))
    client = make.client(gateway)
    for _ in range(requests):
        assert client.get("/x").status == 200
    eventually(lambda: len(shadow.requests) >= bound, what="as many shadows as there may be")
    time.sleep(0.3)
    assert len(shadow.requests) == bound, "and no more"


def test_errors_are_told_one_by_one(make):
    upstream = make.origin(by_path({"/a": gives({"a": 1}), "/b": lambda conn, _: conn.send(reply("no", "404 Not Found")),
                                    "/c": lambda conn, _: conn.send(reply("[1]"))}))
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/a"), backend(upstream, "/b"), backend(upstream, "/c"))]))
    assert fetch(gateway.address, "/x").status == 200
    gateway.wait_output(r"\[ENDPOINT: /x\] Error #0: ")
    gateway.wait_output(r"\[ENDPOINT: /x\] Error #1: ")


def test_where_json_breaks_is_on_the_log(make):
    upstream = make.origin(lambda conn, _: conn.send(reply('{"a":1,]')))
    gateway = make.gateway(service([endpoint("/x", backend(upstream, "/b"))]))
    assert fetch(gateway.address, "/x").status == 500
    gateway.wait_output(r"\[ENDPOINT: /x\] \[BACKEND: /b\] the answer of http://127\.0\.0\.1:\d+/b is wrong at byte 7: ")
