"""test_websocket_http2.py: WebSockets over HTTP/2 (RFC 8441): one stream of the client, one HTTP/1.1 connection to the host.

SPDX-License-Identifier: Apache-2.0
"""
import re

import h2.events
import h2.settings
import pytest
from admin import ADMIN
from configs import forward_all, service
from h2client import Client
from origin import reply
from rawhttp import fetch
from waiting import eventually
from wsraw import BINARY, CLOSE, KEY, PING, PONG, TEXT, Frames, accept, close, echoes, grant, masked

CONNECT = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL


class Tunnel:
    """One stream of an HTTP/2 client that asks for a WebSocket."""

    def __init__(self, client, stream, path="/ws", fields=(("sec-websocket-version", "13"),), protocol="websocket"):
        self.client, self.stream, self.taken = client, stream, 0
        client.h2.send_headers(stream, [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"),
                                        (":authority", "gateway.test"), (":path", path), *fields])
        client.flush()
        self.frames = Frames(self._take)

    @property
    def head(self):
        return self.client.wait(h2.events.ResponseReceived, self.stream)[0].headers

    @property
    def status(self):
        return self.client.status(self.stream)

    def _data(self):
        return b"".join(event.data for event in self.client.of(h2.events.DataReceived, self.stream))

    def _take(self, size):
        eventually(lambda: self.client.poll(0.05) or len(self._data()) >= self.taken + size, 10, "bytes of the tunnel")
        self.taken += size
        return self._data()[self.taken - size:self.taken]

    def say(self, opcode, payload=b"", end=False):
        data = masked(opcode, payload)
        while data:
            eventually(lambda: self.client.h2.local_flow_control_window(self.stream) or self.client.poll(0.05), 10, "a window")
            size = min(len(data), self.client.h2.local_flow_control_window(self.stream), 16384)
            self.client.h2.send_data(self.stream, data[:size], end_stream=end and size == len(data))
            self.client.flush()
            data = data[size:]

    def next(self):
        opcode, payload, _, mask = self.frames.next()
        assert not mask
        return opcode, payload

    def ended(self):
        """The gateway's side of the stream has ended; ours does, too."""
        self.client.wait(h2.events.StreamEnded, self.stream)
        self.client.h2.end_stream(self.stream)
        self.client.flush()
        return True

    def was_reset(self):
        return self.client.wait(h2.events.StreamReset, self.stream)[0].error_code


@pytest.fixture
def stage(make):
    class Stage:
        def __call__(self, handler=echoes, stream=None, server=None, traffic="tunnel"):
            way, plain = forward_all(make.origin(handler)), forward_all(make.origin(), "/plain/*")
            self.origin = way["backend"][0]["host"][0]
            way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": traffic}}
            way["extra_config"] = {"holdfast/stream": stream or {}}
            self.gateway = make.gateway(service([way, plain], {"error_status": "precise", **(server or {})}, ADMIN, use_h2c=True))
            self.client = Client(self.gateway.address)
            make.stack.callback(self.client.sock.close)
            self.client.wait(h2.events.RemoteSettingsChanged)
            return self

        def metric(self, name):
            text = fetch(self.gateway.addresses[-1], "/metrics").body.decode()
            found = re.search(rf"^{re.escape(name)} (\d+)", text, re.MULTILINE)
            return int(found[1]) if found else 0

        def wait_over(self):
            eventually(lambda: self.metric("holdfast_tunnels") == 0, what="no tunnel open")

    return Stage()


def announced(client):
    return any(CONNECT in event.changed_settings and event.changed_settings[CONNECT].new_value == 1
               for event in client.of(h2.events.RemoteSettingsChanged))


