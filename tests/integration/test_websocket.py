"""test_websocket.py: WebSockets through the gateway, by the byte: handshakes, frames, violations, heartbeats, limits, ends.
SPDX-License-Identifier: Apache-2.0
"""
import re
import select
import threading
import time

import pytest
from admin import ADMIN, pool_of
from configs import backend, endpoint, forward_all, service
from origin import PeerLeft, reply
from rawhttp import BadAnswer, Client, Cut, fetch
from waiting import Stopwatch, eventually
from wsraw import (BINARY, CLOSE, CONTINUATION, HANDSHAKE, PING, PONG, TEXT, Frames, WebSocket, accept, close, echoes,
                   frame, grant, masked)


def tunnel_config(origin, stream=None, server=None, **keys):
    way = forward_all(origin, **keys)
    way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "tunnel"}}
    way["extra_config"] = {"holdfast/stream": stream or {}}
    return service([way], {"error_status": "precise", **(server or {})}, ADMIN)


@pytest.fixture
def stage(make):
    """stage(handler, **settings): an origin and a gateway in front of it."""
    class Stage:
        def __call__(self, handler=echoes, **settings):
            self.origin = make.origin(self.note(handler))
            self.gateway = make.gateway(tunnel_config(self.origin, **settings))
            self.address, self.admin = self.gateway.address, self.gateway.addresses[-1]
            return self

        def note(self, handler):
            def run(conn, request):
                self.conn = conn
                handler(conn, request)
            return run

        def open(self, **keys):
            return make.stack.enter_context(WebSocket(self.address, **keys))

        def metrics(self):
            return fetch(self.admin, "/metrics").body.decode()

        def metric(self, name):
            found = re.search(rf"^{re.escape(name)} (\d+)", self.metrics(), re.MULTILINE)
            return int(found[1]) if found else 0

        def pool(self):
            return pool_of(self.gateway)

        def wait_over(self):
            eventually(lambda: self.metric("holdfast_tunnels") == 0, what="no tunnel open")

        def closed(self, side, code):
            return self.metric(f'holdfast_tunnel_closes_total{{by="{side}",code="{code}"}}')

    return Stage()


def test_frames_pass_both_ways_and_the_close_handshake_ends_it(stage):
    stage()
    ws = stage.open()
    ws.say(TEXT, "hello")
    assert ws.next() == (TEXT, b"hello")
    ws.say(BINARY, bytes(range(256)) * 300)
    assert ws.next() == (BINARY, bytes(range(256)) * 300)
    ws.say(PING, "are you there")
    assert ws.next() == (PONG, b"are you there")
    assert stage.metric("holdfast_tunnels") == 1
    ws.say(CLOSE, close(1000, "bye"))
    assert ws.next() == (CLOSE, close(1000, "bye"))
    assert ws.ended()
    stage.wait_over()
    assert stage.closed("client", 1000) == 1
    assert stage.metric('holdfast_tunnel_messages_total{from="client"}') == 2
    assert stage.metric('holdfast_tunnel_messages_total{from="host"}') == 2
    pool = stage.pool()
    assert (pool["idle"], pool["active"]) == (0, 0)
    assert pool["closes"] == {"tunnel": {"ours": 1, "peer": 0}}


def test_the_handshake_goes_along_as_it_is(stage):
    def handler(conn, request):
        grant(conn, request, [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "permessage-deflate"),
                              ("X-Own", "1")])
        conn.wait_end(20)

    stage(handler)
    ws = stage.open(fields=[("Sec-WebSocket-Protocol", "a, chat"), ("Sec-WebSocket-Extensions", "permessage-deflate; x=1"),
                            ("Origin", "http://a.test")])
    request = stage.origin.requests[0]
    assert request.get("sec-websocket-protocol") == "a, chat"
    assert request.get("sec-websocket-extensions") == "permessage-deflate; x=1"
    assert (request.get("connection"), request.get("upgrade")) == ("Upgrade", "websocket")
    assert request.get("origin") == "http://a.test"
    assert ws.answer.get("sec-websocket-protocol") == "chat"
    assert ws.answer.get("sec-websocket-extensions") == "permessage-deflate"
    assert ws.answer.get("x-own") == "1"


