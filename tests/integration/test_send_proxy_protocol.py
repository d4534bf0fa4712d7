"""test_send_proxy_protocol.py: PROXY headers towards hosts (holdfast/upstream send_proxy_protocol): who the client is, on
connections that no other client has. SPDX-License-Identifier: Apache-2.0"""
import json
import re
import socket
import socketserver
import struct
import subprocess
import threading
import time

import h2.config
import h2.connection
import h2.events
import pytest
from admin import ADMIN, pool_of
from configs import proxy
from h2client import Client as Client2
from servers import find_tool
from waiting import eventually

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        raise ConnectionError("cut inside a header")
    return data


def read_header(stream):
    """(version, source, destination); the addresses are (ip, port), or None for a header that names nobody."""
    first = exactly(stream, 12)
    if first != SIGNATURE:
        words = (first + stream.readline()).decode().removesuffix("\r\n").split(" ")
        assert words[0] == "PROXY" and words[1] in ("TCP4", "TCP6", "UNKNOWN"), words
        if words[1] == "UNKNOWN":
            return 1, None, None
        return 1, (words[2], int(words[4])), (words[3], int(words[5]))
    command, family, size = struct.unpack("!BBH", exactly(stream, 4))
    body = exactly(stream, size)
    if command == 0x20:
        return 2, None, None
    assert command == 0x21 and family in (0x11, 0x21), (command, family)
    width, af = (4, socket.AF_INET) if family == 0x11 else (16, socket.AF_INET6)
    ports = struct.unpack("!HH", body[2 * width:2 * width + 4])
    return (2, (socket.inet_ntop(af, body[:width]), ports[0]), (socket.inet_ntop(af, body[width:2 * width]), ports[1]))


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.serve()
        except ConnectionError:
            pass

    def serve(self):
        header = read_header(self.rfile)
        self.server.headers.append(header)
        number = len(self.server.headers) - 1
        while self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            body = str(number).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class Told(socketserver.ThreadingTCPServer):
    """An origin that wants a header, and answers with the number of the connection."""
    daemon_threads, allow_reuse_address = True, True
    handler = Handler

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.handler)
        self.headers = []
        self.url = "http://127.0.0.1:{}".format(self.server_address[1])
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler2(Handler):
    """The same in HTTP/2."""

    def serve(self):
        self.server.headers.append(read_header(self.rfile))
        number = len(self.server.headers) - 1
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        conn.initiate_connection()
        self.wfile.write(conn.data_to_send())
        while data := self.rfile.read1(65536):
            for event in conn.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    conn.send_headers(event.stream_id, [(":status", "200")])
                    conn.send_data(event.stream_id, str(number).encode(), end_stream=True)
            self.wfile.write(conn.data_to_send())


class Told2(Told):
    handler = Handler2


@pytest.fixture
def told():
    with Told() as server:
        yield server
        server.shutdown()


def gateway(make, upstream, version, server=None, root=None, **settings):
    settings = {"holdfast/upstream": {"send_proxy_protocol": version, **settings}}
    return make.gateway(proxy(upstream, server, {**ADMIN, **settings}, **(root or {})))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_host_is_told_who_the_client_is(make, told, version):
    running = gateway(make, told, version)
    client = make.client(running)
    assert client.get().status == 200
    assert told.headers == [(int(version[1]), client.sock.getsockname()[:2], running.address)]


@pytest.mark.parametrize("workers", [1, 4])
def test_159_each_client_has_connections_of_its_own(make, told, workers):
    running = gateway(make, told, "v2", {"workers": workers})
    clients = [make.client(running) for _ in range(3)]
    for _ in range(4):
        answers = [client.get().body for client in clients]
        assert len(set(answers)) == 3
        for client, answer in zip(clients, answers):
            assert told.headers[int(answer)][1] == client.sock.getsockname()[:2]
    assert len(told.headers) == 3, "each is kept for its client"
    pool = pool_of(running)
    assert pool["idle"] == 0, "they stand in no pool"
    for client in clients:
        client.close()
    eventually(lambda: pool_of(running)["open"] == 0)
    assert pool_of(running)["closes"] == {"private": {"ours": 3, "peer": 0}}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("workers", [1, 4])
def test_160_connections_of_http2_are_shared_by_one_client_alone(make, version, workers):
    """One header speaks for a whole connection: what is shared elsewhere belongs to a client here."""
    with Told2() as told:
        running = gateway(make, told, version, {"workers": workers}, protocol="h2c")
        clients = [make.client(running) for _ in range(3)]
        for _ in range(4):
            for client in clients:
                client.send_request("GET", "/")
            answers = [client.read_response().body for client in clients]
            assert len(set(answers)) == 3
            for client, answer in zip(clients, answers):
                assert told.headers[int(answer)][:2] == (int(version[1]), client.sock.getsockname()[:2])
        assert len(told.headers) == 3, "each is kept for its client"
        assert pool_of(running)["idle"] == 0, "they stand in no pool"
        for client in clients:
            client.close()
        eventually(lambda: pool_of(running)["open"] == 0)
        assert pool_of(running)["closes"] == {"private": {"ours": 3, "peer": 0}}
        told.shutdown()


