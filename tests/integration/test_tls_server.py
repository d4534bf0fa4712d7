"""test_tls_server.py: clients over TLS: what is spoken, which certificate is shown, who may come in, and what is refused. Items 103 and
150 of the keep-alive matrix by number.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import json
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest
from certificates import Authority, Certificate, run_openssl
from configs import endpoint, service
from gateway import run_to_end
from origin import reply
from servers import find_tool
from tls_front import connect, context_of, failures, handshakes, s_client, secured, tls_block
from waiting import eventually


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_one_connection_carries_many_requests(make, authority, certificate, version):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    assert running.ready.startswith("ready: https://")
    client = connect(make, running, context_of(authority, version))
    for _ in range(3):
        assert client.get().body == b"OK"
    assert client.sock.version() == {"TLS12": "TLSv1.2", "TLS13": "TLSv1.3"}[version]
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    assert handshakes(running) == (1, 0)


def test_large_bodies_go_both_ways(make, authority, certificate):
    def echoes(conn, request):
        conn.send(reply(conn.body()))

    running = make.gateway(secured(make.origin(echoes), tls_block(certificate)))
    client = connect(make, running, context_of(authority))
    body = bytes(range(256)) * 8192
    client.send_request("POST", "/", body=body)
    assert client.read_final("POST").body == body


def test_the_defaults_are_those_of_krakend(make, authority, certificate):
    tls = {"public_key": certificate.certificate, "private_key": certificate.key}
    running = make.gateway(secured(make.origin(), tls))
    assert "New, TLSv1.3" in s_client(running, "-tls1_3")
    assert "alert protocol version" in s_client(running, "-tls1_2")
    assert "New, TLSv1.3" not in s_client(running, "-tls1_3", "-groups", "X25519")
    assert "New, TLSv1.3" in s_client(running, "-tls1_3", "-groups", "P-256")
    eventually(lambda: failures(running, "version") == 1, what="the version's failure in the metrics")


def test_a_version_that_is_too_old_is_refused(make, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    out = s_client(running, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in out


def test_max_version_below_tls_1_3_without_min_version_leaves_nothing(make, certificate):
    running = make.gateway(secured(make.origin(), {"keys": tls_block(certificate)["keys"], "max_version": "TLS12"}))
    for version in ("-tls1_2", "-tls1_3"):
        assert "Cipher is (NONE)" in s_client(running, version)


def test_max_version_and_cipher_suites_choose(make, certificate):
    tls = tls_block(certificate, max_version="TLS12", cipher_suites=[49196])  # ECDHE-ECDSA-AES256-GCM-SHA384
    running = make.gateway(secured(make.origin(), tls))
    assert "Cipher is (NONE)" in s_client(running, "-tls1_3")
    assert "Cipher is (NONE)" in s_client(running, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384" in s_client(running, "-tls1_2")


def test_the_name_chooses_the_certificate(make, authority, certificate):
    exact = authority.issue("exact", "DNS:a.example.test")
    wild = authority.issue("wild", "DNS:*.example.test,DNS:Upper.Other.test")
    running = make.gateway(secured(make.origin(), tls_block(certificate, exact, wild)))
    cases = {"a.example.test": "exact", "A.Example.TEST": "exact", "a.example.test.": "exact", "b.example.test": "wild",
             "x.b.example.test": "server", "example.test": "server", "upper.other.test": "wild", "unknown.test": "server"}
    for name, shown in cases.items():
        assert f"subject=CN={shown}" in s_client(running, "-servername", name), name
    assert "subject=CN=server" in s_client(running, "-noservername")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_host_whose_certificate_was_not_shown_is_misdirected(make, authority, certificate, version):
    """RFC 9110 7.4: 421 where another connection would help; all else is served as ever."""
    upstream = make.origin()
    running = make.gateway(secured(upstream, tls_block(certificate, authority.issue("exact", "DNS:a.example.test"))))
    port = running.address[1]

    def ask(name, host):
        done = subprocess.run(["curl", "-sSk", "-m", "10", "--noproxy", "*", version, "--resolve", f"{name}:{port}:127.0.0.1",
                               f"https://{name}:{port}/", "-H", f"Host: {host}", "-w", " %{http_code}"],
                              capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    assert ask("localhost", "a.example.test") == "421 Misdirected Request: misdirected 421"
    assert ask("localhost", f"A.example.test:{port}").endswith(" 421")
    assert ask("a.example.test", f"localhost:{port}").endswith(" 421")
    assert upstream.requests == []
    for name, host in (("a.example.test", "a.example.test"), ("localhost", f"localhost:{port}"), ("localhost", "unknown.test"),
                       ("localhost", "192.0.2.1"), ("unknown.test", "localhost"), ("unknown.test", "unknown.test")):
        assert ask(name, host) == "OK 200", (name, host)
    alone = make.gateway(secured(upstream, tls_block(certificate)))
    client = connect(make, alone, context_of(authority))
    assert client.get(host="a.example.test").status == 200, "one certificate is all there is"


def test_of_equal_names_the_client_gets_what_it_can_use(make, authority, certificate):
    folder = authority.folder
    run_openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "rsa.key", "-out",
                folder / "rsa.pem", "-days", 30, "-subj", "/CN=rsa", "-addext", "subjectAltName=DNS:localhost")
    rsa = Certificate(str(folder / "rsa.pem"), str(folder / "rsa.key"))
    running = make.gateway(secured(make.origin(), tls_block(rsa, certificate)))
    cases = {("-tls1_3",): "rsa", ("-tls1_3", "-sigalgs", "ECDSA+SHA256"): "server",
             ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"): "server",
             ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"): "rsa"}
    for options, shown in cases.items():
        assert f"subject=CN={shown}" in s_client(running, "-servername", "localhost", *options), options


def test_a_client_certificate_must_be_one_that_is_trusted(make, authority, certificate, tmp_path):
    clients = Authority(tmp_path / "clients", "clients")
    tls = tls_block(certificate, enable_mtls=True, ca_certs=[str(clients.certificate)], disable_system_ca_pool=True)
    running = make.gateway(secured(make.origin(), tls))
    known, expired, foreign = clients.issue("known"), clients.issue("old", expired=True), Authority(
        tmp_path / "foreign", "elsewhere").issue("foreign")
    for version in ("TLS12", "TLS13"):
        client = connect(make, running, context_of(authority, version, known))
        assert client.get().status == 200
        for other in (None, expired, foreign):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                connect(make, running, context_of(authority, version, other)).get()
    eventually(lambda: failures(running, "certificate") == 6, what="six refused certificates")
    assert "Acceptable client certificate CA names\nCN=clients" in s_client(running)


def test_http_without_tls_is_told_so(make, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    for line in ("GET / HTTP/1.1", "OPTIONS * HTTP/1.1", "PATCH /x HTTP/1.1"):
        client = make.client(running)
        client.send(f"{line}\r\nHost: x\r\n\r\n".encode())
        assert client.read_to_end() == (b"HTTP/1.0 400 Bad Request\r\n\r\n"
                                        b"Client sent an HTTP request to an HTTPS server.\n")
    assert failures(running, "plain_http") == 3


def test_what_is_no_tls_is_closed(make, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    for garbage in (b"\x00" * 64, b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x40\x01" + b"x" * 20000):
        client = make.client(running)
        client.send(garbage)
        client.half_close()
        client.read_to_end()
    assert "Verification" in s_client(running)


def test_a_handshake_that_stalls_ends(make, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate), {"handshake_timeout": "300ms"}))
    silent, half = make.client(running), make.client(running)
    half.send(b"\x16\x03\x01\x02\x00\x01\x00")
    assert silent.ended() and half.ended()
    assert failures(running, "timeout") == 2


def test_at_the_limit_of_handshakes_the_oldest_yields(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate), {"max_handshakes": 3}))
    waiting = [make.client(running) for _ in range(3)]
    time.sleep(0.2)
    client = connect(make, running, context_of(authority))
    assert client.get().status == 200
    assert waiting[0].ended()
    assert failures(running, "crowded") == 1
    assert waiting[1].silent() and waiting[2].silent()


def test_150_renegotiation_is_refused(make, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    with subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{running.address[1]}"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as child:
        told = iter(child.stdout.readline, "")
        assert any("Verify return code" in line for line in told), "the handshake is done"
        child.stdin.write("R\n")
        child.stdin.flush()
        assert any("RENEGOTIATING" in line for line in told)
        assert any("no renegotiation" in line for line in told)
        child.kill()


def test_only_our_protocols_are_spoken(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    assert "ALPN protocol: h2" in s_client(running, "-alpn", "http/1.1,h2")
    assert "ALPN protocol: http/1.1" in s_client(running, "-alpn", "http/1.1")
    assert "alert no application protocol" in s_client(running, "-alpn", "spdy/1")
    client = connect(make, running, context_of(authority, protocols=()))
    assert client.get().status == 200


def test_103_close_notify_goes_before_fin(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    client = connect(make, running, context_of(authority))
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert client.read_final().says_close
    assert client.sock.recv(1) == b""  # ssl.SSLEOFError without close_notify


def test_a_listener_may_have_its_own_block_or_none(make, authority, certificate):
    other = authority.issue("other")
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(other)},
                 {"listen": "127.0.0.1:0", "tls": {"disabled": True}}]
    config = secured(make.origin(), tls_block(certificate), server={"listeners": listeners})
    running = make.gateway(config)
    plain = make.client(running.addresses[2])
    assert plain.get().status == 200
    for index, shown in enumerate(("server", "other")):
        running.address = running.addresses[index]
        assert f"subject=CN={shown}" in s_client(running)


def test_curl_and_node_are_served(make, authority, certificate, tmp_path):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    url = f"https://localhost:{running.address[1]}/"
    done = subprocess.run(["curl", "-sS", "--cacert", authority.certificate, url, url, "-o", "/dev/null", "-o", "/dev/null",
                           "-w", "%{http_code} %{num_connects}\n"], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split() == ["200", "1", "200", "0"]
    script = tmp_path / "client.js"
    script.write_text("""
