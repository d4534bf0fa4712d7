"""h1_wire.py: bytes between the driver and one peer: the pieces of a case go out, responses come in.

Reading is lenient on purpose: what a proxy answers is judged in h1_judge.py, here it is only taken apart.
SPDX-License-Identifier: Apache-2.0
"""
import re
import socket
import struct
import time
from dataclasses import dataclass

TEXT = "latin-1"  # one character of a case is one byte

HEAD_KEPT_BYTES = 200_000
PIECE_BYTES = 65536


class Reader:
    """A socket with what has arrived and was not taken yet."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.ended = False

    def more(self, seconds):
        """Waits for bytes; False: none came, or the peer ended (then self.ended)."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(PIECE_BYTES)
        except socket.timeout:
            return False
        except OSError:
            data = b""
        self.ended = self.ended or not data
        self.buffer += data
        return bool(data)

    def take(self, size):
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def take_line(self):
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line


def dial(address):
    sock = socket.create_connection(address, timeout=5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def reset(sock):
    """Closes by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def pieces(case):
    return case.get("parts", [case.get("raw", "")])


def send_piece(sock, piece):
    """Sends one element of a case's `parts`: text, a repetition, a pause, small writes, or an end."""
    if isinstance(piece, str):
        sock.sendall(piece.encode(TEXT))
    elif "rep" in piece:
        send_repeated(sock, piece["rep"].encode(TEXT), piece["n"])
    elif "pause_ms" in piece:
        time.sleep(piece["pause_ms"] / 1000)
    elif "split" in piece:
        for character in piece["split"]:
            sock.sendall(character.encode(TEXT))
            time.sleep(0.0005)
    elif piece.get("close") == "fin":
        sock.shutdown(socket.SHUT_WR)
    elif piece.get("close") == "rst":
        reset(sock)


def send_repeated(sock, unit, count):
    step = max(1, PIECE_BYTES // max(1, len(unit)))
    while count > 0:
        sock.sendall(unit * min(step, count))
        count -= step


@dataclass
class Response:
    status: int  # -1: no status line could be read
    head: str
    body: str = ""
    complete: bool = True  # the message ended as its framing says
    until_close: bool = False  # the end of the connection was the end of the body

    @property
    def interim(self):
        return 100 <= self.status < 200


def read_response(reader, method, head_seconds, deadline):
    """The next response, or None when none came. A body may stall two seconds, then it counts as incomplete."""
    while b"\r\n\r\n" not in reader.buffer:
        left = deadline - time.monotonic()
        if left > 0 and reader.more(min(head_seconds, left)):
            continue
        return _cut_head(reader) if reader.ended and reader.buffer else None
    head, reader.buffer = reader.buffer.split(b"\r\n\r\n", 1)
    head = head.decode(TEXT) + "\r\n"
    response = Response(_status_of(head), head[:HEAD_KEPT_BYTES])
    if response.interim or response.status in (204, 304) or method == "HEAD":
        return response
    length = re.search(r"(?im)^content-length[ \t]*:[ \t]*(\d+)", head)
    if re.search(r"(?im)^transfer-encoding:[ \t]*.*chunked", head):
        _read_chunked(reader, response, deadline)
    elif length:
        response.complete = _have(reader, int(length[1]), deadline)
        response.body = reader.take(int(length[1])).decode(TEXT)
    else:
        while time.monotonic() < deadline and reader.more(1):
            pass
        response.body = reader.take(len(reader.buffer)).decode(TEXT)
        response.until_close, response.complete = True, reader.ended
    return response


def _status_of(head):
    match = re.match(r"HTTP/1\.[01] (\d{3})", head)
    return int(match[1]) if match else -1


def _cut_head(reader):
    head = reader.take(len(reader.buffer)).decode(TEXT)
    return Response(_status_of(head), head[:4000], complete=False)


def _have(reader, size, deadline):
    while len(reader.buffer) < size:
        left = deadline - time.monotonic()
        if left <= 0 or not reader.more(min(2, left)):
            return False
    return True


def _have_line(reader, deadline):
    while b"\r\n" not in reader.buffer:
        if not _have(reader, len(reader.buffer) + 1, deadline):
            return False
    return True


def _read_chunked(reader, response, deadline):
    body = b""
    response.complete = False
    while _have_line(reader, deadline):
        try:
            size = int(reader.take_line().split(b";")[0], 16)
        except ValueError:
            break
        if size == 0:
            response.complete = _skip_trailers(reader, deadline)
            break
        if not _have(reader, size + 2, deadline):
            body += reader.take(len(reader.buffer))
            break
        body += reader.take(size)
        reader.take(2)
    response.body = body.decode(TEXT)


def _skip_trailers(reader, deadline):
    while _have_line(reader, deadline):
        if not reader.take_line():
            return True
    return False