def test_160_streams_of_two_clients_never_meet(make):
    """Clients of HTTP/2 behind a proxy that says who they are."""
    with Told2() as told:
        running = gateway(make, told, "v2", {"workers": 1, "proxy_protocol": "require"}, {"use_h2c": True}, protocol="h2c")
        for port in (1001, 1002, 1003):
            client = Client2(running.address, first=f"PROXY TCP4 203.0.113.9 192.0.2.1 {port} 80\r\n".encode())
            make.stack.callback(client.sock.close)
            streams = range(1, 21, 2)
            for stream in streams:
                client.request(stream)
            for stream in streams:
                assert told.headers[int(client.body(stream))][1] == ("203.0.113.9", port)
        told.shutdown()


def test_the_ledger_knows_why(make, told):
    running = gateway(make, told, "v1", {"workers": 1})
    first, second = make.client(running), make.client(running)
    assert first.get().status == second.get().status == 200
    assert pool_of(running)["new_by"] == {"cold": 1, "private": 1}


def test_who_is_behind_a_proxy_is_the_client(make, told):
    running = gateway(make, told, "v2", {"proxy_protocol": "require"})
    for line, source in ((b"PROXY TCP4 203.0.113.9 192.0.2.1 1000 80\r\n", ("203.0.113.9", 1000)),
                         (b"PROXY TCP6 2001:db8::9 ::1 1000 80\r\n", ("2001:db8::9", 1000))):
        client = make.client(running)
        client.send(line + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 200
        assert told.headers[-1][1] == source
    assert told.headers[0][2] == running.address
    assert told.headers[1][2] == ("::", running.address[1]), "our end is of another family"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_log_tells_whom_the_headers_name(make, told, version):
    """The one that came and the one that went on; what X-Forwarded-For claims is another matter."""
    running = gateway(make, told, version, {"proxy_protocol": "require", "access_log": "json"})
    client = make.client(running)
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 1000 80\r\nGET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n")
    assert client.read_response().status == 200
    line = json.loads(eventually(lambda: next((each for each in running.out if each.startswith("{")), None), what="an access line"))
    assert (line["client"], line["peer"], line["send_proxy_protocol"]) == ("198.51.100.7", "203.0.113.9:1000", version)
    assert told.headers[-1][1] == ("203.0.113.9", 1000)


def test_what_is_idle_for_too_long_is_replaced(make, told):
    running = gateway(make, told, "v1", idle_timeout="1ms", min_idle_per_host=2)
    client = make.client(running)
    answers = set()
    for _ in range(3):
        answers.add(client.get().body)
        time.sleep(0.05)
    assert answers == {b"0", b"1", b"2"}
    assert all(header[1] == client.sock.getsockname()[:2] for header in told.headers)


def test_a_header_goes_to_hosts_that_want_it_alone(make, told):
    plain = make.origin()
    config = proxy(told, None, ADMIN)
    config["endpoints"][0]["backend"][0]["extra_config"] = {"holdfast/upstream": {"send_proxy_protocol": "v1"}}
    config["endpoints"].append({"endpoint": "/plain", "output_encoding": "no-op", "backend": [
        {"host": [plain.url], "url_pattern": "/", "encoding": "no-op"}]})
    running = make.gateway(config)
    client = make.client(running)
    assert client.get("/plain").status == 200
    assert client.get("/").status == 200
    assert len(plain.requests) == 1 and len(told.headers) == 1


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.skipif(not find_tool("nginx"), reason="nginx is not installed")
def test_nginx_takes_it(make, tmp_path, version, secured):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tls = ""
    if secured:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", str(tmp_path / "k"), "-out",
                        str(tmp_path / "c")], check=True, capture_output=True)
        tls = f"ssl_certificate {tmp_path}/c; ssl_certificate_key {tmp_path}/k; ssl_protocols TLSv1.3;"
    paths = " ".join(f"{name}_temp_path {tmp_path}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        f"events {{ }}\nhttp {{ access_log off; client_body_temp_path {tmp_path}/body; {paths}\n"
        f"server {{ listen 127.0.0.1:{port} {'ssl' if secured else ''} proxy_protocol; {tls}\n"
        "return 200 '$proxy_protocol_addr $proxy_protocol_port $connection'; }}\n".replace("}}", "}") + "}\n")
    process = subprocess.Popen([find_tool("nginx"), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
                               stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port))

        class Nginx:
            url = f"{'https' if secured else 'http'}://127.0.0.1:{port}"
        config = proxy(Nginx, None, {"holdfast/upstream": {"send_proxy_protocol": version}})
        config["allow_insecure_connections"] = True
        running = make.gateway(config)
        clients = [make.client(running) for _ in range(2)]
        connections = []
        for client in clients:
            answers = {client.get().body.decode() for _ in range(3)}
            assert len(answers) == 1, "one connection for each client"
            ip, source, connection = re.fullmatch(r"(\S+) (\d+) (\d+)", answers.pop()).groups()
            assert (ip, int(source)) == client.sock.getsockname()[:2]
            connections.append(connection)
        assert len(set(connections)) == 2
    finally:
        process.terminate()
        process.wait()
