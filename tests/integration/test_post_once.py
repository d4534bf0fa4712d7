"""test_post_once.py: kept connections that the origin ends around the moment of the next request: whatever the policy of re-sending,
no POST is executed twice, no request hangs, and no GET fails for a close. The origin's ledger counts. Small unless HOLDFAST_POSTS says
how many requests each case makes: HOLDFAST_POSTS=100000 is the proof on real sockets. `./dev race` is the same with clients written
in C, `./dev sim --until` in the simulated world.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import random
import threading
import time

import pytest
from configs import forward_all, service
from rawhttp import Client, fetch

CLIENTS = 16
REQUESTS = int(os.environ.get("HOLDFAST_POSTS", "1920")) // CLIENTS
pytestmark = [pytest.mark.heavy] if REQUESTS > 1000 else []


def visit(address, first, method, statuses):
    """One client: requests with numbers of their own, with pauses about as long as the origin waits."""
    dice, body = random.Random(first), b"x" if method == "POST" else None
    with Client(address, seconds=20) as client:
        for number in range(first, first + REQUESTS):
            response = client.request(method, "/bytes/64", [("X-Request-Number", str(number))], body)
            statuses.append(response.status)
            time.sleep(dice.uniform(0, 0.006))


def run(make, how, resend, method, upstream=None):
    origin = make.process(["origin", "--listen", "127.0.0.1:0", "--close-idle-after", "1ms-5ms", "--close-by", how])
    address = origin.wait_ready()[1][0]
    running = make.gateway(service([forward_all(f"http://127.0.0.1:{address[1]}")], {"workers": 4, "error_status": "precise"},
                                   {"holdfast/upstream": {"resend": resend, **(upstream or {})}}, timeout="15s"))
    statuses = []
    crowd = [threading.Thread(target=visit, args=(running.address, 1 + i * REQUESTS, method, statuses)) for i in range(CLIENTS)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return statuses, json.loads(fetch(address, "/ledger").body)


@pytest.mark.parametrize("how", ["close", "half", "reset"])
@pytest.mark.parametrize("resend", ["idempotent", "unacked"])
def test_no_post_is_executed_twice(make, note, how, resend):
    statuses, ledger = run(make, how, resend, "POST")
    assert (len(statuses), ledger["doubled"]) == (CLIENTS * REQUESTS, 0)
    assert set(statuses) <= {200, 502} and statuses.count(200) > 0.9 * len(statuses)
    assert ledger["distinct"] >= statuses.count(200)
    assert ledger["connections"] > CLIENTS
    note(f"POSTs, ended by {how}, resend {resend}",
         f"{len(statuses)}, {ledger['doubled']} twice, {statuses.count(502)} refused, {ledger['connections']} connections")


def test_no_get_fails_for_a_close(make):
    statuses, _ = run(make, "close", "idempotent", "GET")
    assert statuses == [200] * (CLIENTS * REQUESTS)


def test_no_request_hangs_at_the_cap(make):
    """Four workers that share few connections: a place that one frees is another's at once."""
    statuses, ledger = run(make, "close", "unacked", "POST", {"max_connections_per_host": 8, "queue_timeout": "10s"})
    assert len(statuses) == CLIENTS * REQUESTS and set(statuses) <= {200, 502}
    assert ledger["doubled"] == 0
