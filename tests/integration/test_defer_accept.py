"""test_defer_accept.py: tcp_defer_accept: connections are accepted once they have sent something.
SPDX-License-Identifier: Apache-2.0"""
import re
import time

import pytest
from admin import ADMIN
from configs import proxy
from rawhttp import fetch
from waiting import eventually


def accepted(running):
    """Connections of clients ever."""
    text = fetch(running.addresses[-1], "/metrics").body.decode()
    return int(float(re.search(r"^holdfast_client_connections_opened_total(?:\{[^}]*\})? (\S+)$", text, re.M)[1]))


@pytest.mark.parametrize("settings", [{}, {"proxy_protocol": "require"}])
def test_a_silent_client_is_not_there_yet(make, settings):
    running = make.gateway(proxy(make.origin(), {"tcp_defer_accept": "30s", **settings}, ADMIN))
    client = make.client(running)
    time.sleep(0.2)
    assert accepted(running) == 0
    first = b"PROXY TCP4 203.0.113.9 192.0.2.1 1000 80\r\n" if settings else b""
    client.send(first + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.read_response().status == 200
    assert accepted(running) == 1
    assert client.get().status == 200, "it is kept as any other"
    assert "was refused" not in running.all_output()


def test_without_it_who_connects_is_there(make):
    running = make.gateway(proxy(make.origin(), None, ADMIN))
    make.client(running)
    eventually(lambda: accepted(running) == 1)
