"""test_event_streams.py: class stream: server-sent events and long polling, flushed at once, with clocks and limits of their
own. SPDX-License-Identifier: Apache-2.0
"""
import re
import shutil
import subprocess
import threading
import time

import h2.events
import pytest
from admin import ADMIN, pool_of
from configs import backend, endpoint, forward_all, service
from h2client import Client as H2Client
from origin import reply
from rawhttp import Cut, fetch
from waiting import Stopwatch, eventually

EVENTS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n"


def stream_config(origin, stream=None, server=None, way_timeout="300ms", **root):
    way = forward_all(origin, timeout=way_timeout)
    way["backend"][0]["extra_config"] = {"holdfast/upstream": {"class": "stream"}}
    way["extra_config"] = {"holdfast/stream": stream or {}}
    return service([way], {"error_status": "precise", **(server or {})}, ADMIN, **root)


class Source:
    """An origin whose one answer a test writes bit by bit."""

    def __init__(self):
        self.begun, self.left, self.conn = threading.Event(), threading.Event(), None

    def __call__(self, conn, request):
        self.conn = conn
        conn.send(EVENTS)
        self.begun.set()
        if conn.wait_end(40):
            self.left.set()

    def say(self, text):
        assert self.begun.wait(10)
        self.conn.send(chunk(text))


@pytest.fixture
def stage(make):
    class Stage:
        def __call__(self, handler=None, **settings):
            self.source = Source()
            self.origin = make.origin(handler or self.source)
            self.gateway = make.gateway(stream_config(self.origin, **settings))
            self.admin = self.gateway.addresses[-1]
            return self

        def listen(self, fields=(), **keys):
            """A client that has the head of the answer."""
            listener = make.client(self.gateway, **keys)
            listener.send_request("GET", "/events", fields)
            self.answer = listener.read_head()
            return listener

        def metric(self, name):
            found = re.search(rf"^{re.escape(name)} (\d+)", fetch(self.admin, "/metrics").body.decode(), re.MULTILINE)
            return int(found[1]) if found else 0

        def pool(self):
            return pool_of(self.gateway)

    return Stage()


def next_chunk(listener):
    size = int(listener._until(b"\r\n"), 16)
    data = listener._take(size)
    listener._take(2)
    return data.decode()


def test_each_event_is_passed_on_at_once(stage):
    stage()
    listener = stage.listen()
    assert stage.answer.status == 200
    for i in range(5):
        stage.source.say(f"data: {i}\n\n")
        assert next_chunk(listener) == f"data: {i}\n\n"
    assert stage.metric("holdfast_streams") == 1
    assert "#stream" in stage.pool()["host"]


def test_the_endpoints_timeout_and_write_timeout_do_not_cut_it(stage):
    stage(write_timeout="300ms")
    listener = stage.listen()
    time.sleep(1.0)
    stage.source.say("data: late\n\n")
    assert next_chunk(listener) == "data: late\n\n"


def test_the_endpoints_timeout_is_for_the_head(stage):
    stage(lambda conn, _: conn.wait_end(10))
    stage.listen()
    assert stage.answer.status == 504


def test_a_host_that_is_silent_for_too_long(stage):
    stage(stream={"idle_timeout": "1500ms"})
    listener = stage.listen()
    for _ in range(3):
        time.sleep(0.6)
        stage.source.say("data: x\n\n")
        assert next_chunk(listener) == "data: x\n\n"
    assert stage.source.left.wait(10)
    with pytest.raises(Cut):
        next_chunk(listener)
    eventually(lambda: stage.metric("holdfast_streams") == 0)


def test_comments_stand_between_events_only(stage):
    stage(stream={"heartbeat": "200ms"})
    listener = stage.listen()
    assert next_chunk(listener) == ": \n\n"
    stage.source.say("data: half")
    assert next_chunk(listener) == "data: half"
    time.sleep(0.7)
    stage.source.say(" whole\r\n\r\n")
    assert next_chunk(listener) == " whole\r\n\r\n"
    assert next_chunk(listener) == ": \n\n"
    assert next_chunk(listener) == ": \n\n"


def test_what_is_no_stream_of_events_gets_no_comment(stage):
    def handler(conn, _):
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        time.sleep(0.7)
        conn.send("2\r\n{}\r\n0\r\n\r\n")

    stage(handler, stream={"heartbeat": "200ms"})
    listener = stage.listen()
    assert next_chunk(listener) == "{}"


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("begun", [True, False])
def test_a_client_that_goes_away_ends_the_hosts_work_within_a_second(stage, make, how, begun):
    left = threading.Event()

    def silent(conn, _):
        if conn.wait_end(20):
            left.set()

    if begun:
        stage()
        listener = stage.listen()
        left = stage.source.left
    else:
        stage(silent, way_timeout="30s")
        listener = make.client(stage.gateway)
        listener.send_request("GET", "/events")
        eventually(lambda: stage.origin.requests)
    watch = Stopwatch()
    listener.reset() if how == "reset" else listener.close()
    assert left.wait(10)
    assert watch.awake < 2
    eventually(lambda: stage.metric("holdfast_streams") == 0)


