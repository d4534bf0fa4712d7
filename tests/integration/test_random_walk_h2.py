"""test_random_walk_h2.py: the walk of test_random_walk.py by clients of HTTP/2, and to hosts of it: several requests beside each other,
windows that open late, sockets that are not read for a while, streams that are given up.

Every stream must come to an end that its plan allows, in its own time: clients are slow, but a connection on which nothing moves is
wrong. It goes on whatever becomes of one of its streams.
SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import random
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
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


class Answer:
    def __init__(self, plan):
        self.plan, self.got, self.left, self.whole = plan, b"", None, False
        # So much of the end is never sent.
        self.stop = max(1, int(len(plan.answer) * (1 - plan.cut))) if plan.cut < 1 and plan.answer else 0


class HostConnection(threading.Thread):
    """The host's end of a connection: each of its answers is as the plan says."""

    def __init__(self, host, sock, seed):
        super().__init__(daemon=True)
        self.host, self.sock, self.rng, self.answers, self.owed = host, sock, random.Random(seed), {}, []
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.rng.choice([2000, 16384, 65535, 1 << 20]),
                                 h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.rng.choice([1, 5, 100])})

    def run(self):
        try:
            while self.step():
                pass
        except h2.exceptions.H2Error as error:
            self.host.walk.wrong.append(repr(error))
        except OSError:
            pass
        self.sock.close()

    def step(self):
        for number, answer in list(self.answers.items()):
            if answer.left is not None:
                self.move(number, answer)
        while self.owed and self.rng.random() < 0.7:
            self.open_windows(*self.owed.pop(0))
        self.sock.settimeout(10)
        self.sock.sendall(self.h2.data_to_send())
        if self.rng.random() < 0.02:
            time.sleep(self.rng.choice([0.02, 0.1]))
        self.sock.settimeout(0.01)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return True
        events = self.h2.receive_data(data)
        gone = {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
        for event in events:
            self.take(event, gone)
        for number in gone:
            self.answers.pop(number, None)
        return data and not any(isinstance(event, h2.events.ConnectionTerminated) for event in events)

    def open_windows(self, size, number):
        """Python's h2 would forget what came before its own SETTINGS made a window smaller."""
        self.h2.increment_flow_control_window(size)
        with contextlib.suppress(KeyError, h2.exceptions.StreamClosedError):
            self.h2.increment_flow_control_window(size, number)

    def take(self, event, gone):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            plan = self.host.walk.plans[int(dict(event.headers)[":path"].rsplit("/", 1)[1])]
            plan.heads += 1
            self.answers[event.stream_id] = Answer(plan)
            if plan.early and event.stream_id not in gone:
                self.begin(event.stream_id, self.answers[event.stream_id])
        elif isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length > 0:
                self.owed.append((event.flow_controlled_length, event.stream_id))
            if answer:
                answer.got += event.data
        elif isinstance(event, h2.events.StreamEnded) and answer and not answer.plan.early and event.stream_id not in gone:
            if answer.got != answer.plan.body:
                self.host.walk.complain("the host got another body", answer.plan, len(answer.got))
            self.begin(event.stream_id, answer)

    def begin(self, number, answer):
        plan = answer.plan
        if plan.cut < 1 and plan.resets and not plan.bodiless:
            self.give_up(number)
            return
        for status in plan.interim:
            self.h2.send_headers(number, [(":status", str(status))])
        fields = [("content-type", "text/plain")] * plan.typed
        if plan.answer_framing == "length" and plan.status != 204:
            fields.append(("content-length", str(len(plan.answer))))
        self.h2.send_headers(number, [(":status", str(plan.status)), ("x-number", str(plan.number)), *fields], end_stream=plan.bodiless)
        answer.left = plan.answer
        if plan.bodiless:
            del self.answers[number]

    def give_up(self, number):
        self.h2.reset_stream(number, 2)
        del self.answers[number]

    def move(self, number, answer):
        size = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, len(answer.left) - answer.stop)
        last = size == len(answer.left)
        if size > 0 or last:
            self.h2.send_data(number, answer.left[:size], end_stream=last)
            answer.left = answer.left[size:]
        if last:
            del self.answers[number]
        elif len(answer.left) <= answer.stop:
            self.give_up(number)


class Host:
    """A host of HTTP/2 in cleartext."""

    def __init__(self, make):
        self.walk, self.count = None, 0
        self.listener = make.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()
        make.stack.callback(lambda: self.listener.shutdown(socket.SHUT_RDWR))

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.count += 1
                HostConnection(self, self.listener.accept()[0], self.count).start()


@pytest.mark.parametrize("kind", [Walk, MultiplexedWalk], ids=["http1", "http2"])
def test_hosts_of_http2_answer_their_own_requests(make, kind, note):
    host = Host(make)
    host.walk = kind(make, 5, timeout="40s", origin=lambda _: host, upstream={"protocol": "h2c"}, use_h2c=True)
    note(f"walk to a host of HTTP/2, {kind.__name__}", host.walk.go(CLIENTS))
