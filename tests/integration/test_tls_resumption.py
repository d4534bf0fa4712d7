"""test_tls_resumption.py: clients that come back: tickets, session ids, keys that change, several nodes, early data.

Cases 142 to 148 of the keep-alive matrix by number. SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import os
import socket
import ssl
import subprocess
import threading
import time

import h2.config
import h2.connection
import pytest
from admin import metrics
from origin import reply
from tls_front import TlsClient, connect, context_of, handshakes, s_client, secured, tls_block
from waiting import eventually

FAST = {"reload_interval": "100ms"}
GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"


def visit(running, context, session=None, **options):
    """One request over a connection of its own: (was it resumed, the session to come back with)."""
    with TlsClient(running.address, context, session=session, **options) as client:
        assert client.get().status == 200
        return client.sock.session_reused, client.sock.session


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_a_client_comes_back_by_ticket_to_any_worker(make, authority, certificate, version):
    running = make.gateway(secured(make.origin(), tls_block(certificate), server={"workers": 4}))
    context = context_of(authority, version)
    resumed, session = visit(running, context)
    assert not resumed and session.has_ticket
    for _ in range(12):
        resumed, session = visit(running, context, session)
        assert resumed
    assert handshakes(running) == (1, 12)


def test_a_client_without_tickets_comes_back_by_session_id(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate), server={"workers": 4}))
    context = context_of(authority, "TLS12")
    context.options |= ssl.OP_NO_TICKET
    resumed, session = visit(running, context)
    assert not resumed and not session.has_ticket
    assert all(visit(running, context, session)[0] for _ in range(8))
    assert metrics(running)["holdfast_tls_cached_sessions"] == 1


def test_the_session_cache_is_bounded(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate), {"session_cache_size": 16}))
    context = context_of(authority, "TLS12")
    context.options |= ssl.OP_NO_TICKET
    for _ in range(40):
        visit(running, context)
    assert 0 < metrics(running)["holdfast_tls_cached_sessions"] <= 16


def test_openssl_reconnects_and_resumes(make, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    out = s_client(running, "-tls1_2", "-reconnect")
    assert out.count("New, TLSv1.2") == 1 and out.count("Reused, TLSv1.2") == 5


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_without_tickets_nothing_is_given(make, authority, certificate, version):
    running = make.gateway(secured(make.origin(), tls_block(certificate),
                                   {"session_tickets": False, "session_cache_size": 0}))
    context = context_of(authority, version)
    session = visit(running, context)[1]
    if session is None or not session.id:
        session = None
    assert not visit(running, context, session)[0]
    assert metrics(running)["holdfast_tls_tickets_total"] == 0


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_147_keys_in_memory_change_and_the_one_before_still_decrypts(make, authority, certificate, version):
    running = make.gateway(secured(make.origin(), tls_block(certificate), {"ticket_rotation": "3s", **FAST}))
    context = context_of(authority, version)

    def changes():
        return metrics(running)["holdfast_tls_ticket_key_changes_total"]

    for _ in range(4):
        # A ticket of just before a change: for the next seconds its key is the one before the newest.
        seen = changes()
        eventually(lambda: changes() > seen, 10, "a new ticket key")
        time.sleep(1.5)
        given = changes()
        session = visit(running, context)[1]
        eventually(lambda: changes() > given, 10, "a newer ticket key")
        resumed = visit(running, context, session)[0]
        if changes() == given + 1:  # else the machine let a change pass meanwhile
            break
    assert resumed
    eventually(lambda: changes() > given + 1, 10, "one newer still")
    assert not visit(running, context, session)[0]
    assert metrics(running)["holdfast_tls_ticket_keys"] == 2


@pytest.mark.parametrize("version,size", [("TLS12", 48), ("TLS13", 80)])
def test_147_nodes_with_the_same_key_files_resume_each_others_sessions(make, authority, certificate, tmp_path, version,
                                                                         size):
    key, other = tmp_path / "ticket.key", tmp_path / "older.key"
    key.write_bytes(os.urandom(size))
    other.write_bytes(os.urandom(80))
    tuning = {"ticket_keys": [str(key), str(other)], **FAST}
    origin, context = make.origin(), context_of(authority, version)
    nodes = [make.gateway(secured(origin, tls_block(certificate), tuning)) for _ in range(2)]
    resumed, first = visit(nodes[0], context)
    assert not resumed and visit(nodes[1], context, first)[0]
    # A new key: what was given under the old one is still good; what is new is good on both.
    key.write_bytes(os.urandom(size))
    for node in nodes:
        node.wait_output("new ticket keys, 3 decrypt")
    resumed, second = visit(nodes[1], context, first)
    assert resumed and visit(nodes[0], context, second)[0]
    # Bad contents change nothing.
    key.write_bytes(b"short")
    nodes[0].wait_output("the ticket keys stay as they were: .*5 bytes, not 48 or 80")
    assert visit(nodes[0], context, second)[0]
    numbers = metrics(nodes[0])
    assert numbers['holdfast_tls_reloads_total{what="ticket_keys",outcome="failed"}'] == 1


def test_148_a_session_is_no_way_past_a_client_certificate(make, authority, certificate):
    client = authority.issue("client")
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(
        certificate, enable_mtls=True, disable_system_ca_pool=True, ca_certs=[str(authority.certificate)])}]
    running = make.gateway(secured(make.origin(), tls_block(certificate), server={"listeners": listeners}))
    for version in ("TLS12", "TLS13"):
        context = context_of(authority, version)
        running.address = running.addresses[0]
        session = visit(running, context)[1]
        assert visit(running, context, session)[0]
        running.address = running.addresses[1]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            visit(running, context, session)
        knows = context_of(authority, version, client)
        session = visit(running, knows)[1]
        assert visit(running, knows, session)[0]


class Recorder:
    """A TCP relay that keeps what the first client sends until its first answer: the flight that could be replayed."""

    def __init__(self, target):
        self.target, self.flight = target, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        client = self.listener.accept()[0]
        server = socket.create_connection(self.target)
        threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()
        self._pump(client, server, True)

    def _pump(self, source, sink, record):
        while True:
            try:
                data = source.recv(65536)
                if record:
                    self.flight += data
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except OSError:
                return


class EarlyStage:
    """A gateway that takes early data, an origin that answers by `handler`, and a session to come back with."""

    def __init__(self, make, certificate, tmp_path, handler=None, tuning=None, server=None, method=None):
        self.origin = make.origin(handler) if handler else make.origin()
        config = secured(self.origin, tls_block(certificate), {"early_data": True, **(tuning or {})}, server)
        if method:
            config["endpoints"][0]["backend"][0]["method"] = method
        self.running = make.gateway(config)
        self.session, self.request = tmp_path / "session.pem", tmp_path / "request"

    def get_session(self):
        self.session.unlink(missing_ok=True)
        out = s_client(self.running, "-tls1_3", "-sess_out", self.session, "-ign_eof", text=GET)
        assert "200 OK" in out and self.session.exists()
        return self.session

    def requests(self):
        return len(self.origin.requests)

    def send_early(self, text, target=None):
        self.request.write_text(text)
        return s_client(target or self.running, "-tls1_3", "-sess_in", self.session, "-early_data", self.request, "-ign_eof")


def test_early_data_is_off_by_default(make, certificate, tmp_path):
    stage = EarlyStage(make, certificate, tmp_path, tuning={"early_data": False})
    stage.get_session()
    out = stage.send_early(GET)
    assert "Reused" in out and "Early data was not sent" in out


def test_142_a_get_in_early_data_says_so_to_the_origin(make, certificate, tmp_path):
    stage = EarlyStage(make, certificate, tmp_path)
    stage.get_session()
    out = stage.send_early(GET)
    assert "Early data was accepted" in out and "200 OK" in out
    assert stage.origin.last.get("early-data") in ("1", None)  # None: the handshake was done before the head was read
    numbers = metrics(stage.running)
    assert numbers['holdfast_tls_early_data_total{outcome="accepted"}'] == 1


@pytest.mark.parametrize("size,taken", [(16384, True), (100, False)])
def test_early_data_has_a_limit(make, certificate, tmp_path, size, taken):
    """A client that keeps to what its ticket allows sends no more; the request comes after the handshake then."""
    stage = EarlyStage(make, certificate, tmp_path, tuning={"early_data_max_bytes": size})
    session = stage.get_session()
    out = s_client(stage.running, "-tls1_3", "-sess_in", session, "-ign_eof", text=GET)
    assert f"Max Early Data: {size}" in out, out
    text = GET.replace("\r\n\r\n", "\r\nX-A: " + "a" * 200 + "\r\n\r\n")
    stage.get_session()
    assert ("Early data was accepted" in stage.send_early(text)) == taken


def first_flight(stage, text):
    """What a client with early data sends first, and how the gateway takes it over a raw connection."""
    recorder = Recorder(stage.running.address)
    out = stage.send_early(text, recorder)
    assert "Early data was accepted" in out
    return recorder.flight


def test_142_early_data_goes_on_before_the_handshake_is_done(make, certificate, tmp_path):
    stage = EarlyStage(make, certificate, tmp_path, tuning={"handshake_timeout": "1s"})
    stage.get_session()
    # A relay that lets the first flight through and holds back the rest: the origin hears of it all the same.
    before, held = stage.requests(), HeldFlight(stage, lambda relay: stage.send_early(GET, relay))
    eventually(lambda: stage.requests() == before + 1, what="the early request at the origin")
    assert stage.origin.last.get("early-data") == "1"
    held.finish()


class HoldingRelay:
    """Lets the client's first segment through; the rest waits for let_go."""

    def __init__(self, target):
        self.target, self.gate = target, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self._run, daemon=True).start()

    def let_go(self):
        self.gate.set()

    def _run(self):
        client = self.listener.accept()[0]
        server = socket.create_connection(self.target)
        threading.Thread(target=self._back, args=(server, client), daemon=True).start()
        try:
            # ClientHello and early data, until the server has answered.
            while not self.gate.is_set():
                client.settimeout(0.2)
                try:
                    data = client.recv(65536)
                except TimeoutError:
                    continue
                if self.answered or not data:
                    self.gate.wait(20)
                server.sendall(data)
            client.settimeout(20)
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    answered = False

    def _back(self, server, client):
        try:
            while data := server.recv(65536):
                self.answered = True
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class HeldFlight:
    """send(relay) is under way behind a HoldingRelay until `finish`, which gives what it returns."""

    def __init__(self, stage, send):
        self.relay, threads = HoldingRelay(stage.running.address), concurrent.futures.ThreadPoolExecutor(1)
        self.sent = threads.submit(send, self.relay)
        threads.shutdown(wait=False)

    def finish(self):
        self.relay.let_go()
        return self.sent.result(40)


