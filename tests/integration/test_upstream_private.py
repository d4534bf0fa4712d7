"""test_upstream_private.py: connections that authenticate a user (NTLM, Negotiate) serve one client connection alone
(case 98 of the keep-alive matrix; RFC 4559 6). SPDX-License-Identifier: Apache-2.0"""
import pytest
from admin import ADMIN, pool_of
from configs import proxy
from origin import reply
from rawhttp import fetch
from waiting import eventually


class Ntlm:
    """An origin that knows users by their connection, after three steps."""

    def __init__(self, scheme="NTLM"):
        self.scheme, self.users = scheme, {}

    def __call__(self, conn, request):
        conn.body()
        credentials = request.get("authorization", "")
        if credentials.startswith(f"{self.scheme} user="):
            self.users[conn.number] = credentials.partition("=")[2]
        elif conn.number not in self.users:
            challenge = f"{self.scheme} challenge" if credentials else self.scheme
            conn.send(reply(b"who?", "401 Unauthorized", [("WWW-Authenticate", challenge), ("WWW-Authenticate", "Basic")]))
            return
        conn.send(reply(self.users[conn.number].encode()))


def log_in(client, user, scheme="NTLM"):
    assert client.get().status == 401
    assert client.get(fields=[("Authorization", f"{scheme} hello")]).status == 401
    assert client.get(fields=[("Authorization", f"{scheme} user={user}")]).body == user.encode()


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
@pytest.mark.parametrize("workers", [1, 4])
def test_98_each_client_has_its_own_connection(make, scheme, workers):
    upstream = make.origin(Ntlm(scheme))
    running = make.gateway(proxy(upstream, {"workers": workers}, ADMIN))
    clients = [make.client(running) for _ in range(3)]
    for number, client in enumerate(clients):
        log_in(client, f"user{number}", scheme)
    for _ in range(3):
        for number, client in enumerate(clients):
            assert client.get().body == f"user{number}".encode()
    assert len(upstream.connections) == 3
    assert fetch(running.address).status == 401, "a stranger is nobody"


def test_99_it_ends_with_its_client(make):
    upstream = make.origin(Ntlm())
    running = make.gateway(proxy(upstream, None, ADMIN))
    client = make.client(running)
    log_in(client, "alice")
    assert pool_of(running)["idle"] == 0, "it stands in no pool"
    client.close()
    upstream.wait_open(0)
    eventually(lambda: pool_of(running)["closes"] == {"private": {"ours": 1, "peer": 0}})
    assert pool_of(running)["open"] == 0


def test_one_that_the_host_closed_is_not_used(make):
    upstream = make.origin(Ntlm())
    running = make.gateway(proxy(upstream, None, ADMIN))
    client = make.client(running)
    log_in(client, "alice")
    upstream.connections[0].close()
    eventually(lambda: pool_of(running)["closes"] == {"peer_close_idle": {"ours": 0, "peer": 1}})
    assert client.get().status == 401


def test_98_a_shared_connection_that_is_logged_in_on_is_shared_no_more(make):
    upstream = make.origin(lambda conn, request: conn.send(reply()))
    running = make.gateway(proxy(upstream, None, ADMIN))
    assert fetch(running.address).status == 200
    client = make.client(running)
    assert client.get(fields=[("Authorization", "Negotiate dG9rZW4=")]).status == 200
    assert fetch(running.address).status == 200
    assert [request.conn.number for request in upstream.requests] == [0, 0, 1]


def test_other_schemes_bind_nothing(make):
    upstream = make.origin(lambda conn, request: conn.send(
        reply(status="401 Unauthorized", fields=[("WWW-Authenticate", 'Basic realm="NTLM, Negotiated"')])))
    running = make.gateway(proxy(upstream, None, ADMIN))
    for _ in range(3):
        assert fetch(running.address, fields=[("Authorization", "Basic TlRMTQ==")]).status == 401
    assert len(upstream.connections) == 1
