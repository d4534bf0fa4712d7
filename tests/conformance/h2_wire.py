"""h2_wire.py: HTTP/2 by hand: frames and field blocks as the cases spell them, and a client that notes what comes back.

Field blocks are HPACK literals with any byte; answers are decoded by Debian's python3-hpack.
SPDX-License-Identifier: Apache-2.0
"""
import socket
import struct
import time

import hpack

TEXT = "latin-1"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TYPES = {"DATA": 0, "HEADERS": 1, "PRIORITY": 2, "RST_STREAM": 3, "SETTINGS": 4, "PING": 6, "GOAWAY": 7, "WINDOW_UPDATE": 8}
ERRORS = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
          "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
          "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"]
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
FRAME_BYTES = 16384


def error_name(code):
    return ERRORS[code] if code < len(ERRORS) else hex(code)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def number(value, bits):
    """An HPACK integer (RFC 7541 5.1) whose first byte has nothing else in it."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([value])
    out, value = [limit], value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + [value])


def literal(name, value, indexed=False):
    name, value = name.encode(TEXT), value.encode(TEXT)
    return (b"\x40" if indexed else b"\0") + number(len(name), 7) + name + number(len(value), 7) + value


def block(step):
    fields = step.get("fields", [])
    out = bytes.fromhex(step.get("prefix_hex", ""))
    for at, (name, value) in enumerate(fields):
        out += literal(name, value, step.get("index_last") and at == len(fields) - 1)
    more = step.get("fields_rep")
    if more:
        value = more["value"] if "value" in more else more["value_rep"][0] * more["value_rep"][1]
        out += literal(more["name"], value) * more["n"]
    if "suffix_rep" in step:
        out += bytes.fromhex(step["suffix_rep"][0]) * step["suffix_rep"][1]
    return out + bytes.fromhex(step.get("suffix_hex", ""))


def headers(step, stream, flags):
    """HEADERS, and CONTINUATION where the case splits the block or it is too large for one frame."""
    ends = END_HEADERS if "END_HEADERS" in step.get("flags", []) else 0
    whole = block(step)
    if "pad" in step:
        return frame(1, flags | PADDED | ends, stream, bytes([step["pad"]]) + whole + b"\0" * step["pad"])
    count = step.get("split", 0) or max(1, -(-len(whole) // FRAME_BYTES))
    size = max(1, -(-len(whole) // count))
    parts = [whole[at:at + size] for at in range(0, len(whole), size)]
    if len(parts) == 1:
        return frame(1, flags | ends, stream, parts[0])
    out = frame(1, flags, stream, parts[0])
    for part in parts[1:-1]:
        out += frame(9, 0, stream, part)
    return out + frame(9, ends, stream, parts[-1])


def data(step, stream, flags):
    payload = step.get("data", "").encode(TEXT)
    if "pad" in step:
        return frame(0, flags | PADDED, stream, bytes([step["pad"]]) + payload + b"\0" * step["pad"])
    return frame(0, flags, stream, payload)


def encode(step, stream=None):
    """One step's bytes. `stream`: the loop's, for steps that name none."""
    kind = step["send"]
    flags = END_STREAM if "END_STREAM" in step.get("flags", []) else 0
    stream = step.get("stream", stream)
    if kind == "RAW":
        return bytes.fromhex(step["hex"]) if "hex" in step else bytes.fromhex(step["rep"]) * step["n"]
    if kind == "RAW_STREAM":
        return frame(step["type"], 0, stream, bytes.fromhex(step["payload_hex"]))
    if kind == "SETTINGS":
        return frame(4, 0, 0, b"".join(struct.pack(">HI", int(key, 0), value)
                                       for key, value in step.get("params", {}).items()))
    if kind == "PING":
        return frame(6, 0, 0, step["data"].encode())
    if kind == "RST_STREAM":
        return frame(3, 0, stream, struct.pack(">I", step["code"]))
    if kind == "WINDOW_UPDATE":
        return frame(8, 0, stream if "stream" in step else 0, struct.pack(">I", step["inc"]))
    return data(step, stream, flags) if kind == "DATA" else headers(step, stream, flags)


class Client:
    """One connection. What came is in `statuses`, `ended`, `resets`, `goaway`, `settings`, `pings`, `closed`."""

    def __init__(self, address, context=None, hello=PREFACE + frame(4, 0, 0), receive_buffer=None):
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(5)
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="example.test")
        self.buffer, self.closed, self.reads = b"", False, True
        self.statuses, self.ended, self.resets, self.goaway = {}, set(), {}, None
        self.settings, self.pings, self.frames = {}, 0, 0
        self.head = None  # (stream, flags, block) of a header block under way
        self.decoder = hpack.Decoder()
        self.decoder.max_allowed_table_size = self.decoder.max_header_list_size = 1 << 24
        self.send(hello)

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.settimeout(3)
        try:
            while data and not self.closed:
                data = data[self.sock.send(data[:65536]):]
                if self.reads and self.goaway is None:
                    self.poll(0)
        except TimeoutError:
            pass  # the peer takes no more: that may be what the case is about
        except OSError:
            self.closed = True

    def poll(self, seconds):
        """Takes what comes within the time, and at least what is here."""
        end = time.monotonic() + seconds
        while not self.closed:
            self.sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                received = self.sock.recv(65536)
            except (TimeoutError, BlockingIOError):
                return
            except OSError:
                received = b""
            self.closed = not received
            self.buffer += received
            self._parse()
            if time.monotonic() >= end:
                return

    def _parse(self):
        while len(self.buffer) >= 9:
            size = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + size:
                return
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big")
            payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
            self.frames += 1
            self._take(kind, flags, stream, payload)

    def _take(self, kind, flags, stream, payload):
        if kind == TYPES["SETTINGS"] and not flags & ACK:
            for key, value in struct.iter_unpack(">HI", payload):
                self.settings[key] = value
            self._answer(frame(4, ACK, 0))
        elif kind == TYPES["PING"]:
            self.pings += flags & ACK
        elif kind == TYPES["RST_STREAM"]:
            self.resets[stream] = error_name(int.from_bytes(payload, "big"))
        elif kind == TYPES["GOAWAY"]:
            self.goaway = error_name(int.from_bytes(payload[4:8], "big"))
        elif kind in (TYPES["HEADERS"], 9):
            self._take_head(kind, flags, stream, payload)
        elif kind == TYPES["DATA"] and flags & END_STREAM:
            self.ended.add(stream)

    def _answer(self, bytes_):
        try:
            self.sock.send(bytes_)
        except OSError:
            pass

    def _take_head(self, kind, flags, stream, payload):
        self.head = (stream, flags, payload) if kind == 1 else (*self.head[:2], self.head[2] + payload)
        if not flags & END_HEADERS:
            return
        stream, first_flags, whole = self.head
        for name, value in self.decoder.decode(whole, raw=True):
            if name == b":status" and self.statuses.get(stream, 0) < 200:
                self.statuses[stream] = int(value)
        if first_flags & END_STREAM:
            self.ended.add(stream)
