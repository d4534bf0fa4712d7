"""test_idle_limits.py: real servers with their own idle limits, short ones: nginx (keepalive_timeout), Apache (KeepAliveTimeout), Node
(keepAliveTimeout) and HAProxy (timeout http-keep-alive). Requests come in rushes with pauses around the limit, so that every
connection is idle for about as long as its server keeps it. No client sees an error, connections are reused, and what is learned of the
limit is near the truth.

SPDX-License-Identifier: Apache-2.0
"""
import random
import re
import threading
import time

import pytest
import servers
from admin import metrics_text, pool_of
from configs import proxy
from rawhttp import Client
from waiting import eventually

CROWD, ROUNDS = 10, 9


class Metronome:
    """How late this machine is at times: of many short sleeps, how much longer the longest was."""

    def __init__(self):
        self.late, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        before = time.monotonic()
        while not self.over.wait(0.005):
            now = time.monotonic()
            self.late, before = max(self.late, now - before - 0.005), now

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def reused_after_a_second(running):
    """Requests on connections that had been idle for over a second."""
    text = metrics_text(running)

    def of(series):
        return int(re.search(rf"^holdfast_upstream_idle_at_reuse_seconds_{series} (\d+)$", text, re.MULTILINE)[1])

    return of(r"count\{host=[^,}]*\}") - of(r'bucket\{host=[^,}]*,le="1\.0"\}')


def rush(running, target, pauses, methods):
    """All clients ask at once, again after each pause; the statuses that they saw, and how long the slowest answer took."""
    gate, statuses, durations = threading.Barrier(CROWD), [], []

    def visit(number):
        dice = random.Random(number)
        with Client(running.address, seconds=20) as client:
            for pause in (*pauses, 0):
                gate.wait(30)
                method, asked_at = dice.choice(methods), time.monotonic()
                statuses.append(client.request(method, target, [], b"x" if method == "POST" else None).status)
                durations.append(time.monotonic() - asked_at)
                gate.wait(30)
                time.sleep(pause)

    crowd = [threading.Thread(target=visit, args=(number,)) for number in range(CROWD)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return statuses, max(durations)


def run_server(make, tmp_path, kind, idle_ms):
    if kind.missing:
        pytest.skip(kind.missing)
    servers.let_others_read(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    (root / "idle").write_text("ok")
    for path in (root, root / "idle"):
        path.chmod(0o755)
    server = make.stack.enter_context(kind(tmp_path / "server", root, idle_ms))
    return server, make.gateway(proxy(server, {"workers": 2}, {"holdfast/admin": {"listen": "127.0.0.1:0"}}, timeout="20s"))


#         server, its limit (s), how much later it may act, its methods: Apache has no POST for a file; Node promises whole seconds
SERVERS = [(servers.Nginx, 0.8, 0.1, ("GET", "GET", "POST")), (servers.Apache, 1.0, 0.7, ("GET",)),
           (servers.Node, 1.4, 0.3, ("GET", "GET", "POST")), (servers.HAProxy, 0.8, 0.1, ("GET", "GET", "POST"))]


@pytest.mark.parametrize("kind, limit, late, methods", SERVERS, ids=[row[0].__name__.lower() for row in SERVERS])
def test_pauses_around_the_idle_limit_of_a_real_server(make, tmp_path, note, kind, limit, late, methods):
    server, running = run_server(make, tmp_path, kind, int(limit * 1000))
    dice = random.Random(7)
    # Three pauses past the limit first: there is something to learn from. Then half of them shorter, half longer.
    pauses = [limit * 1.6] * 3 + [limit * dice.choice((dice.uniform(0.3, 0.8), dice.uniform(0.9, 1.2))) for _ in range(ROUNDS)]
    with Metronome() as metronome:
        statuses, slowest = rush(running, "/idle", pauses, methods)
    eventually(lambda: pool_of(running)["active"] == 0)
    pool = pool_of(running)
    learner = pool["learner"]
    note(f"{kind.__name__}, {limit} s", f"reuse ratio {pool['reuse_ratio']:.3f}, {learner['kind']}, learned {learner['learned_seconds']}, "
         f"hint {learner['hint_seconds']}, usable {learner['usable_seconds']}, sent again {pool['resends']}, "
         f"slowest answer {slowest:.3f} s, machine late by {metronome.late:.3f} s")
    assert statuses == [200] * CROWD * (len(pauses) + 1), {status: statuses.count(status) for status in set(statuses)}
    assert pool["reused"] > CROWD and pool["resends_refused_by"] == {}
    if learner["kind"] == "hint":  # Its word in whole seconds was believed: it promised less than it keeps.
        assert learner["hint_seconds"] <= limit
    else:
        # A server counts from its write, we from our read: on a busy machine that is later, but no later than the client has the answer.
        assert learner["kind"] == "learned"
        assert 0.9 * limit - slowest <= learner["learned_seconds"] <= limit + late + metronome.late
    assert learner["usable_seconds"] <= limit + late + metronome.late
    assert len(set(server.used_ports())) < len(server.used_ports())


def test_nodes_own_five_seconds_are_kept_to(make, tmp_path):
    """Node says `Keep-Alive: timeout=5`, and closes then or a second later: what was idle for nearly as long is left alone before."""
    _, running = run_server(make, tmp_path, servers.Node, None)
    statuses, _ = rush(running, "/idle", [4.5, 4.95, 5.05], ("GET", "GET", "POST"))
    assert statuses == [200] * CROWD * 4
    pool = pool_of(running)
    assert pool["learner"]["hint_seconds"] == 5 and 4 < pool["learner"]["usable_seconds"] < 5
    # Within a crowd who comes a little later may have the connection of another: those were not idle for long.
    assert CROWD // 3 <= reused_after_a_second(running) <= CROWD and pool["resends"] == 0, "those behind the first pause"
    assert pool["dwell"]["idle_at_reuse"]["p99"] <= pool["learner"]["usable_seconds"] * 1.02, "nothing that was idle for longer"