@pytest.mark.parametrize("block", ["holdfast/stream", "websocket"])
def test_subprotocols_are_narrowed_to_those_of_the_endpoint(make, block):
    def handler(conn, request):
        offered = request.get("sec-websocket-protocol")
        grant(conn, request, [("Sec-WebSocket-Protocol", "chat")] if request.path == "/liar" else
              [("Sec-WebSocket-Protocol", offered.split(",")[0])] if offered else [])
        conn.wait_end(20)

    origin = make.origin(handler)
    extra = {"websocket": {"enable_direct_communication": True}, "holdfast/stream": {}}
    extra[block]["subprotocols"] = ["v2", "v1"]
    gateway = make.gateway(service([forward_all(origin, extra_config=extra)], {"error_status": "precise"}))
    for offered, reaches in (("v1, chat, v2", "v1, v2"), ("v2", "v2"), ("chat", None), (None, None)):
        with WebSocket(gateway.address, fields=[("Sec-WebSocket-Protocol", offered)] if offered else []) as ws:
            assert origin.last.get("sec-websocket-protocol") == reaches
            assert ws.answer.get("sec-websocket-protocol") == (reaches.split(",")[0] if reaches else None)
    with WebSocket(gateway.address, "/liar", [("Sec-WebSocket-Protocol", "chat")], granted=False) as ws:
        assert ws.answer.status == 502, "what was not offered to the host cannot be chosen by it"


def test_a_host_that_refuses_is_heard(stage):
    stage(lambda conn, _: conn.send(reply("no", "403 Forbidden")))
    ws = stage.open(granted=False)
    assert ws.answer.status == 403
    eventually(lambda: stage.pool()["idle"] == 1, what="the connection is kept")


@pytest.mark.parametrize("change,status", [
    ({"Sec-WebSocket-Key": None}, 400), ({"Sec-WebSocket-Key": "short"}, 400), ({"Sec-WebSocket-Version": "8"}, 400),
    ({"Sec-WebSocket-Version": None}, 400)])
def test_handshakes_that_are_wrong_do_not_reach_the_host(stage, client, change, status):
    stage()
    fields = [(name, change.get(name, value)) for name, value in HANDSHAKE]
    talker = client(stage.gateway)
    answer = talker.request("GET", "/ws", [(name, value) for name, value in fields if value is not None])
    assert answer.status == status
    if change.get("Sec-WebSocket-Version"):
        assert answer.get("sec-websocket-version") == "13"
    assert not stage.origin.requests


def test_post_does_not_become_a_websocket(stage, client):
    stage()
    assert client(stage.gateway).request("POST", "/ws", HANDSHAKE, body=b"").status == 400
    assert not stage.origin.requests


@pytest.mark.parametrize("wrong", ["accept", "protocol", "extension", "upgrade"])
def test_a_host_that_grants_wrongly_is_502_and_never_pooled(stage, wrong):
    def handler(conn, request):
        lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade"]
        lines.append("Upgrade: h2c" if wrong == "upgrade" else "Upgrade: websocket")
        key = "AAAAAAAAAAAAAAAAAAAAAA==" if wrong == "accept" else request.get("sec-websocket-key")
        lines.append(f"Sec-WebSocket-Accept: {accept(key)}")
        if wrong == "protocol":
            lines.append("Sec-WebSocket-Protocol: never-offered")
        if wrong == "extension":
            lines.append("Sec-WebSocket-Extensions: permessage-deflate")
        conn.send("\r\n".join(lines) + "\r\n\r\n")
        conn.wait_end(20)

    stage(handler)
    assert stage.open(granted=False).answer.status == 502
    eventually(lambda: stage.pool()["active"] == 0)
    assert stage.pool()["idle"] == 0


