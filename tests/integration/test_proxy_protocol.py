"""test_proxy_protocol.py: PROXY headers from the proxies in front of us (items 151 to 158 of the keep-alive matrix; the
PROXY cases of the catalogue are in tests/unit/net). SPDX-License-Identifier: Apache-2.0"""
import json
import os
import shutil
import socket
import struct
import subprocess
import time

import pytest
from configs import proxy
from rawhttp import Client, Cut, fetch
from servers import find_tool, free_port
from tls_front import context_of, tls_block
from waiting import Stopwatch, eventually

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 203.0.113.9 192.0.2.1 1000 80\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def block(source="203.0.113.9", port=1000, command=0x21, family=0x11, tlvs=b"", checksum=False, wrong=False):
    body = socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", port, 80) + tlvs
    if checksum:
        body += b"\x03\0\x04\0\0\0\0"
    head = SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body))
    if checksum:
        crc = crc32c(head + body) ^ (1 if wrong else 0)
        body = body[:-4] + struct.pack("!I", crc)
    return head + body


@pytest.fixture
def front(make):
    """(origin, gateway) with a listener that wants a header."""
    def build(rule="require", networks=(), **server):
        upstream = make.origin()
        settings = {"proxy_protocol": rule, "proxy_protocol_from": list(networks), **server}
        return upstream, make.gateway(proxy(upstream, settings))
    return build


def seen_ip(upstream):
    return upstream.requests[-1].get("x-forwarded-for")


@pytest.mark.parametrize("header,ip", [
    (LINE, "203.0.113.9"), (b"PROXY TCP6 2001:db8::9 ::1 1000 80\r\n", "2001:db8::9"),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1"), (block(), "203.0.113.9"),
    (block(command=0x20), "127.0.0.1"), (block(checksum=True), "203.0.113.9"),
    (block(tlvs=b"\x01\0\x02h2\x02\0\x01a\x04\0\0\xee\0\x01x"), "203.0.113.9")])
def test_the_client_is_who_the_header_says(front, make, header, ip):
    upstream, running = front()
    client = make.client(running)
    client.send(header + GET)
    assert client.read_response().status == 200
    assert seen_ip(upstream) == ip
    assert client.get().status == 200, "one header for the whole connection"
    running.wait_output(ip.replace(".", r"\."))


@pytest.mark.parametrize("header", [LINE, block(checksum=True)])
def test_151_a_header_in_pieces(front, header):
    upstream, running = front()
    for cut in range(1, len(header) + 3):
        with Client(running.address) as client:
            whole = header + GET
            client.send(whole[:cut])
            time.sleep(0.003)
            client.send(whole[cut:])
            assert client.read_response().status == 200
    assert seen_ip(upstream) == "203.0.113.9"


def test_151_the_longest_line(front):
    """107 characters, the line's end among them."""
    upstream, running = front()
    line = b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n"
    with Client(running.address) as client:
        client.send(line + GET)
        assert client.read_response().status == 200
    is_dropped(upstream, running, line.replace(b"ff", b"fff", 1))


def is_dropped(upstream, running, header):
    before = len(upstream.requests)
    with Client(running.address) as client:
        client.send(header + GET)
        with pytest.raises((ConnectionError, Cut)):
            client.read_response()
    assert len(upstream.requests) == before


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 203.0.113.9 192.0.2.1 1000 80\n", b"PROXY TCP4 203.0.113.9 192.0.2.1 01000 80\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 65536 80\r\n", b"PROXY TCP4 203.0.113.09 192.0.2.1 1000 80\r\n",
    b"PROXY TCP4 " + b"1" * 200, b"PROXY UNKNOWN" + b" " * 95 + b"\r\n"])
def test_152_a_line_that_is_wrong(front, header):
    is_dropped(*front(), header)


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", b"PROXY UNKNOWN\r\n"])
def test_153_an_unknown_client_is_who_connected(front, header):
    serves_as(*front(), header, "127.0.0.1")


def test_154_a_health_check_of_the_proxy_is_its_own(front):
    serves_as(*front(), block(command=0x20), "127.0.0.1")


@pytest.mark.parametrize("command", [0x31, 0x11, 0x22, 0x2f])
def test_155_a_version_or_command_that_nobody_knows(front, command):
    is_dropped(*front(), block(command=command))