def test_143_a_post_in_early_data_waits_for_the_handshake(make, certificate, tmp_path):
    stage = EarlyStage(make, certificate, tmp_path)
    stage.get_session()
    before, held = stage.requests(), HeldFlight(stage, lambda relay: stage.send_early(POST, relay))
    time.sleep(0.7)
    assert stage.requests() == before
    assert "200 OK" in held.finish()
    assert stage.requests() == before + 1 and stage.origin.last.get("early-data") is None


@pytest.mark.parametrize("method,early", [("POST", False), ("PUT", False), ("HEAD", True), ("GET", True)])
def test_143_what_reaches_the_backend_counts(make, certificate, tmp_path, method, early):
    """A GET of a client may be a POST to a backend, which a flight that is sent again would do twice."""
    stage = EarlyStage(make, certificate, tmp_path, method=method)
    stage.get_session()
    before, held = stage.requests(), HeldFlight(stage, lambda relay: stage.send_early(GET, relay))
    if early:
        eventually(lambda: stage.requests() == before + 1, what="the early request at the origin")
    else:
        time.sleep(0.7)
        assert stage.requests() == before
    assert "200 OK" in held.finish() and stage.requests() == before + 1
    assert (stage.origin.last.method, stage.origin.last.get("early-data")) == (method, "1" if early else None)


