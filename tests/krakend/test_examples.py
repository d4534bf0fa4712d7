"""test_examples.py: examples/krakend/ in front of the test origin that comes with the program: each gives what it says.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import socket
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "integration"))

from gateway import Gateway, Process  # noqa: E402
from rawhttp import fetch  # noqa: E402

SERVER = {"workers": 1, "drain_window": "0s", "drain_limit": "3s"}
TAGS = ["kept", "alive"]

# file, request, fields, status, the body as JSON, or words of it
CASES = [
    ("aggregation", "GET /desk/7", {}, 200, {"item": {"id": 7, "name": "item 7", "price": 7.5},
                                             "shop": {"type": "embedded", "software": "holdfast origin"},
                                             "offer": {"id": 2, "name": "item 2", "price": 2.5}}),
    ("aggregation", "GET /hurry/3", {}, 200, {"name": "item 3"}),
    ("sequence", "GET /neighbour/7", {}, 200, {"asked": {"id": 7, "name": "item 7"}, "found": {"price": 7.5}}),
    ("stubs-and-shadows", "GET /weather", {}, 200, {"forecast": "unknown", "stale": True}),
    ("stubs-and-shadows", "GET /price/7", {}, 200, {"price": 7.5}),
    ("reshaping", "GET /flat/7", {}, 200, {"id": 7, "name": "item 7", "price": 7.5, "tags": TAGS, "made_by": "holdfast origin"}),
    ("reshaping", "GET /flat/7", {"Accept": "application/xml"}, 200, "<made_by>holdfast origin</made_by>"),
    ("reshaping", "GET /both/7", {}, 200, {"tags": TAGS + TAGS}),
    ("reshaping", "GET /as-text/5", {}, 200, "01234"),
    ("errors", "GET /quiet", {}, 500, "invalid status code 418 [GET /status/418]"),
    ("errors", "GET /status", {}, 418, ""),
    ("errors", "GET /details", {}, 200, '"error_tea":{"http_status_code":418'),
    ("errors", "GET /nowhere", {}, 404, {"error": "no such path"}),
    ("errors", "OPTIONS /quiet", {}, 200, ""),
    ("forwarding", "GET /search/red?page=2&secret=1", {"X-Tenant": "a", "X-Other": "b"}, 200, '{"req_uri":"/__echo/search?colour=red\\u0026page=2"'),
    ("forwarding", "GET /all?b=1&a=2", {"X-Other": "b"}, 200, '"X-Other":["b"]'),
    ("forwarding", "GET /search/red", {"X-Tenant": "a", "X-Other": "b"}, 200, '"X-Tenant":["a"]'),
    ("forwarding", "POST /orders", {"User-Agent": "shop"}, 200, '"X-Forwarded-Via":["KrakenD Version'),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Gateways by the example's name, in front of one origin."""
    with Process(["origin", "--listen", "127.0.0.1:0"]) as origin:
        url = "http://{}:{}".format(*origin.wait_ready()[1][0])
        gateways = {}

        def start(name):
            if name not in gateways:
                text = (ROOT / "examples/krakend" / f"{name}.json").read_text(encoding="utf-8")
                with socket.create_server(("127.0.0.1", 0)) as probe:
                    address = "127.0.0.1:{}".format(probe.getsockname()[1])
                config = json.loads(text.replace("http://127.0.0.1:9001", url).replace("127.0.0.1:8080", address))
                config.setdefault("extra_config", {})["holdfast/server"] = {**SERVER, "listeners": [{"listen": address}]}
                gateways[name] = Gateway(config, tmp_path_factory.mktemp(name))
                gateways[name].__enter__()
            return gateways[name].address

        yield start
        for gateway in gateways.values():
            gateway.__exit__(None, None, None)


@pytest.mark.parametrize("name, request_line, fields, status, expected", CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_the_example_gives_what_it_says(running, name, request_line, fields, status, expected):
    method, target = request_line.split(" ")
    response = fetch(running(name), target, method, list(fields.items()))
    text = response.body.decode()
    assert response.status == status, text
    assert json.loads(text) == expected if isinstance(expected, dict) else expected in text, text


def test_every_example_is_run():
    assert {path.stem for path in (ROOT / "examples/krakend").glob("*.json")} == {case[0] for case in CASES}
