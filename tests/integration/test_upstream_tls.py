"""test_upstream_tls.py: https:// hosts: who is trusted, what is spoken, reuse and resumption, seen at a TLS origin.

SPDX-License-Identifier: Apache-2.0
"""
import json
import math
import threading
import time

import pytest
import servers
from admin import ADMIN, pool_of
from busy_origin import BusyOrigin
from certificates import Authority
from configs import backend, endpoint, proxy, service
from origin import Origin, answers_ok, reply
from rawhttp import Client, fetch
from tls_origin import TlsOrigin
from waiting import Stopwatch, eventually

VERSIONS = ["TLS12", "TLS13"]


@pytest.fixture
def tls_origin(make, certificate):
    def make_origin(handler=None, **options):
        keys = {"handler": handler} if handler else {}
        return make.stack.enter_context(TlsOrigin(options.pop("certificate", certificate), **keys, **options))
    return make_origin


def trust(authority, **keys):
    """client_tls for origins of the test's authority, TLS 1.2 and 1.3."""
    return {"ca_certs": [str(authority.certificate)], "min_version": "TLS12", **keys}


def secured(upstream, client_tls, extra=None, **root):
    return proxy(upstream, None, {**ADMIN, **(extra or {})}, client_tls=client_tls, **root)


def end_all(upstream):
    """The origin closes every connection that is open."""
    for conn in upstream.open_connections():
        conn.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_one_connection_carries_many_requests(make, tls_origin, authority, version):
    upstream = tls_origin(version=version)
    running = make.gateway(secured(upstream, trust(authority)))
    client = make.client(running)
    for _ in range(5):
        assert client.get().body == b"OK"
        time.sleep(0.02)
    assert len(upstream.connections) == 1
    assert upstream.connections[0].version == {"TLS12": "TLSv1.2", "TLS13": "TLSv1.3"}[version]
    assert upstream.last.get("host") == f"127.0.0.1:{upstream.address[1]}"
    pool = pool_of(running)
    assert (pool["reused"], pool["new_by"], pool["tls_full"], pool["tls_failures"]) == (4, {"cold": 1}, 1, 0)
    assert pool["host"] == upstream.url


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies_go_both_ways(make, tls_origin, authority, version):
    def echoes(conn, request):
        conn.send(reply(conn.body()))

    upstream = tls_origin(echoes, version=version)
    running = make.gateway(secured(upstream, trust(authority)))
    body = bytes(range(256)) * 8192
    assert make.client(running).request("POST", "/", body=body).body == body


@pytest.mark.parametrize("version", VERSIONS)
def test_later_connections_resume_the_session(make, tls_origin, authority, version):
    upstream = tls_origin(version=version)
    running = make.gateway(secured(upstream, trust(authority)))
    for count in range(1, 6):
        assert fetch(running.address).status == 200
        end_all(upstream)
        eventually(lambda: sum(each["peer"] for each in pool_of(running)["closes"].values()) == count)
    assert [conn.resumed for conn in upstream.connections] == [False, True, True, True, True]
    pool = pool_of(running)
    assert (pool["tls_full"], pool["tls_resumed"]) == (1, 4)
    assert fetch(running.address).status == 200
    rows = json.loads(fetch(running.addresses[-1], "/v1/conns").body)["connections"]
    assert [(row["tls"], row["tls_resumed"], row["requests"]) for row in rows] == [(True, True, 1)]
    assert 'tls_handshakes_total{host="' + upstream.url + '",kind="resumed"} 5\n' in \
        fetch(running.addresses[-1], "/metrics").body.decode()


@pytest.mark.parametrize("version", VERSIONS)
def test_149_of_a_hundred_new_connections_one_is_a_full_handshake(make, tls_origin, authority, version):
    upstream = tls_origin(version=version)
    running = make.gateway(secured(upstream, trust(authority), disable_keep_alives=True))
    client = make.client(running)
    for _ in range(100):
        assert client.get().status == 200
    pool = pool_of(running)
    assert pool["tls_full"] + pool["tls_resumed"] == len(upstream.connections) == 100
    assert pool["tls_resumed"] >= 99


def test_names_are_sent_and_addresses_are_not(make, tls_origin, authority):
    by_name, by_address = tls_origin(name="localhost"), tls_origin()
    for upstream in by_name, by_address:
        assert fetch(make.gateway(secured(upstream, trust(authority))).address).status == 200
    assert by_name.names == ["localhost"]
    assert by_address.names == [None]


