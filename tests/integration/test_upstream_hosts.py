"""test_upstream_hosts.py: several hosts for one backend: who gets a request, what happens when some of them fail, and that
nothing is done twice that must not be.

SPDX-License-Identifier: Apache-2.0
"""
import collections
import json
import socket
import time

import pytest
from configs import forward_all, service
from crowd import at_once
from origin import Origin, UnixOrigin, answers_ok, reply
from rawhttp import fetch
from servers import free_port
from waiting import eventually


def hosts(urls, settings=None, admin=False, **root):
    """A reverse proxy over several hosts; `settings` of holdfast/upstream."""
    everything = forward_all("http://unused")
    everything["backend"][0]["host"] = urls
    extra = {"holdfast/upstream": settings or {}}
    if admin:
        extra["holdfast/admin"] = {"listen": "127.0.0.1:0"}
    return service([everything], {"error_status": "precise"}, extra, **root)


def named(name):
    def handler(conn, _):
        conn.body()
        conn.send(reply(name))
    return handler


def resets(conn, _):
    conn.body()
    conn.reset()


def stalls(conn, _):
    conn.body()
    conn.wait_end(30)


def refusing():
    """A URL of a port where nobody listens, and that nobody else is given while the test runs."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", free_port()))
    return sock, f"http://127.0.0.1:{sock.getsockname()[1]}"


def pool_of(gateway, url):
    pools = json.loads(fetch(gateway.addresses[1], "/v1/pools").body)["hosts"]
    return next(pool for pool in pools if pool["host"] == url)


def tally(address, count, method="GET", **keys):
    return collections.Counter(bytes(fetch(address, "/", method, **keys).body).decode() for _ in range(count))


def test_a_host_at_a_unix_path(make, tmp_path):
    """No proxy leads there; the second host is one of the network."""
    config = hosts([f"unix:{tmp_path}/origin.sock", "http://127.0.0.1:1"], {"balance": "round_robin"}, admin=True)
    config["endpoints"][0]["backend"][0]["disable_host_sanitize"] = True
    with UnixOrigin(tmp_path / "origin.sock", named("here")) as upstream:
        gateway = make.gateway(config, environment={"HTTP_PROXY": "http://127.0.0.1:2"})
        assert [fetch(gateway.address, f"/{i}").body for i in range(4)] == [b"here"] * 4
        assert [request.target for request in upstream.requests] == ["/0", "/1", "/2", "/3"]
        assert {request.get("host") for request in upstream.requests} == {"localhost"}
        assert len(upstream.connections) == 1 and pool_of(gateway, upstream.url)["reused"] == 3


def test_round_robin_takes_each_host_in_turn(make):
    urls = [make.origin(named(name)).url for name in "abc"]
    address = make.gateway(hosts(urls, {"balance": "round_robin"})).address
    assert tally(address, 30) == {"a": 10, "b": 10, "c": 10}


def test_without_a_rule_a_single_worker_takes_turns_as_krakend_does(make):
    urls = [make.origin(named(name)).url for name in "ab"]
    address = make.gateway(hosts(urls)).address
    assert tally(address, 20) == {"a": 10, "b": 10}


def test_a_host_named_twice_gets_twice_as_much(make):
    a, b = (make.origin(named(name)).url for name in "ab")
    address = make.gateway(hosts([a, b, a], {"balance": "round_robin"})).address
    assert tally(address, 30) == {"a": 20, "b": 10}


@pytest.mark.parametrize("rule", ["random", "least_connections", "p2c"])
def test_other_rules_use_all_hosts(make, rule):
    urls = [make.origin(named(name)).url for name in "abc"]
    address = make.gateway(hosts(urls, {"balance": rule})).address
    counts = tally(address, 120)
    assert set(counts) == {"a", "b", "c"} and min(counts.values()) > 10, counts


def test_least_connections_keeps_away_from_a_busy_host(make):
    slow, quick = make.origin(stalls), make.origin(named("quick"))
    gateway = make.gateway(hosts([slow.url, quick.url], {"balance": "least_connections", "eject_after": 0}, timeout="20s"))
    waiting = []
    while not slow.requests:  # one is caught
        client = make.client(gateway)
        client.send_request("GET", "/")
        waiting.append(client)
        eventually(lambda: len(slow.requests) + len(quick.requests) >= len(waiting))
    assert tally(gateway.address, 20) == {"quick": 20}


def test_a_refusing_host_costs_no_request_and_rests(make):
    sock, refused = refusing()
    good = make.origin(named("good"))
    gateway = make.gateway(hosts([refused, good.url], admin=True))
    with sock:
        assert tally(gateway.address, 20) == {"good": 20}
        assert tally(gateway.address, 10, "POST", body=b"x") == {"good": 10}
        pool = pool_of(gateway, refused)
    assert pool["health"] in ("resting", "probed") and pool["ejections"] >= 1, pool
    assert pool["failovers"] >= 3
    assert len(good.requests) == 30


def test_a_host_is_back_after_its_rest(make):
    sock, refused = refusing()
    good = make.origin(named("good"))
    gateway = make.gateway(hosts([refused, good.url], admin=True))
    assert tally(gateway.address, 10) == {"good": 10}
    assert pool_of(gateway, refused)["ejections"] == 1
    port = sock.getsockname()[1]
    sock.close()
    make.origin(named("back"), address=("127.0.0.1", port))
    eventually(lambda: fetch(gateway.address).body == b"back", 20, "the host is used again")
    assert pool_of(gateway, refused)["health"] == "in_use"


def test_three_sick_hosts_of_four(make):
    """One refuses, one resets, one stalls: idempotent requests are all answered, and no POST is done twice."""
    sock, refused = refusing()
    good, resetting, stalled = make.origin(answers_ok), make.origin(resets), make.origin(stalls)
    gateway = make.gateway(hosts([refused, resetting.url, stalled.url, good.url], admin=True, timeout="10s",
                                 response_header_timeout="300ms"))
    with sock:
        statuses = collections.Counter(fetch(gateway.address, f"/{i}").status for i in range(60))
        assert statuses == {200: 60}, statuses
        posts = [fetch(gateway.address, f"/post/{i}", "POST", body=b"once").status for i in range(60)]
    heard = collections.Counter(request.target for origin in (good, resetting, stalled) for request in origin.requests
                                if request.method == "POST")
    assert max(heard.values()) == 1, heard.most_common(3)
    assert posts.count(200) >= 54, posts  # the others were a probe's bad luck
    for origin in (resetting, stalled):
        assert pool_of(gateway, origin.url)["ejections"] >= 1


def test_a_body_goes_to_the_next_host_whole(make):
    bodies = []

    def takes(conn, _):
        bodies.append(conn.body())
        conn.send(reply("good"))

    urls = [make.origin(resets).url, make.origin(takes).url]
    gateway = make.gateway(hosts(urls, {"balance": "round_robin", "eject_after": 0}))
    body = bytes(range(256)) * 100
    assert [fetch(gateway.address, "/", "PUT", body=body).status for _ in range(6)] == [200] * 6
    assert bodies == [body] * 6


def test_post_is_not_sent_to_another_host_once_it_was_sent(make):
    resetting, good = make.origin(resets), make.origin(answers_ok)
    gateway = make.gateway(hosts([resetting.url, good.url], {"balance": "round_robin", "eject_after": 0}))
    statuses = [fetch(gateway.address, f"/{i}", "POST", body=b"x").status for i in range(8)]
    assert sorted(statuses) == [200] * 4 + [502] * 4
    assert len(resetting.requests) == 4 and len(good.requests) == 4


def test_failovers_of_what_was_sent_have_a_budget(make):
    """Here there is none; what cannot have been read is given to another host all the same."""
    sock, refused = refusing()
    resetting, good = make.origin(resets), make.origin(answers_ok)
    settings = {"balance": "round_robin", "eject_after": 0, "resend_budget_percent": 0, "resend_budget_floor": 0}
    gateway = make.gateway(hosts([resetting.url, good.url], settings, admin=True))
    assert sorted(fetch(gateway.address).status for _ in range(8)) == [200] * 4 + [502] * 4
    pool = pool_of(gateway, resetting.url)
    assert (pool["failovers"], pool["failovers_refused"]) == (0, 4)
    with sock:
        gateway = make.gateway(hosts([refused, good.url], settings))
        assert [fetch(gateway.address).status for _ in range(8)] == [200] * 8


def test_where_no_other_host_is_left_no_budget_is_taken(make):
    """One failover a second, 30 s long: 30 requests have one each, and both hosts fail all of them."""
    resetting = [make.origin(resets) for _ in range(2)]
    settings = {"eject_after": 0, "resend_budget_percent": 0, "resend_budget_floor": 1, "resend_budget_window": "30s"}
    gateway = make.gateway(hosts([origin.url for origin in resetting], settings, admin=True))
    assert [fetch(gateway.address).status for _ in range(30)] == [502] * 30
    pools = [pool_of(gateway, origin.url) for origin in resetting]
    assert sum(pool["failovers"] for pool in pools) == 30
    assert sum(pool["failovers_refused"] for pool in pools) == 0


def test_failover_can_be_off(make):
    sock, refused = refusing()
    good = make.origin(answers_ok)
    gateway = make.gateway(hosts([refused, good.url], {"balance": "round_robin", "failover": "off", "eject_after": 0}))
    with sock:
        statuses = [fetch(gateway.address).status for _ in range(8)]
    assert sorted(statuses) == [200] * 4 + [502] * 4


def test_when_all_hosts_are_sick_the_answer_comes_soon(make):
    first, second = refusing(), refusing()
    gateway = make.gateway(hosts([first[1], second[1]]))
    with first[0], second[0]:
        assert [fetch(gateway.address).status for _ in range(12)] == [502] * 12


def test_a_stalled_host_is_left_alone_after_three_timeouts(make):
    stalled, good = make.origin(stalls), make.origin(answers_ok)
    gateway = make.gateway(hosts([stalled.url, good.url], {"balance": "round_robin"}, admin=True, timeout="1s"))
    statuses = [fetch(gateway.address, f"/{i}").status for i in range(7)]
    assert statuses.count(504) == 3, statuses
    assert pool_of(gateway, stalled.url)["health"] == "resting"


def test_closing_kept_connections_does_not_make_a_host_sick(make):
    def answers_and_closes(conn, _):
        conn.body()
        conn.send(reply("OK"))
        conn.close()

    urls = [make.origin(answers_and_closes).url for _ in range(2)]
    gateway = make.gateway(hosts(urls, admin=True))
    assert [fetch(gateway.address).status for _ in range(40)] == [200] * 40
    assert [pool_of(gateway, url)["ejections"] for url in urls] == [0, 0]


def statuses_at_once(address, count):
    return [response.status for response in at_once(address, count)]


def test_a_rolling_restart_of_hosts_ejects_no_healthy_one(make):
    """Both hosts have many kept connections; each is ended with all of its own while requests go on. What dies with them
    counts against nobody (F-14), whoever is not listening for a moment may rest, and no request fails."""
    def slow(conn, _):
        conn.body()
        time.sleep(0.02)
        conn.send(reply("OK"))

    origins = [make.origin(slow, ("127.0.0.1", free_port())) for _ in range(2)]
    gateway = make.gateway(hosts([each.url for each in origins], {"balance": "round_robin", "eject_after": 1}, admin=True, timeout="10s"))
    assert statuses_at_once(gateway.address, 40) == [200] * 40
    for i, each in enumerate(origins):
        healthy = origins[1 - i]
        before = pool_of(gateway, healthy.url)["ejections"]
        each.close()
        origins[i] = make.stack.enter_context(Origin(slow, each.address))
        for _ in range(3):
            assert statuses_at_once(gateway.address, 20) == [200] * 20
        assert pool_of(gateway, healthy.url)["ejections"] == before
        eventually(lambda: pool_of(gateway, origins[i].url)["health"] == "in_use" or not statuses_at_once(gateway.address, 2), what="in use again")