@pytest.mark.parametrize("text", [GET, POST], ids=["get", "post"])
def test_145_a_flight_that_is_sent_again_is_not_taken(make, certificate, tmp_path, text):
    stage = EarlyStage(make, certificate, tmp_path, server={"workers": 3})
    stage.get_session()
    flight = first_flight(stage, text)
    done = stage.requests()
    for _ in range(6):  # to this worker and that
        client = make.client(stage.running)
        client.send(flight)
        client.receive()
        client.close()
    time.sleep(0.3)
    assert stage.requests() == done
    assert metrics(stage.running)['holdfast_tls_early_data_total{outcome="rejected"}'] >= 1


def test_145_another_node_takes_no_early_data_on_our_ticket(make, certificate, tmp_path):
    key = tmp_path / "ticket.key"
    key.write_bytes(os.urandom(80))
    stage = EarlyStage(make, certificate, tmp_path, tuning={"ticket_keys": [str(key)]})
    other = make.gateway(secured(stage.origin, tls_block(certificate), {"early_data": True, "ticket_keys": [str(key)]}))
    stage.get_session()
    done = stage.requests()
    stage.request.write_text(GET)
    out = s_client(other, "-tls1_3", "-sess_in", stage.session, "-early_data", stage.request)
    assert "Reused" in out and "Early data was rejected" in out
    assert stage.requests() == done


def too_early(conn, request):
    if request.get("early-data"):
        conn.send(reply(b"", status="425 Too Early"))
    else:
        conn.send(reply(b"late enough"))