const https = require('https'), fs = require('fs');
const agent = new https.Agent({keepAlive: true, maxSockets: 1, ca: fs.readFileSync(process.argv[3])});
let left = 20, reused = 0;
function ask() {
  const request = https.get(process.argv[2], {agent}, (response) => {
    response.resume();
    response.on('end', () => {
      if (response.statusCode !== 200) process.exit(2);
      reused += request.reusedSocket ? 1 : 0;
      if (--left === 0) { console.log(reused); process.exit(0); }
      setImmediate(ask);
    });
  });
  request.on('error', (error) => { console.log(error); process.exit(3); });
}
ask();
""")
    done = subprocess.run([find_tool("node"), script, url, str(authority.certificate)], capture_output=True, text=True,
                          timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "19"), done.stderr


def test_handshakes_do_not_starve_open_connections(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    client = connect(make, running, context_of(authority))
    context, stop = context_of(authority), threading.Event()

    def shakes():
        while not stop.is_set():
            connect_once(running, context)

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        shaking = [threads.submit(shakes) for _ in range(3)]
        try:
            for _ in range(50):
                assert client.get().status == 200
            eventually(lambda: client.get().status == 200 and handshakes(running)[0] > 3, what="handshakes beside them")
        finally:
            stop.set()
    for each in shaking:
        each.result()


def connect_once(running, context):
    with socket.create_connection(running.address) as raw, context.wrap_socket(raw, server_hostname="localhost"):
        pass


def test_unusable_files_stop_the_start(tmp_path, authority, certificate):
    other = authority.issue("stranger")
    garbage, locked = tmp_path / "garbage.pem", tmp_path / "locked.key"
    garbage.write_text("no certificate")
    run_openssl("pkey", "-in", certificate.key, "-aes128", "-passout", "pass:x", "-out", locked)
    cases = [
        ({"public_key": "/nowhere.pem", "private_key": certificate.key}, r"/nowhere.pem: no such file"),
        ({"public_key": str(garbage), "private_key": certificate.key}, r"garbage.pem: no start line"),
        ({"public_key": certificate.certificate, "private_key": str(garbage)}, r"garbage.pem: "),
        ({"public_key": certificate.certificate, "private_key": str(locked)}, r"locked.key: "),
        ({"public_key": certificate.certificate, "private_key": other.key}, r"key values mismatch"),
        ({"public_key": certificate.certificate}, r"private_key is not defined"),
    ]
    path = tmp_path / "gateway.json"
    for pair, reason in cases:
        config = service([endpoint("/x", extra_config={"holdfast/answer": {}})], tls={"keys": [pair]})
        path.write_text(json.dumps(config, indent=2))
        code, _, err = run_to_end(["run", "-c", path])
        assert code == 1 and re.search(reason, err), err
        assert re.search(r"gateway.json:\d+:\d+: error: tls.*\[HF033[01]\]", err) and "^" in err, err
    config["tls"] = {"keys": []}
    path.write_text(json.dumps(config))
    code, _, err = run_to_end(["check", "-c", path])
    assert code == 1 and "has no certificate to show" in err
