"""test_upstream_h2.py: hosts that are spoken to in HTTP/2: who chooses it, how connections are shared and left, what is
sent again, and that nothing runs twice. SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import json
import random
import re
import subprocess
import time

import h2.events
import pytest
from admin import ADMIN, connections, pool_of
from configs import forward_all, proxy, service
from h2_servers import Nghttpd, NginxBehindUs, NginxH2, NodeH2
from h2peer import CONNECT, Peer
from rawhttp import Client, fetch
from servers import find_tool, let_others_read
from tls_origin import TlsOrigin
from waiting import eventually
from wsraw import CLOSE, TEXT, WebSocket, apply_mask, close, echoes, frame


pytestmark = pytest.mark.skipif(NodeH2.missing is not None, reason=str(NodeH2.missing))


@pytest.fixture
def node(make, tmp_path):
    def start(**options):
        return make.stack.enter_context(NodeH2(tmp_path / f"node{random.randrange(1 << 30)}", **options))
    return start


class Stage:
    """A gateway in front of an origin that is spoken to as `protocol` says."""

    def __init__(self, make, origin, protocol="h2c", server=None, upstream=None, authority=None, others=(), **root):
        extra = {**ADMIN, "holdfast/upstream": {"protocol": protocol, **(upstream or {})}}
        if protocol is None:
            del extra["holdfast/upstream"]["protocol"]
        if authority:
            root["client_tls"] = {"ca_certs": [str(authority.certificate)], "min_version": "TLS12"}
        self.origin = origin
        config = proxy(origin, server, extra, timeout="20s", **root)
        config["endpoints"][0]["backend"][0]["host"] += [other.url for other in others]
        self.gateway = make.gateway(config)
        self.admin = self.gateway.addresses[-1]

    def get(self, path="/", method="GET", body=None, **headers):
        with Client(self.gateway.address) as client:
            return client.request(method, path, fields=list(headers.items()), body=body)

    def together(self, *paths, method="GET", body=None):
        """Answers of requests that are under way at once."""
        with concurrent.futures.ThreadPoolExecutor(len(paths)) as crowd:
            return list(crowd.map(lambda path: self.get(path, method, body), paths))

    def pool(self):
        return pool_of(self.gateway)

    def conns(self):
        return connections(self.gateway)

    def metric(self, text):
        lines = fetch(self.admin, "/metrics").body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(text))

    def settled(self):
        """Nothing is under way; every request was counted once, and every connection is somewhere."""
        pool = eventually(lambda: self.pool() if self.pool()["active"] == 0 and self.pool()["dialing"] == 0 else None)
        assert pool["streams"] == 0
        assert pool["new"] == sum(pool["new_by"].values())
        closed = sum(count for sides in pool["closes"].values() for count in sides.values())
        opened = self.metric("holdfast_upstream_connections_opened_total")
        assert opened == closed + pool["idle"] + pool["active"]
        return pool


def test_many_requests_share_one_connection(make, node):
    stage = Stage(make, node())
    answers = stage.together(*["/gate?count=20"] * 20)
    assert [answer.body for answer in answers] == [b"through"] * 20
    assert len(stage.origin.sessions()) == 1
    pool = stage.settled()
    assert (pool["new"], pool["shared"], pool["reused"]) == (1, 19, 0)
    assert pool["protocol"] == "h2" and pool["idle"] == 1
    assert stage.get().body == b"OK"
    assert stage.settled()["reused"] == 1
    assert len(stage.origin.sessions()) == 1


def test_a_cold_burst_makes_one_connection(make, node, authority, certificate):
    """Before it is known what the host speaks, the others wait for the first handshake."""
    stage = Stage(make, node(certificate=certificate), "auto", authority=authority)
    stage.together(*["/gate?count=30"] * 30)
    pool = stage.settled()
    assert pool["new"] == 1 and pool["shared"] == 29 and pool["tls_full"] == 1
    assert pool["protocol"] == "h2"


@pytest.mark.parametrize("protocol, secure, spoken", [
    (None, False, "http1"), (None, True, "h2"), ("http/1.1", True, "http1"), ("auto", True, "h2"), ("h2", True, "h2"),
    ("h2c", True, "h2"), ("h2c", False, "h2"), ("h2", False, "h2")])
def test_what_is_spoken(make, node, authority, certificate, protocol, secure, spoken):
    if not secure and spoken == "http1":
        origin = make.origin()
    else:
        origin = node(certificate=certificate if secure else None)
    stage = Stage(make, origin, protocol, authority=authority if secure else None)
    assert stage.get("/x").body == b"OK"
    if secure or spoken == "h2":
        assert ("http1" in origin.requests("/x")[0]) == (spoken == "http1")
    assert stage.pool()["protocol"] == {"h2": "h2", "http1": "http/1.1"}[spoken]
    row = stage.conns()[0]
    assert row["protocol"] == {"h2": "h2", "http1": "http/1.1"}[spoken]
    assert row["streams"] == 0
    assert (row["streams_max"] > 1) == (spoken == "h2")


def test_auto_takes_what_the_host_chooses(make, authority, certificate):
    origin = make.stack.enter_context(TlsOrigin(certificate))
    stage = Stage(make, origin, "auto", authority=authority)
    assert [answer.status for answer in stage.together(*["/"] * 8)] == [200] * 8
    assert stage.settled()["protocol"] == "http/1.1"


def test_h2_alone_is_no_other(make, authority, certificate):
    origin = make.stack.enter_context(TlsOrigin(certificate))
    stage = Stage(make, origin, "h2", authority=authority)
    assert stage.get().status >= 500
    assert origin.connections and origin.requests == []


def test_heads_and_bodies_pass(make, node):
    stage = Stage(make, node())
    answer = stage.get("/fields", **{"X-Asked": "yes", "Cookie": "a=b; c=d"})
    assert answer.get("x-one") == "1" and answer.all("set-cookie") == ["a=1", "b=2"]
    seen = stage.origin.requests("/fields")[0]["headers"]
    assert seen["x-asked"] == "yes" and seen["cookie"] == "a=b; c=d"
    assert seen[":authority"] == f"127.0.0.1:{stage.origin.port}" and seen[":scheme"] == "http"
    assert not {"connection", "transfer-encoding", "keep-alive"} & set(seen)
    body = random.Random(1).randbytes(700_000)
    assert stage.get("/echo", "POST", body).body == body
    assert len(stage.get("/bytes?n=3000000").body) == 3_000_000
    assert stage.get("/trailers").body == b"with trailers"
    head = stage.get("/bytes?n=10", "HEAD")
    assert head.status == 200 and head.body == b""
    assert len(stage.origin.sessions()) == 1


def test_116_118_no_more_streams_than_the_host_takes(make, node):
    stage = Stage(make, node(streams=3))
    stage.get("/")
    answers = stage.together(*["/gate?count=12"] * 12)
    assert [answer.status for answer in answers] == [200] * 12
    assert max(note["open"] for note in stage.origin.requests("/gate")) <= 3
    pool = stage.settled()
    assert 4 <= len(stage.origin.sessions()) <= 6
    assert pool["streams_max"] == 3
    assert pool["new_by"].get("no_h2_stream", 0) == pool["new"] - 1


def test_113_goaway_ends_a_connection_without_a_failure(make, node):
    stage = Stage(make, node())
    assert stage.get("/goaway").body == b"last"
    assert stage.get("/").body == b"OK"
    assert len(stage.origin.sessions()) == 2
    pool = stage.settled()
    assert pool["failures"] == 0 and pool["new_by"] == {"cold": 1, "goaway": 1}
    assert pool["closes"] == {"goaway": {"ours": 0, "peer": 1}}


@pytest.mark.parametrize("method, body", [("GET", None), ("POST", b"x" * 20_000)])
@pytest.mark.parametrize("path, evidence", [("/refuse-once", "refused"), ("/goaway-below", "goaway")])
def test_112_114_what_was_not_processed_is_sent_again(make, node, path, evidence, method, body):
    stage = Stage(make, node())
    stage.get("/")
    answer = stage.get(f"{path}?id={method}", method, body)
    assert answer.status == 200 and answer.body == (body or b"OK")
    assert len(stage.origin.requests(path)) == 2
    pool = stage.settled()
    assert pool["resends_by"] == {evidence: 1} and pool["failures"] == 0


def refuses(times, word):
    """A handler of a host that takes none of its first requests: `word` is its GOAWAY's code, or None for REFUSED_STREAM."""
    def handler(conn, event):
        if not isinstance(event, h2.events.StreamEnded):
            return
        if len(conn.peer.requests()) > times:
            conn.answer(event.stream_id)
        elif word is None:
            conn.h2.reset_stream(event.stream_id, 7)
        else:
            conn.h2.close_connection(word, last_stream_id=max(event.stream_id - 2, 0))
    return handler


