"""test_h2_reasons.py: what a client does against HTTP/2 is told by name: each kind of glitch.def has its metric, each error of a
stream or a connection is counted under its code, and a connection that ends for it under a reason of end.def.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re
import struct

import pytest
from admin import metrics
from configs import forward_all, service
from gateway import Gateway
from h1_backend import Backend
from h2_driver import load_cases
from h2_player import play
from h2_wire import END_HEADERS, END_STREAM, Client, block, frame
from waiting import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
GLITCHES = ROOT / "src/http/h2/glitch.def"
LONG = {"H2-144"}  # its errors are those of a thousand connections, and the last one alone is looked at


def request(stream, flags=END_STREAM, path="/", more=()):
    fields = [[":method", "GET"], [":scheme", "http"], [":authority", "x"], [":path", path], *more]
    return frame(1, flags | END_HEADERS, stream, block({"fields": fields}))


def number(value):
    return struct.pack(">I", value)


LARGE = [["x-large", "x" * 15000]]


def large_head(stream, count, ends=END_HEADERS):
    """A head of `count` times 15,000 bytes over as many frames; its last one ends the block only if `ends`."""
    fields = [[":method", "GET"], [":scheme", "http"], [":authority", "x"], [":path", "/"]]
    out = frame(1, END_STREAM, stream, block({"fields": fields}))
    for i in range(count):
        out += frame(9, ends if i == count - 1 else 0, stream, block({"fields": LARGE}))
    return out


# One byte string after the other; what comes back is read in between.
PROVOKED = {
    "ping": [frame(6, 0, 0, b"12345678") * 60],
    "settings": [frame(4, 0, 0) * 3],
    "priority": [frame(2, 0, 7, b"\0\0\0\3\x10") * 60],
    "window": [frame(8, 0, 0, number(1)) * 60],
    "empty_data": [request(1, 0), frame(0, 0, 1) * 3],
    "small_window": [frame(4, 0, 0, struct.pack(">HI", 4, 1)) + request(1, path="/body"), frame(8, 0, 1, number(1))],
    "continuation": [frame(1, END_STREAM, 1, b"") + frame(9, 0, 1, b"") * 3],
    "unknown": [frame(0x77, 0, 0, b"x")],
    "stray": [request(1, 0, more=[["X-Upper", "1"]]), frame(0, 0, 1, b"x") * 3],
    "reset_early": [request(1) + frame(3, 0, 1, number(8))],
    "reset": [request(1, 0), frame(3, 0, 1, number(8))],
    "bad_stream": [request(1, more=[["X-Upper", "1"]])],
    "head_too_large": [large_head(1, 6)],
}
ELSEWHERE = {"refused": ("tests/unit/http/test_h2_guard.c", "TEST(h2_heads_of_a_connection_that_nobody_takes_have_a_limit)")}


def kinds():
    return re.findall(r'^GLITCH\(\w+, \d+, "(\w+)"', GLITCHES.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    backend = Backend()
    config = service([forward_all("http://{}:{}".format(*backend.address))], {"error_status": "precise"},
                     {"holdfast/admin": {"listen": "127.0.0.1:0"}}, use_h2c=True)
    gateway = Gateway(config, tmp_path_factory.mktemp("reasons"))
    yield gateway, backend
    gateway.stop()
    backend.close()


def test_each_kind_of_glitch_is_provoked():
    assert sorted(kinds()) == sorted([*PROVOKED, *ELSEWHERE])
    assert [kind for kind, (path, name) in ELSEWHERE.items() if name not in (ROOT / path).read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("kind", PROVOKED)
def test_a_glitch_has_its_metric(stage, kind):
    gateway, name = stage[0], f'holdfast_http2_glitches_total{{kind="{kind}"}}'
    before = metrics(gateway).get(name, 0)
    client = Client(gateway.addresses[0])
    client.poll(0.1)
    for sent in PROVOKED[kind]:
        client.send(sent)
        client.poll(0.3)
    assert eventually(lambda: metrics(gateway).get(name, 0) > before, what=name)
    client.close()


def counted(numbers, family, label):
    return sum(number for name, number in numbers.items() if name.startswith(family) and label in name)


@pytest.mark.parametrize("case", [case for case in load_cases() if case["id"] not in LONG], ids=lambda case: case["id"])
def test_an_error_is_counted_under_its_code(stage, case):
    gateway, backend = stage
    before = metrics(gateway)
    _, seen = play(case, gateway.addresses[0], backend)
    errors = [("resets", code) for code in seen.client.resets.values() if code != "NO_ERROR"]
    if seen.client.goaway not in (None, "NO_ERROR"):
        errors.append(("goaways", seen.client.goaway))
    if not errors:
        assert case["expected"]["action"] not in ("connection_error", "stream_error"), "an error that nobody was told"
        return
    after = metrics(gateway)
    for family, code in errors:
        name = f'holdfast_http2_{family}_total{{code="{code}"}}'
        assert after.get(name, 0) > before.get(name, 0), name
    if errors[-1][0] == "goaways":
        def ends(numbers):
            return sum(counted(numbers, "holdfast_client_closes_total", f'reason="{why}"') for why in ("protocol", "abuse"))

        assert eventually(lambda: ends(metrics(gateway)) > ends(before), what="a reason of end.def")