def fails(make, upstream, client_tls, *texts, failures=1, **options):
    """A request fails as KrakenD's do, with these words in the log; no request reaches the origin."""
    running = make.gateway(secured(upstream, client_tls), **options)
    answer = fetch(running.address)
    assert answer.status == 502  # error_status precise
    for text in texts:
        running.wait_output(text)
    assert not upstream.requests
    pool = pool_of(running)
    assert (pool["tls_failures"], pool["dial_failures"], pool["open"]) == (failures, failures, 0)
    return running


def test_an_unknown_authority_is_refused(make, tls_origin, tmp_path):
    stranger = Authority(tmp_path / "stranger", "stranger")
    fails(make, tls_origin(), trust(stranger), "TLS with 127.0.0.1: certificate verify failed: unable to get local issuer")


def test_without_client_tls_the_system_s_authorities_count(make, tls_origin, authority):
    running = make.gateway(proxy(tls_origin(), None, ADMIN), environment={"SSL_CERT_FILE": str(authority.certificate)})
    assert fetch(running.address).status == 200
    running = make.gateway(proxy(tls_origin(), None, ADMIN))
    assert fetch(running.address).status == 502
    running.wait_output("certificate verify failed")


def test_disable_system_ca_pool_leaves_only_ca_certs(make, tls_origin, authority, tmp_path):
    stranger = Authority(tmp_path / "stranger", "stranger")
    environment = {"SSL_CERT_FILE": str(authority.certificate)}
    running = make.gateway(secured(tls_origin(), trust(stranger)), environment=environment)
    assert fetch(running.address).status == 200, "both count"
    fails(make, tls_origin(), trust(stranger, disable_system_ca_pool=True), "verify failed", environment=environment)


def test_another_name_is_refused(make, tls_origin, authority):
    certificate = authority.issue("other", "DNS:other.test")
    fails(make, tls_origin(certificate=certificate), trust(authority), "IP address mismatch")
    fails(make, tls_origin(certificate=certificate, name="localhost"), trust(authority), "hostname mismatch")


def test_an_expired_certificate_is_refused(make, tls_origin, authority):
    fails(make, tls_origin(certificate=authority.issue("old", expired=True)), trust(authority), "certificate has expired")


def test_the_status_is_krakend_s_by_default(make, tls_origin):
    upstream = tls_origin()
    running = make.gateway(service([endpoint("/a", backend(upstream), timeout="3s")]))
    assert fetch(running.address, "/a").status == 500
    running.wait_output("TLS with 127.0.0.1: certificate verify failed")


@pytest.mark.parametrize("keys", [{"client_tls": {"allow_insecure_connections": True}},
                                  {"allow_insecure_connections": True}])
def test_insecure_connections_take_anybody(make, tls_origin, authority, keys):
    upstream = tls_origin(certificate=authority.issue("worst", "DNS:other.test", expired=True))
    assert fetch(make.gateway(proxy(upstream, **keys)).address).status == 200


def test_a_client_certificate_is_shown(make, tls_origin, authority):
    mine = authority.issue("client", "DNS:client.test")
    upstream = tls_origin(clients=authority)
    pairs = [{"certificate": mine.certificate, "private_key": mine.key}]
    running = make.gateway(secured(upstream, trust(authority, client_certs=pairs)))
    assert fetch(running.address).status == 200
    assert upstream.connections[0].peer["subject"] == ((("commonName", "client"),),)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_client_certificate_is_told_as_the_host_says_it(make, tls_origin, authority, version):
    running = make.gateway(secured(tls_origin(clients=authority, version=version), trust(authority)))
    assert fetch(running.address).status == 502
    running.wait_output("alert" if version == "TLS12" else "alert certificate required")


def test_versions_must_meet(make, tls_origin, authority):
    old, new = tls_origin(version="TLS12"), tls_origin(version="TLS13")
    fails(make, old, {"ca_certs": [str(authority.certificate)]}, "alert protocol version")
    fails(make, new, trust(authority, max_version="TLS12"), "protocol version")
    assert fetch(make.gateway(proxy(old, allow_insecure_connections=True)).address).status == 502, "a block means TLS 1.3"


def test_suites_and_curves_are_the_configured_ones(make, tls_origin, authority):
    upstream = tls_origin(version="TLS12")
    suites = trust(authority, max_version="TLS12", cipher_suites=[0xc02c], curve_preferences=[23])
    assert fetch(make.gateway(secured(upstream, suites)).address).status == 200
    assert upstream.connections[0].sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    upstream.context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    running = make.gateway(secured(upstream, suites))
    assert fetch(running.address).status == 502