NO_ERROR, ENHANCE_YOUR_CALM = 0, 11
WORDS = [(None, "refused"), (NO_ERROR, "goaway"), (ENHANCE_YOUR_CALM, "refused")]


@pytest.mark.parametrize("word, evidence", WORDS)
def test_114_a_request_that_is_refused_six_times_is_answered(make, word, evidence):
    stage = Stage(make, make.stack.enter_context(Peer(refuses(6, word))))
    assert stage.get("/", "POST", b"x" * 2000).status == 200
    pool = stage.settled()
    assert len(stage.origin.requests()) == 7
    assert pool["resends_by"] == {evidence: 6} and pool["failures"] == 0
    assert pool["resend_budget_spent"] == (0 if word == NO_ERROR else 5)


@pytest.mark.parametrize("word, evidence", WORDS)
def test_114_a_host_that_refuses_for_ever_is_asked_seven_times(make, word, evidence):
    stage = Stage(make, make.stack.enter_context(Peer(refuses(100, word))))
    assert stage.get("/", "POST", b"x").status in (502, 503)
    pool = stage.settled()
    assert len(stage.origin.requests()) == 7
    assert pool["resends_by"] == {evidence: 6} and pool["resends_refused_by"] == {"already_resent": 1}
    assert pool["resend_budget_spent"] == (0 if word == NO_ERROR else 6)


