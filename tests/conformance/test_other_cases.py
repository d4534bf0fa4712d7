"""test_other_cases.py: each case of the catalogues is played somewhere, or it is said why not; and those of the PROXY protocol.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import re

import h2_driver
import pytest
import test_tls_cases
import test_websocket_cases
from configs import proxy
from gateway import Gateway
from origin import Origin
from other_cases import ELSEWHERE, LATER, load, to_play
from rawhttp import BadAnswer, Client, Cut

TESTS = pathlib.Path(__file__).parents[1]


def test_each_case_is_played_or_it_is_said_why_not():
    played = {case["id"] for case in to_play("PP")} | set(test_websocket_cases.PLAYED) | set(test_tls_cases.PLAYED)
    missing = {case["id"] for case in load() if case["id"][:2] not in LATER} - played - set(ELSEWHERE) - set(LATER)
    assert not missing
    assert not played & {*ELSEWHERE, *LATER}
    assert {*ELSEWHERE, *played} <= {case["id"] for case in load()}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_is_played_elsewhere_is_there(case):
    path, name = ELSEWHERE[case].split()
    assert re.search(rf"^(def |TEST\(){name}\b", (TESTS / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_no_case_of_http2_is_left_out():
    lists = [h2_driver.load_cases(), h2_driver.load_long_cases(), h2_driver.load_bad_backends()]
    names = [case["id"] for cases in lists for case in cases]
    assert sorted(names) == sorted(case["id"] for case in h2_driver.load_all())


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """An origin behind a gateway that wants a PROXY header."""
    with Origin() as origin:
        with Gateway(proxy(origin, {"proxy_protocol": "require"}), tmp_path_factory.mktemp("proxy")) as gateway:
            yield origin, gateway


def bytes_of(case):
    given = case["input"]
    return bytes.fromhex(given["hex"]) if "hex" in given else given["raw"].encode("latin-1")


@pytest.mark.parametrize("case", to_play("PP"), ids=lambda case: case["id"])
def test_proxy_header(case, stage):
    origin, gateway = stage
    expected, before, status = case["expected"], len(origin.requests), None
    with Client(gateway.address) as client:
        try:
            client.send(bytes_of(case))
            status = client.read_response().status
        except (OSError, Cut, BadAnswer):
            pass
    served = origin.requests[before:]
    if expected["action"] == "close" or (expected["action"] == "either" and status != 200):
        assert status in (None, 400) and not served
    else:
        assert status == 200 and len(served) == 1
    if "client_addr" in expected:
        name = expected["client_addr"]
        ip = "127.0.0.1" if name == "socket peer" else name.rsplit(":", 1)[0].strip("[]")
        assert served[0].get("x-forwarded-for") == ip
    with Client(gateway.address) as client:
        client.send(b"PROXY UNKNOWN\r\nGET /after HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response().status == 200
