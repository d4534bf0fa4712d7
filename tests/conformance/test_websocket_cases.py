"""test_websocket_cases.py: the WebSocket cases of the catalogue through a tunnel, by the byte: what is right comes back from an
echoing server as it was, what breaks RFC 6455 gets its close code, and what is huge takes no memory.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import threading
import zlib

import h2_wire
import pytest
from configs import forward_all, service
from gateway import Gateway
from origin import Origin, PeerLeft, reply
from other_cases import to_play
from waiting import eventually
from wsraw import BINARY, CLOSE, TEXT, Frames, WebSocket, close, echoes, frame, grant, masked

IDLE_SECONDS = 3
MEMORY_MAX_KIB = 8192
CASES = {case["id"]: case for case in to_play("WS")}
ECHOED = ["WS-002", "WS-004"]
CLOSED = {"WS-010": 1002, "WS-012": 1002, "WS-014": 1002, "WS-015": 1002, "WS-017": 1002, "WS-020": 1002, "WS-022": 1002}
PLAYED = [*ECHOED, *CLOSED, "WS-005", "WS-019", "WS-024", "WS-025", "WS-027", "WS-042"]


class Swallower:
    """An origin that grants the handshake, counts what comes, and answers a Close."""

    def __init__(self, fields):
        self.fields, self.bytes, self.ended = fields, 0, threading.Event()

    def __call__(self, conn, request):
        grant(conn, request, self.fields)
        with contextlib.suppress(PeerLeft, OSError):
            while not conn.buffer.endswith(masked(CLOSE, close(1000))):
                conn.buffer = conn.buffer[-64:]
                conn._more(3)
            conn.send(frame(CLOSE, close(1000)))
        self.bytes = conn.received_bytes - len(request.raw_head)
        conn.close()
        self.ended.set()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A gateway before an echo and before what swallows."""
    def tunnel(origin, path):
        way = forward_all(origin, path)
        way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "tunnel"}}
        way["extra_config"] = {"holdfast/stream": {"idle_timeout": f"{IDLE_SECONDS}s"}}
        return way

    class Stage:
        swallower = None

    def swallow(conn, request):
        Stage.swallower(conn, request)

    def answer(conn, request):
        if request.get("sec-websocket-key") is None:
            conn.send(reply())
        else:
            echoes(conn, request)

    with Origin(answer) as echo, Origin(swallow) as sink:
        config = service([tunnel(echo, "/ws"), tunnel(sink, "/sink")], {"error_status": "precise"}, use_h2c=True)
        with Gateway(config, tmp_path_factory.mktemp("websocket")) as gateway:
            Stage.gateway, Stage.echo = gateway, echo
            yield Stage


def sent(case):
    return bytes.fromhex(CASES[case]["input"]["hex"])


def frames_in(data):
    """As they should come back: unmasked, (opcode, payload, fin)."""
    left, out = bytearray(data), []

    def read(size):
        part = bytes(left[:size])
        del left[:size]
        return part

    while left:
        out.append(Frames(read).next()[:3])
    return out


@pytest.mark.parametrize("case", ECHOED)
def test_what_is_right_comes_back(case, stage):
    with WebSocket(stage.gateway.address) as ws:
        if "every byte" in CASES[case]["title"]:
            for byte in sent(case):
                ws.send(bytes([byte]))
        else:
            ws.send(sent(case))
        for opcode, payload, fin in frames_in(sent(case)):
            assert ws.frames.next()[:3] == (opcode, payload, fin)


