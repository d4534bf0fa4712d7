"""h2_player.py: plays one HTTP/2 case against a proxy and judges what was seen, on both sides of the proxy.

Cases of groups A to C: what was answered, and what reached the backend. Group D (floods): that the proxy lives, another
client is served, and its memory does not grow by more than a case may take. Group E is for a bad backend.
SPDX-License-Identifier: Apache-2.0
"""
import re
import threading
import time
from dataclasses import dataclass, field

from h2_wire import PREFACE, Client, encode, frame

MEMORY_MAX_KIB = 8192
SEND_BYTES = 32768
CASE_SECONDS = 15
WAIT_SECONDS_MAX = 12
ANSWER_SECONDS = 1.5
PROBE = {"send": "HEADERS", "flags": ["END_STREAM", "END_HEADERS"], "fields": [
    [":method", "GET"], [":scheme", "http"], [":authority", "example.test"], [":path", "/probe?n=1"]]}


@dataclass
class Seen:
    client: Client
    recording: object
    target: int = 1
    seconds: float = 0
    memory_kib: int = 0
    other_served: bool = None
    facts: dict = field(default_factory=dict)

    @property
    def got(self):
        client, out = self.client, []
        if self.target in client.resets:
            out.append("rst:" + client.resets[self.target])
        if client.goaway:
            out.append("goaway:" + client.goaway)
        if client.closed:
            out.append("closed")
        if self.target in client.statuses:
            out.append(f"status:{client.statuses[self.target]}")
        return out

    @property
    def requests(self):
        return [request for request in self.recording.requests if not request.path.startswith("/probe")]


class Memory:
    """The largest size of a process while a case runs."""

    def __init__(self, read):
        self.read, self.running = read, True
        self.start = self.peak = read() if read else 0
        if read:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while self.running:
            self.peak = max(self.peak, self.read())
            time.sleep(0.02)

    def grown(self):
        self.running = False
        return self.peak - self.start


def play(case, proxy, backend, context=None, memory=None, patience=WAIT_SECONDS_MAX):
    """(problems, seen). `memory`: tells the proxy's size in KiB."""
    recording, steps, action = backend.record(), case["steps"], case["expected"]["action"]
    watch, start = Memory(memory if action == "limit" else None), time.monotonic()
    client = play_connections(steps, proxy, context) or open_client(steps, proxy, context)
    play_steps(client, steps, start + CASE_SECONDS, patience)
    seen = Seen(client, recording, last_stream(steps), time.monotonic() - start)
    await_answer(seen, case["expected"])
    if action in ("limit", "timeout"):
        seen.other_served = is_served(proxy, context)
    seen.memory_kib = watch.grown()
    client.close()
    time.sleep(0.06)
    return judge(case["expected"], seen), seen


def last_stream(steps):
    streams = [step.get("stream", 1) for step in steps if step.get("send") == "HEADERS"]
    return streams[-1] if streams else 1


def play_connections(steps, proxy, context):
    """Cases of many connections; the last one is looked at."""
    many = next((step for step in steps if "connections" in step), None)
    if not many:
        return None
    recent = []
    for _ in range(many["connections"]):
        client = Client(proxy, context)
        client.send(b"".join(encode(step) for step in many["steps"]))
        recent.append(client)
        if len(recent) > 20:
            recent.pop(0).close()
    for client in recent[:-1]:
        client.close()
    return recent[-1]


def open_client(steps, proxy, context):
    preface = next((step["preface"] for step in steps if "preface" in step), None)
    silent = any("no_settings" in step for step in steps)
    hello = preface.encode() if preface is not None else PREFACE + (b"" if silent else frame(4, 0, 0))
    client = Client(proxy, context, hello, 4096 if any("no_read" in step for step in steps) else None)
    for _ in range(20):
        if preface is None and not (client.frames or client.closed):
            client.poll(0.02)
    return client


