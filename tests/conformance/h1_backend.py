"""h1_backend.py: the server behind the proxy under test: parses strictly, records all, answers by path or by a case.

Whatever a strict parser cannot take is written down as an error: a proxy must never forward that. One `Recording` belongs
to one case; a request is booked on the recording that was current when its first byte came, so late bytes of an earlier
case disturb no later one.
SPDX-License-Identifier: Apache-2.0
"""
import re
import socket
import threading
import time
from dataclasses import dataclass, field

import h1_wire
from h1_wire import TEXT, Reader

IDLE_SECONDS = 30
BODY_MAX_BYTES = 1 << 24
BIG_BYTES = 1 << 20

REQUEST_LINE = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^ ]+) HTTP/1\.([01])$")
FIELD_LINE = re.compile(r"^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$", re.S)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\r\n\0]*)?")


class Refused(Exception):
    """The bytes are not HTTP/1 as RFC 9112 spells it."""


class Left(Exception):
    """The peer went, or fell silent, inside a message."""


@dataclass
class Request:
    head: str
    method: str = ""
    path: str = ""
    fields: dict = field(default_factory=dict)
    body: str = ""


@dataclass
class Recording:
    case: dict = None  # its bytes answer every request for /case...; None: answers by path only
    requests: list = field(default_factory=list)  # complete ones
    partial: list = field(default_factory=list)  # begun and not finished
    errors: list = field(default_factory=list)
    case_hits: int = 0

    def heads(self):
        return [request.head for request in self.requests + self.partial]


class Backend:
    def __init__(self, address=("127.0.0.1", 0)):
        self.recording = Recording()
        self.listener = socket.create_server(address, backlog=256)
        self.address = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def record(self, case=None):
        """From now on requests are booked on the recording that is returned."""
        self.recording = Recording(case)
        return self.recording

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        reader = Reader(sock)
        try:
            while self._serve_one(reader):
                pass
        except OSError:
            pass
        finally:
            sock.close()

    def _serve_one(self, reader):
        """One request; False: this connection is over."""
        if not reader.buffer and not reader.more(IDLE_SECONDS):
            return False
        recording = self.recording
        try:
            return serve_request(reader, recording)
        except Refused as refused:
            recording.errors.append(str(refused))
        except Left:
            pass
        return False


def serve_request(reader, recording):
    request = read_head(reader, recording)
    is_case = "/case" in request.path and recording.case is not None
    early = request.path.startswith("/early")
    if early:
        reader.sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    if is_case:
        recording.case_hits += 1
        if answers_before_the_body(recording.case):
            play_answer(reader.sock, recording.case)
            return stay_until_silent(reader, recording.case)
    if "expect" in request.fields and not early:
        reader.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = read_body(reader, request.fields).decode(TEXT)
    recording.partial.remove(request)
    recording.requests.append(request)
    if is_case:
        return play_answer(reader.sock, recording.case)
    if not early:
        reader.sock.sendall(answer_by_path(request))
    return True


def answers_before_the_body(case):
    return case.get("client_method") in ("POST-slow", "POST-expect")


def stay_until_silent(reader, case):
    """After an early answer: POST-slow closes at once, with bytes unread; POST-expect waits and reads on."""
    if case["client_method"] == "POST-expect":
        while reader.more(2):
            pass
    return False


def play_answer(sock, case):
    """Sends the case's bytes as the answer; False: the case ends the connection too."""
    for piece in h1_wire.pieces(case):
        h1_wire.send_piece(sock, piece)
    if case.get("after") == "rst":
        h1_wire.reset(sock)
    if case.get("after") == "fin":
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
    return "after" not in case


def answer_by_path(request):
    status, body = b"200 OK", b"OK"
    if request.path.startswith("/probe"):
        body = b"PROBE-" + request.path.split("=")[-1].encode()
    elif request.path.startswith("/big"):
        body = b"B" * BIG_BYTES
    if request.path.startswith("/426"):
        status = b"426 Upgrade Required"
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head + (b"" if request.method == "HEAD" else body)


def read_head(reader, recording):
    while b"\r\n\r\n" not in reader.buffer:
        if not reader.more(IDLE_SECONDS):
            if reader.buffer.strip():
                recording.partial.append(Request(reader.buffer[:65536].decode(TEXT)))
            raise Left
    head, reader.buffer = reader.buffer.split(b"\r\n\r\n", 1)
    request = Request((head + b"\r\n").decode(TEXT))
    recording.partial.append(request)
    lines = request.head.split("\r\n")[:-1]
    match = REQUEST_LINE.match(lines[0])
    if not match:
        raise Refused(f"bad request line {lines[0][:60]!r}")
    request.method, request.path = match[1], match[2]
    if request.path.startswith("http://"):
        request.path = "/" + request.path[7:].split("/", 1)[-1]
    request.fields = parse_fields(lines[1:])
    return request


def parse_fields(lines):
    fields = {}
    for line in lines:
        match = FIELD_LINE.match(line)
        if not match:
            raise Refused(f"bad field {line[:60]!r}")
        if re.search("[\0\r\n]", match[2]):
            raise Refused(f"control byte in a field {line[:60]!r}")
        fields.setdefault(match[1].lower(), []).append(match[2])
    return fields


def read_body(reader, fields):
    codings = [coding.strip().lower() for value in fields.get("transfer-encoding", []) for coding in value.split(",")]
    lengths = fields.get("content-length", [])
    if codings and lengths:
        raise Refused("Content-Length and Transfer-Encoding together")
    if len(lengths) > 1:
        raise Refused("two Content-Length")
    if lengths and not re.fullmatch("[0-9]+", lengths[0]):
        raise Refused(f"bad Content-Length {lengths[0][:40]}")
    if codings:
        if codings.count("chunked") != 1 or codings[-1] != "chunked":
            raise Refused(f"Transfer-Encoding {codings!r:.60}")
        return read_chunked(reader)
    if lengths:
        need(reader, min(int(lengths[0]), BODY_MAX_BYTES))
        if int(lengths[0]) > BODY_MAX_BYTES:
            raise Left
        return reader.take(int(lengths[0]))
    return b""


def read_chunked(reader):
    body = b""
    while True:
        line = read_line(reader)
        match = CHUNK_LINE.fullmatch(line)
        if not match:
            raise Refused(f"chunk line {line[:60]!r}")
        size = int(match[1], 16)
        if size == 0:
            while read_line(reader):
                pass
            return body
        need(reader, size + 2)
        body += reader.take(size)
        if reader.take(2) != b"\r\n":
            raise Refused("chunk end")


def need(reader, size):
    while len(reader.buffer) < size:
        if not reader.more(IDLE_SECONDS):
            raise Left


def read_line(reader):
    while b"\r\n" not in reader.buffer:
        if b"\n" in reader.buffer:
            raise Refused("bare LF in a chunk line")
        if not reader.more(IDLE_SECONDS):
            raise Left
    return reader.take_line()