def test_other_endpoints_do_not_switch(make):
    origin = make.origin()
    gateway = make.gateway(service([forward_all(origin)]))
    with WebSocket(gateway.address, granted=False) as ws:
        assert ws.answer.status == 200
    assert origin.requests[0].get("upgrade") is None
    assert origin.requests[0].get("sec-websocket-key") is not None


def test_a_tunnel_endpoint_serves_plain_requests_too(stage, client):
    stage(lambda conn, _: conn.send(reply("plain")))
    assert client(stage.gateway).get("/x").body == b"plain"


def test_krakends_websocket_block(make):
    origin = make.origin(echoes)
    way = endpoint("/chat/{room}", backend(origin.url.replace("http", "ws"), "/rooms/{room}", disable_host_sanitize=True),
                   input_headers=["Cookie", "X-Other"],
                   extra_config={"websocket": {"enable_direct_communication": True, "input_headers": ["Cookie"],
                                               "max_message_size": 100, "ping_period": "30s"}})
    gateway = make.gateway(service([way]))
    with WebSocket(gateway.address, "/chat/blue", [("Cookie", "a=b"), ("X-Other", "1")]) as ws:
        request = origin.requests[0]
        assert request.path == "/rooms/blue"
        assert request.get("cookie") == "a=b"
        assert request.get("x-other") is None
        ws.say(TEXT, "x" * 100)
        assert ws.next() == (TEXT, b"x" * 100)
        ws.say(TEXT, "x" * 101)
        assert ws.next_close() == 1009


def test_each_key_of_krakends_block_is_accepted(make):
    """All that KrakenD Enterprise documents; what has no effect here is no finding either."""
    keys = {"enable_direct_communication": True, "input_headers": ["*"], "connect_event": False, "disconnect_event": False,
            "read_buffer_size": 4096, "write_buffer_size": 4096, "message_buffer_size": 256, "max_message_size": 3200000,
            "write_wait": "10s", "pong_wait": "60s", "ping_period": "54s", "max_retries": 0, "backoff_strategy": "exponential",
            "return_error_details": True, "subprotocols": ["chat"], "timeout": "5m", "disable_otel_metrics": True}
    origin = make.origin(echoes)
    gateway = make.gateway(service([endpoint("/ws", backend(origin.url.replace("http", "ws"), "/ws"), input_headers=["*"],
                                             extra_config={"websocket": keys})]))
    assert "websocket" not in gateway.output
    with WebSocket(gateway.address) as ws:
        ws.say(TEXT, "x")
        assert ws.next() == (TEXT, b"x")


