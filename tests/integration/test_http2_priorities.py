"""test_http2_priorities.py: RFC 9218: urgency orders answers, incremental ones take turns; told by the request, by a
PRIORITY_UPDATE frame, or by the answer itself. SPDX-License-Identifier: Apache-2.0
"""
import threading

import h2.events
import pytest
from configs import forward_all, service
from h2client import Client
from origin import reply

SIZE = 60_000
PRIORITY_UPDATE = 0x10


class Stage:
    """Four answers that are there before the client's window lets more than their first bytes through."""

    def __init__(self, make, fields=None):
        self.ready, self.fields = threading.Semaphore(0), fields or {}
        self.running = make.gateway(service([forward_all(make.origin(self.answer))], use_h2c=True))
        self.client = Client(self.running.address)
        make.stack.callback(self.client.sock.close)
        self.client.acknowledges = False
        self.client.poll()

    def answer(self, conn, request):
        conn.send(reply(request.path.encode() * (SIZE // len(request.path)), fields=self.fields.get(request.path, ())))
        self.ready.release()

    def fill(self):
        """An answer nobody wants takes the whole window of the connection."""
        self.client.request(1, "/1")
        self.client.wait(h2.events.StreamEnded, 1)
        self.client.request(3, "/3")
        self.client.wait(h2.events.DataReceived, 3)

    def ask(self, requests):
        self.fill()
        for stream, priority in requests.items():
            self.client.request(stream, f"/{stream}", fields=[("priority", priority)] if priority else [])
        for _ in range(len(requests) + 2):
            assert self.ready.acquire(timeout=10)
        for stream in requests:  # heads have come, of bodies what is buffered is there
            self.client.wait(h2.events.ResponseReceived, stream)
        self.client.poll(0.4)

    def order(self, streams):
        """(the order in which streams ended, whose turns it was). Of each only the first piece is there at once; while a stream
        waits for more from its host another one may have its turn, so that first pieces do not count."""
        self.client.events.clear()
        self.client.h2.increment_flow_control_window(SIZE * (len(streams) + 2))
        self.client.flush()
        ended = []
        while len(ended) < len(streams):
            self.client.poll(5)
            ended = [event.stream_id for event in self.client.of(h2.events.StreamEnded) if event.stream_id in streams]
        data = [event.stream_id for event in self.client.of(h2.events.DataReceived) if event.stream_id in streams]
        for stream in streams:
            data.remove(stream)
        turns = [stream for i, stream in enumerate(data) if i == 0 or data[i - 1] != stream]
        return ended, turns


def test_urgency_orders_answers(make):
    stage = Stage(make)
    stage.ask({5: "u=6", 7: "u=1", 9: None, 11: "u=0"})
    ended, turns = stage.order([5, 7, 9, 11])
    assert ended == turns == [11, 7, 9, 5], "u=3 is what a request without one has (RFC 9218 4.1)"


def test_what_is_not_incremental_comes_one_after_the_other(make):
    stage = Stage(make)
    stage.ask({5: "u=2", 7: "u=2", 9: "u=2"})
    assert stage.order([5, 7, 9]) == ([5, 7, 9], [5, 7, 9])


def test_incremental_answers_take_turns(make):
    stage = Stage(make)
    stage.ask({5: "u=2, i", 7: "u=2, i", 9: "u=5"})
    ended, turns = stage.order([5, 7, 9])
    assert ended[-1] == 9 and turns[-1] == 9
    assert len(turns) > 3, turns


def test_a_frame_changes_what_the_request_said(make):
    stage = Stage(make)
    stage.ask({5: "u=1", 7: "u=2", 9: "u=3"})
    value = (9).to_bytes(4, "big") + b"u=0"
    stage.client.sock.sendall(len(value).to_bytes(3, "big") + bytes([PRIORITY_UPDATE, 0]) + bytes(4) + value)
    assert stage.order([5, 7, 9])[0] == [9, 5, 7]


@pytest.mark.parametrize("value, first", [("u=0", 9), ("u=x, i=?0, n", 5), ("u=9", 5)])
def test_an_answer_may_say_it_itself(make, value, first):
    stage = Stage(make, {"/9": [("Priority", value)]})
    stage.ask({5: "u=2", 7: "u=2", 9: "u=2"})
    assert stage.order([5, 7, 9])[0][0] == first
