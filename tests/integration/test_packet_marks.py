"""test_packet_marks.py: holdfast/upstream dscp and mark: what the packets to hosts are marked with, for routers on the way and for
this machine's own rules.

SPDX-License-Identifier: Apache-2.0
"""
import errno
import re
import shutil
import socket
import struct
import subprocess

import pytest
from admin import ADMIN, pools
from configs import backend, endpoint, service
from forward_proxy import ForwardProxy
from gateway import Process, run_to_end
from nameserver import NameServer, find_dnsmasq
from origin import UnixOrigin, answers_ok, reply
from rawhttp import fetch
from refusals import SETSOCKOPT
from test_discovery import discovered, srv
from test_reload import ask, reload, write
from tls_origin import TlsOrigin

IP_PKTOPTIONS, IP_RECVTOS = 9, 13
IPV6_PKTOPTIONS, IPV6_RECVTCLASS, IPV6_TCLASS = 6, 66, 67
SO_MARK = 36


def dscp_of(sock):
    """Of the packets that have arrived at an accepted connection."""
    ipv6 = sock.family == socket.AF_INET6
    level, wanted, told, kind = ((socket.IPPROTO_IPV6, IPV6_RECVTCLASS, IPV6_PKTOPTIONS, IPV6_TCLASS) if ipv6 else
                                 (socket.IPPROTO_IP, IP_RECVTOS, IP_PKTOPTIONS, socket.IP_TOS))
    sock.setsockopt(level, wanted, 1)
    data = sock.getsockopt(level, told, 256)
    while data:
        size, at, what = struct.unpack_from("@Nii", data)
        if (at, what) == (level, kind):
            return struct.unpack_from("@i", data, 16)[0] >> 2
        data = data[(size + 7) // 8 * 8:]
    raise AssertionError("the kernel tells nothing of what arrived")


def arrived(origin):
    return [dscp_of(conn.sock) for conn in origin.connections]


def settings(own):
    return {"extra_config": {"holdfast/upstream": own}} if own else {}


def ways(url, each, root=None, **keys):
    """Endpoints /0, /1 ... to one host, each with its own holdfast/upstream; None: the root's."""
    endpoints = [endpoint(f"/{i}", backend(url, encoding="no-op", disable_host_sanitize=True, **settings(own)),
                          output_encoding="no-op") for i, own in enumerate(each)]
    return service(endpoints, {"error_status": "precise"}, {**ADMIN, "holdfast/upstream": root or {}}, **keys)


def test_the_host_sees_a_dscp(make):
    """The nearer one wins, 0 is none, and those of the same value share connections, by whatever name."""
    upstream = make.origin()
    each = [None, {"dscp": "af41"}, {"dscp": 0}, {"dscp": "EF"}, {"dscp": "63"}]
    gateway = make.gateway(ways(upstream, each, {"dscp": 46}))
    for _ in range(2):
        assert [fetch(gateway.address, f"/{i}").status for i in range(5)] == [200] * 5
    assert arrived(upstream) == [46, 34, 0, 63]
    told = pools(gateway)
    assert [(pool["dscp"], pool["new"] + pool["reused"]) for pool in told] == [(46, 4), (34, 2), (0, 2), (63, 2)]
    assert [pool["host"] for pool in told] == [upstream.url, *(f"{upstream.url}~{number}" for number in (2, 3, 4))]


def test_the_host_sees_it_over_ipv6(make):
    """The socket tells of the packets that came as soon as it is accepted; the answer may come later."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"left out: no IPv6 here: {error.strerror}")
    with listener:
        listener.settimeout(20)
        gateway = make.gateway(ways(f"http://[::1]:{listener.getsockname()[1]}", [{"dscp": "cs5"}]))
        client = make.client(gateway)
        client.send_request("GET", "/0")
        with listener.accept()[0] as sock:
            assert dscp_of(sock) == 40
            sock.sendall(reply())
            assert client.read_final().status == 200


def test_the_proxy_on_the_way_sees_it(make, authority):
    """To a cleartext host, and through a tunnel to one behind TLS."""
    plain = make.origin()
    secure = make.stack.enter_context(TlsOrigin(authority.issue("server", "DNS:proxied.test")))
    between = make.stack.enter_context(ForwardProxy())
    urls = [f"http://proxied.test:{plain.address[1]}", f"https://proxied.test:{secure.address[1]}"]
    config = service([endpoint(f"/{i}", backend(url, encoding="no-op"), output_encoding="no-op") for i, url in enumerate(urls)],
                     {"error_status": "precise"}, {**ADMIN, "holdfast/upstream": {"dscp": "af21"}},
                     client_tls={"ca_certs": [str(authority.certificate)], "min_version": "TLS12"})
    gateway = make.gateway(config, environment={"HTTP_PROXY": between.url, "HTTPS_PROXY": between.url})
    assert [fetch(gateway.address, f"/{i}").status for i in range(2)] == [200] * 2
    assert arrived(between) == [18, 18]


def test_where_a_redirect_leads_sees_it(make):
    there = make.origin(lambda conn, _: (conn.body(), conn.send(reply('{"ok":1}', fields=[("Content-Type", "application/json")]))))
    here = make.origin(lambda conn, _: (conn.body(), conn.send(reply("", "302 Found", [("Location", there.url + "/to")]))))
    gateway = make.gateway(service([endpoint("/a", backend(here))], None, {**ADMIN, "holdfast/upstream": {"dscp": 10}}))
    assert fetch(gateway.address, "/a").body == b'{"ok":1}'
    assert arrived(here) == arrived(there) == [10]
    assert [pool["dscp"] for pool in pools(gateway)] == [10, 10]


@pytest.mark.skipif(not find_dnsmasq(), reason="dnsmasq is not installed")
def test_hosts_of_srv_records_see_it(make):
    upstream = make.origin()
    server = NameServer(*srv(upstream, "a.test"))
    make.stack.callback(server.stop)
    gateway = make.gateway(discovered(server, {"dscp": "va"}))
    assert fetch(gateway.address).status == 200
    assert arrived(upstream) == [44]


def test_a_reload_changes_it(make):
    """Another host of the same name, with connections of its own; the first one comes back as it was."""
    seen = []
    upstream = make.origin(lambda conn, request: (seen.append(dscp_of(conn.sock)), answers_ok(conn, request)))
    config = {dscp: ways(upstream.url, [{"dscp": dscp}]) for dscp in ("ef", "le")}
    gateway = make.gateway(config["ef"])
    for dscp in ("ef", "le", "ef"):
        reload(gateway, config[dscp])
        assert fetch(gateway.address, "/0").status == 200
    assert seen == [46, 1, 46]
    assert {pool["dscp"]: pool["host"] for pool in pools(gateway)} == {46: upstream.url, 1: upstream.url + "~2"}


def test_a_unix_socket_has_none(make, tmp_path):
    """The root's is passed over in silence, a backend's own is told."""
    with UnixOrigin(tmp_path / "origin.sock") as upstream:
        each = [None, {"dscp": "ef"}]
        gateway = make.gateway(ways(upstream.url, each, {"dscp": "af41"}))
        assert [fetch(gateway.address, f"/{i}").status for i in range(2)] == [200] * 2
        told = [line for line in gateway.output.splitlines() if "has no effect" in line]
        assert len(told) == 1 and "endpoints[1].backend[0].extra_config.holdfast/upstream.dscp: has no effect: Unix sockets " in told[0]


def may_mark():
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, 1)
        except PermissionError:
            return False
    return True


@pytest.mark.skipif(not may_mark(), reason="left out: SO_MARK needs CAP_NET_ADMIN")
@pytest.mark.skipif(not shutil.which("ss"), reason="left out: ss is missing")
def test_the_kernel_knows_the_mark(make):
    """As ss tells it, which reads it from the kernel's own tables of connections."""
    upstream = make.origin()
    gateway = make.gateway(ways(upstream.url, [None, {"mark": 4294967295, "dscp": "cs1"}, {"mark": 0}], {"mark": 42}))
    assert [fetch(gateway.address, f"/{i}").status for i in range(3)] == [200] * 3
    told = {}
    for line in subprocess.run(["ss", "-Htne", "dst", f"127.0.0.1:{upstream.address[1]}"], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        mark = re.search(r"fwmark:(0x[0-9a-f]+)", line)
        told[int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])] = int(mark[1], 16) if mark else 0
    assert [told[conn.sock.getpeername()[1]] for conn in upstream.connections] == [42, 4294967295, 0]
    assert [(pool["mark"], pool["dscp"]) for pool in pools(gateway)] == [(42, 0), (4294967295, 8), (0, 0)]


