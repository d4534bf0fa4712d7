"""test_forward_proxies.py: HTTP_PROXY, HTTPS_PROXY and NO_PROXY: who is asked for what, over which connections, and what comes
of proxies that refuse, break off or stand still.

Loopback addresses are never proxied, so targets have names that only the proxy can reach (proxied.test), or 0.0.0.0, which
the system takes for loopback and the rules do not. SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import socket
import time

import pytest
import servers
from admin import ADMIN, pools
from configs import backend, endpoint, proxy, service
from forward_proxy import ForwardProxy, TlsForwardProxy, tunnel
from gateway import run_to_end
from origin import answers, reply
from rawhttp import fetch
from tls_origin import VERSIONS, TlsOrigin
from waiting import Stopwatch, eventually

NAMES = "DNS:proxied.test,DNS:other.test,IP:0.0.0.0"


@pytest.fixture(scope="module")
def certificate(authority):
    return authority.issue("server", NAMES)


@pytest.fixture
def secure(make, certificate):
    return make.stack.enter_context(TlsOrigin(certificate))


@pytest.fixture
def via(make):
    def make_proxy(*arguments):
        return make.stack.enter_context(ForwardProxy(*arguments))
    return make_proxy


def at(origin, name="proxied.test"):
    """The origin's URL by another name."""
    return re.sub(r"//[^:]+", "//" + name, origin.url)


def config_for(url, authority=None, extra=None, **root):
    trust = {"client_tls": {"ca_certs": [str(authority.certificate)], "min_version": "TLS12"}} if authority else {}
    return proxy(url, None, {**ADMIN, **(extra or {})}, **trust, **root)


def test_http_goes_in_absolute_form_and_reuses(make, via):
    upstream, between = make.origin(), via()
    running = make.gateway(config_for(at(upstream)), environment={"HTTP_PROXY": between.url})
    client = make.client(running)
    for turn in range(3):
        assert client.get(f"/path?turn={turn}").body == b"OK"
    assert between.lines == [f"GET {at(upstream)}/path?turn={turn}" for turn in range(3)]
    assert between.last.get("host") == at(upstream)[len("http://"):]
    assert between.last.get("proxy-authorization") is None and between.last.get("proxy-connection") is None
    assert len(between.connections) == 1
    assert upstream.last.target == "/path?turn=2"
    assert pools(running)[0]["host"] == at(upstream)


def test_https_goes_through_a_tunnel_and_reuses(make, via, secure, authority):
    between = via()
    running = make.gateway(config_for(at(secure), authority), environment={"HTTPS_PROXY": between.url})
    client = make.client(running)
    for _ in range(3):
        assert client.get("/path").body == b"OK"
    target = at(secure)[len("https://"):]
    assert between.lines == [f"CONNECT {target}"] and between.last.get("host") == target
    assert secure.names == ["proxied.test"], "TLS is with the target"
    assert len(secure.connections) == 1 and secure.last.target == "/path" and secure.last.get("host") == target
    pool = pools(running)[0]
    assert (pool["reused"], pool["new_by"], pool["tls_full"], pool["proxy_failures"]) == (2, {"cold": 1}, 1, 0)


def test_targets_do_not_share_a_tunnel(make, via, secure, authority):
    between = via()
    config = service([endpoint(f"/{name}", backend(at(secure, name), encoding="string"))
                      for name in ("proxied.test", "other.test")],
                     client_tls={"ca_certs": [str(authority.certificate)], "min_version": "TLS12"})
    address = make.gateway(config, environment={"HTTPS_PROXY": between.url}).address
    for _ in range(2):
        for name in ("proxied.test", "other.test"):
            assert fetch(address, f"/{name}").status == 200
    assert sorted(between.lines) == sorted(f"CONNECT {name}:{secure.address[1]}" for name in ("proxied.test", "other.test"))
    assert sorted(secure.names) == ["other.test", "proxied.test"]