def test_where_another_host_can_have_it_one_that_refuses_is_asked_three_times(make):
    ill, sound = (make.stack.enter_context(Peer(handler)) for handler in (refuses(100, None), refuses(0, None)))
    stage = Stage(make, ill, others=[sound])
    while not ill.requests():  # the first host is drawn by chance
        assert stage.get("/", "POST", b"x").status == 200
    assert len(ill.requests()) == 3


def test_the_last_host_that_can_have_it_has_all_six_tries(make):
    hosts = [make.stack.enter_context(Peer(refuses(6, NO_ERROR))) for _ in range(2)]
    stage = Stage(make, hosts[0], others=hosts[1:])
    assert stage.get("/", "POST", b"x").status == 200
    assert sorted(len(host.requests()) for host in hosts) == [3, 7]


def test_a_host_that_refuses_everything_is_asked_once_when_the_budget_is_spent(make):
    """Without it a host that sheds load would be asked seven times for each request. One that ends connections in order sheds none."""
    budget = {"resend_budget_percent": 0, "resend_budget_floor": 1, "resend_budget_window": "30s"}
    word = [None]
    peer = make.stack.enter_context(Peer(lambda conn, event: refuses(limit[0], word[0])(conn, event)))
    limit = [1000]
    stage = Stage(make, peer, upstream=budget)
    assert all(stage.get("/", "POST", b"x").status in (502, 503) for _ in range(15))
    assert len(peer.requests()) == 15 + 30
    pool = stage.settled()
    assert pool["resends_by"] == {"refused": 30} and pool["resend_budget_spent"] == 30
    assert pool["resends_refused_by"] == {"already_resent": 5, "budget_spent": 10}
    word[0], limit[0] = NO_ERROR, 15 + 30 + 3
    assert stage.get("/", "POST", b"x").status == 200
    assert stage.settled()["resends_by"] == {"refused": 30, "goaway": 3}


def test_a_stream_that_is_reset_while_its_connection_goes_on_is_no_race(make, node):
    stage = Stage(make, node())
    assert stage.get("/first").status == 200
    assert stage.get("/broken").status >= 500
    assert len(stage.origin.requests("/broken")) == 1
    assert stage.settled()["resends_refused_by"] == {"not_a_close": 1}


def test_123_a_misdirected_request_has_another_connection(make, node):
    stage = Stage(make, node())
    stage.get("/")
    answer = stage.get("/misdirected?id=1", "POST", b"once")
    assert (answer.status, answer.body) == (200, b"once")
    first, second = stage.origin.requests("/misdirected")
    assert first["session"] != second["session"]
    assert stage.settled()["resends_by"] == {"misdirected": 1}