def test_a_backend_has_tls_settings_of_its_own(make, tls_origin, authority):
    upstream = tls_origin()
    own = {"extra_config": {"backend/http/client": {"client_tls": trust(authority)}}}
    config = service([endpoint(path, backend(upstream, encoding="no-op", **keys), output_encoding="no-op")
                      for path, keys in (("/own", own), ("/root", {}))], {"error_status": "precise"}, ADMIN)
    running = make.gateway(config)
    assert [fetch(running.address, path).status for path in ("/own", "/root")] == [200, 502]
    labels = [host["host"] for host in json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"]]
    assert labels == [upstream.url, upstream.url + "~2"], "other settings, another pool"


class Odd(Origin):
    """Takes connections, says `words` and listens no further."""

    class connection_class:
        def __init__(self, sock, _, origin):
            self.sock, self.words = sock, origin.handler

        def serve(self):
            self.sock.sendall(self.words)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.address[1]}"


def test_a_handshake_has_a_clock_of_its_own(make):
    upstream = make.stack.enter_context(Odd(b""))
    config = secured(upstream, None, {"holdfast/upstream": {"tls_handshake_timeout": "300ms"}}, timeout="20s")
    running = make.gateway(config)
    watch = Stopwatch()
    assert fetch(running.address).status == 504
    assert 0.25 < watch.seconds < 10
    running.wait_output("no end of the TLS handshake within 300 ms")
    assert pool_of(running)["tls_failures"] == 1


