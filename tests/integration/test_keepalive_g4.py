"""test_keepalive_g4.py: idle, close and race towards hosts: items 68 to 93 of the test matrix (G.4), as far as a socket can show them.

Elsewhere: 71, 74, 88, 90 and 91 (tests/sim/test_keepalive_g4.c), 85 in one record of TLS (test_upstream_tls.py), 92
(test_dead_paths.py), 94 to 96 (tests/unit/tls, test_upstream_tls.py), 97 (test_keepalive_g4_keys.py), 98 and 99 (test_upstream_private.py).
SPDX-License-Identifier: Apache-2.0
"""
import re
import threading
import time
from pathlib import Path

import pytest
from admin import ADMIN, pool_of
from configs import proxy
from crowd import Gate, at_once
from gateway import ROOT
from origin import Origin, answers_ok, by_path, reply
from rawhttp import fetch
from servers import free_port
from waiting import eventually

TRIES = 4


class Stage:
    """A gateway in front of one origin, and what it tells of its pool."""

    def __init__(self, make, handler=answers_ok, upstream=None, port=0, **root):
        self.origin = make.origin(handler, ("127.0.0.1", port))
        self.gateway = make.gateway(proxy(self.origin, extra={**ADMIN, "holdfast/upstream": upstream or {}}, **root))
        self.client = make.client(self.gateway)

    @property
    def pool(self):
        return pool_of(self.gateway)

    def await_pool(self, holds, what):
        return eventually(lambda: holds(self.pool), what=what)

    def metric(self, family, **labels):
        text = fetch(self.gateway.addresses[-1], "/metrics").body.decode()
        line = ",".join(f'{name}="{value}"' for name, value in {"host": self.origin.url, **labels}.items())
        found = re.search(rf"^{re.escape(family + '{' + line + '}')} (\d+)$", text, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def closes(self, reason):
        return self.pool["closes"].get(reason, {"ours": 0, "peer": 0})


class DiesOnSecond:
    """Answers the first request; reads the second one on that connection and ends it as told."""

    def __init__(self, end="close", part=b"", deaths=1, read=True):
        self.end, self.part, self.deaths, self.read, self.executed = end, part, deaths, read, []

    def __call__(self, conn, request):
        if request.target == "/first":
            conn.send(reply())
            return
        body = conn.body() if self.read else None
        self.executed.append((request.method, body, request.get("idempotency-key")))
        if len(self.executed) > self.deaths:
            conn.send(reply(b"%d" % len(conn.body())))
            return
        if self.part:
            conn.send(self.part)
        getattr(conn, self.end)()


def race(make, handler, method, body=None, fields=(), resend=None):
    stage = Stage(make, handler, {"resend": resend} if resend else None)
    assert stage.client.get("/first").status == 200
    return stage, stage.client.request(method, "/second", fields, body)


def ends_idle(end, seconds, answered):
    """Answers, and ends the connection so many seconds after the answer was seen to arrive: a slow machine would bring both at once."""
    def handler(conn, _):
        conn.send(reply())
        assert answered.acquire(timeout=20)
        time.sleep(seconds)
        getattr(conn, end)()

    return handler


@pytest.mark.parametrize("number, end", [(68, "close"), (69, "reset")], ids=["68_fin", "69_rst"])
def test_68_69_the_end_of_an_idle_connection(make, number, end):
    answered = threading.Semaphore(0)
    stage = Stage(make, ends_idle(end, 0.05, answered))
    assert stage.client.get().status == 200
    answered.release()
    stage.await_pool(lambda pool: pool["open"] == 0, "the idle connection closed")
    assert stage.closes("peer_close_idle") == {"ours": 0, "peer": 1}
    answered.release()
    assert stage.client.get().status == 200
    assert [request.conn.number for request in stage.origin.requests] == [0, 1]
    assert stage.pool["resends"] == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("first", ["end", "request"])
def test_70_the_end_and_the_next_request_in_one_batch(make, first, method):
    """The process is stopped, both come in either order, the process goes on: the end is seen before the request takes it."""
    stage = Stage(make)
    body = b"hi" if method == "POST" else None
    assert stage.client.get().status == 200
    with stage.gateway.frozen():
        if first == "end":
            stage.origin.connections[0].close()
        stage.client.send_request(method, "/", body=body)
        if first == "request":
            stage.origin.connections[0].close()
        time.sleep(0.1)
    assert stage.client.read_final(method).status == 200
    assert [request.conn.number for request in stage.origin.requests] == [0, 1]
    assert stage.pool["resends"] == 0


@pytest.mark.parametrize("end", ["close", "reset"])
def test_72_a_get_that_met_the_end_is_sent_once_more(make, end):
    handler = DiesOnSecond(end)
    stage, response = race(make, handler, "GET")
    assert (response.status, len(handler.executed)) == (200, 2)
    assert stage.pool["resends_by"] == {"idempotent": 1}
    assert stage.metric("holdfast_upstream_resends_total", evidence="idempotent", outcome="answered") == 1


def test_73_a_post_that_met_the_end_is_not(make):
    handler = DiesOnSecond()
    stage, response = race(make, handler, "POST", b"pay 5")
    assert (response.status, handler.executed) == (502, [("POST", b"pay 5", None)])
    assert stage.pool["resends_refused_by"] == {"not_idempotent": 1}


@pytest.mark.parametrize("resend, why", [("off", "resend_off"), ("idempotent", "not_idempotent"), ("unacked", "reset_unproven")])
def test_75_what_the_host_read_before_it_closed_is_not_sent_again(make, resend, why):
    handler = DiesOnSecond()
    stage, response = race(make, handler, "POST", b"pay 5", resend=resend)
    assert (response.status, len(handler.executed)) == (502, 1)
    assert stage.pool["resends_refused_by"] == {why: 1}


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Idempotency-Key"])
def test_76_a_post_with_a_key_is_sent_again_with_the_same_bytes(make, name):
    handler = DiesOnSecond()
    stage, response = race(make, handler, "POST", b"pay 5", [(name, "42")])
    assert response.status == 200
    first, second = stage.origin.requests[1:]
    assert (first.raw_head, first.body) == (second.raw_head, second.body)
    assert [body for _, body, _ in handler.executed] == [b"pay 5", b"pay 5"]


@pytest.mark.parametrize("method, body", [("PUT", b"x" * 5000), ("DELETE", None)])
def test_77_put_and_delete_are_sent_once_more(make, method, body):
    handler = DiesOnSecond()
    _, response = race(make, handler, method, body)
    assert (response.status, len(handler.executed)) == (200, 2)


def test_78_a_body_that_outgrew_the_replay_buffer_is_not_sent_again(make):
    def dies_in_the_middle(conn, request):
        if request.target == "/first":
            conn.send(reply())
            return
        conn._take(1 << 20)
        conn.reset()

    stage = Stage(make, dies_in_the_middle)
    assert stage.client.get("/first").status == 200
    # The rest stays here: who sends on while the answer comes may lose it to a reset.
    stage.client.send(b"PUT /second HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (10 << 20) + b"x" * (1 << 20))
    response = stage.client.read_final("PUT")
    assert response.status == 502
    assert len(stage.origin.requests) == 2
    assert stage.pool["resends_refused_by"] == {"body_not_replayable": 1}


@pytest.mark.parametrize("buffer, sent, times", [(300000, 300000, 2), (299999, 300000, 1), (16 << 20, 10 << 20, 2), (0, 1, 1)])
def test_78_the_replay_buffer_is_a_setting(make, buffer, sent, times):
    """The same with a body that is here whole, and that as much as the host takes of it has left before the connection dies."""
    handler = DiesOnSecond("reset")
    stage = Stage(make, handler, {"replay_buffer": buffer}, timeout="20s")
    body = bytes(range(256)) * (sent // 256) + b"x" * (sent % 256)
    assert stage.client.get("/first").status == 200
    response = stage.client.request("PUT", "/second", (), body)
    assert (response.status, [len(body) for _, body, _ in handler.executed]) == (200 if times == 2 else 502, [sent] * times)
    assert {body for _, body, _ in handler.executed} == {body}
    assert stage.pool["resends_refused_by"] == ({} if times == 2 else {"body_not_replayable": 1})


def test_79_a_fresh_connection_that_ends_is_no_race(make):
    def dies(conn, _):
        conn.body()
        conn.close()

    stage = Stage(make, dies)
    assert stage.client.get().status == 502
    assert len(stage.origin.requests) == 1
    assert stage.pool["resends_refused_by"] == {"fresh_connection": 1}


def test_80_a_resend_is_not_sent_again(make):
    handler = DiesOnSecond(deaths=9)
    stage, response = race(make, handler, "GET")
    assert (response.status, len(handler.executed)) == (502, 2)
    assert stage.pool["resends_refused_by"] == {"already_resent": 1}
    assert stage.metric("holdfast_upstream_resends_total", evidence="idempotent", outcome="failed") == 1


def test_a_host_that_breaks_every_connection_has_little_sent_to_it_again(make):
    """14 requests fill the pool; then it takes each request and ends without an answer, too late for an idle close. A fifth of the
    requests may come to nothing a second time: what is behind that is not sent again."""
    healthy, broken = Gate(14), threading.Event()

    def handler(conn, request):
        if not broken.is_set():
            healthy(conn, request)
            return
        conn.body()
        time.sleep(0.15)
        conn.close()

    stage = Stage(make, handler, {"resend_budget_percent": 20, "resend_budget_floor": 0, "resend_budget_window": "30s",
                                  "idle_timeout": "never"})
    assert [response.status for response in at_once(stage.gateway.address, 14)] == [200] * 14
    stage.await_pool(lambda pool: pool["idle"] == 14, "all are kept")
    broken.set()
    assert [fetch(stage.gateway.address).status for _ in range(10)] == [502] * 10
    assert len(stage.origin.requests) == 14 + 10 + 5
    pool = stage.pool
    assert pool["resends_by"] == {"idempotent": 5} and pool["resend_budget_spent"] == 5
    assert pool["resends_refused_by"] == {"budget_spent": 5, "already_resent": 5}
    assert stage.metric("holdfast_upstream_resends_refused_total", reason="budget_spent") == 5
    assert stage.metric("holdfast_upstream_resend_budget_spent_total") == 5


def test_races_take_nothing_from_the_budget(make):
    """Each connection dies under its second request, and each of these is answered when it is sent again, however many there are."""
    def handler(conn, _):
        if conn.number in seen:
            conn.close()
            return
        seen.add(conn.number)
        conn.send(reply())

    seen = set()
    stage = Stage(make, handler, {"resend_budget_percent": 0, "resend_budget_floor": 1, "resend_budget_window": "30s", "learn": False})
    assert [fetch(stage.gateway.address).status for _ in range(50)] == [200] * 50
    pool = stage.pool
    assert pool["resends"] > 30 and pool["resends_refused_by"] == {} and pool["resend_budget_spent"] == 0


@pytest.mark.parametrize("end, phase", [("close", "eof"), ("reset", "reset")])
def test_connections_that_die_under_a_request_are_counted_by_phase(make, end, phase):
    """Within 100 ms of it, which a busy machine may miss: tried until it did not."""
    def handler(conn, request):
        if request.path == "/die" and conn.number % 2 == 0:
            getattr(conn, end)()
        else:
            conn.send(reply())

    stage = Stage(make, handler)
    for _ in range(20):
        for target in ("/first", "/die"):
            assert stage.client.get(target).status == 200
        if stage.metric("holdfast_upstream_stale_total", phase=phase):
            break
        stage.origin.open_connections()[0].close()  # the next one has an even number
        stage.await_pool(lambda pool: pool["open"] == 0, "the connection closed")
    assert stage.metric("holdfast_upstream_stale_total", phase=phase) >= 1


def test_each_refusal_has_a_test():
    text = (ROOT / "src/upstream/refusals.def").read_text(encoding="utf-8")
    own = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in (Path(__file__).name, "test_upstream_h2.py"))
    refusals = re.findall(r'^REFUSAL\(\w+, "(\w+)"', text, re.MULTILINE)
    assert len(refusals) > 5
    assert [name for name in refusals if f'{{"{name}": ' not in own and f', "{name}")' not in own] == []


@pytest.mark.parametrize("number, part", [(81, b"HTTP/1.1 100 Continue\r\n\r\n"), (82, b"HTTP/1.1 20")], ids=["81_interim", "82_half"])
def test_81_82_a_byte_of_an_answer_forbids_it(make, number, part):
    handler = DiesOnSecond(part=part)
    stage, response = race(make, handler, "GET")
    assert (response.status, len(handler.executed)) == (502, 1)
    assert stage.pool["resends_refused_by"] == {"answer_begun": 1}


TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_83_a_408_on_an_idle_connection_is_for_nobody(make):
    stage = Stage(make)
    assert stage.client.get().status == 200
    stage.origin.connections[0].send(TIMEOUT)
    stage.origin.connections[0].close()
    stage.await_pool(lambda pool: pool["open"] == 0, "the connection closed")
    assert stage.client.get().status == 200
    assert [request.conn.number for request in stage.origin.requests] == [0, 1]


def test_84_a_line_end_on_an_idle_connection(make):
    stage = Stage(make)
    assert stage.client.get().status == 200
    stage.origin.connections[0].send(b"\r\n")
    time.sleep(0.05)
    response = stage.client.get("/next")
    assert (response.status, response.body) == (200, b"OK")


@pytest.mark.parametrize("delay", [0, 0.001, 0.01, 0.2])
def test_85_an_answer_that_nobody_asked_for(make, delay):
    def says_more(conn, _):
        conn.send(reply(b"first") + (reply(b"EVIL") if delay == 0 else b""))
        if delay:
            time.sleep(delay)
            conn.send(reply(b"EVIL"))

    stage = Stage(make, by_path({"/more": says_more}))
    assert stage.client.get("/more").body == b"first"
    stage.await_pool(lambda pool: "stray_bytes" in pool["closes"], "the connection given up")
    assert stage.client.get("/next").body == b"OK"
    assert stage.closes("stray_bytes")["peer"] == 1


HINTS = [("timeout=0", False), ("max=0", False), ("timeout=-1", True), ("timeout=abc", True), ('Timeout = "20"', True),
         ("timeout=100000000000000000000", True), ("timeout=20, timeout=0", False)]


@pytest.mark.parametrize("hint, kept", HINTS, ids=[hint for hint, _ in HINTS])
def test_86_hints_at_their_edges(make, hint, kept):
    def hints(conn, _):
        conn.send(reply(fields=[("Connection", "keep-alive"), ("Keep-Alive", hint)]))

    stage = Stage(make, hints)
    for _ in range(3):
        assert stage.client.get().status == 200
    assert len(stage.origin.connections) == (1 if kept else 3)


def test_86_a_hint_of_a_second_is_obeyed_with_a_margin(make):
    def hints(conn, _):
        conn.send(reply(fields=[("Keep-Alive", "timeout=1")]))

    for _ in range(TRIES):
        stage = Stage(make, hints)
        for pause in (0.3, 0.98, 0):
            assert stage.client.get().status == 200
            time.sleep(pause)
        first, second, _ = (request.at for request in stage.origin.requests)
        if second - first < 0.5:  # else the machine has made a pause of its own
            break
    assert [request.conn.number for request in stage.origin.requests] == [0, 0, 1]


@pytest.mark.parametrize("hints", [True, False])
def test_86_hints_are_heeded_unless_told_otherwise(make, hints):
    stage = Stage(make, lambda conn, _: conn.send(reply(fields=[("Keep-Alive", "timeout=0")])), {"keep_alive_hints": hints})
    for _ in range(3):
        assert stage.client.get().status == 200
    assert len(stage.origin.connections) == (3 if hints else 1)


def test_87_a_hint_needs_no_connection_field(make):
    """On HTTP/1.1 it is a hint all the same, and never an instruction."""
    def hints(conn, _):
        conn.send(reply(fields=[("Keep-Alive", "timeout=0")]))

    stage = Stage(make, hints)
    for _ in range(2):
        assert stage.client.get().status == 200
    assert len(stage.origin.connections) == 2


def test_89_a_restarted_host(make):
    """Idle connections of all ages end at once: one event, of which nothing is learned; no request fails."""
    stage = Stage(make, by_path({"/40": Gate(40), "/20": Gate(20)}), port=free_port())
    assert [response.status for response in at_once(stage.gateway.address, 40, "/40")] == [200] * 40
    time.sleep(0.4)
    assert [response.status for response in at_once(stage.gateway.address, 20, "/20")] == [200] * 20
    stage.await_pool(lambda pool: pool["idle"] == 40, "all idle")
    stage.origin.close()
    stage.await_pool(lambda pool: pool["open"] == 0, "all closed")
    closes = stage.pool["closes"]
    assert (stage.pool["ejections"], stage.pool["learner"]["restarts"], stage.pool["learner"]["learned_seconds"]) == (0, 1, None)
    with Origin(answers_ok, stage.origin.address) as again:
        assert [fetch(stage.gateway.address).status for _ in range(5)] == [200] * 5
        assert len(again.requests) == 5
    assert closes["restart"]["peer"] >= 20
    assert sum(sides["peer"] for sides in closes.values()) == 40


def test_93_a_reset_at_one_age_is_learned_as_the_limit(make):
    """As a NAT box does it: no FIN, a reset for what is sent too late. Nothing reaches the client, and the limit is found."""
    def ends():
        return stage.closes("peer_close_idle")["peer"] + stage.closes("learned_expired")["ours"]

    answered = threading.Semaphore(0)
    stage = Stage(make, ends_idle("reset", 0.1, answered))
    for turn in range(1, 13):
        assert stage.client.get().status == 200
        answered.release()
        eventually(lambda turn=turn: ends() == turn, what=f"end {turn}")
    assert stage.pool["resends_refused_by"] == {} and stage.pool["resends"] == 0
