"""test_ledger_reasons.py: one scenario for each reason of src/upstream/reasons.def: it leads to that reason, and to no other than it
names. A reason without a scenario fails.

A scenario is a function with @covers(reason, new={...}, closes={...}): what /v1/pools must say of the host at the end, in all: `new_by`,
and `closes` as {reason: "ours" or "peer", or a pair of counts (ours, peer)}. A scenario gets a Stage: an origin, a gateway in front of it,
and shorthands. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import re
import time

import h2.events
import pytest
from admin import ADMIN, connections, pool_of
from certificates import Authority
from configs import endpoint, forward_all, service
from crowd import Gate, at_once
from gateway import ROOT
from h2_servers import NodeH2
from h2peer import Peer
from h2peer import answers_ok as peer_answers_ok
from nameserver import NameServer, find_dnsmasq
from netlab import Relay, namespace
from origin import answers_ok, reply
from paused import paused, thread_named
from rawhttp import Client, fetch
from servers import free_port
from waiting import eventually
from wsraw import CLOSE, WebSocket, close, echoes, grant

REASONS = re.findall(r'^REASON\(\w+, "(\w+)"', (ROOT / "src/upstream/reasons.def").read_text(), re.MULTILINE)
BATCH_MAX = int(re.search(r"BATCH_MAX = (\d+)", (ROOT / "src/os/loop.c").read_text())[1])
SCENARIOS = {}


def covers(reason, new, closes=()):
    def keep(run):
        assert reason not in SCENARIOS, reason
        SCENARIOS[reason] = (run, new, closes)
        return run

    return keep


class Stage:
    """The origin answers by path as `handlers` say, else `OK`."""

    def __init__(self, make):
        self.make, self.handlers = make, {}

    def start(self, server=None, upstream=None, **root):
        self.origin = self.make.origin(self.answer)
        extra = {**ADMIN, "holdfast/upstream": upstream or {}}
        config = service([forward_all(self.origin)], {"error_status": "precise", **(server or {})}, extra, **root)
        self.gateway = self.make.gateway(config)
        self.address, self.admin = self.gateway.address, self.gateway.addresses[-1]

    def answer(self, conn, request):
        self.handlers.get(request.path, answers_ok)(conn, request)

    def load(self, config):
        self.gateway.path.write_text(json.dumps(config), encoding="utf-8")
        assert fetch(self.admin, "/v1/reload", "POST").status == 200

    def get(self, target="/", method="GET", status=200, body=None):
        assert fetch(self.address, target, method, body=body).status == status

    def client_of_each_worker(self, count):
        """Connections that stay open, one to each worker, by its number."""
        clients = {}
        while len(clients) < count:
            client = self.make.client(self.gateway)
            client.get("/__health")
            port = client.sock.getsockname()[1]
            row, = [row for row in connections(self.gateway, "?side=client") if row["peer"].endswith(f":{port}")]
            clients[row["worker"]] = client
        return [clients[worker] for worker in range(count)]

    def together_now(self, count=2, method="GET"):
        """Requests that need a connection each, at the same time; all are idle again."""
        self.handlers["/gate"] = Gate(count)
        body = b"x" if method == "POST" else None
        assert [response.status for response in at_once(self.address, count, "/gate", method, body)] == [200] * count
        self.wait_pool(active=0)

    def close_idle(self, count=1):
        """The origin ends `count` idle connections; the gateway has seen it."""
        before = self.pool()["closed_idle"]
        for conn in self.origin.open_connections()[:count]:
            conn.close()
        eventually(lambda: self.pool()["closed_idle"] == before + count, what="the closes seen")

    def pool(self):
        return pool_of(self.gateway)

    def wait_pool(self, **numbers):
        eventually(lambda: all(self.pool()[name] == number for name, number in numbers.items()), what=f"{numbers}")


def closes_in_full(closes):
    sides = {"ours": (1, 0), "peer": (0, 1)}
    return {reason: dict(zip(("ours", "peer"), sides.get(count, count))) for reason, count in closes.items()}


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason(make, reason):
    assert reason in SCENARIOS, f"{reason} stands in reasons.def, but no scenario here covers it"
    run, new, closes = SCENARIOS[reason]
    stage = Stage(make)
    run(stage)
    eventually(lambda: stage.pool()["active"] == 0, what="all connections back")
    closes = dict(closes)
    assert reason in new or reason in closes, "a scenario that cannot fail"
    try:
        eventually(lambda: (stage.pool()["new_by"], stage.pool()["closes"]) == (new, closes_in_full(closes)))
    except AssertionError:
        pool = stage.pool()
        assert (pool["new_by"], pool["closes"]) == (new, closes_in_full(closes)), "the ledger tells another story"


def test_no_scenario_is_for_a_reason_that_is_gone():
    assert set(SCENARIOS) <= set(REASONS)


@covers("cold", new={"cold": 1})
def cold(stage):
    stage.start()
    stage.get()
    stage.get()


@covers("pool_empty_burst", new={"cold": 1, "pool_empty_burst": 1})
def pool_empty_burst(stage):
    stage.start()
    stage.get()
    stage.together_now()
    stage.together_now()


@covers("cap_evicted", new={"cold": 1, "pool_empty_burst": 1, "cap_evicted": 1}, closes={"cap_evicted": (2, 0)})
def cap_evicted(stage):
    stage.start(max_idle_connections_per_host=1)
    stage.get()
    stage.together_now()
    stage.wait_pool(idle=1, active=0)
    stage.together_now()


@covers("idle_expired", new={"cold": 1, "idle_expired": 1}, closes={"idle_expired": "ours"})
def idle_expired(stage):
    stage.start(upstream={"idle_timeout": "1s"})
    stage.get()
    stage.wait_pool(idle=0, active=0)
    stage.get()


@covers("learned_expired", new={"cold": 1, "learned_expired": 1})
def learned_expired(stage):
    """A hint of one second; the connection stays as a sentinel, for nobody."""
    stage.handlers["/"] = lambda conn, _: conn.send(reply(fields=[("Keep-Alive", "timeout=1")]))
    stage.start()
    stage.get()
    time.sleep(1.1)
    stage.get()


@covers("age", new={"cold": 1, "age": 1}, closes={"age": "ours"})
def age(stage):
    stage.start(upstream={"max_connection_age": "300ms"})
    stage.get()
    time.sleep(0.4)  # 300 ms and 10 %
    stage.get("/slow")


@covers("count", new={"cold": 1, "count": 1}, closes={"count": "ours"})
def count(stage):
    stage.start(upstream={"max_requests_per_connection": 2})
    for _ in range(3):
        stage.get()


@covers("peer_close_idle", new={"cold": 1, "peer_close_idle": 1}, closes={"peer_close_idle": "peer"})
def peer_close_idle(stage):
    stage.start()
    stage.get()
    stage.close_idle()
    stage.get()


@covers("peer_close_announced", new={"cold": 1, "peer_close_announced": 1}, closes={"peer_close_announced": "peer"})
def peer_close_announced(stage):
    stage.handlers["/bye"] = lambda conn, _: conn.send(reply(fields=[("Connection", "close")]))
    stage.start()
    stage.get("/bye")
    stage.get()


@covers("stale_in_use", new={"cold": 1, "stale_in_use": 1}, closes={"stale_in_use": "peer"})
def stale_in_use(stage):
    """A POST is not sent again: the next request needs the connection."""
    stage.handlers["/die"] = lambda conn, _: (conn.body(), conn.close())
    stage.start()
    stage.get()
    stage.get("/die", "POST", 502, b"x")
    stage.get()


@covers("private", new={"cold": 1, "private": 1}, closes={"private": "ours"})
def private(stage):
    stage.handlers["/ntlm"] = lambda conn, _: conn.send(reply(status="401 Unauthorized", fields=[("WWW-Authenticate", "NTLM")]))
    stage.start()
    stage.get("/ntlm", status=401)
    stage.wait_pool(open=0)
    stage.get()


def test_a_private_connection_that_says_too_much_is_closed_by_its_host(make):
    """As any other: we had no choice."""
    stage = Stage(make)
    stage.handlers["/ntlm"] = lambda conn, _: conn.send(reply(status="401 Unauthorized", fields=[("WWW-Authenticate", "NTLM")]))
    stage.start()
    client = make.client(stage.gateway)
    assert client.get("/ntlm").status == 401
    stage.origin.connections[0].send("x")
    stage.wait_pool(open=0)
    assert stage.pool()["closes"] == closes_in_full({"stray_bytes": "peer"})


@covers("resend", new={"cold": 1, "resend": 1, "pool_empty_burst": 1}, closes={"stale_in_use": "peer"})
def resend(stage):
    """The death explains the re-send, and nothing after it."""
    stage.handlers["/die"] = lambda conn, _: conn.close() if conn.number == 0 else conn.send(reply())
    stage.start()
    stage.get()
    time.sleep(0.9)
    stage.get("/die")
    stage.together_now()


@covers("herd", new={"cold": 1, "pool_empty_burst": 9, "resend": 1, "herd": 1}, closes={"stale_in_use": "peer"})
def herd(stage):
    """Ten outlive 60 ms of idleness again and again, so that one death teaches no limit. One dies under a GET; of two POSTs then,
    the second does not get one of those that have been idle for longer."""
    died = []
    stage.handlers["/die"] = lambda conn, _: conn.send(reply()) if died else (died.append(1), conn.close())
    stage.start()
    stage.get()
    for _ in range(25):
        stage.together_now(10)
        time.sleep(0.06)
    stage.together_now(10)
    time.sleep(0.03)
    stage.get("/die")
    stage.together_now(2, "POST")


@covers("risk_policy", new={"cold": 1, "risk_policy": 1})
def risk_policy(stage):
    """Nothing is known of the host: after a second idle a POST takes no chance."""
    stage.start()
    stage.get()
    time.sleep(1.2)
    stage.get(method="POST", body=b"x")


@covers("keep_alive_off", new={"keep_alive_off": 2}, closes={"keep_alive_off": (2, 0)})
def keep_alive_off(stage):
    stage.start(disable_keep_alives=True)
    stage.get()
    stage.get()


@covers("bad_framing", new={"cold": 1, "bad_framing": 1}, closes={"bad_framing": "peer"})
def bad_framing(stage):
    twice = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n"
    stage.handlers["/odd"] = lambda conn, _: conn.send(twice)
    stage.start()
    fetch(stage.address, "/odd")
    stage.get()


@covers("no_length", new={"cold": 1, "no_length": 1}, closes={"no_length": "peer"})
def no_length(stage):
    stage.handlers["/endless"] = lambda conn, _: (conn.send("HTTP/1.1 200 OK\r\n\r\nOK"), conn.close())
    stage.start()
    stage.get("/endless")
    stage.get()


@covers("stray_bytes", new={"cold": 1, "stray_bytes": 1}, closes={"stray_bytes": "peer"})
def stray_bytes(stage):
    stage.start()
    stage.get()
    stage.origin.connections[0].send("x")
    stage.wait_pool(idle=0, active=0)
    stage.get()


@covers("stray_crlf", new={"cold": 1, "stray_crlf": 1}, closes={"stray_crlf": "peer", "quarantine": (1, 0)})
def stray_crlf(stage):
    """A line end behind an answer: no answer to anybody, but the connection goes."""
    stage.handlers["/odd"] = lambda conn, _: conn.send(reply() + b"\r\n")
    stage.start()
    stage.get("/odd")
    stage.wait_pool(idle=0, active=0)
    stage.get()


@covers("quarantine", new={"cold": 1, "stray_bytes": 1, "quarantine": 1},
        closes={"stray_bytes": "peer", "quarantine": (2, 0)})
def quarantine(stage):
    """Bytes behind an answer: from then on each connection is for one request."""
    stage.handlers["/stray"] = lambda conn, _: conn.send(reply() + b"HTTP/1.1 200 OK\r\n")
    stage.start()
    stage.get("/stray")
    stage.get()
    stage.get()
    assert [request.get("connection") for request in stage.origin.requests] == ["keep-alive", "close", "close"]
    assert stage.pool()["quarantines"] == 1


@covers("pressure_fd", new={"cold": 1, "pressure_fd": 1}, closes={"pressure_fd": "ours"})
def pressure_fd(stage):
    """Near the end of the descriptors, a dial to one host takes the place of an idle connection to another."""
    other = stage.make.origin()
    stage.origin = stage.make.origin(stage.answer)
    extra = ADMIN
    config = service([forward_all(stage.origin, "/a/*"), forward_all(other, "/b/*")], extra=extra)
    stage.gateway = stage.make.gateway(config, open_files=96)
    stage.address, stage.admin = stage.gateway.address, stage.gateway.addresses[-1]
    client = stage.make.client(stage.gateway)
    client.get("/a/1")
    crowd = [stage.make.client(stage.gateway) for _ in range(70)]  # as many as it takes until accepting pauses
    stage.gateway.wait_output("what descriptors are left")
    for target in ("/b/1", "/a/2"):
        assert client.get(target).status == 200
    for each in crowd:
        each.close()


@covers("middlebox", new={"cold": 1, "resend": 1}, closes={"middlebox": "ours"})
def middlebox(stage):
    """The path forgets a connection that was idle."""
    stage.make.stack.enter_context(namespace())
    stage.make.stack.enter_context(Relay(forget_after=1.0))
    stage.origin = stage.make.origin(stage.answer, (Relay.NEAR, 0))
    url = f"http://{Relay.FAR}:{stage.origin.address[1]}"
    extra = {**ADMIN, "holdfast/upstream": {"idle_timeout": "60s"}}
    stage.gateway = stage.make.gateway(service([forward_all(url)], extra=extra))
    stage.address, stage.admin = stage.gateway.address, stage.gateway.addresses[-1]
    stage.get()
    time.sleep(1.5)
    stage.get()


def start_by_name(stage):
    """A gateway whose host is named.test, at 127.0.0.2 so far; the origin at 127.0.0.3, and the server of names."""
    if not find_dnsmasq():
        pytest.skip("dnsmasq is not installed")
    stage.origin = stage.make.origin(stage.answer, ("127.0.0.2", free_port()))
    port = stage.origin.address[1]
    other = stage.make.origin(stage.answer, ("127.0.0.3", port))
    names = stage.make.stack.enter_context(NameServer("host-record=named.test,127.0.0.2"))
    extra = {**ADMIN, "holdfast/upstream": {"idle_timeout": "60s"}}
    stage.gateway = stage.make.gateway(service([forward_all(f"http://named.test:{port}")], {"resolver": names.address}, extra))
    stage.address, stage.admin = stage.gateway.address, stage.gateway.addresses[-1]
    return other, names


@covers("address_gone", new={"cold": 1, "address_gone": 1}, closes={"address_gone": "ours"})
def address_gone(stage):
    """The host's name leads to another address: what is idle at the old one goes."""
    other, names = start_by_name(stage)
    stage.get()
    names.start("host-record=named.test,127.0.0.3")
    stage.origin.wait_open(0, 20)
    stage.wait_pool(idle=0)
    stage.get()
    assert len(other.requests) == 1


