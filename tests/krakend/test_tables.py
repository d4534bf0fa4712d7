"""test_tables.py: the tables of this folder against the built binary: a configuration, scripted origins, and pairs of a
request and the answer that the KrakenD reference asks for. How a table is written: README.md.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import gzip
import json
import pathlib
import re
import signal
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import gateway as gateway_module  # noqa: E402
import origin as origin_module  # noqa: E402
from rawhttp import fetch  # noqa: E402
from waiting import eventually  # noqa: E402

TABLES = sorted(HERE.glob("*.json"))
TABLE_SECONDS = 60
DEFAULT_SERVER = {"listeners": [{"listen": "127.0.0.1:0"}], "workers": 1, "drain_window": "0s", "drain_limit": "3s"}


class Script:
    """An origin that answers by path, and remembers what it was asked since the pair began."""

    def __init__(self, routes):
        self.routes, self.asked, self.bodies, self.lock = routes, [], [], threading.Lock()
        self.origin = origin_module.Origin(self.answer)

    def forget(self):
        with self.lock:
            self.asked, self.bodies = [], []

    def answer(self, conn, request):
        body = conn.body()
        with self.lock:
            self.asked.append((f"{request.method} {request.target}", dict((k.lower(), v) for k, v in request.fields)))
            self.bodies.append(body.decode("latin-1"))
        route = self.routes.get(f"{request.method} {request.path}", self.routes.get(request.path))
        if route is None:
            conn.send(origin_module.reply("404 page not found\n", "404 Not Found",
                                          [("Content-Type", "text/plain; charset=utf-8")]))
        elif route.get("silent"):
            conn.wait_end(20)
        else:
            if route.get("delay_ms"):
                threading.Event().wait(route["delay_ms"] / 1000)
            conn.send(self.reply(route, request, body))
            if "raw" in route:
                conn.close()

    @staticmethod
    def reply(route, request, body):
        if "raw" in route:
            return route["raw"].encode("latin-1")
        fields = [(name, value) for name, values in route.get("headers", {}).items()
                  for value in (values if isinstance(values, list) else [values])]
        text = route.get("text", "") * route.get("times", 1)
        if route.get("echo"):
            text = json.dumps({"target": request.target, "method": request.method, "body": body.decode("latin-1")})
        if "json" in route:
            text = json.dumps(route["json"])
        text = route["latin1"].encode("latin-1") if "latin1" in route else text.encode()
        if route.get("gzip"):
            text = gzip.compress(text, mtime=0)
            fields.append(("Content-Encoding", "gzip"))
        return origin_module.reply(b"" if request.method == "HEAD" else text, route.get("status", "200 OK"), fields)


def with_urls(value, origins):
    """The configuration with "@name" as the URL of that origin; "@refused" is one where nobody listens."""
    if isinstance(value, dict):
        return {key: with_urls(item, origins) for key, item in value.items()}
    if isinstance(value, list):
        return [with_urls(item, origins) for item in value]
    if isinstance(value, str):
        for name, url in origins.items():
            value = value.replace("@" + name, url)
    return value


def as_go_writes(value):
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class Stage:
    def __init__(self, table, directory, stack):
        self.scripts = {name: Script(routes) for name, routes in table["origins"].items()}
        for script in self.scripts.values():
            stack.enter_context(script.origin)
        refused = stack.enter_context(origin_module.Origin())
        refused.stop_listening()
        self.urls = {name: script.origin.url for name, script in self.scripts.items()}
        self.urls["refused"] = refused.url
        self.urls["version"] = (HERE.parents[1] / "VERSION").read_text(encoding="ascii").strip()
        for script in self.scripts.values():
            script.routes = with_urls(script.routes, self.urls)
        config = with_urls(table["config"], self.urls)
        extra = config.setdefault("extra_config", {})
        extra["holdfast/server"] = {**DEFAULT_SERVER, **extra.get("holdfast/server", {})}
        self.gateway = stack.enter_context(gateway_module.Gateway({"version": 3, **config}, directory))

    def play(self, pair):
        for script in self.scripts.values():
            script.forget()
        pair = with_urls(pair, self.urls)
        method, target = pair["request"].split(" ", 1)
        body = pair.get("body")
        response = fetch(self.gateway.address, target, method, list(pair.get("headers", {}).items()),
                         body.encode() if body is not None else None)
        self.check_answer(pair, response)
        for name, expected in pair.get("asked", {}).items():
            self.check_asked(pair, name, expected)
        for words in pair.get("logged", []):
            self.gateway.wait_output(re.escape(words).replace(r"\*", ".*"))

    @staticmethod
    def check_answer(pair, response):
        text = response.body.decode("utf-8", "replace")
        assert response.status == pair.get("status", 200), text
        if "text" in pair:
            assert text == pair["text"]
        if "json" in pair:
            assert text == as_go_writes(pair["json"])
        if "one_of" in pair:
            assert text in pair["one_of"]
        if "starts" in pair:
            assert text.startswith(pair["starts"]), text
        if "completed" in pair:
            assert response.get("x-krakend-completed") == ("true" if pair["completed"] else "false")
        for name, value in pair.get("answer_headers", {}).items():
            got = response.all(name) if isinstance(value, list) else response.get(name)
            assert got == value, f"{name}: {got}"

    def check_asked(self, pair, name, expected):
        script = self.scripts[name]
        eventually(lambda: len(script.asked) >= len(expected), 5, f"{expected} at {name}")
        lines = [line for line, _ in script.asked]
        assert (sorted(lines) == sorted(expected)) if pair.get("any_order") else lines == expected
        if "bodies" in pair and name in pair["bodies"]:
            assert script.bodies == pair["bodies"][name]
        for key, value in pair.get("asked_headers", {}).get(name, {}).items():
            assert script.asked[-1][1].get(key.lower()) == value, key


@pytest.mark.parametrize("path", TABLES, ids=[path.stem for path in TABLES])
def test_table(path, tmp_path):
    def expire(*_):
        raise TimeoutError("the table took too long")

    table = json.loads(path.read_text(encoding="utf-8"))
    signal.signal(signal.SIGALRM, expire)
    signal.alarm(TABLE_SECONDS)
    try:
        with contextlib.ExitStack() as stack:
            stage = Stage(table, tmp_path, stack)
            for number, pair in enumerate(table["pairs"]):
                try:
                    stage.play(pair)
                except AssertionError as error:
                    raise AssertionError(f"{path.name}, pair {number} ({pair['request']}): {error}") from error
    finally:
        signal.alarm(0)


def test_there_are_tables():
    assert TABLES
    for path in TABLES:
        table = json.loads(path.read_text(encoding="utf-8"))
        assert table["about"] and table["section"] and table["lines"] and table["pairs"], path.name
