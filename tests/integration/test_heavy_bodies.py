"""test_heavy_bodies.py: many large documents at once: who asks for little is answered before they are all decoded.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import signal
import threading
import time

import pytest
from configs import backend, endpoint, service
from crowd import answered
from origin import by_path, reply
from rawhttp import fetch
from waiting import eventually

CROWD = 24
PACKED = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]


class Documents:
    """An origin that holds all of its answers back until they are released, packed so that each fits into a socket's buffer."""

    def __init__(self, make, size):
        self.value = {"items": ["x" * 1000] * (size // 1000)}
        self.released, self.sent, self.lock = threading.Event(), 0, threading.Lock()
        packed = gzip.compress(json.dumps(self.value).encode())
        self.upstream = make.origin(by_path({"/large": self.gives(reply(packed, fields=PACKED)),
                                             "/small": self.gives(reply('{"a":1}'))}))

    def gives(self, answer):
        def handler(conn, _):
            assert self.released.wait(60)
            conn.send(answer)
            with self.lock:
                self.sent += 1
        return handler


def crowd_of(make, running, target):
    crowd = [make.client(running) for _ in range(CROWD)]
    for client in crowd:
        client.send_request("GET", target)
    return crowd


def let_come_at_once(documents, running, count, pause=0):
    """All answers lie here when the gateway goes on."""
    documents.upstream.wait_requests(count)
    with running.frozen():
        documents.released.set()
        eventually(lambda: documents.sent == count, what="all answers to be sent")
        time.sleep(pause)


def test_nothing_is_decoded_for_who_has_gone_while_it_stood_in_line(make):
    documents = Documents(make, 200_000)
    running = make.gateway(service([endpoint("/one", backend(documents.upstream, "/large"))], timeout="60s"))
    crowd = crowd_of(make, running, "/one")
    documents.upstream.wait_requests(CROWD)
    with running.frozen():
        documents.released.set()
        eventually(lambda: documents.sent == CROWD, what="all answers to be sent")
        for client in crowd[1::2]:
            client.reset()
    for client in crowd[::2]:
        assert json.loads(client.read_final("GET").body) == documents.value
    eventually(lambda: running.output.count("| 499 |") == CROWD // 2, what="the log to tell who has gone")


def test_of_copies_that_stand_in_line_each_client_has_one(make):
    documents = Documents(make, 200_000)
    large = endpoint("/copies", backend(documents.upstream, "/large"), concurrent_calls=3)
    running = make.gateway(service([large], timeout="60s"))
    crowd = crowd_of(make, running, "/copies")
    let_come_at_once(documents, running, 3 * CROWD)
    for client in crowd:
        assert json.loads(client.read_final("GET").body) == documents.value
    eventually(lambda: running.output.count("| 200 |") == CROWD, what="one line of the log for each")


def test_who_stands_in_line_when_the_gateway_is_told_to_end_is_answered(make):
    documents = Documents(make, 200_000)
    running = make.gateway(service([endpoint("/one", backend(documents.upstream, "/large"))],
                                   {"drain_limit": "40s"}, timeout="60s"))
    crowd = crowd_of(make, running, "/one")
    documents.upstream.wait_requests(CROWD)
    running.send_signal(signal.SIGTERM)
    let_come_at_once(documents, running, CROWD)
    for client in crowd:
        assert json.loads(client.read_final("GET").body) == documents.value
    running.stop()


def test_nothing_is_decoded_for_whose_time_was_over_when_it_came(make):
    documents = Documents(make, 2_000_000)
    running = make.gateway(service([endpoint("/one", backend(documents.upstream, "/large"), timeout="2s"),
                                    endpoint("/small", backend(documents.upstream, "/small"))]))
    crowd = crowd_of(make, running, "/one")
    let_come_at_once(documents, running, CROWD, pause=2)
    assert [client.read_final("GET").status for client in crowd] == [500] * CROWD
    assert fetch(running.address, "/small").body == b'{"a":1}'


@pytest.mark.parametrize("size, target", [(200_000, "/one"), (200_000, "/pair"), (2_000_000, "/one")])
def test_who_asks_for_little_does_not_wait_for_who_asks_for_much(make, size, target):
    documents = Documents(make, size)
    large, small = backend(documents.upstream, "/large"), backend(documents.upstream, "/small")
    running = make.gateway(service([endpoint("/one", large), endpoint("/pair", large, small), endpoint("/small", small)],
                                   timeout="60s"))
    crowd = crowd_of(make, running, target)
    client = make.client(running)
    client.send_request("GET", "/small")
    requests = CROWD * (2 if target == "/pair" else 1) + 1
    let_come_at_once(documents, running, requests)
    order = answered([client.sock, *(one.sock for one in crowd)])
    assert order.index(client.sock) < CROWD // 4
    assert client.read_final("GET").body == b'{"a":1}'
    for one in crowd:
        got = json.loads(one.read_final("GET").body)
        assert got["items"] == documents.value["items"]
