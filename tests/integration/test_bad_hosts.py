"""test_bad_hosts.py: hosts that lie about how long they keep connections, or misbehave otherwise: a lie is bounded and believed no more
once it is found out, and what one host does touches no other's pool, budget or limits.

SPDX-License-Identifier: Apache-2.0
"""
import threading

import pytest
from admin import ADMIN, pool_of, pools
from configs import forward_all, proxy, service
from origin import answers_ok, reply
from rawhttp import fetch
from waiting import eventually


@pytest.mark.parametrize("promised", ["timeout=3600", "timeout=86400", "timeout=3600, max=1000000"])
def test_lying_hints_are_bounded_and_lose_trust(make, promised):
    """It promises an hour or a day, and closes at once, three times."""
    ending = threading.Event()

    def lies(conn, _):
        conn.send(reply(fields=[("Keep-Alive", promised)]))
        assert ending.wait(20)
        conn.close()

    running = make.gateway(proxy(make.origin(lies), {"workers": 1}, ADMIN))
    for number in range(3):
        ending.clear()
        assert fetch(running.address).status == 200
        learner = pool_of(running)["learner"]
        assert learner["usable_seconds"] <= 90 and learner["any_request_seconds"] <= 1, "whatever it promises"
        assert learner["hint_trusted"] and learner["hint_contradictions"] == number
        ending.set()
        eventually(lambda: pool_of(running)["learner"]["closes"] == number + 1)
    learner = pool_of(running)["learner"]
    assert not learner["hint_trusted"] and learner["kind"] != "hint"


class Sick:
    """Answers the first requests properly, then breaks every connection that a request comes on, and says too much before that."""

    def __init__(self):
        self.sick, self.talks = threading.Event(), threading.Event()

    def __call__(self, conn, _):
        if self.sick.is_set():
            conn.close()
        else:
            conn.send(reply(b"OK") + (reply(b"STRAY") if self.talks.is_set() else b""))


def test_a_host_that_misbehaves_is_contained(make):
    sick = Sick()
    origins = [make.origin(sick), make.origin(answers_ok)]
    endpoints = [forward_all(origin, f"/{name}/*", "/*") for name, origin in zip(("sick", "well"), origins)]
    upstream = {"eject_after": 0, "resend_budget_percent": 0, "resend_budget_floor": 1, "resend_budget_window": "3s"}
    running = make.gateway(service(endpoints, {"workers": 1, "error_status": "precise"}, {**ADMIN, "holdfast/upstream": upstream}))
    client = make.client(running)
    asked = 0

    def both(expected):
        nonlocal asked
        asked += 1
        assert client.get("/sick/a").status in expected
        response = client.get("/well/a")
        assert (response.status, response.body) == (200, b"OK")

    both({200})
    sick.sick.set()
    both({502})  # Its kept connection dies under the request, the fresh one too: that takes from its budget.
    for _ in range(8):
        both({502})
    sick.sick.clear()
    sick.talks.set()
    for _ in range(3):
        both({200})
    bad, good = pools(running)
    assert bad["resend_budget_spent"] >= 1 and bad["failures"] >= 9 and bad["stray_bytes"] >= 1 and bad["quarantines"] == 1
    spared = ("resend_budget_spent", "failures", "stray_bytes", "quarantines", "resends", "stale", "ejections", "failovers")
    assert {key: good[key] for key in spared} == dict.fromkeys(spared, 0)
    assert (good["new"], good["reused"]) == (1, asked - 1), "its one connection goes on"
    assert good["learner"]["survivals"] == asked - 1 and good["learner"]["closes"] == 0 and good["learner"]["generation"] == 0
    assert len(origins[1].connections) == 1