def test_156_families(front):
    """Unspecified: the addresses are passed over. Unknown, or too short for what is named: dropped."""
    upstream, running = front()
    for header in (block(family=0x00), SIGNATURE + b"\x21\0\0\0"):
        serves_as(upstream, running, header, "127.0.0.1")
    for header in (block(family=0x41), SIGNATURE + b"\x21\x11\0\x04abcd", SIGNATURE + b"\x21\x21\0\x0c" + b"a" * 12):
        is_dropped(upstream, running, header)


def tlv(kind, value):
    return bytes([kind]) + struct.pack("!H", len(value)) + value


def test_157_what_stands_behind_the_addresses(front):
    """ALPN, AUTHORITY, UNIQUE_ID, SSL with a field inside, NOOP, NETNS, one that nobody knows; and the checksum."""
    upstream, running = front()
    known = (tlv(1, b"h2") + tlv(2, b"a.example") + tlv(5, b"u" * 128) + tlv(0x20, b"\x07\0\0\0\0" + tlv(0x21, b"TLSv1.3")) +
             tlv(4, b"\0" * 9) + tlv(0x30, b"ns") + tlv(0xee, b"x"))
    for checksum in (False, True):
        serves_as(upstream, running, block(tlvs=known, checksum=checksum), "203.0.113.9")
    is_dropped(upstream, running, block(tlvs=known, checksum=True, wrong=True))
    is_dropped(upstream, running, block(tlvs=b"\x01\0\x09h2"))


@pytest.mark.parametrize("secured", [False, True])
def test_157_what_a_header_says_is_on_the_log(make, authority, secured):
    """Of each request of the connection; whatever bytes were said, the line is JSON."""
    listener = {"listen": "127.0.0.1:0", "proxy_protocol": "require"}
    if secured:
        listener["tls"] = tls_block(authority.issue("logged"))
    running = make.gateway(proxy(make.origin(), {"listeners": [listener], "access_log": "json"}))
    said = (tlv(1, b"h2") + tlv(2, b"a.example") + tlv(5, b"\x00\"\xff") + tlv(0x20, b"\x01\0\0\0\0" + tlv(0x21, b"TLSv1.3")))
    for header, seen in ((block(tlvs=said), ("a.example", "h2", "TLSv1.3", "\x00\"\xff")), (block(), (None,) * 4)):
        before = len(json_lines(running))
        with socket.create_connection(running.address, 10) as plain:
            plain.sendall(header)
            wrap = context_of(authority).wrap_socket
            with wrap(plain, server_hostname="localhost") if secured else plain as client:
                for _ in range(2):
                    client.sendall(GET)
                    assert b" 200 " in client.recv(4096)
        lines = eventually(lambda: json_lines(running)[before:][1:], what="two access lines")
        for line in [json_lines(running)[before], *lines]:
            assert tuple(line.get(name) for name in ("proxy_authority", "proxy_alpn", "proxy_tls", "proxy_id")) == seen
            assert line["peer"] == "203.0.113.9:1000"


def json_lines(running):
    return [json.loads(each) for each in running.out if each.startswith("{")]


def test_158_no_header_where_one_is_due(front):
    """Never guessed."""
    is_dropped(*front(), b"")


def serves_as(upstream, running, header, ip):
    with Client(running.address) as client:
        client.send(header + GET)
        assert client.read_response().status == 200
    assert seen_ip(upstream) == ip


def test_158_a_header_that_nobody_expects_is_no_request(front, make):
    _, running = front("off")
    client = make.client(running)
    client.send(LINE + GET)
    assert client.read_response().status == 400
    assert client.ended()


def test_silence_does_not_last(make):
    running = make.gateway(proxy(make.origin(), {"proxy_protocol": "require"}, read_header_timeout="500ms"))
    client = make.client(running)
    client.send(SIGNATURE[:5])
    watch = Stopwatch()
    with pytest.raises((ConnectionError, Cut)):
        client.read_response()
    assert watch.between(0.3, 5), watch


def test_only_the_networks_of_proxies_may_send_one(front):
    _, running = front("require", ["10.0.0.0/8"])
    with pytest.raises((ConnectionError, Cut)), Client(running.address) as client:
        client.send(LINE + GET)
        client.read_response()


