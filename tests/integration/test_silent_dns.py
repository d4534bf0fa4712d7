"""test_silent_dns.py: a DNS server that takes questions and answers none.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import threading

import pytest
from configs import forward_all, service
from nameserver import NameServer, find_dnsmasq
from rawhttp import Client
from waiting import Stopwatch, eventually


class SilentServer:
    def __init__(self, port=0):
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.questions = 0
        self.closing = False
        self.thread = threading.Thread(target=self._count, daemon=True)
        self.thread.start()

    def _count(self):
        while not self.closing:
            self.questions += len(self.sock.recv(512)) > 0

    def close(self):
        if self.closing:
            return
        self.closing = True
        with socket.socket(type=socket.SOCK_DGRAM) as waker:  # a thread in recv keeps the port
            waker.sendto(b"", self.sock.getsockname())
        self.thread.join(5)
        self.sock.close()


@pytest.fixture
def silent():
    server = SilentServer()
    yield server
    server.close()


def status_of(address):
    with Client(address, seconds=60) as client:
        return client.get().status


def config(server, port, **root):
    return service([forward_all(f"http://api.test:{port}")],
                   {"error_status": "precise", "resolver": f"127.0.0.1:{server.port}"}, **root)


def test_dialer_timeout_bounds_the_lookup(make, silent):
    gateway = make.gateway(config(silent, 99, timeout="30s", dialer_timeout="300ms"))
    watch = Stopwatch()
    assert status_of(gateway.address) == 504
    assert watch.awake < 5
    assert silent.questions > 0


def test_a_lookup_ends_without_a_dialer_timeout(make, silent):
    """c-ares by itself would go on for 75 s."""
    gateway = make.gateway(config(silent, 99, timeout="60s"))
    watch = Stopwatch()
    assert status_of(gateway.address) == 504
    assert watch.awake < 20


def test_how_long_a_lookup_may_last_is_a_setting(make, silent):
    short = config(silent, 99, timeout="60s")
    short["extra_config"]["holdfast/server"]["resolve_timeout"] = "400ms"
    gateway = make.gateway(short)
    watch = Stopwatch()
    assert status_of(gateway.address) == 504
    assert 0.35 < watch.seconds and watch.awake < 6, "before the default of 8 s"


@pytest.mark.skipif(not find_dnsmasq(), reason="dnsmasq is not installed")
def test_a_server_that_comes_back_is_heard_soon(make):
    """What was asked while it was silent is asked again after seconds, not after half a minute."""
    upstream = make.origin()
    record = "host-record=api.test,127.0.0.1"
    with NameServer(record) as server:
        server.stop()
        silent = SilentServer(server.port)
        gateway = make.gateway(config(silent, upstream.address[1], timeout="1s"))
        assert status_of(gateway.address) == 504
        silent.close()
        server.start(record)
        watch = Stopwatch()
        eventually(lambda: status_of(gateway.address) == 200, 15, "an answer")
        assert watch.awake < 12
