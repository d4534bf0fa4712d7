"""test_redirects.py: redirects of backends and the connections they go over.

SPDX-License-Identifier: Apache-2.0
"""
import origin as origin_module
from configs import backend, endpoint, forward_all, service


def redirecting(conn, request):
    conn.body()
    if request.path.startswith("/from"):
        body = "x" * (100_000 if "large" in request.path else 10)
        conn.send(origin_module.reply(body, "302 Found", [("Location", "/to")]))
    else:
        conn.send(origin_module.reply('{"ok":1}', "200 OK", [("Content-Type", "application/json")]))


def test_a_short_redirect_keeps_its_connection(make):
    upstream = make.origin(redirecting)
    client = make.client(make.gateway(service([endpoint("/a", backend(upstream, "/from"))])))
    for _ in range(20):
        assert client.get("/a").body == b'{"ok":1}'
    assert len(upstream.connections) == 1


def test_a_long_redirect_is_not_waited_for(make):
    upstream = make.origin(redirecting)
    client = make.client(make.gateway(service([endpoint("/a", backend(upstream, "/from-large"))])))
    for _ in range(3):
        assert client.get("/a").body == b'{"ok":1}'


def test_a_subtree_proxy_passes_redirects_on(make):
    upstream = make.origin(redirecting)
    client = make.client(make.gateway(service([forward_all(upstream)])))
    response = client.get("/from")
    assert (response.status, response.get("location")) == (302, "/to")


def test_a_redirect_ends_the_clients_body(make):
    """What the client still has to say is nobody's, and its connection stays usable or is closed cleanly."""
    upstream = make.origin(redirecting)
    gateway = make.gateway(service([endpoint("/a", backend(upstream, "/from"), method="POST")]))
    for size in (0, 10, 200_000):
        with_body = make.client(gateway).request("POST", "/a", body=b"y" * size)
        assert with_body.body == b'{"ok":1}', size