def test_a_fresh_connection_says_421_for_good(make, node):
    stage = Stage(make, node())
    assert stage.get("/misdirected-always").status == 421
    assert len(stage.origin.requests("/misdirected-always")) == 1


def test_a_connection_that_dies_is_left_by_all_of_its_requests(make, node):
    """What may be done twice is sent again, and all of that shares one fresh connection; the POST is not. The gate opens when all six
    have come twice."""
    stage = Stage(make, node())
    stage.get("/")
    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        silent = [crowd.submit(stage.get, "/gate?count=12") for _ in range(6)]
        post = crowd.submit(stage.get, "/silent", "POST", b"x")
        stage.origin.wait_requests(6, "/gate")
        stage.origin.wait_requests(1, "/silent")
        assert stage.get("/die?id=1").body == b"alive"
        assert [answer.result().body for answer in silent] == [b"through"] * 6
        assert post.result().status == 502
    assert len(stage.origin.requests("/silent")) == 1
    assert len(stage.origin.requests("/gate")) == 12
    assert len(stage.origin.sessions()) == 2
    assert stage.settled()["resends_by"] == {"idempotent": 7}


def test_a_client_that_leaves_costs_its_stream_only(make, node):
    stage = Stage(make, node())
    stage.get("/")
    with Client(stage.gateway.address) as client:
        client.send(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
        stage.origin.wait_requests(1, "/silent")
        client.reset()
    eventually(lambda: any("aborted" in note for note in stage.origin.notes()), what="the stream ended")
    assert stage.get("/").body == b"OK"
    assert len(stage.origin.sessions()) == 1
    assert stage.settled()["closes"] == {}


@pytest.mark.parametrize("setting, reason", [({"max_requests_per_connection": 5}, "count"), ({"max_connection_age": "300ms"}, "age")])
def test_limits_of_a_connection_let_its_streams_finish(make, node, setting, reason):
    stage = Stage(make, node(), upstream=setting)
    with concurrent.futures.ThreadPoolExecutor(1) as crowd:
        held = crowd.submit(stage.get, "/hold?ms=1200")
        stage.origin.wait_requests(1, "/hold")
        for _ in range(10):
            assert stage.get("/").status == 200
            time.sleep(0.06)
        assert held.result().body == b"held"
    pool = stage.settled()
    assert pool["closes"][reason]["ours"] >= 1 and pool["failures"] == 0
    assert set(pool["new_by"]) <= {"cold", reason, "no_h2_stream"}


def test_the_cap_counts_connections_and_leaves_no_worker_out(make, node):
    """One connection for two workers: whoever has it gives it up when the other one waits."""
    stage = Stage(make, node(), server={"workers": 2}, upstream={"max_connections_per_host": 1, "queue_timeout": "10s"})
    done = time.monotonic() + 1.5

    def client_loop(_):
        count = 0
        with Client(stage.gateway.address) as client:
            while time.monotonic() < done:
                assert client.get("/hold?ms=5").status == 200
                count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(12) as crowd:
        counts = list(crowd.map(client_loop, range(12)))
    assert min(counts) > 0
    pool = stage.settled()
    assert pool["failures"] == 0
    assert set(pool["closes"]) <= {"yielded"}


def test_a_silent_host_costs_one_deadline(make, node):
    stage = Stage(make, node(), upstream={}, response_header_timeout="1s")
    stage.get("/")
    assert stage.get("/silent").status >= 500
    assert stage.get("/").body == b"OK"
    assert len(stage.origin.sessions()) == 2  # nothing had come on the first one since
    assert stage.settled()["closes"] == {"answer_failed": {"ours": 1, "peer": 0}}


@pytest.mark.parametrize("secure", [False, True], ids=["h2c", "tls"])
@pytest.mark.parametrize("kind", [NginxH2, Nghttpd], ids=["nginx", "nghttpd"])
def test_real_servers_over_two_connections_a_worker(make, tmp_path, authority, certificate, kind, secure):
    """10,000 requests, 96 at once over two workers."""
    if kind.missing or not find_tool("h2load"):
        pytest.skip(kind.missing or "h2load is not installed")
    let_others_read(tmp_path)
    origin = make.stack.enter_context(kind(tmp_path / "server", certificate=certificate if secure else None))
    stage = Stage(make, origin, "auto" if secure else "h2c", {"workers": 2}, authority=authority if secure else None,
                  use_h2c=True)
    host, port = stage.gateway.address
    done = subprocess.run([find_tool("h2load"), "-n", "10000", "-c", "12", "-m", "8", f"http://{host}:{port}/short"],
                          capture_output=True, text=True, timeout=55, check=False)
    assert re.search(r"10000 succeeded, 0 failed, 0 errored", done.stdout), done.stdout
    assert "10000 2xx" in done.stdout
    pool = stage.settled()
    assert pool["new"] + pool["shared"] + pool["reused"] == 10000
    assert stage.metric("holdfast_upstream_connections_opened_total") <= 2 * 2
    assert pool["protocol"] == "h2"


def test_160_connections_that_name_a_client_are_its_own(make, tmp_path):
    if NginxBehindUs.missing:
        pytest.skip(NginxBehindUs.missing)
    let_others_read(tmp_path)
    origin = make.stack.enter_context(NginxBehindUs(tmp_path / "server"))
    stage = Stage(make, origin, upstream={"send_proxy_protocol": "v2"})
    clients = [make.client(stage.gateway) for _ in range(3)]
    for _ in range(4):
        for client in clients:
            assert client.get("/short").body == b"short answer\n"
    lines = eventually(lambda: [line for line in origin.log.read_text().splitlines() if not line.endswith("=-")][11:]
                       and origin.log.read_text().splitlines())
    pairs = {tuple(re.findall(r"=(\d+)", line)) for line in lines if re.search(r"for=\d", line)}
    assert len(pairs) == 3 and len({port for port, _ in pairs}) == 3
    assert {int(who) for _, who in pairs} == {client.sock.getsockname()[1] for client in clients}
    assert stage.pool()["shared"] == 0


def test_a_body_that_waits_for_the_window_of_all_sends_the_next_one_elsewhere(make):
    """The host takes 64 KiB and opens no window: the second request would wait behind the first."""
    peer = make.stack.enter_context(Peer(acknowledges=False))
    stage = Stage(make, peer)
    assert stage.get("/first").body == b"OK"
    with Client(stage.gateway.address) as client:
        client.send(b"POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
        eventually(lambda: sum(len(event.data) for event in peer.conns[0].of(h2.events.DataReceived)) == 65535,
                   what="the window is shut")
        assert stage.get("/second").body == b"OK"
        assert [number for number, _ in peer.requests("/second")] == [1]
        assert stage.pool()["new_by"] == {"cold": 1, "no_h2_stream": 1}


def test_115_a_stream_that_is_refused_behind_its_head_is_not_sent_again(make):
    def handler(conn, event):
        if isinstance(event, h2.events.StreamEnded):
            conn.h2.send_headers(event.stream_id, [(":status", "200"), ("content-length", "5")])
            conn.flush()
            conn.h2.reset_stream(event.stream_id, 7)

    peer = make.stack.enter_context(Peer(handler))
    stage = Stage(make, peer)
    for _ in range(2):
        with Client(stage.gateway.address) as client:
            client.send_request("GET", "/refused")
            assert not client.read_to_end().endswith(b"hello")
    assert len(peer.requests("/refused")) == 2 and len(peer.conns) == 1
    assert stage.pool()["resends"] == 0


def speaks_websocket(conn, event):
    """Extended CONNECT (RFC 8441): text comes back, a Close is answered and ends the stream."""
    if isinstance(event, h2.events.RequestReceived) and ":protocol" in dict(event.headers):
        conn.h2.send_headers(event.stream_id, [(":status", "200")])
        conn.inside = {**getattr(conn, "inside", {}), event.stream_id: b""}
    elif isinstance(event, h2.events.DataReceived) and event.stream_id in getattr(conn, "inside", {}):
        conn.inside[event.stream_id] += event.data
        while len(conn.inside[event.stream_id]) >= 6:
            data = conn.inside[event.stream_id]
            size = data[1] & 0x7F
            conn.inside[event.stream_id] = data[6 + size:]
            opcode, payload = data[0] & 15, apply_mask(data[6:6 + size], data[2:6])
            conn.h2.send_data(event.stream_id, frame(opcode, payload), end_stream=opcode == CLOSE)
    elif isinstance(event, h2.events.StreamEnded) and event.stream_id not in getattr(conn, "inside", {}):
        conn.answer(event.stream_id)


def tunnel_to(make, peer, server=None):
    way = forward_all(peer)
    way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "tunnel", "protocol": "h2"}}
    return make.gateway(service([way], {"error_status": "precise", **(server or {})}, ADMIN, timeout="5s"))


