"""tls_hello.py: TLS by hand up to the server's first answer: a ClientHello of any shape, records, and what comes back.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import struct

ALERT, HANDSHAKE = 21, 22
SERVER_HELLO = 2
SERVER_NAME, GROUPS, SIGNATURES, ALPN, CERTIFICATE_COMPRESSION, VERSIONS, KEY_SHARE = 0, 10, 13, 16, 27, 43, 51
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3
FALLBACK = 0x5600
SUITES = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xcca9]


def short(data):
    return struct.pack("!H", len(data)) + data


def extension(kind, data):
    return struct.pack("!H", kind) + short(data)


def server_names(*names):
    return extension(SERVER_NAME, short(b"".join(b"\0" + short(name) for name in names)))


def protocols(*names):
    return extension(ALPN, short(b"".join(bytes([len(name)]) + name for name in names)))


def key_share(share=b"\x09" + bytes(31)):
    """Of X25519; None: no share at all."""
    return extension(KEY_SHARE, short(b"" if share is None else struct.pack("!H", 29) + short(share)))


def client_hello(*more, versions=(0x0304, 0x0303), suites=(), share=key_share(), first=()):
    """A handshake message; `first` and `more`: extensions in front of and behind those that are always there."""
    known = [extension(GROUPS, short(struct.pack("!2H", 29, 23))),
             extension(SIGNATURES, short(struct.pack("!5H", 0x0403, 0x0804, 0x0401, 0x0503, 0x0805)))]
    if 0x0304 in versions:
        listed = b"".join(struct.pack("!H", version) for version in versions)
        known += [extension(VERSIONS, bytes([len(listed)]) + listed), share]
    offered = b"".join(struct.pack("!H", suite) for suite in [*SUITES, *suites])
    body = (b"\x03\x03" + bytes(range(32)) + b"\x20" + bytes(32) + short(offered) + b"\x01\0" +
            short(b"".join([*first, *known, *more])))
    return b"\x01" + len(body).to_bytes(3, "big") + body


def records(message, size=16384, kind=HANDSHAKE):
    return b"".join(bytes([kind]) + b"\x03\x01" + short(message[at:at + size]) for at in range(0, len(message), size))


class Peer:
    """What a server says until it stops; `alert`: its code, `hello`: a ServerHello came, `retry`: ... that asks for another."""

    def __init__(self, address, data, seconds=4):
        self.sock = socket.create_connection(address, seconds)
        self.read, self.alert, self.hello, self.retry, self.closed = b"", None, False, False, False
        self.send(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # closed meanwhile: what it said before that counts
        self.hear()

    def hear(self):
        """Until a ServerHello, an alert, or the end."""
        self.hello = self.retry = False
        while not (self.hello or self.closed or self.alert is not None):
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b""
            self.closed = not data
            self.read += data
            self._parse()

    def _parse(self):
        rest = self.read
        while len(rest) >= 5 and len(rest) >= 5 + int.from_bytes(rest[3:5], "big"):
            size = int.from_bytes(rest[3:5], "big")
            payload = rest[5:5 + size]
            if rest[0] == ALERT and size == 2:
                self.alert = payload[1]
            elif rest[0] == HANDSHAKE and payload[0] == SERVER_HELLO:
                self.hello, self.retry = True, payload[6:38] == RETRY_RANDOM
            rest = rest[5 + size:]
            if self.retry:
                break
        self.read = rest if self.retry else self.read