def test_ws_005_large_frames(stage):
    with WebSocket(stage.gateway.address) as ws:
        for size in CASES["WS-005"]["input"]["rep_frame"]:
            data = (bytes(range(256)) * (size // 256 + 1))[:size]
            ws.say(BINARY, data)
            assert ws.next() == (BINARY, data)


@pytest.mark.parametrize("case", CLOSED)
def test_what_breaks_the_rules_gets_its_code(case, stage):
    with WebSocket(stage.gateway.address) as ws:
        ws.send(sent(case))
        while (got := ws.next())[0] != CLOSE:
            pass
        assert int.from_bytes(got[1][:2], "big") == CLOSED[case]


def test_ws_019_a_length_that_never_comes(stage):
    before = stage.gateway.memory_kib()
    with WebSocket(stage.gateway.address) as ws:
        ws.send(sent("WS-019"))
        assert ws.next_close() == 1001, "by the idle timeout"
    assert stage.gateway.memory_kib() - before < MEMORY_MAX_KIB


def test_ws_024_data_after_close(stage):
    with WebSocket(stage.gateway.address) as ws:
        ws.send(sent("WS-024"))
        assert ws.next() == (CLOSE, b"")
        assert ws.ended()
    assert [opcode for opcode, _ in stage.echo.connections[-1].seen] == [CLOSE]


def flood(stage, pieces, fields=(), code=1000):
    """Sends them into the tunnel, which ends with the code; how many bytes came out of it, and by how much the gateway had grown
    then, in KiB."""
    before, stage.swallower = stage.gateway.memory_kib(), Swallower(fields)
    with WebSocket(stage.gateway.address, "/sink", fields, seconds=40) as ws:
        with contextlib.suppress(OSError):  # cut before all is sent
            for piece in pieces:
                ws.send(piece)
            ws.send(masked(CLOSE, close(1000)))
        assert ws.next_close() == code
        grown = stage.gateway.memory_kib() - before
    assert stage.swallower.ended.wait(10)
    return stage.swallower.bytes, grown


def test_ws_025_many_empty_fragments(stage):
    given = CASES["WS-025"]["input"]
    data = bytes.fromhex(given["first"]) + bytes.fromhex(given["rep"]) * given["n"]
    came, grown = flood(stage, [data[at:at + 60000] for at in range(0, len(data), 60000)], code=1008)
    assert came < len(data)
    assert grown < MEMORY_MAX_KIB


def test_ws_027_a_deflate_bomb_passes_as_it_is(stage):
    """A mebibyte of zeros, compressed so that it can stand a thousand times behind itself: a tunnel does not unpack."""
    deflate = zlib.compressobj(9, wbits=-15)
    piece = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    count = CASES["WS-027"]["input"]["deflate_zeros"] >> 20
    pieces = [masked(BINARY if i == 0 else 0, piece, fin=i == count - 1, rsv=4 if i == 0 else 0) for i in range(count)]
    came, grown = flood(stage, pieces, [("Sec-WebSocket-Extensions", "permessage-deflate")])
    assert came >= sum(map(len, pieces))
    assert grown < MEMORY_MAX_KIB


ODD = {"connection": [("connection", "upgrade")], "upgrade": [("upgrade", "websocket")], "both": [("connection", "upgrade"), ("upgrade", "h2c")],
       "a length": [("content-length", "10")], "no version": [], "version 7": [("sec-websocket-version", "7")],
       "another protocol": [(":protocol", "connect-udp")], "two protocols": [(":protocol", "websocket")], "transfer-encoding":
       [("transfer-encoding", "chunked")]}


@pytest.mark.parametrize("name", ODD)
def test_ws_042_odd_fields_over_http2(name, stage):
    """Extended CONNECT (RFC 8441), and plain GET, with what is of HTTP/1's upgrade: an error of the stream or an answer, no more."""
    client = h2_wire.Client(stage.gateway.address)
    client.poll(0.2)
    for stream, method in ((1, "CONNECT"), (3, "GET")):
        fields = [[":method", method], [":scheme", "http"], [":authority", "x"], [":path", "/ws"]]
        if method == "CONNECT" and name != "another protocol":
            fields.append([":protocol", "websocket"])
        fields += [list(field) for field in ODD[name]]
        client.send(h2_wire.frame(1, h2_wire.END_HEADERS, stream, h2_wire.block({"fields": fields})))
    eventually(lambda: client.poll(0.05) or {1, 3} <= {*client.resets, *client.statuses} or client.closed, what="an end of both")
    assert client.statuses.get(1) != 200
    client.close()
    with WebSocket(stage.gateway.address) as ws:
        ws.say(TEXT, "still here")
        assert ws.next() == (TEXT, b"still here")