def test_tunnels_to_a_host_that_speaks_http_2_alone(make):
    """RFC 8441: each is a stream of one connection, which goes on behind them."""
    peer = make.stack.enter_context(Peer(speaks_websocket, {CONNECT: 1}))
    running = tunnel_to(make, peer)
    with WebSocket(running.address, "/chat") as one, WebSocket(running.address, "/talk") as two:
        for number in range(3):
            for ws in (one, two):
                ws.say(TEXT, b"hello %d" % number)
                assert ws.next() == (TEXT, b"hello %d" % number)
        assert fetch(running.address, "/plain").body == b"OK"
        one.say(CLOSE, close(1000))
        assert one.next_close() == 1000
        two.say(TEXT, b"still here")
        assert two.next() == (TEXT, b"still here")
        two.say(CLOSE, close(1000))
        assert two.next_close() == 1000
    asked = {head[":path"]: head for _, head in peer.requests()}
    assert {head[":method"] for head in asked.values()} == {"CONNECT", "GET"}
    assert asked["/chat"][":protocol"] == "websocket" and asked["/chat"]["sec-websocket-version"] == "13"
    assert not {"sec-websocket-key", "upgrade", "connection"} & set(asked["/chat"])
    pool = eventually(lambda: [row for row in json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"]
                               if row["active"] == 0])[0]
    assert (pool["new"], pool["open"], pool["idle"], pool["closes"]) == (1, 1, 1, {})