def test_accept_takes_it_from_proxies_and_plain_requests_from_others(front):
    upstream, running = front("accept", ["127.0.0.0/8"])
    with Client(running.address) as client:
        client.send(LINE + GET)
        assert client.read_response().status == 200
        assert seen_ip(upstream) == "203.0.113.9"
    upstream, running = front("accept", ["10.0.0.0/8"])
    assert fetch(running.address).status == 200
    assert seen_ip(upstream) == "127.0.0.1"


def test_a_listener_has_its_own_rule(make):
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "proxy_protocol": "require"}]
    running = make.gateway(proxy(make.origin(), {"listeners": listeners}))
    assert fetch(running.addresses[0]).status == 200
    with Client(running.addresses[1]) as client:
        client.send(LINE + GET)
        assert client.read_response().status == 200


def test_curl_sends_one(front):
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("no curl")
    upstream, running = front()
    done = subprocess.run([curl, "-sS", "--haproxy-protocol", running.url], capture_output=True, timeout=20, check=False)
    assert (done.stdout, done.returncode) == (b"OK", 0)
    assert seen_ip(upstream) == "127.0.0.1"


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_sends_one(front, make, tmp_path, option):
    haproxy = shutil.which("haproxy")
    if not haproxy:
        pytest.skip("no haproxy")
    upstream, running = front()
    port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"""defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend f
    bind 127.0.0.1:{port}
    unique-id-format %[uuid()]
    default_backend b
backend b
    server s {running.address[0]}:{running.address[1]} {option}
""")
    child = subprocess.Popen([haproxy, "-db", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        eventually(lambda: can_connect(("127.0.0.1", port)), what="haproxy")
        for _ in range(3):
            assert fetch(("127.0.0.1", port)).status == 200
        assert seen_ip(upstream) == "127.0.0.1"
    finally:
        child.terminate()
        child.wait(10)


def stream_module():
    """nginx sends PROXY headers in its stream module only, which Debian packages apart."""
    path = "/usr/lib/nginx/modules/ngx_stream_module.so"
    return path if os.path.exists(path) else None


@pytest.mark.skipif(not find_tool("nginx") or not stream_module(), reason="nginx or libnginx-mod-stream is not installed")
def test_nginx_sends_one(front, tmp_path):
    upstream, running = front("require", ["127.0.0.0/8"])
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(f"load_module {stream_module()}; daemon off; master_process off; pid {tmp_path}/pid;\n"
                      f"error_log {tmp_path}/error.log; events {{ }}\n"
                      f"stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{running.address[1]}; proxy_protocol on; }} }}\n")
    child = subprocess.Popen([find_tool("nginx"), "-p", str(tmp_path), "-c", str(config)], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: can_connect(("127.0.0.1", port)), what="nginx")
        clients = []
        for _ in range(3):
            clients.append(Client(("127.0.0.1", port)))
            assert clients[-1].get().status == 200
            assert clients[-1].get().status == 200, "one header for the whole connection"
            assert seen_ip(upstream) == "127.0.0.1"
        for client in clients:
            client.close()
    finally:
        child.terminate()
        child.wait(10)


def can_connect(address):
    try:
        socket.create_connection(address, 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("server,router,ip", [
    ({}, {}, "198.51.100.7"), ({"forwarded_from_anybody": False}, {}, "127.0.0.1"),
    ({"forwarded_from_anybody": False}, {"trusted_proxies": ["127.0.0.0/8"]}, "198.51.100.7"),
    ({}, {"trusted_proxies": ["10.0.0.0/8"]}, "127.0.0.1")])
def test_who_may_say_whose_request_it_is(make, server, router, ip):
    upstream = make.origin()
    running = make.gateway(proxy(upstream, server, {"router": router} if router else None))
    assert fetch(running.address, fields=[("X-Forwarded-For", "198.51.100.7")]).status == 200
    running.wait_output(rf"\| +{ip.replace('.', '[.]')} \|")


def test_a_header_names_who_is_asked_about_trust(make):
    """The proxy that sent the header is not the peer any more: its client is."""
    running = make.gateway(proxy(make.origin(), {"proxy_protocol": "require"},
                                 {"router": {"trusted_proxies": ["203.0.113.0/24"]}}))
    with Client(running.address) as client:
        client.send(LINE + b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n")
        assert client.read_response().status == 200
    running.wait_output(r"\| +198[.]51[.]100[.]7 \|")
