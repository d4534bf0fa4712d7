"""rawhttp.py: an HTTP/1 client over a raw socket that takes nothing but well-formed answers.

Whatever RFC 9112 does not allow in a response raises BadAnswer; a message that ends too early raises Cut.
SPDX-License-Identifier: Apache-2.0
"""
import re
import socket
import struct
import time
from dataclasses import dataclass, field

SECONDS = 10

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d) ([\t \x21-\x7e\x80-\xff]*)")
FIELD_NAME = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
FIELD_VALUE = rb"((?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)"
FIELD_LINE = re.compile(FIELD_NAME + rb":[ \t]*" + FIELD_VALUE + rb"[ \t]*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t \x21-\x7e\x80-\xff]*)?")


class BadAnswer(AssertionError):
    """The answer breaks HTTP/1."""


class Cut(AssertionError):
    """The connection ended inside a message."""


class Silence(AssertionError):
    """Nothing came in time."""


@dataclass
class Response:
    version: str = ""
    status: int = 0
    reason: str = ""
    fields: list = field(default_factory=list)  # (name, value) as they came
    framing: str = ""  # none, length, chunked, close
    body: bytes = b""
    trailers: list = field(default_factory=list)
    raw_head: bytes = b""

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, missing=None):
        """The only value; two of them are an error of the test's subject."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else missing

    def tokens(self, name):
        return [token.strip().lower() for value in self.all(name) for token in value.split(",") if token.strip()]

    @property
    def says_close(self):
        return "close" in self.tokens("connection")


class Client:
    def __init__(self, address, seconds=SECONDS, receive_buffer=None):
        self.seconds = seconds
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            self.sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(seconds)
        self.sock.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    # Sending.

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_request(self, method, target, fields=(), body=None, version="1.1", host="gateway.test"):
        """Content-Length is added for a body unless the fields frame it already."""
        names = {name.lower() for name, _ in fields}
        lines = [f"{method} {target} HTTP/{version}"]
        if host is not None and "host" not in names:
            lines.append(f"Host: {host}")
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def request(self, method, target, fields=(), body=None, version="1.1", host="gateway.test"):
        """Sends one request and reads its final response; interim ones are dropped."""
        self.send_request(method, target, fields, body, version, host)
        return self.read_final(method)

    def get(self, target="/", fields=(), **keys):
        return self.request("GET", target, fields, **keys)

    # Receiving.

    def read_final(self, method="GET"):
        while True:
            response = self.read_response(method)
            if response.status >= 200:
                return response

    def read_response(self, method="GET"):
        """The next response, interim or final, with its body."""
        response = self.read_head(method)
        self.read_body(response)
        return response

    def read_head(self, method="GET"):
        raw = self._until(b"\r\n\r\n")
        lines = raw[:-4].split(b"\r\n")
        match = STATUS_LINE.fullmatch(lines[0])
        if not match:
            raise BadAnswer(f"status line {lines[0]!r}")
        response = Response(f"1.{match[1].decode()}", int(match[2]), match[3].decode("latin-1"), raw_head=raw)
        response.fields = parse_fields(lines[1:])
        response.framing = framing_of(response, method)
        return response

    def read_body(self, response):
        if response.framing == "length":
            response.body = self._take(int(response.get("content-length")))
        elif response.framing == "chunked":
            response.body, response.trailers = self._take_chunked()
        elif response.framing == "close":
            response.body = self.read_to_end()

    def receive(self, size=65536):
        """Some bytes; b"" at the end of the connection."""
        if self.buffer:
            data, self.buffer = self.buffer[:size], self.buffer[size:]
            return data
        try:
            return self.sock.recv(size)
        except socket.timeout:
            raise Silence(f"nothing came for {self.sock.gettimeout()} s") from None

    def read_to_end(self):
        parts = []
        while data := self.receive():
            parts.append(data)
        return b"".join(parts)

    def ended(self, seconds=SECONDS):
        """The gateway closed, in order and with nothing more to say."""
        self.sock.settimeout(seconds)
        try:
            rest = self.buffer + self.sock.recv(65536)
        except socket.timeout:
            return False
        except ConnectionResetError as error:
            raise BadAnswer("closed by a reset") from error
        finally:
            self.sock.settimeout(self.seconds)
        if rest:
            raise BadAnswer(f"more bytes where the end was due: {rest[:200]!r}")
        return True

    def silent(self, seconds=0.3):
        """Still open and without a byte for so long."""
        if self.buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            self.buffer = self.sock.recv(65536)
            return False
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(self.seconds)

    def send_until_blocked(self, block, size_max, stall_seconds=1.0):
        """Sends blocks until the peer takes no more for a while; the bytes sent."""
        sent = 0
        self.sock.settimeout(stall_seconds)
        try:
            while sent < size_max:
                sent += self.sock.send(block)
        except socket.timeout:
            pass
        finally:
            self.sock.settimeout(self.seconds)
        return sent

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            raise Silence(f"nothing came for {self.seconds} s; so far {self.buffer[:200]!r}") from None
        except ConnectionResetError:
            raise Cut(f"reset inside a message after {self.buffer[:200]!r}") from None
        if not data:
            raise Cut(f"ended inside a message after {self.buffer[-200:]!r}")
        self.buffer += data

    def _until(self, mark):
        deadline = time.monotonic() + 6 * self.seconds
        while mark not in self.buffer:
            if time.monotonic() > deadline:
                raise Silence(f"no {mark!r} in {self.buffer[:200]!r}")
            self._more()
        taken, self.buffer = self.buffer.split(mark, 1)
        return taken + mark

    def _take(self, size):
        parts, missing = [self.buffer[:size]], size - len(self.buffer)
        self.buffer = self.buffer[size:]
        while missing > 0:
            self._more()
            parts.append(self.buffer[:missing])
            self.buffer, missing = self.buffer[missing:], missing - len(self.buffer)
        return b"".join(parts)

    def _take_chunked(self):
        parts = []
        while True:
            line = self._until(b"\r\n")[:-2]
            match = CHUNK_LINE.fullmatch(line)
            if not match:
                raise BadAnswer(f"chunk line {line[:80]!r}")
            size = int(match[1], 16)
            if size == 0:
                break
            parts.append(self._take(size))
            if self._take(2) != b"\r\n":
                raise BadAnswer("no CRLF behind a chunk")
        trailers = []
        while (line := self._until(b"\r\n")[:-2]) != b"":
            trailers.append(line)
        return b"".join(parts), parse_fields(trailers)


def parse_fields(lines):
    fields = []
    for line in lines:
        match = FIELD_LINE.fullmatch(line)
        if not match:
            raise BadAnswer(f"field line {line[:120]!r}")
        fields.append((match[1].decode("latin-1"), match[2].decode("latin-1")))
    return fields


def framing_of(response, method):
    """RFC 9112 6.3, and what a sender must not do."""
    lengths, codings = response.all("content-length"), response.tokens("transfer-encoding")
    if lengths and codings:
        raise BadAnswer("Content-Length and Transfer-Encoding together")
    if len(lengths) > 1 or (lengths and not re.fullmatch(r"\d+", lengths[0])):
        raise BadAnswer(f"Content-Length {lengths}")
    if codings and codings != ["chunked"]:
        raise BadAnswer(f"Transfer-Encoding {codings}")
    if response.status < 200 or response.status == 204:
        if lengths or codings:
            raise BadAnswer(f"a {response.status} with {'Content-Length' if lengths else 'Transfer-Encoding'}")
        return "none"
    if response.status == 304 or method == "HEAD":
        return "none"
    if codings:
        return "chunked"
    return "length" if lengths else "close"


def fetch(address, target="/", method="GET", fields=(), body=None, **keys):
    """One request on its own connection."""
    with Client(address) as client:
        return client.request(method, target, fields, body, **{"host": "localhost", **keys})