def test_128_frames_pass_both_ways_and_the_close_handshake_ends_the_stream(stage):
    seen = []

    def handler(conn, request):
        seen.append(request)
        echoes(conn, request)

    stage(handler)
    assert announced(stage.client)
    ws = Tunnel(stage.client, 1, fields=[("sec-websocket-version", "13"), ("origin", "http://a.test")])
    assert ws.status == 200
    assert not {"sec-websocket-accept", "upgrade", "connection"} & set(dict(ws.head))
    assert (seen[0].method, seen[0].get("upgrade"), seen[0].get("origin")) == ("GET", "websocket", "http://a.test")
    assert re.fullmatch(r"[A-Za-z0-9+/]{22}==", seen[0].get("sec-websocket-key"))
    ws.say(TEXT, "hello")
    assert ws.next() == (TEXT, b"hello")
    ws.say(BINARY, bytes(range(256)) * 1000)
    assert ws.next() == (BINARY, bytes(range(256)) * 1000)
    ws.say(PING, "there?")
    assert ws.next() == (PONG, b"there?")
    ws.say(CLOSE, close(1000, "bye"))
    assert ws.next() == (CLOSE, close(1000, "bye"))
    assert ws.ended()
    stage.wait_over()
    assert stage.metric('holdfast_tunnel_closes_total{by="client",code="1000"}') == 1


def test_each_handshake_has_a_key_of_its_own(stage):
    keys = []

    def handler(conn, request):
        keys.append(request.get("sec-websocket-key"))
        echoes(conn, request)

    stage(handler)
    for stream in (1, 3):
        assert Tunnel(stage.client, stream, fields=[("sec-websocket-version", "13"), ("sec-websocket-key", KEY)]).status == 200
    assert len({*keys, KEY}) == 3, "a key of the client's has no meaning here"


def test_130_other_streams_go_on_and_so_does_the_tunnel(stage):
    stage()
    first, second = Tunnel(stage.client, 1), Tunnel(stage.client, 3)
    assert (first.status, second.status) == (200, 200)
    for stream in range(5, 45, 2):
        stage.client.request(stream, "/plain/x")
    assert all(stage.client.body(stream) == b"OK" for stream in range(5, 45, 2))
    first.say(TEXT, "one")
    second.say(TEXT, "two")
    assert (first.next(), second.next()) == ((TEXT, b"one"), (TEXT, b"two"))


def test_130_a_drain_says_going_away_and_leaves_the_stream_until_then(stage):
    stage(server={"drain_window": "1s", "drain_limit": "10s"})
    ws = Tunnel(stage.client, 1)
    assert ws.status == 200
    stage.gateway.send_signal(15)
    stage.client.wait(h2.events.ConnectionTerminated)
    assert ws.next() == (CLOSE, close(1001))
    ws.say(CLOSE, close(1001))
    assert ws.ended()
    stage.gateway.wait()


def test_a_drain_has_a_limit(stage):
    stage(server={"drain_window": "0s", "drain_limit": "700ms"})
    ws = Tunnel(stage.client, 1)
    assert ws.status == 200
    stage.client.h2.send_data(1, masked(BINARY, b"x" * 200)[:100])
    stage.client.flush()
    eventually(lambda: stage.metric('holdfast_tunnel_bytes_total{from="client"}') == 100)
    stage.gateway.send_signal(15)
    stage.gateway.wait()


def test_subprotocols_and_extensions_pass(stage):
    def handler(conn, request):
        assert request.get("sec-websocket-protocol") == "a, chat"
        grant(conn, request, [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "permessage-deflate")])
        conn.wait_end(20)

    stage(handler)
    ws = Tunnel(stage.client, 1, fields=[("sec-websocket-version", "13"), ("sec-websocket-protocol", "a, chat"),
                                         ("sec-websocket-extensions", "permessage-deflate")])
    head = dict(ws.head)
    assert (head["sec-websocket-protocol"], head["sec-websocket-extensions"]) == ("chat", "permessage-deflate")


def test_a_client_that_resets_the_stream_ends_the_hosts_connection(stage):
    ended = []

    def handler(conn, request):
        grant(conn, request)
        ended.append(conn.wait_end(20))

    stage(handler)
    ws = Tunnel(stage.client, 1)
    assert ws.status == 200
    stage.client.h2.reset_stream(1, 8)
    stage.client.flush()
    eventually(lambda: ended == [True], what="the host's connection ends")
    stage.wait_over()
    stage.client.request(3, "/plain/x")
    assert stage.client.body(3) == b"OK"


def test_a_client_that_ends_its_side_is_the_end_of_the_hosts_bytes(stage):
    stage()
    ws = Tunnel(stage.client, 1)
    assert ws.status == 200
    ws.say(TEXT, "last", end=True)
    assert ws.next() == (TEXT, b"last")
    stage.wait_over()