VIOLATIONS = {
    "not masked": (frame(TEXT, "x"), 1002), "opcode 3": (masked(3), 1002), "opcode 11": (masked(11), 1002),
    "a fragmented ping": (masked(PING, fin=False), 1002), "a ping of 126 bytes": (masked(PING, b"x" * 126), 1002),
    "a new message inside one": (masked(TEXT, "a", fin=False) + masked(TEXT, "b"), 1002),
    "nothing to continue": (masked(CONTINUATION, "b"), 1002), "RSV1": (masked(TEXT, "a", rsv=4), 1002),
    "RSV2": (masked(TEXT, "a", rsv=2), 1002), "a long form of 5": (bytes.fromhex("81fe0005010203040000000000"), 1002),
    "2^63": (bytes.fromhex("81ff800000000000000001020304"), 1002), "close 1005": (masked(CLOSE, close(1005)), 1002),
    "close of one byte": (masked(CLOSE, b"\x03"), 1002), "a bad reason": (masked(CLOSE, close(1000) + b"\xff"), 1007),
    "too big": (masked(BINARY, b"x" * 1001), 1009),
    "too big in parts": (masked(BINARY, b"x" * 1000, fin=False) + masked(CONTINUATION, b"x"), 1009),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_clients_that_break_the_rules_get_the_code_of_the_rfc(stage, name):
    data, code = VIOLATIONS[name]
    stage(stream={"max_message_bytes": 1000})
    ws = stage.open()
    ws.say(TEXT, "first")
    assert ws.next() == (TEXT, b"first")
    ws.send(data)
    while True:
        opcode, payload = ws.next()
        if opcode == CLOSE:
            break
    assert int.from_bytes(payload[:2], "big") == code
    eventually(lambda: (CLOSE, close(1001)) in stage.conn.seen, what="the host is told")
    stage.wait_over()
    assert stage.closed("ours", code) == 1


def test_a_host_that_breaks_the_rules(stage):
    got = []

    def handler(conn, request):
        frames = grant(conn, request)
        conn.send(masked(TEXT, "masked by a server"))
        got.append(frames.next()[:2])
        conn.close()

    stage(handler)
    ws = stage.open()
    assert ws.next_close() == 1011
    eventually(lambda: got)
    assert got[0][0] == CLOSE and got[0][1][:2] == b"\x03\xea"
    stage.wait_over()


@pytest.mark.parametrize("how,code", [("fin", 1012), ("reset", 1011), ("fin inside a message", 1011)])
def test_a_host_that_disappears_between_frames(stage, how, code):
    def handler(conn, request):
        grant(conn, request)
        conn.send(frame(TEXT, "x", fin="inside" not in how))
        time.sleep(0.2)
        conn.reset() if how == "reset" else conn.close()

    stage(handler)
    ws = stage.open()
    assert ws.next() == (TEXT, b"x")
    assert ws.next_close() == code
    assert ws.ended()
    stage.wait_over()
    assert stage.closed("host", 1006) == 1
    assert stage.pool()["closes"] == {"tunnel": {"ours": 0, "peer": 1}}


def test_a_host_that_disappears_inside_a_frame_is_a_cut(stage):
    def handler(conn, request):
        grant(conn, request)
        conn.send(frame(TEXT, "x" * 100)[:50])
        conn.close()

    stage(handler)
    ws = stage.open()
    with pytest.raises(Cut):
        ws.next()
    stage.wait_over()


def test_101_and_the_end_at_once(stage):
    stage(lambda conn, request: (grant(conn, request), conn.close()))
    ws = stage.open()
    assert ws.next_close() == 1012
    assert ws.ended()


def test_frames_right_behind_the_handshake(stage):
    """The host's first frame with its 101; the client's before it has seen that."""
    def handler(conn, request):
        conn.send = lambda data, send=conn.send: send((data.encode() if isinstance(data, str) else data) + frame(TEXT, "welcome"))
        frames = grant(conn, request)
        del conn.send
        conn.send(frame(TEXT, frames.next()[1]))
        conn.wait_end(10)

    stage(handler)
    lines = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE)
    with Client(stage.address) as raw:
        raw.send(f"GET /ws HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode() + masked(TEXT, "early"))
        assert raw.read_head().status == 101
        frames = Frames(raw._take)
        assert frames.next()[:2] == (TEXT, b"welcome")
        assert frames.next()[:2] == (TEXT, b"early")


def test_a_client_that_goes_away(stage):
    left = threading.Event()

    def handler(conn, request):
        frames = grant(conn, request)
        try:
            frames.next()
        except PeerLeft:
            left.set()

    stage(handler)
    ws = stage.open()
    ws.reset()
    assert left.wait(10)
    stage.wait_over()
    assert stage.closed("client", 1006) == 1


def test_half_a_close_lets_the_other_direction_go_on(stage):
    def handler(conn, request):
        frames = grant(conn, request)
        try:
            while True:
                frames.next()
        except PeerLeft:
            pass
        for i in range(3):
            conn.send(frame(TEXT, str(i)))
            time.sleep(0.1)
        conn.send(frame(CLOSE, close(1000)))
        conn.close()

    stage(handler)
    ws = stage.open()
    ws.half_close()
    assert [ws.next() for _ in range(3)] == [(TEXT, b"0"), (TEXT, b"1"), (TEXT, b"2")]
    assert ws.next_close() == 1000
    stage.wait_over()


def test_data_behind_a_close_is_thrown_away(stage):
    stage()
    ws = stage.open()
    ws.send(masked(CLOSE) + masked(TEXT, "late") + b"\xff\xff\xff")
    assert ws.next() == (CLOSE, b"")
    stage.wait_over()
    assert [opcode for opcode, _ in stage.conn.seen] == [CLOSE]
    assert stage.closed("client", 1005) == 1


def test_heartbeats_are_answered_and_not_passed_on(stage):
    stage(stream={"heartbeat": "200ms", "heartbeat_timeout": "3s"})
    ws = stage.open()
    for _ in range(3):
        opcode, payload = ws.next()
        assert opcode == PING
        ws.say(PONG, payload)
    pings = [payload for opcode, payload in stage.conn.seen if opcode == PING]
    assert len(pings) >= 2
    assert not [1 for opcode, _ in stage.conn.seen if opcode == PONG]
    ws.say(PONG, "unasked")
    eventually(lambda: (PONG, b"unasked") in stage.conn.seen, what="other Pongs pass")


def test_who_does_not_answer_a_heartbeat_is_gone(stage):
    stage(stream={"heartbeat": "200ms", "heartbeat_timeout": "300ms"})
    ws = stage.open()
    assert ws.next()[0] == PING
    with pytest.raises(BadAnswer):  # by a reset
        ws.ended()
    stage.wait_over()
    assert stage.closed("client", 1006) == 1
    eventually(lambda: (CLOSE, close(1001)) in stage.conn.seen, what="the host is told")


def test_who_takes_nothing_is_cut_and_the_host_is_told(stage):
    got = []

    def handler(conn, request):
        frames = grant(conn, request)
        for _ in range(200):
            conn.send(frame(BINARY, bytes(65536)))
            if conn.buffer or select.select([conn.sock], [], [], 0)[0]:
                break
        got.append(frames.next()[:2])
        conn.close()

    stage(handler, stream={"write_timeout": "1s"}, server={"send_gap_timeout": "0s", "min_send_rate": 0})
    stage.open(receive_buffer=4096)
    stage.wait_over()
    eventually(lambda: got, what="the host hears of it")
    assert got == [(CLOSE, close(1001))]
    assert stage.closed("client", 1006) == 1


def test_a_host_that_does_not_answer_a_heartbeat_is_gone(stage):
    def handler(conn, request):
        grant(conn, request)
        conn.wait_end(20)

    stage(handler, stream={"heartbeat": "200ms", "heartbeat_timeout": "2s"})
    ws = stage.open()
    while True:
        opcode, payload = ws.next()
        if opcode == CLOSE:
            break
        ws.say(PONG, payload)
    assert payload[:2] == b"\x03\xf3"
    stage.wait_over()
    assert stage.closed("host", 1006) == 1


def test_a_closing_handshake_has_a_limit(stage):
    """The host does not answer the Close."""
    stage(lambda conn, request: (grant(conn, request), conn.wait_end(30)), stream={"close_timeout": "300ms"})
    ws = stage.open()
    watch = Stopwatch()
    ws.say(CLOSE, close(1000))
    stage.wait_over()
    assert watch.awake < 4, "sooner than the default of 5 s"


def test_silence_has_a_limit(stage):
    stage(stream={"idle_timeout": "2s"})
    ws = stage.open()
    for _ in range(3):
        time.sleep(0.8)
        ws.say(TEXT, "x")
        assert ws.next() == (TEXT, b"x")
    assert ws.next_close() == 1001
    ws.say(CLOSE, close(1001))
    assert ws.ended()
    stage.wait_over()
    assert (CLOSE, close(1001, "idle")) in stage.conn.seen


def test_a_length_that_never_comes_takes_no_memory(stage):
    stage(stream={"idle_timeout": "500ms"})
    ws = stage.open()
    ws.send(bytes.fromhex("81ff400000000000000001020304"))
    assert ws.next_close() == 1001
    stage.wait_over()


def test_a_slow_side_holds_back_the_fast_one(stage):
    """Who does not read lets little wait in the gateway, and at last is cut off."""
    sent = [0]

    def handler(conn, request):
        grant(conn, request)
        piece = frame(BINARY, bytes(65536))
        try:
            while True:
                conn.send(piece)
                sent[0] += len(piece)
        except OSError:
            pass

    stage(handler, stream={"write_timeout": "1s"}, server={"send_gap_timeout": "0s", "min_send_rate": 0})
    before = stage.gateway.memory_kib()
    ws = stage.open(receive_buffer=65536)
    time.sleep(0.5)
    stuck = sent[0]
    assert stage.gateway.memory_kib() - before < 24 << 10  # sanitizers keep much of what was freed
    assert stuck < 32 << 20
    stage.wait_over()
    assert stage.closed("client", 1006) == 1
    ws.close()


def test_streams_of_one_address_have_a_limit(stage):
    stage(server={"max_streams_per_ip": 2})
    first, second = stage.open(), stage.open()
    assert stage.open(granted=False).answer.status == 429
    first.say(CLOSE, close(1000))
    first.next_close()
    eventually(lambda: stage.metric("holdfast_tunnels") == 1)
    stage.open().say(TEXT, "x")
    second.say(TEXT, "y")
    assert second.next() == (TEXT, b"y")
    assert stage.metric("holdfast_streams_refused_total") == 1


def test_an_endpoint_has_a_limit(stage):
    stage(stream={"max_open": 1})
    first = stage.open()
    assert stage.open(granted=False).answer.status == 503
    first.say(CLOSE, close(1000))
    first.next_close()
    stage.wait_over()
    stage.open()


def test_a_drain_says_going_away(stage):
    stage(server={"drain_window": "1s", "drain_limit": "10s", "workers": 1})
    clients = [stage.open() for _ in range(4)]
    stage.gateway.send_signal(15)
    for ws in clients:
        assert ws.next_close() == 1001
        ws.say(CLOSE, close(1001))
        assert ws.ended()
    stage.gateway.wait()
    eventually(lambda: all((CLOSE, close(1001)) in conn.seen for conn in stage.origin.connections))


def test_a_drain_waits_for_the_end_of_a_frame(stage):
    stage(server={"drain_window": "0s", "drain_limit": "10s"})
    ws = stage.open()
    data = masked(TEXT, "x" * 1000)
    ws.send(data[:500])
    eventually(lambda: stage.metric('holdfast_tunnel_bytes_total{from="client"}') == 500)
    stage.gateway.send_signal(15)
    time.sleep(0.3)
    ws.send(data[500:])
    assert ws.next_close() == 1001
    ws.say(CLOSE, close(1001))
    stage.gateway.wait()
    assert (TEXT, b"x" * 1000) in stage.conn.seen


def test_a_drain_has_a_limit(stage):
    stage(server={"drain_window": "0s", "drain_limit": "500ms"})
    ws = stage.open()
    ws.send(masked(TEXT, "x" * 1000)[:500])
    eventually(lambda: stage.metric('holdfast_tunnel_bytes_total{from="client"}') == 500)
    stage.gateway.send_signal(15)
    stage.gateway.wait()


def test_clocks_of_requests_do_not_end_a_tunnel(make):
    origin = make.origin(echoes)
    config = tunnel_config(origin, timeout="300ms")
    config.update(read_timeout="300ms", write_timeout="300ms", idle_timeout="300ms")
    gateway = make.gateway(config)
    with WebSocket(gateway.address) as ws:
        time.sleep(1.2)
        ws.say(TEXT, "still")
        assert ws.next() == (TEXT, b"still")
