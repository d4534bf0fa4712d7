"""test_random_walk_h2.py: the walk of test_random_walk.py by clients of HTTP/2: several requests beside each other, windows that open
late, sockets that are not read for a while, streams that are given up.

Every stream must come to an end that its plan allows, in its own time: clients are slow, but a connection on which nothing moves is
wrong. It goes on whatever becomes of one of its streams.
SPDX-License-Identifier: Apache-2.0
"""
import random
import socket
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from rawhttp import Response
from test_random_walk import SMALL_BUFFER, Walk
from waiting import Stopwatch

CLIENTS, STREAMS = 4, 8
ROUNDS = 20  # of one connection
SILENT_SECONDS = 10


class Stream:
    def __init__(self, plan):
        self.plan, self.left, self.head, self.body, self.over = plan, plan.body, None, b"", False


class Connection:
    """Some requests at a time, until none is open."""

    def __init__(self, walk, rng):
        self.walk, self.rng, self.streams, self.owed = walk, rng, {}, 0
        self.sock = socket.socket()
        if rng.random() < 0.5:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.sock.settimeout(SILENT_SECONDS)
        self.sock.connect(walk.gateway.address)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        window = rng.choice([0, 2000, 65535, 1 << 20])
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def chance(self, percent):
        return self.rng.random() * 100 < percent

    def open(self):
        plan = self.walk.plan(self.rng)
        fields = [("content-length", str(len(plan.body)))] if plan.framing == "length" else []
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream(plan)
        self.h2.send_headers(number, [(":method", plan.method), (":scheme", "http"), (":authority", "a"),
                                      (":path", f"/x/{plan.number}"), *fields], end_stream=plan.framing == "none")

    def upload(self, number, stream):
        size = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, stream.plan.piece or 16384)
        piece, stream.left = stream.left[:size], stream.left[size:]
        if piece or not stream.left:
            self.h2.send_data(number, piece, end_stream=not stream.left)
            stream.left = stream.left or None

    def move(self, number, stream):
        if stream.plan.framing != "none" and stream.left is not None:
            self.upload(number, stream)
        if self.h2.remote_flow_control_window(number) < 4096 and self.chance(50):
            self.h2.increment_flow_control_window(self.rng.choice([2000, 30_000, 300_000]), number)
        if self.chance(0.3):
            self.h2.reset_stream(number, 8)
            stream.over = True

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.DataReceived):
            self.owed += event.flow_controlled_length
        if isinstance(event, h2.events.ConnectionTerminated):
            raise AssertionError(f"the connection was ended: {event.error_code}")
        if not stream or stream.over:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.head = event.headers
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            self.finish(stream)
        elif isinstance(event, h2.events.StreamReset):
            stream.over = True
            if stream.plan.cut == 1 and stream.plan.framing == "none":
                self.walk.complain("reset", stream.plan, event.error_code)

    def finish(self, stream):
        fields = [field for field in stream.head if not field[0].startswith(":")]
        stream.over = True
        self.walk.judge(stream.plan, Response("2", int(dict(stream.head)[":status"]), fields=fields, body=stream.body))

    def receive(self):
        """False: nothing came."""
        self.sock.settimeout(0.02)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return False
        finally:
            self.sock.settimeout(SILENT_SECONDS)
        assert data, "the gateway closed"
        for event in self.h2.receive_data(data):
            self.take(event)
        return True

    def round(self):
        watch = Stopwatch()
        for _ in range(self.rng.randrange(1, STREAMS + 1)):
            self.open()
        while self.streams:
            for number, stream in self.streams.items():
                self.move(number, stream)
            if self.owed > 0:
                self.h2.increment_flow_control_window(self.owed)
                self.owed = 0
            self.flush()
            if self.chance(3):
                time.sleep(self.rng.choice([0.02, 0.2]))
            if self.receive():
                watch = Stopwatch()
            if watch.awake > SILENT_SECONDS:
                self.walk.complain("silence", next(iter(self.streams.values())).plan)
                return
            self.streams = {number: stream for number, stream in self.streams.items() if not stream.over}


class MultiplexedWalk(Walk):
    def plan(self, rng, pipelined=True):
        """All of it in order but for the answer."""
        return super().plan(rng, True)

    def connect(self, rng):
        connection = Connection(self, rng)
        try:
            for _ in range(ROUNDS):
                if time.monotonic() < self.end and not self.wrong:
                    connection.round()
        finally:
            connection.sock.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_every_stream_gets_its_own_answer(make, seed, note):
    note(f"walk over HTTP/2, {seed}", MultiplexedWalk(make, seed, timeout="40s", use_h2c=True).go(CLIENTS))