def test_last_event_id_passes_whatever_is_listed(make):
    origin = make.origin()
    way = endpoint("/events", backend(origin, "/events", extra_config={"holdfast/upstream": {"class": "stream"}}),
                   output_encoding="no-op")
    gateway = make.gateway(service([way]))
    fetch(gateway.address, "/events", fields=[("Last-Event-ID", "17"), ("X-Other", "1")])
    assert origin.requests[0].get("last-event-id") == "17"
    assert origin.requests[0].get("x-other") is None
    assert origin.requests[0].get("accept-encoding") is None


def test_streams_of_one_address_have_a_limit(stage):
    stage(server={"max_streams_per_ip": 1})
    first = stage.listen()
    assert stage.answer.status == 200
    stage.listen()
    assert stage.answer.status == 429
    first.close()
    eventually(lambda: stage.metric("holdfast_streams") == 0)
    stage.listen()
    assert stage.answer.status == 200


def test_an_endpoint_has_a_limit(stage):
    stage(stream={"max_open": 1})
    first = stage.listen()
    assert stage.answer.status == 200
    stage.listen()
    assert stage.answer.status == 503
    assert stage.metric("holdfast_streams_refused_total") == 1
    first.close()
    eventually(lambda: stage.metric("holdfast_streams") == 0)
    stage.listen()
    assert stage.answer.status == 200


def test_a_drain_ends_streams_behind_an_event(stage):
    stage(server={"drain_window": "500ms", "drain_limit": "20s"})
    listener = stage.listen()
    stage.source.say("data: 1\n")
    assert next_chunk(listener) == "data: 1\n"
    stage.gateway.send_signal(15)
    time.sleep(0.8)
    stage.source.say("data: 2\n\n")
    assert next_chunk(listener) == "data: 2\n\n"
    assert next_chunk(listener) == ""
    assert listener.ended()
    stage.gateway.wait()


def test_long_polls_are_passed_on_whole(stage):
    stage(lambda conn, _: (time.sleep(0.2), conn.send(reply("news"))))
    assert fetch(stage.gateway.address, "/poll").body == b"news"
    eventually(lambda: stage.pool()["idle"] == 1)


def test_a_decoded_endpoint_has_no_classes(make):
    origin = make.origin(lambda conn, _: conn.send(reply("{}", fields=[("Content-Type", "application/json")])))
    way = endpoint("/x", backend(origin, extra_config={"holdfast/upstream": {"class": "stream"}}))
    gateway = make.gateway(service([way]))
    assert fetch(gateway.address, "/x").status == 200
    assert gateway.wait_output("has no effect on answers that are decoded")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_without_a_buffer(stage):
    stage()
    curl = subprocess.Popen(["curl", "-sN", f"{stage.gateway.url}/events"], stdout=subprocess.PIPE)
    try:
        for i in range(3):
            stage.source.say(f"data: {i}\n\n")
            assert curl.stdout.readline() == f"data: {i}\n".encode()
            assert curl.stdout.readline() == b"\n"
    finally:
        curl.kill()
        curl.wait()
        curl.stdout.close()
    assert stage.source.left.wait(10)


def test_events_over_http2_each_at_once_with_comments_and_an_end_within_a_second(stage, make):
    stage(stream={"heartbeat": "200ms"}, use_h2c=True)
    client = H2Client(stage.gateway.address)
    make.stack.callback(client.sock.close)
    client.request(1, "/events")
    assert client.status(1) == 200

    def text():
        client.poll(0.05)
        return b"".join(event.data for event in client.of(h2.events.DataReceived, 1)).decode()

    stage.source.say("data: 1\n\n")
    eventually(lambda: text().startswith("data: 1\n\n"), 5, "the first event")
    eventually(lambda: ": \n\n" in text(), 5, "a comment")
    stage.source.say("data: 2\n\n")
    eventually(lambda: "data: 2\n\n" in text(), 5, "the second event")
    watch = Stopwatch()
    client.h2.reset_stream(1, 8)
    client.flush()
    assert stage.source.left.wait(10)
    assert watch.awake < 2
    eventually(lambda: stage.metric("holdfast_streams") == 0)