def test_a_client_that_vanishes_resets_the_stream_of_its_tunnel(make):
    peer = make.stack.enter_context(Peer(speaks_websocket, {CONNECT: 1}))
    running = tunnel_to(make, peer)
    with WebSocket(running.address, "/chat") as ws:
        ws.say(TEXT, b"x")
        assert ws.next() == (TEXT, b"x")
        ws.reset()
    eventually(lambda: peer.conns[0].of(h2.events.StreamReset), what="the stream is reset")
    assert fetch(running.address, "/plain").body == b"OK"
    assert len(peer.conns) == 1


def test_a_host_without_extended_connect_is_not_asked_for_it(make):
    peer = make.stack.enter_context(Peer(speaks_websocket))
    running = tunnel_to(make, peer)
    with WebSocket(running.address, "/chat", granted=False) as ws:
        assert ws.answer.status == 502
    assert fetch(running.address, "/plain").body == b"OK"
    assert [head[":method"] for _, head in peer.requests()] == ["GET"]
    assert len(peer.conns) == 1


def test_what_switches_protocols_does_so_in_http_1(make):
    origin = make.origin(echoes)
    way = forward_all(origin)
    way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "tunnel", "protocol": "h2c"}}
    running = make.gateway(service([way]))
    with WebSocket(running.address, "/chat") as ws:
        ws.say(TEXT, b"hello")
        assert ws.next() == (TEXT, b"hello")
        ws.say(CLOSE, close(1000))
        assert ws.next_close() == 1000


def test_117_a_host_that_takes_no_streams_yet_is_waited_for(make, node):
    """RFC 9113 6.5.2: 0 is for a short time. One connection is made, and it serves all when it may."""
    stage = Stage(make, node(streams="later"), upstream={"queue_timeout": "15s", "idle_timeout": "never"})
    answers = stage.together(*["/"] * 3, method="POST", body=b"once")
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"once")] * 3
    assert stage.metric("holdfast_upstream_connections_opened_total") == 1
    pool = stage.settled()
    assert (pool["failures"], pool["open"]) == (0, 1) and pool["closes"] == {}
    assert len(stage.origin.requests()) == 3