REFUSED = [("setsockopt", {1: socket.SOL_SOCKET, 2: SO_MARK}, errno.EPERM)]


@pytest.mark.skipif(SETSOCKOPT is None, reason="the number of setsockopt is not known here")
def test_a_mark_without_the_capability_stops_the_start(tmp_path):
    """Told once, at its place, however many backends have it; a check on another machine has nothing against it."""
    path = tmp_path / "gateway.json"
    path.write_text('{"version": 3, "port": 0, "extra_config": {"holdfast/upstream": {\n"mark": 7}},\n'
                    '"endpoints": [{"endpoint": "/a", "backend": [{"host": ["http://127.0.0.1:99"]}, {"host": ["http://127.0.0.1:99"]}]}]}')
    process = Process(["run", "-c", path], refused_calls=REFUSED)
    assert process.wait() == 1
    assert process.output.count("[HF0327]") == 1
    assert f"{path}:2:9: error: mark: 7 cannot be used here: mark 7: this process lacks CAP_NET_ADMIN" in process.output
    code, _, errors = run_to_end(["check", "-c", path])
    assert code == 0, errors


@pytest.mark.skipif(SETSOCKOPT is None, reason="the number of setsockopt is not known here")
@pytest.mark.parametrize("setting,call,said", [
    ({"mark": 7}, REFUSED, "mark: 7 cannot be used here: mark 7: this process lacks CAP_NET_ADMIN"),
    ({"dscp": "ef"}, [("setsockopt", {1: socket.IPPROTO_IP, 2: socket.IP_TOS}, errno.EACCES)],
     "dscp: 46 cannot be used here: dscp 46: permission denied")])
def test_a_reload_to_what_is_refused_changes_nothing(make, setting, call, said):
    upstream = make.origin()
    gateway = make.gateway(ways(upstream.url, [None]), refused_calls=call)
    write(gateway, ways(upstream.url, [setting]))
    status, answer = ask(gateway)
    assert (status, answer["result"], [problem["code"] for problem in answer["problems"]]) == (422, "failed", ["HF0327"])
    assert answer["problems"][0]["text"] == said
    assert fetch(gateway.address, "/0").status == 200
    assert [(pool["dscp"], pool["mark"]) for pool in pools(gateway)] == [(0, 0)]