def play_steps(client, steps, deadline, patience):
    for step in steps:
        if client.closed:
            return
        if "no_read" in step:
            client.reads = False
        elif "wait_ms" in step:
            wait(client, min(step["wait_ms"] / 1000, patience))
        elif "repeat" in step:
            repeat(client, step, deadline)
        elif "recv" in step and "send" not in step:
            poll_until(client, 2, lambda step=step: step.get("stream") in client.ended)
        elif "send" in step:
            client.send(encode(step))


def wait(client, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not client.closed:
        if client.reads:
            client.poll(0.05)
        else:
            time.sleep(0.05)


def repeat(client, step, deadline):
    stream, out = step.get("first_stream", 1), b""
    for _ in range(step["repeat"]):
        for inner in step["steps"]:
            bare = {key: value for key, value in inner.items() if key != "stream"} if "stream_step" in step else inner
            out += encode(bare, stream)
        if len(out) >= SEND_BYTES:
            client.send(out)
            out = b""
        stream += step.get("stream_step", 0)
        if client.closed or client.goaway is not None or time.monotonic() > deadline:
            break
    client.send(out)


def poll_until(client, seconds, done):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not client.closed and not done():
        client.poll(0.03)


def await_answer(seen, expected):
    client, action = seen.client, expected["action"]

    def settled():
        if action == "accept":
            return client.pings if expected.get("recv") == "PING_ACK" else len(client.ended) >= expected.get("count", 1)
        if action in ("limit", "timeout"):
            return False
        answered = seen.target in client.statuses and seen.target in client.ended and action != "stream_error"
        return client.goaway or seen.target in client.resets or answered

    if client.reads:
        poll_until(client, ANSWER_SECONDS, settled)
        client.poll(0.05)


def is_served(proxy, context):
    try:
        client = Client(proxy, context)
        client.send(encode(PROBE, 1))
        poll_until(client, 3, lambda: 1 in client.ended)
        client.close()
    except OSError:
        return False
    return client.statuses.get(1) == 200


def judge(expected, seen):
    problems = judge_backend(expected, seen)
    judges = {"accept": judge_accept, "reject": judge_error, "stream_error": judge_error,
              "connection_error": judge_error, "limit": judge_limit, "timeout": judge_timeout}
    if expected["action"] in judges:
        problems += judges[expected["action"]](expected, seen)
    return problems


def judge_backend(expected, seen):
    problems = [f"the backend refused what came: {error}" for error in seen.recording.errors]
    for head in seen.recording.heads():
        problems += [f"forwarded what matches {text}" for text in expected.get("forbid", []) if re.search(text, head)]
        if re.search("X-Injected|^GET /smuggled|x-injected", head):
            problems.append("an injected line at the backend")
    return problems


def judge_accept(expected, seen):
    client = seen.client
    if expected.get("recv") == "PING_ACK":
        return [] if client.pings else ["no PING ACK"]
    problems = []
    statuses = [client.statuses.get(stream) for stream in client.ended]
    if len([status for status in statuses if status in expected["status"]]) < expected.get("count", 1):
        problems.append(f"answers: {seen.got or 'none'}")
    if "body" in expected and [request.body for request in seen.requests[:1]] != [expected["body"]]:
        problems.append("another body at the backend")
    for text in expected.get("require", []):
        if not any(re.search(text, head) for head in seen.recording.heads()):
            problems.append(f"the backend lacks {text}")
    return problems


def judge_error(expected, seen):
    problems = []
    allowed = expected.get("backend_complete", expected.get("backend_requests", 0))
    if expected["action"] == "reject" and len(seen.requests) > allowed:
        problems.append("forwarded")
    if not set(seen.got) & set(expected["outcome"]):
        problems.append(f"got {seen.got or 'silence'}, not one of {expected['outcome']}")
    return problems


def judge_limit(expected, seen):
    problems = []
    if not seen.other_served:
        problems.append("another client was not served")
    if seen.memory_kib > MEMORY_MAX_KIB:
        problems.append(f"memory grew by {seen.memory_kib} KiB")
    if "never forwarded" in expected.get("limit", "") and seen.requests:
        problems.append("forwarded")
    return problems


def judge_timeout(_, seen):
    return [] if seen.client.closed or seen.client.goaway else [f"still open after {seen.seconds:.1f} s"]
