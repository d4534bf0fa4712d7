"""test_h2_memory.py: what one HTTP/2 connection may cost: the floods of the cases, peers that take nothing of many answers.

Resident memory is held against the goal of a release build where $HOLDFAST_RELEASE_BINARY names one. A sanitizer build
keeps what was freed and adds to each piece: there the bounds only tell a leak from none.
SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import sys
import threading
import time

import pytest
from configs import forward_all, service
from gateway import release_binary_path
from origin import reply
from waiting import eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))

from h1_backend import Backend  # noqa: E402
from h2_driver import load_cases, memory_of  # noqa: E402
from h2_player import is_served, play  # noqa: E402
from h2_wire import Client, encode, frame  # noqa: E402

FLOODS = [case for case in load_cases() if "H2-120" <= case["id"] <= "H2-150" and case["expected"]["action"] == "limit"]
ONE_MIB_KIB, SLOW_READER_MAX_KIB, SANITIZED_MAX_KIB = 1024, 4096, 12288
MANY = {"H2-144"}  # of a thousand connections
STREAMS, BODY_BYTES = 100, 1 << 20
RESETS, RESETS_SERVED_MAX = 20000, 100
RAPID_RESET, RESETS_CPU_MS = "H2-120", 20  # of a release build; it takes about one
POINTS_BACK_RESETS = 50  # what the budget gives back in ten seconds, on a machine that is busy


def is_release():
    return re.search("release|plain", str(release_binary_path())) is not None


def bound(kib):
    return kib if is_release() else SANITIZED_MAX_KIB


def front(make, upstream):
    return make.gateway(service([forward_all(upstream)], use_h2c=True), binary=release_binary_path())


def cpu_ms(running):
    paths = pathlib.Path(f"/proc/{running.pid}/task").glob("*/schedstat")
    return sum(int(path.read_text(encoding="ascii").split()[0]) for path in paths) / 1e6


def asks(path):
    return {"send": "HEADERS", "flags": ["END_STREAM", "END_HEADERS"], "fields": [
        [":method", "GET"], [":scheme", "http"], [":authority", "example.test"], [":path", path]]}


@pytest.mark.parametrize("case", FLOODS, ids=lambda case: case["id"])
def test_a_flood_costs_less_than_a_mebibyte(case, make, note):
    backend = Backend()
    make.stack.callback(backend.close)
    running = front(make, "http://{}:{}".format(*backend.address))
    for _ in range(3):
        assert is_served(running.address, None)
    before = cpu_ms(running)
    problems, seen = play(case, running.address, backend, memory=memory_of(running.pid))
    took_ms = cpu_ms(running) - before
    note(case["id"], f"{seen.memory_kib} KiB, {took_ms:.1f} ms of CPU, {len(seen.requests)} at the origin")
    assert not problems
    assert len(seen.requests) <= RESETS_SERVED_MAX
    if case["id"] == RAPID_RESET:
        assert seen.client.goaway == "ENHANCE_YOUR_CALM"
        assert took_ms < RESETS_CPU_MS or not is_release()
    assert seen.memory_kib < (bound(ONE_MIB_KIB) if case["id"] not in MANY else SANITIZED_MAX_KIB)


@pytest.mark.parametrize("windows", ["small", "large"])
def test_a_reader_that_takes_nothing_of_many_answers(windows, make, note):
    """A hundred answers of 1 MiB: `large`: only the windows of the streams, not that of all, hold them back."""
    backend = Backend()
    make.stack.callback(backend.close)
    running = front(make, "http://{}:{}".format(*backend.address))
    assert is_served(running.address, None)
    before = running.memory_kib()
    client = Client(running.address, receive_buffer=4096)
    make.stack.callback(client.close)
    client.reads = False
    if windows == "large":
        client.send(frame(8, 0, 0, (0x7fff0000 - 65535).to_bytes(4, "big")))
    client.send(b"".join(encode(asks("/big"), 1 + 2 * i) for i in range(STREAMS)))
    recording = backend.recording
    eventually(lambda: len([one for one in recording.requests if one.path == "/big"]) >= STREAMS, 20, "all at the origin")
    grown = 0
    for _ in range(50):
        grown = max(grown, running.memory_kib() - before)
        time.sleep(0.02)
    note(f"100 unread answers, {windows} window of all", f"{grown} KiB")
    assert grown < bound(SLOW_READER_MAX_KIB if windows == "large" else ONE_MIB_KIB)
    assert is_served(running.address, None)


def test_many_answers_at_once_come_whole(make):
    """What is read in small pieces while windows are shut arrives as it was."""
    backend = Backend()
    make.stack.callback(backend.close)
    running = front(make, "http://{}:{}".format(*backend.address))
    client = Client(running.address)
    make.stack.callback(client.close)
    client.send(frame(8, 0, 0, (STREAMS * BODY_BYTES).to_bytes(4, "big")))
    for i in range(STREAMS):
        stream = 1 + 2 * i
        client.send(encode(asks("/big"), stream) + frame(8, 0, stream, BODY_BYTES.to_bytes(4, "big")))
    eventually(lambda: client.poll(0.1) or len(client.ended) == STREAMS, 30, f"{STREAMS} answers")
    assert set(client.statuses.values()) == {200}
    assert not client.resets and client.goaway is None


def test_requests_that_are_cancelled_as_they_are_served(make, note):
    """CVE-2023-44487, slowly: each has left for the origin, which is at it, before it is cancelled."""
    release = threading.Event()
    make.stack.callback(release.set)

    def takes_long(conn, request):
        if request.path == "/slow":
            release.wait(30)
        conn.send(reply("ok"))

    upstream = make.origin(takes_long)
    running = front(make, upstream)
    assert is_served(running.address, None)
    before, client, sent = cpu_ms(running), Client(running.address), 0
    make.stack.callback(client.close)
    while sent < RESETS and not client.closed and client.goaway is None:
        client.send(encode(asks("/slow"), 1 + 2 * sent))
        client.poll(0.002)
        client.send(encode({"send": "RST_STREAM", "code": 8}, 1 + 2 * sent))
        sent += 1
    eventually(lambda: client.poll(0.05) or client.closed, 10, "the connection was cut")
    reached = len([head for head in upstream.requests if head.path == "/slow"])
    note("resets while served", f"cut after {sent}, {reached} at the origin, {cpu_ms(running) - before:.1f} ms of CPU")
    assert client.goaway == "ENHANCE_YOUR_CALM"
    assert reached <= RESETS_SERVED_MAX + POINTS_BACK_RESETS
    assert is_served(running.address, None)
