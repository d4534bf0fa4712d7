"""test_keepalive_g4_keys.py: item 97 of the test matrix (G.4): backends that differ in one field of the pool's key never share a
connection, though they lead to the same address. One case for each field; each backend keeps and reuses its own. A forward proxy as a
field of the key: tests/unit/upstream/test_host.c. SPDX-License-Identifier: Apache-2.0
"""
import json
import socketserver
import threading

import pytest
from admin import ADMIN
from certificates import Authority
from configs import backend, endpoint, service
from rawhttp import fetch
from test_send_proxy_protocol import read_header
from tls_origin import TlsOrigin


@pytest.fixture
def upstream(make, authority):
    return make.stack.enter_context(TlsOrigin(authority.issue("server")))


def trust(authority, **keys):
    return {"ca_certs": [str(authority.certificate)], "min_version": "TLS12", **keys}


def client_certificate(authority):
    mine = authority.issue("client", "DNS:client.test")
    return {"client_certs": [{"certificate": mine.certificate, "private_key": mine.key}]}


FIELDS = {
    "verification": lambda authority: {"allow_insecure_connections": True},
    "authorities": lambda authority: {"ca_certs": [str(authority.certificate), str(Authority(authority.folder, "second").certificate)]},
    "system_authorities": lambda authority: {"disable_system_ca_pool": True},
    "client_certificate": client_certificate,
    "least_version": lambda authority: {"min_version": "TLS13"},
    "most_version": lambda authority: {"max_version": "TLS12"},
    "suites": lambda authority: {"cipher_suites": [0xc02c], "max_version": "TLS12"},
    "curves": lambda authority: {"curve_preferences": [24]},
}


def check_apart(make, hosts, first, second):
    """Two backends; two clients ask both, in turn."""
    config = service([endpoint(path, each, output_encoding="no-op") for path, each in (("/a", first), ("/b", second))],
                     {"error_status": "precise"}, ADMIN)
    running = make.gateway(config)
    for path in ("/a", "/b", "/a", "/b", "/b", "/a"):
        assert fetch(running.address, path).status == 200
    conns = [request.conn.number for request in hosts.requests]
    assert conns == [0, 1, 0, 1, 1, 0]
    told = json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"]
    assert [(host["new"], host["reused"]) for host in told] == [(1, 2), (1, 2)]


def secured(upstream, client_tls, **keys):
    return backend(upstream, encoding="no-op", extra_config={"backend/http/client": {"client_tls": client_tls}}, **keys)


@pytest.mark.parametrize("field", FIELDS)
def test_97_tls_settings_keep_connections_apart(make, upstream, authority, field):
    other = trust(authority, **FIELDS[field](authority))
    check_apart(make, upstream, secured(upstream, trust(authority)), secured(upstream, other))


def test_97_a_name_keeps_connections_apart(make, upstream, authority):
    by_name = f"https://localhost:{upstream.address[1]}"
    check_apart(make, upstream, secured(upstream, trust(authority)), secured(by_name, trust(authority)))
    assert set(upstream.names) == {None, "localhost"}


def test_97_a_pool_keeps_connections_apart(make, origin):
    upstream = origin()
    named = {"extra_config": {"holdfast/upstream": {"pool": "reports"}}}
    check_apart(make, upstream, backend(upstream, encoding="no-op"), backend(upstream, encoding="no-op", **named))


@pytest.mark.parametrize("kind", ["stream", "tunnel"])
def test_97_what_lasts_has_connections_of_its_own(make, origin, kind):
    upstream = origin()
    lasting = {"extra_config": {"holdfast/upstream": {"class": kind}}}
    check_apart(make, upstream, backend(upstream, encoding="no-op"), backend(upstream, encoding="no-op", **lasting))


def test_97_a_source_address_keeps_connections_apart(make, origin):
    upstream = origin()
    from_another = {"extra_config": {"holdfast/upstream": {"source_address": "127.0.0.2"}}}
    check_apart(make, upstream, backend(upstream, encoding="no-op"), backend(upstream, encoding="no-op", **from_another))
    assert [conn.sock.getpeername()[0] for conn in upstream.connections] == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("other", [0, "af11"])
def test_97_a_dscp_keeps_connections_apart(make, origin, other):
    """What arrives with it, and marks: test_packet_marks.py."""
    upstream = origin()
    each = [{"extra_config": {"holdfast/upstream": {"dscp": dscp}}} for dscp in ("ef", other)]
    check_apart(make, upstream, *(backend(upstream, encoding="no-op", **own) for own in each))


def test_97_the_scheme_keeps_connections_apart(make, authority, origin):
    """Cleartext never takes a secured connection's place, even to one port."""
    plain = origin()
    by_tls = secured(f"https://127.0.0.1:{plain.address[1]}", trust(authority))
    config = service([endpoint("/a", backend(plain, encoding="no-op"), output_encoding="no-op"),
                      endpoint("/b", by_tls, output_encoding="no-op", timeout="300ms")], {"error_status": "precise"}, ADMIN)
    running = make.gateway(config)
    assert [fetch(running.address, path).status for path in ("/a", "/b", "/a")] == [200, 504, 200], "the origin waits for a request"
    assert {request.conn.number for request in plain.requests} == {0}


class Introduced(socketserver.StreamRequestHandler):
    """Answers with the number of the connection, and keeps the header that it began with, if any."""

    def handle(self):
        try:
            header = read_header(self.rfile) if self.rfile.peek(1)[:1] in (b"P", b"\r") else None
        except ConnectionError:
            return
        self.server.headers.append(header)
        number = b"%d" % (len(self.server.headers) - 1)
        while self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(number), number))


@pytest.fixture
def introduced():
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Introduced) as server:
        server.daemon_threads, server.headers = True, []
        server.url = "http://127.0.0.1:{}".format(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_97_proxy_bytes_keep_connections_apart(make, introduced):
    """No header, version 1 and version 2 to one address; and one header names one client, so that no other client shares it."""
    each = [("/off", "off"), ("/v1", "v1"), ("/v2", "v2")]
    config = service([endpoint(path, backend(introduced, encoding="no-op", extra_config={
        "holdfast/upstream": {"send_proxy_protocol": version}}), output_encoding="no-op") for path, version in each],
        {"error_status": "precise"}, ADMIN)
    running = make.gateway(config)
    first, second = make.client(running), make.client(running)

    def numbers(client):
        return [int(client.get(path).body) for path, _ in each]

    assert numbers(first) == [0, 1, 2]
    assert numbers(second) == [0, 3, 4], "what names nobody is shared, what names a client is not"
    assert (numbers(first), numbers(second)) == ([0, 1, 2], [0, 3, 4]), "each is kept for whom it names"
    ports = [client.sock.getsockname() for client in (first, second)]
    assert introduced.headers == [None] + [(version, port, running.address) for port in ports for version in (1, 2)]
    told = json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"]
    assert [(host["new"], host["reused"]) for host in told] == [(1, 3), (2, 2), (2, 2)]