@pytest.mark.parametrize("how, code", [("close", 1012), ("reset", 1011)])
def test_a_host_that_disappears(stage, how, code):
    def handler(conn, request):
        grant(conn, request).next()
        getattr(conn, how)()

    stage(handler)
    ws = Tunnel(stage.client, 1)
    ws.say(TEXT, "go")
    assert ws.next() == (CLOSE, close(code))
    ws.say(CLOSE, close(code), end=True)
    stage.wait_over()


def test_a_host_that_is_cut_inside_a_frame_cancels_the_stream(stage):
    def handler(conn, request):
        grant(conn, request).next()
        conn.send(b"\x81\x7e\x01\x00half")
        conn.reset()

    stage(handler)
    ws = Tunnel(stage.client, 1)
    ws.say(TEXT, "go")
    assert ws.was_reset() == 8


@pytest.mark.parametrize("fields, status", [
    ((), 400), ((("sec-websocket-version", "8"),), 400), ((("sec-websocket-version", "13"), ("content-length", "5")), 400)])
def test_handshakes_that_are_wrong_do_not_reach_the_host(stage, fields, status):
    def handler(conn, request):
        raise AssertionError("asked")

    stage(handler)
    ws = Tunnel(stage.client, 1, fields=fields)
    assert ws.status == status


@pytest.mark.parametrize("path, protocol", [("/plain/x", "websocket"), ("/ws", "other"), ("/__health", "websocket")])
def test_what_makes_no_tunnel_is_501(stage, path, protocol):
    stage()
    assert Tunnel(stage.client, 1, path, protocol=protocol).status == 501


@pytest.mark.parametrize("answer, status", [("200 OK", 502), ("403 Forbidden", 403), ("101 Switching Protocols", 502)])
def test_a_host_that_does_not_switch(stage, answer, status):
    def handler(conn, request):
        if answer.startswith("101"):
            conn.send(f"HTTP/1.1 {answer}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      f"Sec-WebSocket-Accept: {accept(KEY)}\r\n\r\n")
            conn.wait_end(20)
        else:
            conn.send(reply("no", answer))

    stage(handler)
    ws = Tunnel(stage.client, 1)
    assert ws.status == status
    stage.client.request(3, "/plain/x")
    assert stage.client.body(3) == b"OK"


def test_129_without_an_endpoint_for_it_nothing_is_announced(stage):
    stage(traffic="short")
    assert not announced(stage.client)
    ws = Tunnel(stage.client, 1)
    assert ws.was_reset() == 1


def test_a_slow_side_holds_back_the_fast_one(stage):
    """A client that opens no window: what waits in the gateway stays small."""
    done = []

    def handler(conn, request):
        frames = grant(conn, request)
        frames.next()
        for _ in range(400):
            conn.send(b"\x82\x7f" + (65536).to_bytes(8, "big") + b"x" * 65536)
        done.append(True)
        conn.wait_end(20)

    stage(handler)
    stage.client.acknowledges = False
    ws = Tunnel(stage.client, 1)
    ws.say(TEXT, "go")
    for _ in range(10):
        stage.client.poll(0.1)
    assert not done
    passed = stage.metric('holdfast_tunnel_bytes_total{from="host"}')
    assert passed < 2 << 20
    stage.client.request(3, "/plain/x")
    assert stage.client.status(3) == 200


def test_limits_count_streams(stage):
    stage(stream={"max_open": 1})
    first = Tunnel(stage.client, 1)
    assert first.status == 200
    assert Tunnel(stage.client, 3).status == 503


def test_streams_of_one_address_have_a_limit(stage):
    stage(server={"max_streams_per_ip": 2})
    assert [Tunnel(stage.client, stream).status for stream in (1, 3, 5)] == [200, 200, 429]
    stage.client.h2.reset_stream(1, 8)
    stage.client.flush()
    eventually(lambda: stage.metric("holdfast_tunnels") == 1)
    assert Tunnel(stage.client, 7).status == 200


def test_heartbeats_ask_the_client_too(stage):
    stage(stream={"heartbeat": "200ms", "heartbeat_timeout": "2s"})
    ws = Tunnel(stage.client, 1)
    opcode, payload = ws.next()
    assert opcode == PING
    ws.say(PONG, payload)
    assert ws.next()[0] == PING
    assert ws.was_reset() == 8, "who does not answer is gone"
    stage.wait_over()