@covers("unconfigured", new={"cold": 1, "unconfigured": 1}, closes={"unconfigured": "ours"})
def unconfigured(stage):
    stage.start()
    stage.get()
    config = stage.gateway.path.read_text(encoding="utf-8")
    nobody = endpoint("/*", extra_config={"holdfast/answer": {"body": "here"}})
    stage.load({**json.loads(config), "endpoints": [nobody]})
    stage.wait_pool(idle=0)
    stage.load(json.loads(config))
    stage.get()


@covers("rebalanced", new={"cold": 1, "pool_empty_burst": 2, "rebalanced": 2}, closes={"rebalanced": (2, 0)})
def rebalanced(stage):
    """The host's name leads to a second address, too: without requests one connection is left of three."""
    other, names = start_by_name(stage)
    stage.get()
    stage.together_now(3)
    names.start("host-record=named.test,127.0.0.2", "host-record=named.test,127.0.0.3")
    stage.origin.wait_open(1, 20)
    stage.wait_pool(idle=1)
    stage.together_now(3)
    assert len(other.requests) in (1, 2)


@covers("early_response", new={"cold": 1, "early_response": 1}, closes={"early_response": "peer"})
def early_response(stage):
    """The answer is here before the request's body is."""
    stage.handlers["/early"] = lambda conn, _: (conn.send(reply()), conn.wait_end(5))
    stage.start()
    client = stage.make.client(stage.gateway)
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + "x" * 20_000)
    assert client.read_final("POST").status == 200
    client.close()
    stage.wait_pool(active=0)
    stage.get()


