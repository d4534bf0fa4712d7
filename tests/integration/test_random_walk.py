"""test_random_walk.py: random requests to an origin that answers at random, judged by what each request's plan allows.

Early answers, interim ones, cuts, resets, every framing of either side, HTTP/1.0, HEAD, Expect, pipelining, half-closed and spoilt
uploads, large answers to clients that do not read for a while. A client must get its own answer whole, an error that the plan
explains, or a connection that visibly breaks off; never silence, another request's answer, or bytes that belong to none.
HOLDFAST_WALK_SECONDS makes the walks longer (4).
SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import re
import threading
import time
from dataclasses import dataclass, field

import pytest
from admin import ADMIN, pool_of
from configs import forward_all, service
from origin import Connection
from rawhttp import BadAnswer, Cut, Silence
from tls_front import BothWays, BothWaysClient, context_of, tls_block
from tls_origin import TlsOrigin
from waiting import eventually

SECONDS = float(os.environ.get("HOLDFAST_WALK_SECONDS", "4"))
CLIENTS = 6
SMALL_BUFFER = 8192
SKIPPED_MAX = 256 << 10  # of an upload behind a complete answer; what is longer ends the connection without a word


@dataclass
class Plan:
    number: int
    method: str
    version: str
    framing: str  # of the request's body: none, length, chunked
    body: bytes
    expects: bool
    spoilt: str  # "", chunk, fin: the body comes to no end
    piece: int  # bytes sent at a time; 0: all
    interim: list
    answer_version: str
    status: int
    answer_framing: str  # length, chunked, close
    answer: bytes
    typed: bool
    closes: bool
    cut: float  # how much of the answer is sent; 1: all
    resets: bool  # when cut
    early: bool  # answers before the body
    heads: int = 0
    seen: list = field(default_factory=list)

    @property
    def bodiless(self):
        return self.method == "HEAD" or self.status in (204, 304)


def letters(rng, sizes):
    return bytes(rng.choices(b"abcdefgh", k=rng.choice(sizes)))


def some_plan(rng, number, pipelined):
    def chance(percent):
        return rng.random() * 100 < percent

    method = rng.choice(["GET", "GET", "HEAD", "POST", "PUT", "DELETE"])
    version = "1.0" if chance(15) and not pipelined else "1.1"
    framing = "none"
    if method in ("POST", "PUT"):
        framing = "chunked" if chance(50) and version == "1.1" else "length"
    spoilt = rng.choice(["chunk" if framing == "chunked" else "fin", "fin"]) if framing != "none" and chance(8) else ""
    answer_version = "1.0" if chance(10) else "1.1"
    body = letters(rng, [0, 1, 100, 30_000, 200_000]) if framing != "none" else b""
    return Plan(number, method, version, framing, body,
                body != b"" and version == "1.1" and not pipelined and chance(25), "" if pipelined else spoilt,
                rng.choice([0, 0, 1000, 20_000]), rng.choice([[], [], [], [103], [100], [103, 103]]), answer_version,
                rng.choice([200] * 6 + [204, 304, 404, 500]),
                rng.choice(["length", "length", "close"] + ["chunked"] * (answer_version == "1.1")),
                letters(rng, [0, 1, 50, 50, 3000, 70_000]) * rng.choice([1] * 9 + [20]), chance(50), chance(10), rng.random() if chance(8) else 1,
                chance(50), chance(15))


def answer_bytes(plan, rng):
    lines = [f"HTTP/{plan.answer_version} {plan.status} X", f"X-Number: {plan.number}"]
    lines += ["Content-Type: text/plain"] * plan.typed + ["Connection: close"] * plan.closes
    if plan.answer_version == "1.0" and not plan.closes:
        lines.append("Connection: keep-alive")
    if plan.status != 204 and plan.answer_framing == "length":
        lines.append(f"Content-Length: {len(plan.answer)}")
    if plan.status != 204 and plan.answer_framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    body = b"" if plan.bodiless else plan.answer
    if plan.answer_framing == "chunked" and not plan.bodiless:
        size = rng.randrange(1, 5000)
        pieces = [body[at:at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ends_by_closing(plan):
    return plan.answer_framing == "close" and not plan.bodiless


class Walk:
    def __init__(self, make, seed, timeout="2s", origin=None, upstream=None, **root):
        self.seed, self.plans, self.lock, self.wrong, self.count = seed, {}, threading.Lock(), [], 0
        self.origin = origin(self.serve) if origin else make.origin(self.serve)
        self.gateway = make.gateway(service(
            [forward_all(self.origin)], {"error_status": "precise", "workers": 2}, {**ADMIN, "holdfast/upstream": upstream or {}},
            timeout=timeout, expect_continue_timeout="200ms", **root))
        self.make_client = lambda **options: make.client(self.gateway, **options)
        self.end = time.monotonic() + SECONDS

    def complain(self, what, plan, *more):
        shown = {name: len(value) if isinstance(value, bytes) else value for name, value in vars(plan).items()}
        self.wrong.append((what, *more, shown))

    # The origin.

    def serve(self, conn, request):
        plan = self.plans[int(re.search(r"/(\d+)$", request.target)[1])]
        rng = random.Random(plan.number)
        plan.heads += 1
        if plan.heads > (1 if plan.method == "POST" else 2):
            self.complain("sent too often", plan)
        if not plan.early:
            body = conn.body()
            if body != plan.body:
                self.complain("the origin got another body", plan, len(body))
        for status in plan.interim:
            conn.send(f"HTTP/1.1 {status} X\r\n\r\n")
        data = answer_bytes(plan, rng)
        conn.send(data[:int(len(data) * plan.cut)])
        if plan.cut < 1 or plan.closes or ends_by_closing(plan):
            (conn.reset if plan.cut < 1 and plan.resets else conn.close)()
        elif plan.early:
            conn.body()

    # The clients.

    def plan(self, rng, pipelined=False):
        with self.lock:
            self.count += 1
            plan = self.plans[self.count] = some_plan(rng, self.count, pipelined)
        return plan

    @staticmethod
    def request_bytes(plan):
        lines = [f"{plan.method} /x/{plan.number} HTTP/{plan.version}", "Host: a"]
        lines += ["Connection: keep-alive"] * (plan.version == "1.0") + ["Expect: 100-continue"] * plan.expects
        body = plan.body
        if plan.framing == "length":
            lines.append(f"Content-Length: {len(body) + (plan.spoilt == 'fin')}")
        if plan.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            body += {"": b"0\r\n\r\n", "chunk": b"zz\r\n", "fin": b""}[plan.spoilt]
        return "\r\n".join(lines).encode() + b"\r\n\r\n", body

    def judge(self, plan, response):
        plan.seen.append((response.status, len(response.body)))
        own = response.get("x-number") is None
        if own and response.status == 400 and plan.spoilt:
            return
        if own and response.status in (502, 504):
            # An upload may meet the end of a kept connection; nothing else fails unless the answer was cut.
            if plan.cut == 1 and plan.framing == "none":
                self.complain("failed", plan, response.status)
            return
        if own or int(response.get("x-number")) != plan.number or response.status != plan.status:
            self.complain("another answer", plan, response.raw_head)
        elif response.body != (b"" if plan.bodiless else plan.answer):
            # An orderly end looks like the whole where nothing else tells where it is.
            if plan.cut == 1 or not ends_by_closing(plan) or plan.resets:
                self.complain("another body", plan, len(response.body))

    def send_body(self, client, plan, body):
        piece = plan.piece or len(body) or 1
        for at in range(0, len(body), piece):
            client.send(body[at:at + piece])
        if plan.spoilt == "fin":
            client.half_close()

    def ask(self, client, rng):
        """One request. True: the connection goes on."""
        plan, half_closes = self.plan(rng), rng.random() < 0.05
        head, body = self.request_bytes(plan)
        client.send(head)
        response = None
        if plan.expects:
            response = client.read_response(plan.method)
            while response.status == 103:
                response = client.read_response(plan.method)
        sent = response is None or response.status == 100
        if sent:
            self.send_body(client, plan, body)
            if half_closes and not plan.spoilt:
                client.half_close()
            if rng.random() < 0.1:
                time.sleep(rng.choice([0.01, 0.1]))  # a large answer fills every buffer on its way
            response = client.read_final(plan.method)
        self.judge(plan, response)
        if not sent and not response.says_close:
            self.complain("kept, though the body that was announced may come or not", plan)
        if response.says_close or response.framing == "close" or (sent and (half_closes or plan.spoilt)):
            if not client.ended():
                self.complain("stays open", plan)
            return False
        if len(body) > SKIPPED_MAX and plan.early:
            return False
        return self.is_quiet(client, plan)

    def is_quiet(self, client, plan):
        if not client.silent(0.0005):
            self.complain("more than the answer", plan, client.buffer[:80])
        return True

    def pipeline(self, client, rng):
        plans = [self.plan(rng, pipelined=True) for _ in range(rng.choice([2, 3]))]
        client.send(b"".join(b"".join(self.request_bytes(plan)) for plan in plans))
        for plan in plans:
            response = client.read_final(plan.method)
            self.judge(plan, response)
            if response.says_close or response.framing == "close":
                return False
        return self.is_quiet(client, plans[-1])

    def connect(self, rng):
        client = self.make_client(receive_buffer=rng.choice([None, SMALL_BUFFER]))
        try:
            while rng.random() < 0.95 and (self.pipeline if rng.random() < 0.2 else self.ask)(client, rng):
                pass
        except (Cut, OSError):  # explained or not: whoever cuts too much fails the other tests
            pass
        except (BadAnswer, Silence) as error:
            if "reset" not in str(error):
                self.wrong.append((repr(error), self.count))
        finally:
            client.close()

    def run(self, index):
        rng = random.Random(self.seed * 100 + index)
        try:
            while time.monotonic() < self.end and not self.wrong:
                self.connect(rng)
        except Exception as error:  # a thread's end must not pass for a quiet one
            self.wrong.append(repr(error))
            raise

    def go(self, clients=CLIENTS):
        """What it has come to, for a note."""
        threads = [threading.Thread(target=self.run, args=(index,)) for index in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.wrong, str(self.wrong[0])
        eventually(lambda: (pool := pool_of(self.gateway))["active"] == pool["dialing"] == 0,
                   what="every upstream connection given back")
        whole = sum(plan.seen != [] and plan.seen[-1][0] == plan.status for plan in self.plans.values())
        assert whole > len(self.plans) / 2, "hardly any request is answered"
        return f"{len(self.plans)} requests, {whole} answered by the origin"


@pytest.mark.parametrize("seed", [1, 2])
def test_every_client_gets_its_own_answer(make, seed, note):
    note(f"walk {seed}", Walk(make, seed).go())


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_every_client_over_tls_gets_its_own_answer(make, authority, certificate, version, note):
    walk, context = Walk(make, 3, tls=tls_block(certificate)), context_of(authority, version)
    walk.make_client = lambda **options: make.stack.enter_context(BothWaysClient(walk.gateway.address, context, **options))
    note(f"walk over {version}", walk.go())


class BothWaysConnection(Connection):
    def serve(self):
        try:
            self.sock = BothWays(self.sock, self.origin.context)
        except OSError:  # a dial that nobody needs any more
            self.sock.close()
            return
        super().serve()


class BothWaysOrigin(TlsOrigin):
    connection_class = BothWaysConnection


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_hosts_over_tls_answer_their_own_requests(make, authority, certificate, version, note):
    walk = Walk(make, 4, origin=lambda serve: make.stack.enter_context(BothWaysOrigin(certificate, serve, version=version)),
                client_tls={"ca_certs": [str(authority.certificate)], "min_version": "TLS12"})
    note(f"walk to hosts over {version}", walk.go())