def test_bytes_in_the_segment_of_the_answer_are_the_targets(make, via, secure, authority):
    """An interim answer, and the final head in pieces: nothing of it is taken for TLS."""
    def cuts(conn, request):
        conn.send("HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 O")
        time.sleep(0.05)
        tunnel(conn, request, b"K\r\nContent-Length: 5\r\n\r\n")

    running = make.gateway(config_for(at(secure), authority), environment={"HTTPS_PROXY": via(cuts).url})
    assert fetch(running.address).body == b"OK"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_password_is_for_the_proxy_alone(make, via, secure, authority, scheme):
    plain, between = make.origin(), via()
    upstream = plain if scheme == "http" else secure
    url = between.url.replace("//", "//me:p%40ss@")
    running = make.gateway(config_for(at(upstream), authority), environment={scheme + "_proxy": url})
    assert fetch(running.address, fields=[("Proxy-Authorization", "Basic forged")]).body == b"OK"
    assert between.last.all("Proxy-Authorization") == ["Basic bWU6cEBzcw=="]
    assert upstream.last.get("proxy-authorization") is None
    output = running.all_output()
    assert f"{scheme}:// hosts are reached through the forward proxy {between.url} of the environment: 1 of 1" in output
    assert "p%40ss" not in output and "bWU6" not in output


@pytest.mark.parametrize("no_proxy, direct", [("0.0.0.0", True), ("0.0.0.0/8", True), ("*", True), ("127.0.0.1", False),
                                              ("0.0.0.0:1", False)])
def test_no_proxy_is_honoured(make, via, no_proxy, direct):
    upstream, between = make.origin(), via()
    environment = {"HTTP_PROXY": between.url, "no_proxy": no_proxy}
    running = make.gateway(config_for(at(upstream, "0.0.0.0")), environment=environment)
    assert fetch(running.address).body == b"OK"
    assert len(between.requests) == (0 if direct else 1) and len(upstream.requests) == 1
    assert ("forward proxy" in running.all_output()) is not direct


def test_loopback_is_never_proxied(make, via):
    upstream, between = make.origin(), via()
    for name in ("127.0.0.1", "localhost"):
        running = make.gateway(config_for(at(upstream, name)), environment={"HTTP_PROXY": between.url})
        assert fetch(running.address).body == b"OK"
    assert between.connections == []


def test_each_scheme_has_its_own_variable(make, via, secure, authority):
    between = via()
    environment = {"HTTP_PROXY": between.url, "NO_PROXY": "x"}
    running = make.gateway(config_for(at(secure, "0.0.0.0"), authority), environment=environment)
    assert fetch(running.address).body == b"OK" and between.connections == []