@covers("client_abort", new={"cold": 1, "client_abort": 1}, closes={"client_abort": "ours"})
def client_abort(stage):
    stage.handlers["/half"] = lambda conn, _: (conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK"), conn.wait_end(20))
    stage.start()
    client = stage.make.client(stage.gateway)
    client.send_request("GET", "/half")
    client.read_head()
    client.reset()
    stage.wait_pool(active=0)
    stage.get()


@covers("answer_failed", new={"cold": 1, "answer_failed": 1}, closes={"answer_failed": "peer"})
def answer_failed(stage):
    stage.handlers["/cut"] = lambda conn, _: (conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nOK"), conn.reset())
    stage.start()
    client = stage.make.client(stage.gateway)
    client.send_request("GET", "/cut")
    client.read_head()
    stage.wait_pool(active=0)
    stage.get()


@covers("restart", new={"cold": 1, "pool_empty_burst": 4, "restart": 1}, closes={"peer_close_idle": (0, 3), "restart": (0, 2)})
def restart(stage):
    """Five of different ages end at once, one of them just used: the fourth makes it a restart."""
    stage.start()
    for count in range(1, 6):
        stage.together_now(count)
        time.sleep(0.1)
    time.sleep(0.5)
    stage.get()
    used = stage.origin.last.conn
    used.close()
    for conn in stage.origin.connections:
        if conn is not used:
            conn.close()
    stage.wait_pool(idle=0)
    stage.get()


@covers("drain", new={"cold": 1, "drain": 1}, closes={"drain": "ours"})
def drain(stage):
    stage.start()
    stage.get()
    fetch(stage.admin, "/v1/pools:flush", "POST", body=b"")
    stage.wait_pool(idle=0)
    stage.get()


def speak_h2(stage, streams=0, authority=None, **upstream):
    """In cleartext, or by ALPN with a certificate of the authority."""
    certificate = authority.issue("server") if authority else None
    stage.origin = stage.make.stack.enter_context(NodeH2(stage.make.directory / "node", None, certificate, streams))
    extra = {**ADMIN,
             "holdfast/upstream": {"protocol": "auto" if authority else "h2c", **upstream}}
    workers = {"workers": 2} if upstream else {}
    root = {"client_tls": {"ca_certs": [str(authority.certificate)], "min_version": "TLS12"}} if authority else {}
    stage.gateway = stage.make.gateway(service([forward_all(stage.origin)], {"error_status": "precise", **workers}, extra,
                                               **root))
    stage.address, stage.admin = stage.gateway.address, stage.gateway.addresses[-1]


@covers("goaway", new={"cold": 1, "goaway": 1}, closes={"goaway": "peer"})
def goaway(stage):
    speak_h2(stage)
    stage.get("/goaway")
    stage.get()


@covers("http1_required", new={"cold": 1, "resend": 1}, closes={"http1_required": "peer"})
def http1_required(stage):
    speak_h2(stage, authority=Authority(stage.make.directory / "certificates"))
    stage.get()
    stage.get("/old")


@covers("no_h2_stream", new={"cold": 1, "no_h2_stream": 1})
def no_h2_stream(stage):
    speak_h2(stage, streams=1)
    stage.get()
    held = stage.make.client(stage.gateway)
    held.send_request("GET", "/hold?ms=1000")
    stage.origin.wait_requests(1, "/hold")
    stage.get()
    assert held.read_final().body == b"held"


def deaf_at(path):
    def handler(conn, event):
        if isinstance(event, h2.events.RequestReceived) and conn.number == 0 and dict(event.headers)[":path"] == path:
            conn.deaf = True
        else:
            peer_answers_ok(conn, event)

    return handler


@covers("ping_timeout", new={"cold": 1, "resend": 1}, closes={"ping_timeout": "ours"})
def ping_timeout(stage):
    """A host that reads nothing any more, while its kernel acknowledges all: a GET is given again."""
    stage.origin = stage.make.stack.enter_context(Peer(deaf_at("/deaf")))
    extra = {"holdfast/admin": {"listen": "127.0.0.1:0"},
             "holdfast/upstream": {"protocol": "h2c", "ping_after": "10s", "ping_timeout": "1s"}}
    stage.gateway = stage.make.gateway(service([forward_all(stage.origin)], {"error_status": "precise"}, extra, timeout="30s"))
    stage.address, stage.admin = stage.gateway.address, stage.gateway.addresses[-1]
    stage.get()
    with Client(stage.address, 25) as client:
        assert client.get("/deaf").body == b"OK"
    pool = stage.pool()
    assert (pool["pings"], pool["ping_timeouts"], pool["resends_by"]) == (1, 1, {"idempotent": 1})
    assert [number for number, _ in stage.origin.requests("/deaf")] == [0, 1]


@covers("yielded", new={"cold": 2}, closes={"yielded": "ours"})
def yielded(stage):
    """Two workers at a cap of one connection: the one whose connection is idle gives up its place to the other one's request."""
    speak_h2(stage, max_connections_per_host=1, queue_timeout="10s")
    for client in stage.client_of_each_worker(2):
        assert client.get().status == 200
        stage.wait_pool(active=0, idle=1)


@covers("tunnel", new={"cold": 1, "tunnel": 1}, closes={"tunnel": (1, 1)})
def tunnel(stage):
    """A WebSocket that its client ends, and one that the host does: neither connection comes back."""
    stage.handlers["/chat"], stage.handlers["/bye"] = echoes, lambda conn, request: (grant(conn, request), conn.close())
    stage.origin = stage.make.origin(stage.answer)
    way = forward_all(stage.origin)
    way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "tunnel"}}
    stage.gateway = stage.make.gateway(service([way], extra=ADMIN))
    stage.address, stage.admin = stage.gateway.address, stage.gateway.addresses[-1]
    with WebSocket(stage.address, "/chat") as ws:
        ws.say(CLOSE, close(1000))
        assert ws.next_close() == 1000
        stage.wait_pool(active=0)
    with WebSocket(stage.address, "/bye") as ws:
        assert ws.next_close() == 1012
        stage.wait_pool(active=0)


