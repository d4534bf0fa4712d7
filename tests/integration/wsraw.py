"""wsraw.py: WebSockets by the byte: frames as a test wants them, a client over a raw connection, and what an origin does.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import struct

from rawhttp import Client

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x01\x02\x03\x04"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HANDSHAKE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)]


def accept(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def apply_mask(payload, mask):
    repeated = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, mask=None, rsv=0):
    payload = payload.encode() if isinstance(payload, str) else payload
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    return head + mask + apply_mask(payload, mask) if mask else head + payload


def masked(opcode, payload=b"", **keys):
    return frame(opcode, payload, mask=MASK, **keys)


def close(code, reason=""):
    return struct.pack("!H", code) + reason.encode()


class Frames:
    """What comes on a socket-like thing whose `read(size)` gives exactly so many bytes."""

    def __init__(self, read):
        self.read = read

    def next(self):
        """(opcode, payload, fin, masked)"""
        first, second = self.read(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self.read(2 if length == 126 else 8), "big")
        mask = self.read(4) if second & 0x80 else None
        payload = self.read(length)
        if mask:
            payload = apply_mask(payload, mask)
        return first & 0x0F, payload, bool(first & 0x80), bool(mask)


class WebSocket(Client):
    """A client after a handshake that was granted (unless `granted` is False)."""

    def __init__(self, address, target="/ws", fields=(), granted=True, **options):
        super().__init__(address, **options)
        self.send_request("GET", target, [*HANDSHAKE, *fields])
        self.answer = self.read_head()
        if granted:
            assert self.answer.status == 101, self.answer
            assert self.answer.get("sec-websocket-accept") == accept(KEY)
            assert self.answer.get("upgrade").lower() == "websocket"
        self.frames = Frames(self._take)

    def say(self, opcode, payload=b"", **keys):
        self.send(masked(opcode, payload, **keys))

    def next(self):
        opcode, payload, fin, mask = self.frames.next()
        assert not mask, "a server's frame is not masked"
        return opcode, payload

    def next_close(self):
        opcode, payload = self.next()
        assert opcode == CLOSE, (opcode, payload)
        return int.from_bytes(payload[:2], "big") if payload else None


def grant(conn, request, fields=()):
    """An origin's answer; frames of its own follow by conn.send(frame(...))."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket",
             f"Sec-WebSocket-Accept: {accept(request.get('sec-websocket-key'))}", *(f"{n}: {v}" for n, v in fields)]
    conn.send("\r\n".join(lines) + "\r\n\r\n")

    def read(size):
        while len(conn.buffer) < size:
            conn._more()
        data, conn.buffer = conn.buffer[:size], conn.buffer[size:]
        return data

    return Frames(read)


def echoes(conn, request):
    """Data comes back, a Ping is answered, so is a Close, behind which the origin ends the connection."""
    frames = grant(conn, request)
    conn.seen = []
    while True:
        opcode, payload, fin, mask = frames.next()
        assert mask, "a client's frame is masked"
        conn.seen.append((opcode, payload))
        if opcode == PING:
            conn.send(frame(PONG, payload))
        elif opcode == CLOSE:
            conn.send(frame(CLOSE, payload))
            conn.close()
            return
        elif opcode != PONG:
            conn.send(frame(opcode, payload, fin=fin))