@pytest.mark.parametrize("answer, words", [
    (b"HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "407 Proxy Authentication Required"),
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503 Service Unavailable"),
    (b"220 smtp.test ESMTP\r\n\r\n", "a version and a status"),
    (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 65 + b"\r\n", "fields"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20000 + b"\r\n\r\n", "too large"),
])
def test_a_refusal_is_an_upstream_error(make, via, secure, authority, answer, words):
    running = make.gateway(config_for(at(secure), authority), environment={"HTTPS_PROXY": via(answers(answer)).url})
    assert fetch(running.address).status == 502
    eventually(lambda: words in running.output, what=f"{words} on the log")
    assert secure.connections == []
    eventually(lambda: (pools(running)[0]["proxy_failures"], pools(running)[0]["dial_failures"]) == (1, 1))
    assert re.search(r"^holdfast_upstream_proxy_failures_total\{[^}]*\} 1$",
                     fetch(running.addresses[-1], "/metrics").body.decode(), re.M)


def test_407_to_a_plain_request_is_an_upstream_error(make, via):
    between = via(answers(b"HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"))
    running = make.gateway(config_for("http://proxied.test:8080"), environment={"HTTP_PROXY": between.url})
    response = fetch(running.address)
    assert response.status == 502 and response.get("proxy-authenticate") is None
    eventually(lambda: "407 Proxy Authentication Required" in running.output)


def test_a_proxy_that_leaves(make, via, secure, authority):
    between = via(lambda conn, _: conn.close())
    running = make.gateway(config_for(at(secure), authority), environment={"HTTPS_PROXY": between.url})
    assert fetch(running.address).status == 502
    eventually(lambda: "closed before it answered" in running.output)


def test_a_proxy_that_is_not_there(make, via):
    between = via()
    between.stop_listening()
    running = make.gateway(config_for("http://proxied.test:8080"), environment={"HTTP_PROXY": between.url})
    assert fetch(running.address).status == 502
    eventually(lambda: f"proxy {between.url}" in running.output)


def test_a_proxy_that_stands_still_ends_with_the_dial(make, via, secure, authority):
    between = via(lambda conn, _: conn.wait_end(20))
    config = config_for(at(secure), authority, dialer_timeout="300ms", timeout="20s")
    running = make.gateway(config, environment={"HTTPS_PROXY": between.url})
    watch = Stopwatch()
    assert fetch(running.address).status == 504 and watch.awake < 10
    eventually(lambda: "no answer to CONNECT" in running.output)


def test_how_long_a_proxy_may_take_is_a_setting(make, via, secure, authority):
    between = via(lambda conn, _: conn.wait_end(20))
    config = config_for(at(secure), authority, {"holdfast/upstream": {"forward_proxy_timeout": "150ms"}}, timeout="20s")
    running = make.gateway(config, environment={"HTTPS_PROXY": between.url})
    assert fetch(running.address).status == 504
    running.wait_output("no answer to CONNECT within 150 ms")


def test_a_target_that_nobody_should_trust(make, via, certificate, authority, secure):
    """Verification is of the target, whatever the proxy says."""
    between = via()
    running = make.gateway(config_for(at(secure, "wrong.test"), authority), environment={"HTTPS_PROXY": between.url})
    assert fetch(running.address).status == 502
    pool = pools(running)[0]
    assert (pool["tls_failures"], pool["proxy_failures"]) == (1, 0)


@pytest.mark.parametrize("variables, words", [
    ({"HTTP_PROXY": "socks5://me:secret@127.0.0.1:1080"}, "SOCKS proxies (socks5://) are not supported"),
    ({"HTTP_PROXY": "http://me:secret@127.0.0.1:x"}, "no valid port"),
    ({"HTTP_PROXY": "127.0.0.1:3128", "REQUEST_METHOD": "GET"}, "REQUEST_METHOD"),
])
def test_what_cannot_be_used_is_told_at_start(tmp_path, variables, words):
    def check(url):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(service([endpoint("/a", backend(url))])))
        return run_to_end(["check", "-c", str(path)], environment=variables)

    bad, fine = check("http://proxied.test"), check("http://127.0.0.1:8080")
    assert bad[0] != 0 and words in bad[1] + bad[2] and "secret" not in bad[1] + bad[2]
    assert fine[0] == 0, "nobody would use it"


@pytest.fixture
def secured(make, authority):
    """An https:// proxy. Its name has to be asked of DNS or be an address."""
    certificate = authority.issue("proxy", "IP:127.0.0.1")
    return lambda **options: make.stack.enter_context(TlsForwardProxy(certificate, **options))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_spoken_to_over_tls(make, secured, secure, authority, scheme, version):
    """https:// in HTTP_PROXY and HTTPS_PROXY: absolute form inside its TLS, and TLS with the target inside its tunnel."""
    upstream, between = make.origin() if scheme == "http" else secure, secured(version=version)
    url = between.url.replace("//", "//me:secret@")
    config = config_for(at(upstream), authority, max_idle_connections=10)
    running = make.gateway(config, environment={scheme.upper() + "_PROXY": url})
    body = bytes(range(256)) * 1000
    for turn in range(3):
        assert fetch(running.address, f"/{turn}", "POST", body=body).body == b"OK"
        assert upstream.last.body == body
    target = at(upstream).partition("//")[2]
    wanted = [f"CONNECT {target}"] if scheme == "https" else [f"POST {at(upstream)}/{turn}" for turn in range(3)]
    assert between.lines == wanted and between.last.get("proxy-authorization") == "Basic bWU6c2VjcmV0"
    assert len(between.connections) == 1 and upstream.last.get("proxy-authorization") is None
    assert pools(running)[0]["new_by"] == {"cold": 1}
    assert f"through the forward proxy {between.url} of the environment" in running.all_output()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_session_with_a_proxy_is_resumed(make, secured, secure, authority, scheme):
    upstream, between = make.origin() if scheme == "http" else secure, secured()
    running = make.gateway(config_for(at(upstream), authority, disable_keep_alives=True),
                           environment={scheme.upper() + "_PROXY": between.url})
    for _ in range(3):
        assert fetch(running.address).body == b"OK"
    assert [conn.resumed for conn in between.connections] == [False, True, True]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_nobody_should_trust(make, secured, secure, authority, tmp_path, scheme):
    """Its certificate is for another name: neither the target's name nor a password is told to it."""
    upstream, between = make.origin() if scheme == "http" else secure, secured()
    url = between.url.replace("//127.0.0.1", "//me:secret@localhost")
    running = make.gateway(config_for(at(upstream), authority), environment={scheme.upper() + "_PROXY": url})
    assert fetch(running.address).status == 502
    assert between.requests == [] and upstream.connections == []
    running.wait_output(r"TLS with the proxy https://localhost:\d+: certificate verify failed")
    pool = pools(running)[0]
    assert (pool["proxy_failures"], pool["tls_failures"]) == (1, 0) and "secret" not in running.all_output()


