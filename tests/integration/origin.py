"""origin.py: an upstream server whose every byte a test decides, and which remembers every byte it got.

A handler is called for each request head: handler(conn, request). It may read the body (conn.body()), send bytes, close or
reset. Without one, each request gets 200 and `OK`. Handlers run in one thread for each connection.

    def stalls(conn, request):
        conn.send("HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhe")
        conn.wait_end()

SPDX-License-Identifier: Apache-2.0
"""
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from waiting import eventually

RECEIVED_MAX = 4 << 20


class PeerLeft(Exception):
    """The gateway closed or reset while more was expected."""


@dataclass
class Request:
    conn: "Connection"
    raw_head: bytes
    method: str
    target: str
    version: str
    fields: list
    body: bytes = None  # None: not read, or not to its end
    trailers: list = field(default_factory=list)
    at: float = field(default_factory=time.monotonic)

    @property
    def path(self):
        return self.target.split("?", 1)[0]

    @property
    def query(self):
        return self.target.partition("?")[2]

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, missing=None):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else missing

    def names(self):
        return {key.lower() for key, _ in self.fields}


def reply(body=b"OK", status="200 OK", fields=(), version="1.1"):
    """The bytes of a response with Content-Length."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/{version} {status}", *(f"{name}: {value}" for name, value in fields), f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(parts, fields=(), trailers=(), status="200 OK"):
    """The bytes of a response with one chunk for each part."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "Transfer-Encoding: chunked"]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    ends = "".join(f"{name}: {value}\r\n" for name, value in trailers)
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + chunks + b"0\r\n" + ends.encode("latin-1") + b"\r\n"


class Connection:
    def __init__(self, sock, number, origin):
        self.sock, self.number, self.origin = sock, number, origin
        self.buffer = b""
        self.received = b""  # all bytes, up to RECEIVED_MAX
        self.received_bytes = 0
        self.opened_at = time.monotonic()
        self.ended_at = None
        self.end_kind = None  # fin, reset
        self.ended = threading.Event()  # the gateway's side is closed
        self.closing = False  # our side is
        self.request = None

    # For handlers.

    def send(self, data):
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def body(self):
        """Reads the body of the current request to its end."""
        request = self.request
        if request.body is None:
            request.body, request.trailers = self._read_body(request)
        return request.body

    def close(self):
        """Ends our side; what the gateway still sends is read and dropped."""
        self.closing = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        self.closing = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_end(self, seconds=30):
        """Until the gateway closes; its bytes are dropped. True: it did."""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                self.buffer = b""
                self._more(deadline - time.monotonic())
        except PeerLeft:
            pass
        return self.ended.is_set()

    # Inside.

    def _more(self, seconds=60):
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            raise PeerLeft from None
        except OSError:
            self._end("reset")
        if not data:
            self._end("fin")
        self.received_bytes += len(data)
        if len(self.received) < RECEIVED_MAX:
            self.received += data
        self.buffer += data

    def _note_end(self, kind):
        self.ended_at, self.end_kind = time.monotonic(), kind
        self.ended.set()

    def _end(self, kind):
        self._note_end(kind)
        raise PeerLeft

    def _until(self, mark):
        while mark not in self.buffer:
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

    def _read_head(self):
        raw = self._until(b"\r\n\r\n")
        lines = raw[:-4].decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        fields = [tuple(re.split(r":[ \t]*", line, maxsplit=1)) for line in lines[1:]]
        return Request(self, raw, method, target, version.partition("/")[2], fields)

    def _read_body(self, request):
        if request.all("transfer-encoding"):
            return self._read_chunked()
        return self._take(int(request.get("content-length", 0))), []

    def _read_chunked(self):
        parts = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            parts.append(self._take(size))
            assert self._take(2) == b"\r\n"
        trailers = []
        while (line := self._until(b"\r\n")[:-2]) != b"":
            trailers.append(tuple(re.split(r":[ \t]*", line.decode("latin-1"), maxsplit=1)))
        return b"".join(parts), trailers

    def serve(self):
        try:
            while not self.closing:
                self.request = self._read_head()
                self.origin.requests.append(self.request)
                self.origin.handler(self, self.request)
                if not self.closing:
                    self.body()
            if self.sock.fileno() != -1:
                self.wait_end()
        except PeerLeft:
            pass
        except OSError:  # sending to a gateway that has gone
            self._note_end("reset")
        except Exception as error:  # bytes that are no HTTP, or an assertion in a handler
            self.origin.errors.append(f"{error!r} after {self.received[-300:]!r}")
        finally:
            self.sock.close()


def answers_ok(conn, request):
    conn.body()
    conn.send(reply(b"" if request.method == "HEAD" else b"OK"))


def answers(data):
    """A handler that reads the request and sends these bytes."""
    def handler(conn, _):
        conn.body()
        conn.send(data)
    return handler


def by_path(handlers, other=answers_ok):
    """A handler that picks one by the request's path."""
    def handler(conn, request):
        handlers.get(request.path, other)(conn, request)
    return handler


class Origin:
    connection_class = Connection

    def __init__(self, handler=answers_ok, address=("127.0.0.1", 0), receive_buffer=None):
        self.handler = handler
        self.requests = []  # heads, in order of arrival over all connections
        self.connections = []
        self.errors = []  # what no gateway may send; the end of the test fails on it
        self.listener = socket.create_server(address, backlog=512)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.address = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://{self.address[0]}:{self.address[1]}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn = self.connection_class(sock, len(self.connections), self)
            self.connections.append(conn)
            threading.Thread(target=conn.serve, daemon=True).start()

    @property
    def last(self):
        return self.requests[-1]

    def open_connections(self):
        """Those the gateway holds open; an end is seen while the connection's thread reads."""
        return [conn for conn in self.connections if not conn.ended.is_set() and not conn.closing]

    def wait_requests(self, count, seconds=8):
        eventually(lambda: len(self.requests) >= count, seconds, f"{count} requests at the origin")

    def wait_open(self, count, seconds=8):
        eventually(lambda: len(self.open_connections()) == count, seconds, f"{count} open connections at the origin")

    def wait_at_most(self, count, seconds=8):
        eventually(lambda: len(self.open_connections()) <= count, seconds, f"at most {count} open connections at the origin")

    def stop_listening(self):
        """New connections are refused from now on."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self):
        try:
            self.stop_listening()
        except OSError:
            pass
        for conn in self.connections:
            try:
                conn.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        assert not self.errors, self.errors


class UnixOrigin(Origin):
    """The same at a path."""

    def __init__(self, path, handler=answers_ok):
        self.handler, self.requests, self.connections, self.errors = handler, [], [], []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(512)
        self.address = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"unix:{self.address}"
