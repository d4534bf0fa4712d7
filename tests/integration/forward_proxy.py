"""forward_proxy.py: a forward proxy that a test sees through: it notes every request, forwards absolute-form ones and makes
tunnels, all to loopback whatever the target's name is. SPDX-License-Identifier: Apache-2.0
"""
import http.client
import select
import socket
import urllib.parse

from origin import Origin, reply
from tls_origin import TlsOrigin

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def splice(near, far):
    """Bytes both ways until either side ends."""
    while True:
        for sock in select.select([near, far], [], [], 30)[0]:
            data = sock.recv(65536)
            while data and getattr(sock, "pending", int)():
                data += sock.recv(65536)
            if not data:
                return
            (far if sock is near else near).sendall(data)


def tunnel(conn, request, established=ESTABLISHED):
    port = int(request.target.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 10) as far:
        conn.send(established)
        try:
            splice(conn.sock, far)
        except OSError:
            pass
    conn.close()


def forward(conn, request):
    url = urllib.parse.urlsplit(request.target)
    assert url.scheme == "http" and url.netloc, f"not in absolute form: {request.target}"
    upstream = http.client.HTTPConnection("127.0.0.1", url.port or 80, timeout=10)
    fields = {name: value for name, value in request.fields if name.lower() not in ("connection", "proxy-authorization")}
    target = url.path + ("?" + url.query if url.query else "")
    upstream.request(request.method, target, conn.body(), fields)
    answer = upstream.getresponse()
    body = answer.read()
    kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in ("connection", "content-length")]
    conn.send(reply(body, f"{answer.status} {answer.reason}", kept))
    upstream.close()


def proxies(conn, request):
    (tunnel if request.method == "CONNECT" else forward)(conn, request)


class Lines:
    @property
    def lines(self):
        return [f"{request.method} {request.target}" for request in self.requests]


class ForwardProxy(Lines, Origin):
    def __init__(self, handler=proxies):
        super().__init__(handler)


class TlsForwardProxy(Lines, TlsOrigin):
    """It is spoken to over TLS: an https:// proxy."""

    def __init__(self, certificate, handler=proxies, **options):
        super().__init__(certificate, handler, **options)
