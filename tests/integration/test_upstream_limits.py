"""test_upstream_limits.py: limits of the reuse engine that the operator may set (holdfast/upstream of the root): each takes effect, and is
shown in /v1/config. The numbers at their edges: tests/unit/upstream/test_idle_limit.c, test_quarantine.c, test_rebalance.c.

SPDX-License-Identifier: Apache-2.0
"""
import json
import time

import pytest
from admin import ADMIN, pool_of
from configs import forward_all, proxy, service
from origin import answers_ok, reply
from rawhttp import fetch
from test_upstream_private import Ntlm, log_in
from waiting import eventually

PRESETS = {"idle_timeout_max": "90s", "idle_timeout_start": "4s", "idle_timeout_risky": "1s", "sentinels": 2, "quarantine_after": 2,
           "quarantine": "60s", "quarantine_max": "3600s", "rebalance_percent": 1, "max_private_connections": 5,
           "base_ejection_time": "1s", "max_ejection_time": "60s", "ejection_probe_timeout": "5s"}


def start(make, origin, **settings):
    return make.gateway(proxy(origin, {"workers": 1}, {**ADMIN, "holdfast/upstream": settings}))


def effective(running):
    rows = json.loads(fetch(running.addresses[-1], "/v1/config").body)["settings"]
    lead = "extra_config.holdfast/upstream."
    return {row["path"][len(lead):]: (row["value"], row["from"]) for row in rows if row["path"].startswith(lead)}


def test_they_are_shown_with_where_they_come_from(make):
    running = start(make, make.origin(answers_ok), idle_timeout_max="3m", sentinels=5)
    shown = effective(running)
    assert set(PRESETS) <= set(shown)
    assert all(shown[key][1] == "default" for key in PRESETS if key not in ("idle_timeout_max", "sentinels"))
    assert shown["sentinels"][0] == 5 and shown["idle_timeout_max"][1] != "default"


@pytest.mark.parametrize("settings, usable", [({}, 4), ({"idle_timeout_start": "7s"}, 7), ({"idle_timeout_max": "2s"}, 2)])
def test_how_long_an_unknown_host_is_trusted(make, settings, usable):
    running = start(make, make.origin(answers_ok), **settings)
    assert fetch(running.address).status == 200
    assert pool_of(running)["learner"]["usable_seconds"] == usable


def test_a_promise_is_believed_up_to_the_ceiling(make):
    origin = make.origin(lambda conn, _: conn.send(reply(fields=[("Keep-Alive", "timeout=1000")])))
    running = start(make, origin, idle_timeout_max="5m")
    assert fetch(running.address).status == 200
    assert pool_of(running)["learner"]["usable_seconds"] == 300


@pytest.mark.parametrize("risky, connections", [("0s", 2), ("4s", 1)])
def test_whether_a_post_may_have_a_connection_that_was_idle(make, risky, connections):
    origin = make.origin(lambda conn, _: (conn.body(), conn.send(reply())))
    running = start(make, origin, idle_timeout_risky=risky)
    client = make.client(running)
    assert client.get().status == 200
    assert client.request("POST", "/", [], b"x").status == 200
    assert len(origin.connections) == connections


@pytest.mark.parametrize("sentinels", [0, 1])
def test_how_many_connections_wait_to_be_closed(make, sentinels):
    running = start(make, make.origin(answers_ok), idle_timeout_start="2s", sentinels=sentinels)
    assert fetch(running.address).status == 200
    if sentinels > 0:  # from 2 to 8 s
        eventually(lambda: pool_of(running)["learner"]["sentinels"] == 1)
    else:
        eventually(lambda: pool_of(running)["closes"] == {"learned_expired": {"ours": 1, "peer": 0}})
        assert pool_of(running)["learner"]["sentinels"] == 0


def says_too_much(conn, _):
    conn.send(reply())
    time.sleep(0.05)
    conn.send(reply(b"STRAY"))


STRAYS = [({}, 3, 1), ({"quarantine_after": 1}, 2, 1), ({"quarantine": "0s"}, 4, 0)]


@pytest.mark.parametrize("settings, needed, quarantines", STRAYS, ids=["two", "after_one", "never"])
def test_when_a_host_that_says_too_much_is_mistrusted(make, settings, needed, quarantines):
    """Each client waits until the stray answer has come, so that all of them come on idle connections."""
    running = start(make, make.origin(says_too_much), **settings)
    for number in range(1, needed + 1):
        if pool_of(running)["quarantines"] > 0:
            break
        assert fetch(running.address).body == b"OK"
        eventually(lambda: pool_of(running)["stray_bytes"] == number)
    assert pool_of(running)["quarantines"] == quarantines
    assert pool_of(running)["stray_bytes"] == (needed - 1 if quarantines else needed)


def test_how_many_private_connections_a_client_keeps(make):
    origins = [make.origin(Ntlm()) for _ in range(2)]
    endpoints = [forward_all(origin, f"/{number}", "/") for number, origin in enumerate(origins)]
    config = service(endpoints, None, {**ADMIN, "holdfast/upstream": {"max_private_connections": 1}})
    running = make.gateway(config)
    client = make.client(running)
    for number in range(2):
        assert client.get(f"/{number}", [("Authorization", "NTLM user=alice")]).body == b"alice"
    origins[0].wait_open(0)
    assert client.get("/1").body == b"alice"
    assert client.get("/0").status == 401, "the oldest has yielded"