def test_117_a_host_that_takes_no_streams_costs_the_time_of_the_queue(make, node):
    stage = Stage(make, node(streams="none"), upstream={"queue_timeout": "400ms", "eject_after": 1, "idle_timeout": "never"})
    began = time.monotonic()
    assert {answer.status for answer in stage.together(*["/"] * 5)} == {503}
    assert time.monotonic() - began >= 0.4
    assert stage.get("/").status == 503
    assert stage.metric("holdfast_upstream_connections_opened_total") == 1
    pool = stage.settled()
    assert (pool["failures"], pool["open"], pool["waiting"], pool["health"]) == (6, 1, 0, "in_use")
    assert stage.origin.requests() == []
    assert stage.conns()[0]["streams_max"] == 0


def test_117_the_reason_is_told(make, node):
    way = proxy(node(streams="none"), None, {"holdfast/upstream": {"protocol": "h2c", "queue_timeout": "0s"},
                                             "router": {"return_error_msg": True}}, timeout="20s")
    answer = fetch(make.gateway(way).address, "/")
    assert (answer.status, answer.body) == (503, b"the host takes no requests")


def test_116_117_a_limit_that_shrinks_to_nothing_while_streams_are_open(make, node):
    stage = Stage(make, node(), upstream={"queue_timeout": "15s"})
    stage.get("/")
    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        held = crowd.submit(stage.get, "/hold?ms=1500")
        stage.origin.wait_requests(1, "/hold")
        assert stage.get("/pause?ms=700").body == b"paused"
        late = [crowd.submit(stage.get, "/late") for _ in range(4)]
        assert [answer.result().body for answer in late] == [b"OK"] * 4
        assert held.result().body == b"held"
    assert len(stage.origin.sessions()) == 1
    pool = stage.settled()
    assert (pool["failures"], pool["new"]) == (0, 1) and pool["closes"] == {}


@pytest.mark.parametrize("path", ["/old", "/old-by-goaway"])
@pytest.mark.parametrize("method, body", [("GET", None), ("POST", b"once")])
def test_a_host_that_wants_http_1_gets_it(make, node, authority, certificate, path, method, body):
    """HTTP_1_1_REQUIRED: the host has not processed the request, so any method is given again."""
    stage = Stage(make, node(certificate=certificate), None, authority=authority)
    assert stage.get("/first").status == 200 and stage.pool()["protocol"] == "h2"
    assert stage.get(path, method, body).status == 200
    assert stage.get("/last").status == 200
    asked = [(line["path"], line.get("http1", False)) for line in stage.origin.requests()]
    assert asked == [("/first", False), (path, False), (path, True), ("/last", True)]
    pool = stage.settled()
    assert sum(pool["closes"]["http1_required"].values()) == 1 and pool["protocol"] == "http/1.1"


def test_the_profile_of_krakend_speaks_http_1(make, node, authority, certificate):
    stage = Stage(make, node(certificate=certificate), None, {"profile": "krakend"}, authority=authority)
    assert stage.get().status == 200 and stage.pool()["protocol"] == "http/1.1"


def test_127_a_host_that_comes_back_with_another_version_is_spoken_to_in_it(make, node, authority, certificate):
    """h2, then http/1.1 alone, then h2 again: nothing fails, bursts included."""
    stage = Stage(make, node(certificate=certificate), "auto", authority=authority)
    for http1 in (False, True, False, True):
        if stage.origin.http1 != http1:
            stage.origin.restart(http1)
        seen = len(stage.origin.requests("/x"))
        assert [answer.status for answer in stage.together(*["/x"] * 8)] == [200] * 8
        assert stage.get("/x").body == b"OK"
        assert {"http1" in note for note in stage.origin.requests("/x")[seen:]} == {http1}
        assert stage.pool()["protocol"] == ("http/1.1" if http1 else "h2")
    pool = stage.settled()
    assert pool["failures"] == 0 and pool["resends"] == 0


def test_173_pipelined_answers_come_in_the_order_of_their_requests(make, node):
    """Over HTTP/2 the host may answer in any order; the client's HTTP/1 connection has one."""
    stage = Stage(make, node())
    paths = ["/hold?ms=500", "/bytes?n=3", "/"]
    with Client(stage.gateway.address) as client:
        client.send("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths))
        assert [client.read_response().body for _ in paths] == [b"held", b"xxx", b"OK"]
