"""test_tls_crowds.py: many handshakes at once: nobody in the crowd waits much longer than the others, and who is served already does not
wait for the crowd.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import ssl

import pytest
from crowd import answered
from tls_front import connect, context_of, secured, tls_block

CROWD = 150


class Newcomer:
    """A client whose first flight is sent, and who waits for the answer."""

    def __init__(self, address, context):
        self.sock = socket.create_connection(address)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        self.sock.sendall(self.outgoing.read())

    def fileno(self):
        return self.sock.fileno()


def test_a_crowd_is_answered_in_the_order_in_which_it_came(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    with running.frozen():
        crowd = [Newcomer(running.address, context_of(authority)) for _ in range(CROWD)]
    order = answered(crowd)
    late = [place - crowd.index(one) for place, one in enumerate(order)]
    assert max(late) < CROWD // 5, late
    for one in crowd:
        one.sock.close()


def test_who_is_served_already_does_not_wait_for_the_crowd(make, authority, certificate):
    running = make.gateway(secured(make.origin(), tls_block(certificate)))
    client = connect(make, running, context_of(authority))
    assert client.get().status == 200
    with running.frozen():
        crowd = [Newcomer(running.address, context_of(authority)) for _ in range(CROWD)]
        client.send_request("GET", "/")
    order = answered([client.sock, *crowd])
    assert order.index(client.sock) < CROWD // 3
    assert client.read_final("GET").status == 200
    for one in crowd:
        one.sock.close()
