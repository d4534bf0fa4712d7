"""h1_player.py: plays one case against a proxy and tells what was seen on both sides; judges nothing.

A request case sends its bytes as the client. A response case sends a plain request, lets the backend answer with the
case's bytes, and then sends probes with fresh tokens, on the same client connection and on new ones: a poisoned pool
shows as a wrong token.
SPDX-License-Identifier: Apache-2.0
"""
import itertools
import re
import threading
import time
from dataclasses import dataclass, field

import h1_wire
from h1_backend import Recording
from h1_wire import TEXT, Reader

ANSWER_SECONDS = 5.0  # for an answer that must come; only a failing case waits this long
MAYBE_SECONDS = 1.2  # for an answer that need not come
QUIET_SECONDS = 0.3  # nothing more came: nothing more will
CLOSE_SECONDS = 1.5
SETTLE_SECONDS = 0.06  # for what is still on its way to the backend
PROBES = 3
RESPONSES_MAX = 20_000

probe_numbers = itertools.count(1)


@dataclass
class Seen:
    responses: list
    recording: Recording
    closed: bool = False  # request cases: the proxy closed the client connection
    rest: str = ""  # response cases: bytes behind the last response
    bad_probe: str = None
    facts: dict = field(default_factory=dict)  # for the report only

    @property
    def statuses(self):
        return [response.status for response in self.responses]

    @property
    def finals(self):
        return [response for response in self.responses if not response.interim]


def play(case, proxy, backend):
    return play_request(case, proxy, backend) if case["direction"] == "request" else play_response(case, proxy, backend)


# Request cases.


def play_request(case, proxy, backend):
    recording = backend.record()
    sock = h1_wire.dial(proxy)
    reader = Reader(sock)
    sender = threading.Thread(target=send_all, args=(sock, case), daemon=True)
    sender.start()
    responses = read_answers(case, reader, sender)
    closed = reader.ended or (case["expected"]["close"] is True and wait_for_close(reader))
    sock.close()
    sender.join(1)
    time.sleep(SETTLE_SECONDS)
    seen = Seen(responses, recording, closed)
    seen.facts = {"status": seen.statuses[:6], "closed": closed, "forwarded": len(recording.requests),
                  "partial": len(recording.partial)}
    return seen


def send_all(sock, case):
    try:
        for piece in h1_wire.pieces(case):
            h1_wire.send_piece(sock, piece)
    except OSError:
        pass  # the proxy may refuse the rest


def read_answers(case, reader, sender):
    pause = case.get("wait_ms", 0) / 1000
    deadline = time.monotonic() + pause + ANSWER_SECONDS + 4
    due = answers_due(case)
    responses = []
    while time.monotonic() < deadline and len(responses) <= 300:
        if sum(not response.interim for response in responses) < due:
            seconds = ANSWER_SECONDS
        else:
            seconds = QUIET_SECONDS + pause if responses else MAYBE_SECONDS
        response = h1_wire.read_response(reader, "GET" if responses else method_of(case), seconds, deadline)
        if response:
            responses.append(response)
        elif reader.ended or not sender.is_alive():
            break
    return responses


def answers_due(case):
    """How many final answers must come: worth waiting for on a busy machine."""
    expected = case["expected"]
    if expected["action"] in ("accept", "normalise", "accept_then_reject") and 0 not in expected["status"]:
        many = expected["action"] == "accept_then_reject" or expected.get("backend", {}).get("requests", 1) > 1
        return len(expected["status"]) if many else 1
    return 0


def method_of(case):
    first = h1_wire.pieces(case)[0]
    match = re.match(r"\s*([A-Z]+) ", first) if isinstance(first, str) else None
    return match[1] if match else "GET"


def wait_for_close(reader):
    deadline = time.monotonic() + CLOSE_SECONDS
    while time.monotonic() < deadline and not reader.ended:
        reader.more(0.3)
    return reader.ended


# Response cases.


def play_response(case, proxy, backend):
    recording = backend.record(case)
    started = time.monotonic()
    reader = Reader(h1_wire.dial(proxy))
    reader.sock.sendall(request_for(case))
    responses = read_relayed(case, reader)
    seen = Seen(responses, recording, rest=reader.buffer.decode(TEXT))
    time.sleep(case.get("wait_ms", 0) / 1000 + SETTLE_SECONDS)
    seen.facts = {"status": seen.statuses[:4], "hits": recording.case_hits}
    if case["expected"].get("client", {}).get("probe") != "skip":
        reusable = not reader.ended and "-" not in case["client_method"]
        seen.bad_probe = probe_all(proxy, reader if reusable else None)
    reader.sock.close()
    backend.record()
    seen.facts["ms"] = int((time.monotonic() - started) * 1000)
    return seen


def request_for(case):
    method = case["client_method"]
    body = {
        "POST": "Content-Length: 5\r\n\r\nhello",
        "POST-slow": "Content-Length: 1048576\r\n\r\n" + "a" * 65536,
        "POST-expect": "Expect: 100-continue\r\nContent-Length: 34\r\n\r\n",
    }.get(method, "\r\n")
    extra = "".join(f"{name}: {value}\r\n" for name, value in case.get("client_headers", {}).items())
    line = f"{method.split('-')[0]} /case/{case['id']} HTTP/1.1\r\nHost: example.test\r\n"
    return (line + extra + body).encode()


def read_relayed(case, reader):
    method = case["client_method"].split("-")[0]
    deadline = time.monotonic() + 10
    responses = []
    while time.monotonic() < deadline and len(responses) <= RESPONSES_MAX:
        awaited = not responses or responses[-1].interim
        response = h1_wire.read_response(reader, method, ANSWER_SECONDS if awaited else 0.05, deadline)
        if not response:
            break
        responses.append(response)
        if not response.interim and not reader.buffer:
            break
    return responses


def probe_all(proxy, reader):
    for number in range(PROBES):
        problem = probe(proxy, reader if number == 0 else None)
        if problem:
            return problem
    return None


def probe(proxy, reader):
    """One request with a fresh token; on a used connection that turns out closed, once more on a new one."""
    token = f"{next(probe_numbers):06d}"
    response = ask(reader, token) if reader and not reader.ended else None
    if response is None and (reader is None or reader.ended):
        reader = Reader(h1_wire.dial(proxy))
        response = ask(reader, token)
        reader.sock.close()
    if response is None:
        return "no answer to the probe"
    if response.body != "PROBE-" + token:
        return f"probe got {response.status} {response.body[:30]!r}"
    return None


def ask(reader, token):
    try:
        reader.sock.sendall(f"GET /probe?n={token} HTTP/1.1\r\nHost: example.test\r\n\r\n".encode())
    except OSError:
        reader.ended = True
        return None
    return h1_wire.read_response(reader, "GET", ANSWER_SECONDS, time.monotonic() + ANSWER_SECONDS + 1)