@covers("stale_at_check", new={"cold": 1, "stale_at_check": 1}, closes={"stale_at_check": "peer"})
def stale_at_check(stage):
    """The gateway is stopped. A POST comes, then more news than it takes from the kernel at once, and behind them the end of its idle
    connection: the request is first, and the look before its use finds the end."""
    stage.start(upstream={"learn": False})
    client = stage.make.client(stage.gateway)
    assert client.get().status == 200
    stage.wait_pool(idle=1)
    crowd = [stage.make.client(stage.gateway) for _ in range(BATCH_MAX)]
    assert {each.get("/__health").status for each in crowd} == {200}  # turns of the loop: what has just become idle is not looked at
    with stage.gateway.frozen():
        client.send_request("POST", "/", body=b"x")
        for each in crowd:
            each.send(b"G")
        stage.origin.connections[0].close()
    assert client.read_final("POST").status == 200


@covers("surplus", new={"cold": 5}, closes={"surplus": "ours"})
def surplus(stage):
    """A worker is asked for its connection while it stands still, and another is dialed, four times: when it goes on, its own comes too."""
    stage.start({"workers": 5}, {"idle_timeout": "never"})
    clients = stage.client_of_each_worker(5)
    with contextlib.ExitStack() as still:
        for worker, client in enumerate(clients):
            assert client.get().status == 200
            still.enter_context(paused(thread_named(stage.gateway.pid, f"worker-{worker}")))