def test_144_a_425_is_tried_again_after_the_handshake(make, certificate, tmp_path):
    stage = EarlyStage(make, certificate, tmp_path, too_early)
    stage.get_session()
    before, held = stage.requests(), HeldFlight(stage, lambda relay: stage.send_early(GET, relay))
    eventually(lambda: stage.requests() == before + 1, what="the early request at the origin")
    time.sleep(0.3)
    assert stage.requests() == before + 1  # not before the handshake is done
    assert "late enough" in held.finish() and stage.requests() == before + 2


def hello2(*methods):
    """What a client of HTTP/2 says first, with a request for each method."""
    conn = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    conn.initiate_connection()
    for number, method in enumerate(methods):
        conn.send_headers(2 * number + 1, [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", "/")],
                          end_stream=True)
    return conn.data_to_send()


def talk(running, seconds, *arguments):
    """s_client that says nothing of its own and stays for so long."""
    words = " ".join(map(str, arguments))
    done = subprocess.run(f"sleep {seconds} | openssl s_client -tls1_3 -connect 127.0.0.1:{running.address[1]} {words}", shell=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("method,early", [("GET", True), ("DELETE", False)])
def test_144_over_http2(make, certificate, tmp_path, method, early):
    """Early at the backend, and once more behind the handshake; or held back until then."""
    stage = EarlyStage(make, certificate, tmp_path, too_early)
    stage.request.write_bytes(hello2(method))
    talk(stage.running, 1, "-alpn", "h2", "-sess_out", stage.session)
    assert stage.session.exists()
    before, held = stage.requests(), HeldFlight(stage, lambda relay: talk(
        relay, 6, "-alpn", "h2", "-sess_in", stage.session, "-early_data", stage.request))
    if early:
        eventually(lambda: stage.requests() == before + 1, what="the early request at the origin")
        assert stage.origin.last.get("early-data") == "1"
    else:
        time.sleep(0.7)
        assert stage.requests() == before
    held.relay.let_go()
    eventually(lambda: stage.requests() == before + 1 + early, what="the request behind the handshake")
    out = held.finish()
    assert stage.origin.last.get("early-data") is None and "Early data was accepted" in out


def test_144_what_need_not_wait_does_not_keep_what_waits(make, certificate, tmp_path):
    """Of two requests in one flight the second is safe and goes on at once; the first still hears of the handshake's end."""
    stage = EarlyStage(make, certificate, tmp_path)
    stage.request.write_bytes(hello2("DELETE", "GET"))
    talk(stage.running, 1, "-alpn", "h2", "-sess_out", stage.session)
    before, held = stage.requests(), HeldFlight(stage, lambda relay: talk(
        relay, 6, "-alpn", "h2", "-sess_in", stage.session, "-early_data", stage.request))
    eventually(lambda: stage.requests() == before + 1, what="the early request at the origin")
    assert stage.origin.last.method == "GET"
    held.relay.let_go()
    eventually(lambda: stage.requests() == before + 2, what="the request behind the handshake")
    assert stage.origin.last.method == "DELETE"
    assert "Early data was accepted" in held.finish()


def test_144_a_client_that_says_early_data_itself_gets_the_425(make, certificate, tmp_path):
    """It may be a gateway, and decides itself: in early data, and on a connection whose handshake is long done."""
    stage = EarlyStage(make, certificate, tmp_path, too_early)
    stage.get_session()
    before = stage.requests()
    text = GET.replace("Host", "Early-Data: 1\r\nHost")
    assert "425 Too Early" in stage.send_early(text)
    assert "425 Too Early" in s_client(stage.running, "-tls1_3", "-ign_eof", text=text)
    assert stage.requests() == before + 2, "each was sent once"


def test_144_a_425_that_early_data_did_not_cause_is_handed_on(make, authority, certificate):
    """We send no early data to hosts ourselves, so nothing of ours would be another the next time."""
    upstream = make.origin(lambda conn, _: conn.send(reply(b"", status="425 Too Early")))
    running = make.gateway(secured(upstream, tls_block(certificate), {"early_data": True}))
    assert connect(make, running, context_of(authority)).get().status == 425
    assert len(upstream.requests) == 1


def test_146_a_chain_of_gateways_hands_the_field_on(make, authority, certificate):
    upstream = make.origin()
    running = make.gateway(secured(upstream, tls_block(certificate)))
    connect(make, running, context_of(authority)).get(fields=[("Early-Data", "1")])
    assert upstream.last.all("early-data") == ["1"]
