"""test_upstream_coalesce.py: requests to one host on a connection to another, where certificate and address allow
(holdfast/upstream coalesce; RFC 9113 9.1.1, G.6 123). SPDX-License-Identifier: Apache-2.0
"""
import json
import random

import pytest
from admin import connections
from certificates import Authority
from configs import forward_all, service
from h2_servers import NodeH2
from rawhttp import Client, fetch

pytestmark = pytest.mark.skipif(NodeH2.missing is not None, reason=str(NodeH2.missing))


class Two:
    """A gateway in front of one origin under two names: /a/* asks for 127.0.0.1, /b/* for localhost (or `b`)."""

    def __init__(self, make, tmp_path, names="DNS:localhost,IP:127.0.0.1", root=None, only_b=None, b="localhost", **settings):
        authority = Authority(tmp_path / "certificates")
        self.origin = make.stack.enter_context(
            NodeH2(tmp_path / f"node{random.randrange(1 << 30)}", certificate=authority.issue("server", names)))
        ways = [forward_all(f"https://127.0.0.1:{self.origin.port}", "/a/*"),
                forward_all(f"https://{b}:{self.origin.port}", "/b/*")]
        if only_b:
            ways[1]["backend"][0]["extra_config"] = {"holdfast/upstream": only_b}
        extra = {"holdfast/admin": {"listen": "127.0.0.1:0"},
                 "holdfast/upstream": {"protocol": "auto", "coalesce": True, **settings}}
        root = {"client_tls": {"ca_certs": [str(authority.certificate)]}, **(root or {})}
        self.gateway = make.gateway(service(ways, {"error_status": "precise"}, extra, timeout="20s", **root))

    def get(self, path, method="GET", body=None):
        with Client(self.gateway.address) as client:
            return client.request(method, path, body=body)

    def session(self, path):
        return [note["session"] for note in self.origin.requests(path)]

    def rows(self):
        return connections(self.gateway)

    def pool(self, name):
        hosts = json.loads(fetch(self.gateway.addresses[-1], "/v1/pools").body)["hosts"]
        return next(host for host in hosts if name in host["host"])


def test_one_connection_carries_both(make, tmp_path):
    two = Two(make, tmp_path)
    assert two.get("/a/one").body == b"OK"
    for _ in range(3):
        assert two.get("/b/two", "POST", b"x").body == b"x"
    assert two.get("/a/one").body == b"OK"
    assert len(two.origin.sessions()) == 1
    assert two.origin.requests("/two")[0]["authority"] == f"localhost:{two.origin.port}"
    pool = two.pool("localhost")
    assert (pool["new"], pool["reused"], pool["coalesced"], pool["open"]) == (0, 3, 3, 0)
    (row,) = two.rows()
    assert "127.0.0.1" in row["host"] and row["requests"] == 5 and row["coalesced"] == 3
    assert two.pool("127.0.0.1")["coalesced"] == 0


def test_a_resumed_connection_is_for_the_same_names(make, tmp_path):
    two = Two(make, tmp_path)
    two.get("/a/goaway")
    two.get("/a/one")
    assert two.pool("127.0.0.1")["tls_resumed"] == 1
    assert two.get("/b/two").body == b"OK"
    assert two.session("/two") == two.session("/one") and two.pool("localhost")["coalesced"] == 1


def test_it_joins_what_is_in_use(make, tmp_path):
    two = Two(make, tmp_path)
    two.get("/a/warm")
    with Client(two.gateway.address) as client:
        client.send(b"GET /a/silent HTTP/1.1\r\nHost: x\r\n\r\n")
        two.origin.wait_requests(1, "/silent")
        assert two.get("/b/two").body == b"OK"
        assert two.pool("localhost")["shared"] == 1
    assert len(two.origin.sessions()) == 1


@pytest.mark.parametrize("settings", [
    {"coalesce": False}, {"only_b": {"coalesce": False}}, {"only_b": {"pool": "other"}},
    {"only_b": {"protocol": "h2"}}, {"only_b": {"source_address": "127.0.0.1"}}, {"only_b": {"dscp": "ef"}},
    {"root": {"client_tls": {"allow_insecure_connections": True}}}], ids=str)
def test_what_is_not_alike_has_a_connection_of_its_own(make, tmp_path, settings):
    two = Two(make, tmp_path, **settings)
    assert two.get("/a/one").body == b"OK"
    assert two.get("/b/two").body == b"OK"
    assert len(two.origin.sessions()) == 2
    assert two.pool("localhost")["new"] == 1


def test_a_certificate_for_one_name_is_not_for_the_other(make, tmp_path):
    """Not even where the name's own handshake would fail for that."""
    two = Two(make, tmp_path, names="IP:127.0.0.1")
    assert two.get("/a/one").body == b"OK"
    assert two.get("/b/two").status >= 500
    assert two.origin.requests("/two") == []


def test_a_certificate_for_both_is_not_enough(make, tmp_path):
    """Nobody listens at the other address: what goes there does not go elsewhere."""
    two = Two(make, tmp_path, names="DNS:localhost,IP:127.0.0.1,IP:127.0.0.2", b="127.0.0.2")
    assert two.get("/a/one").body == b"OK"
    assert two.get("/b/two").status == 502
    assert two.origin.requests("/two") == []


def test_123_a_misdirected_request_is_the_last_one(make, tmp_path):
    """Also when the connection that was made in its place has gone."""
    two = Two(make, tmp_path)
    two.get("/a/one")
    assert two.get("/b/misdirected?id=1", "POST", b"once").body == b"once"
    first, second = two.session("/misdirected")
    assert first != second and first == two.session("/one")[0]
    assert two.get("/b/goaway").body == b"last"
    assert two.session("/goaway") == [second]
    assert two.get("/b/two").body == b"OK"
    assert two.session("/two")[0] not in (first, second)
    pool = two.pool("localhost")
    assert pool["resends_by"] == {"misdirected": 1} and pool["failures"] == 0
    assert two.get("/a/one").body == b"OK"
    assert set(two.session("/one")) == {first}
