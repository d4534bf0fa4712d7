"""test_refusals_tls.py: connections over max_connections_per_ip that come over TLS: they are told, within a budget (107 of the
keep-alive matrix). SPDX-License-Identifier: Apache-2.0"""
import collections

import h2.events
import pytest
from admin import metrics
from h2client import Client as Client2
from rawhttp import Cut
from tls_front import TlsClient, connect, context_of, handshakes, secured, tls_block
from waiting import Stopwatch, eventually


def secured_crowd(make, authority, limit, **server):
    server = {"max_connections_per_ip": limit, "refuse_with": "503", **server}
    return make.gateway(secured(make.origin(), tls_block(authority.issue("server")), server=server))


def outcome(running, authority):
    """What one more connection over TLS comes to."""
    try:
        with TlsClient(running.address, context_of(authority)) as client:
            return client.get().status
    except (Cut, OSError):
        return "reset"


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_107_or_told_with_503_over_tls(make, authority, version):
    running = secured_crowd(make, authority, 1)
    first = connect(make, running, context_of(authority))
    assert first.get().status == 200
    second = connect(make, running, context_of(authority, version))
    response = second.get()
    assert (response.status, response.says_close) == (503, True)
    assert response.body == b"503 Service Unavailable: too_many_connections"
    assert second.ended()
    assert first.get().status == 200
    first.close()
    eventually(lambda: outcome(running, authority) == 200, what="room again")
    assert metrics(running)['holdfast_client_closes_total{reason="crowd",side="ours",listener="127.0.0.1:0"}'] >= 1


def test_107_http2_is_told_by_a_goaway(make, authority):
    running = secured_crowd(make, authority, 1)
    first = connect(make, running, context_of(authority))
    assert first.get().status == 200
    second = Client2(running.address, authority)
    make.stack.callback(second.sock.close)
    told = second.wait(h2.events.ConnectionTerminated)[0]
    assert (told.error_code, told.last_stream_id, told.additional_data) == (11, 0, b"too many connections")
    assert first.get().status == 200


@pytest.mark.parametrize("budget", [0, 2])
def test_handshakes_for_refusals_have_a_budget(make, authority, budget):
    """A flood over the limit costs no more of them than the budget, and who is inside goes on."""
    running = secured_crowd(make, authority, 1, refuse_handshakes=budget)
    first = connect(make, running, context_of(authority))
    assert first.get().status == 200
    before, watch = sum(handshakes(running)), Stopwatch()
    outcomes = collections.Counter(outcome(running, authority) for _ in range(40))
    allowed = budget * (watch.seconds + 1) + 1
    assert set(outcomes) <= {503, "reset"}
    assert min(budget, 1) <= outcomes[503] <= allowed, outcomes
    assert sum(handshakes(running)) - before <= allowed
    assert first.get().status == 200


def test_a_refused_client_that_does_not_shake_hands_is_not_waited_for(make, authority):
    running = secured_crowd(make, authority, 1)
    first = connect(make, running, context_of(authority))
    assert first.get().status == 200
    silent = make.client(running)
    assert silent.ended(8)
    assert first.get().status == 200