def test_a_host_without_tls_is_told(make):
    upstream = make.stack.enter_context(Odd(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    fails(make, upstream, None, "wrong version number: the peer does not seem to speak TLS")


def idle_until(make, tls_origin, authority, version, say):
    """(origin, gateway): of a connection that is idle, the origin says something. By the thread that reads: a TLS object bears one."""
    due = threading.Event()

    def handler(conn, request):
        answers_ok(conn, request)
        if conn.number == 0:
            assert due.wait(10)
            say(conn)

    upstream = tls_origin(handler, version=version)
    running = make.gateway(secured(upstream, trust(authority)))
    assert fetch(running.address).status == 200
    eventually(lambda: pool_of(running)["idle"] == 1, what="a connection in the pool")
    due.set()
    return upstream, running


@pytest.mark.parametrize("version", VERSIONS)
def test_95_a_goodbye_while_idle_is_a_close(make, tls_origin, authority, version):
    _, running = idle_until(make, tls_origin, authority, version, lambda conn: conn.say_goodbye())
    eventually(lambda: pool_of(running)["closes"] == {"peer_close_idle": {"ours": 0, "peer": 1}}, what="the goodbye's being seen")
    assert pool_of(running)["closed_idle"] == 1
    assert fetch(running.address).status == 200


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("goodbye", [True, False], ids=["close_notify", "bare FIN"])
def test_72_a_kept_connection_that_ends_under_a_get_costs_it_nothing(make, tls_origin, authority, version, goodbye):
    """Many hosts close without close_notify: that the end may be cut off matters only where something has begun."""
    def dies_on_second(conn, request):
        if len(upstream.requests) == 2:
            if goodbye:
                conn.say_goodbye()
            conn.close()
            return
        answers_ok(conn, request)

    upstream = tls_origin(dies_on_second, version=version)
    client = make.client(make.gateway(secured(upstream, trust(authority))))
    assert [client.get().status for _ in range(3)] == [200] * 3
    assert len(upstream.connections) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_data_while_idle_is_stray(make, tls_origin, authority, version):
    upstream, running = idle_until(make, tls_origin, authority, version, lambda conn: conn.send(reply(b"for nobody")))
    eventually(lambda: "stray_bytes" in pool_of(running)["closes"], what="the stray bytes' being seen")
    assert fetch(running.address).body == b"OK"
    assert len(upstream.connections) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_85_a_second_answer_in_one_record_reaches_nobody(make, tls_origin, authority, version):
    def says_more(conn, request):
        conn.send(reply(b"first") + reply(b"EVIL") if request.path == "/more" else reply(b"own"))

    upstream = tls_origin(says_more, version=version)
    running = make.gateway(secured(upstream, trust(authority)))
    assert fetch(running.address, "/more").body == b"first"
    assert fetch(running.address, "/next").body == b"own"
    pool = pool_of(running)
    assert (pool["closes"]["stray_bytes"]["peer"], pool["quarantines"], len(upstream.connections)) == (1, 1, 2)


def test_a_named_pool_has_connections_of_its_own(make, origin):
    upstream = origin()
    named = {"extra_config": {"holdfast/upstream": {"pool": "reports"}}}
    config = service([endpoint("/a", backend(upstream)), endpoint("/b", backend(upstream, **named))], None, ADMIN)
    running = make.gateway(config)
    for path in ("/a", "/b", "/a", "/b"):
        fetch(running.address, path)  # the answer is no JSON, which does not matter here
    hosts = json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"]
    assert [(host["host"], host["new"], host["reused"]) for host in hosts] == \
        [(upstream.url, 1, 1), (upstream.url + "#reports", 1, 1)]


NGINX_TLS = """
daemon off; master_process off; worker_processes 1; pid {work}/pid; error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format tls 'port=$remote_port version=$ssl_protocol resumed=$ssl_session_reused'; access_log {work}/access.log tls;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi; keepalive_requests 4;
  server {{ listen 127.0.0.1:{port} ssl; root {root}; ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols {protocol}; ssl_session_cache shared:a:1m; }}
}}
"""


@pytest.mark.skipif(bool(servers.Nginx.missing), reason=str(servers.Nginx.missing))
@pytest.mark.parametrize("version", VERSIONS)
def test_nginx_keeps_and_resumes(make, tmp_path, authority, certificate, version):
    class NginxTls(servers.Nginx):
        def command(self):
            protocol = {"TLS12": "TLSv1.2", "TLS13": "TLSv1.3"}[version]
            (self.work / "nginx.conf").write_text(NGINX_TLS.format(
                **self.values(), certificate=certificate.certificate, key=certificate.key, protocol=protocol))
            return [servers.find_tool("nginx"), "-p", str(self.work), "-c", str(self.work / "nginx.conf")]

        @property
        def url(self):
            return f"https://127.0.0.1:{self.port}"

    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "page").write_bytes(b"x" * 100_000)
    servers.let_others_read(tmp_path / "root")
    server = make.stack.enter_context(NginxTls(tmp_path / "nginx", tmp_path / "root"))
    running = make.gateway(secured(server, trust(authority)))
    for _ in range(12):  # four to a connection
        assert fetch(running.address, "/page").body == b"x" * 100_000
    lines = eventually(lambda: [line for line in server.log.read_text().splitlines()][11:] and
                       server.log.read_text().splitlines())
    assert len({line.split()[0] for line in lines}) == 3
    assert [line.split()[2] for line in lines] == ["resumed=."] * 4 + ["resumed=r"] * 8


def open_loop(running, seconds, rate):
    """So many requests a second, each on a client connection of its own, however long they take. Returns their statuses,
    the most that were sent and not answered at once, and the most upstream connections that the pool had behind the first rush
    (origins see an end late on a busy machine)."""
    statuses, flying, lock, start = [], [0, 0], threading.Lock(), time.monotonic()

    def ask():
        with Client(running.address, seconds=20) as client:
            with lock:
                flying[0] += 1
                flying[1] = max(flying)
            client.send_request("GET", "/")
            status = client.read_final().status
            with lock:
                flying[0] -= 1
                statuses.append(status)

    threads, open_max = [], 0
    for number in range(seconds * rate):
        time.sleep(max(0, start + number / rate - time.monotonic()))
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
        if number > rate and number % 10 == 0:
            open_max = max(open_max, pool_of(running)["open"])
    for thread in threads:
        thread.join()
    return statuses, flying[1], open_max


def test_eight_workers_need_hardly_more_connections_than_requests_at_once(make, certificate, authority, note):
    """Sentence 2 of the reuse engine: at most 1.2 times the peak of concurrency, rounded up. A request that waits for its connection is
    under way as well as one at the origin: its view is noted beside. (With workers and an origin in simulated time, where nothing else
    takes the processor, tests/sim/scenario_handoff.c has the same bound on requests at the origin alone.)"""
    upstream = make.stack.enter_context(BusyOrigin(certificate, 0.05))
    running = make.gateway(proxy(upstream, {"workers": 8}, ADMIN, client_tls=trust(authority), timeout="20s"))
    statuses, peak, open_max = open_loop(running, 5, 100)
    pool = pool_of(running)
    upstream.stop()
    assert statuses == [200] * 500
    allowed = math.ceil(1.2 * peak)
    note("TLS, 8 workers, 50 ms", f"{open_max} connections open at most, {peak} requests at once, {upstream.peak} of them at the origin, "
         f"{allowed} allowed; {pool['new']} of 500 requests on new connections")
    assert pool["reused"] >= 500 - max(50, 2 * allowed), "a machine that stands still has many requests at once, and needs as many connections"
    assert open_max <= allowed