def test_hosts_behind_an_https_proxy_are_told_apart_by_its_tls(make, secured, authority):
    """The same cleartext host: one backend trusts the proxy's authority, the other does not."""
    upstream, between = make.origin(), secured()
    known, stranger = backend(at(upstream), "/known", encoding="string"), backend(at(upstream), "/other", encoding="string")
    known["extra_config"] = {"backend/http/client": {"client_tls": {"ca_certs": [str(authority.certificate)]}}}
    config = service([endpoint("/known", known), endpoint("/other", stranger)], {"error_status": "precise"}, ADMIN)
    running = make.gateway(config, environment={"HTTP_PROXY": between.url})
    assert fetch(running.address, "/known").status == 200
    assert fetch(running.address, "/other").status == 502
    assert fetch(running.address, "/known").status == 200
    assert len(pools(running)) == 2 and between.lines == [f"GET {at(upstream)}/known"] * 2


def test_a_redirect_behind_an_https_proxy_is_followed(make, secured, authority):
    """To another host, that is reached in the same way."""
    other = make.origin(answers(reply(b'{"at":"other"}', fields=[("Content-Type", "application/json")])))
    first = make.origin(lambda conn, _: conn.send(reply(b"", "302 Found", [("Location", at(other, "other.test") + "/to")])))
    between = secured()
    config = service([endpoint("/a", backend(at(first), "/from"))], {"error_status": "precise"},
                     client_tls={"ca_certs": [str(authority.certificate)]})
    running = make.gateway(config, environment={"HTTP_PROXY": between.url})
    assert fetch(running.address, "/a").body == b'{"at":"other"}'
    assert between.lines == [f"GET {at(first)}/from", f"GET {at(other, 'other.test')}/to"]


def test_a_proxy_that_never_ends_its_handshake(make, via, authority):
    upstream = make.origin()
    config = config_for(at(upstream), authority, {"holdfast/upstream": {"tls_handshake_timeout": "100ms"}}, timeout="10s")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running = make.gateway(config, environment={"HTTP_PROXY": f"https://127.0.0.1:{silent.getsockname()[1]}"})
        assert fetch(running.address).status == 504
    running.wait_output("no end of the TLS handshake within 100 ms")


TINYPROXY = """
Port {port}
Listen 127.0.0.1
MaxClients 50
Timeout 600
BasicAuth me secret
LogFile "{work}/log"
LogLevel Connect
"""


class Tinyproxy(servers.Server):
    missing = None if servers.find_tool("tinyproxy") else "tinyproxy is not installed"

    def command(self):
        (self.work / "tinyproxy.conf").write_text(TINYPROXY.format(**self.values()))
        return [servers.find_tool("tinyproxy"), "-d", "-c", str(self.work / "tinyproxy.conf")]


@pytest.fixture
def tinyproxy(make, tmp_path):
    if Tinyproxy.missing:
        pytest.skip(Tinyproxy.missing)
    return make.stack.enter_context(Tinyproxy(tmp_path / "tinyproxy", tmp_path))


@pytest.mark.parametrize("scheme, password, status", [
    ("http", "secret", 200), ("https", "secret", 200), ("https", "wrong", 502),
    ("http", "wrong", 401),  # as an origin would: it cannot be told from one
])
def test_tinyproxy(make, tinyproxy, secure, authority, scheme, password, status):
    upstream = make.origin() if scheme == "http" else secure
    url = tinyproxy.url.replace("//", f"//me:{password}@")
    running = make.gateway(config_for(at(upstream, "0.0.0.0"), authority, timeout="10s"),
                           environment={scheme.upper() + "_PROXY": url})
    for _ in range(3):
        assert fetch(running.address).status == status
    assert len(upstream.requests) == (3 if status == 200 else 0)
    if scheme == "https" and status == 200:
        assert len(upstream.connections) == 1
