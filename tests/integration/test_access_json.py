"""test_access_json.py: `access_log: json`: every request tells whether its connection to the host was kept, and if not, why.

SPDX-License-Identifier: Apache-2.0
"""
import json

from admin import ADMIN, connections
from configs import forward_all, proxy, service
from origin import by_path, reply
from rawhttp import fetch
from waiting import eventually

JSON_LINES = {"access_log": "json"}


def lines_of(running, count):
    def lines():
        found = [line for line in running.out if line.startswith("{")]
        return found if len(found) >= count else None

    return [json.loads(line) for line in eventually(lines, what=f"{count} access lines")]


def told(line):
    return line["conn"], line.get("reason"), line["tries"]


def start(make, handler=None, **root):
    origin = make.origin(handler) if handler else make.origin()
    return origin, make.gateway(proxy(origin, JSON_LINES, ADMIN, **root))


def test_each_line_tells_of_the_connection(make):
    origin, running = start(make, by_path({"/close": lambda conn, _: conn.send(reply(fields=[("Connection", "close")]))}))
    client = make.client(running)
    for path in ("/a", "/b?x=1", "/close", "/c"):
        assert client.get(path).status == 200
    lines = lines_of(running, 4)
    assert [told(line) for line in lines] == [("new", "cold", 1), ("reused", None, 1), ("reused", None, 1),
                                             ("new", "peer_close_announced", 1)]
    assert [line["target"] for line in lines] == ["/a", "/b?x=1", "/close", "/c"]
    assert {(line["method"], line["status"], line["client"], line["host"]) for line in lines} == {
        ("GET", 200, "127.0.0.1", origin.url)}
    assert all(0 < line["seconds"] < 10 for line in lines)
    assert {line["peer"] for line in lines} == {"127.0.0.1:{}".format(client.sock.getsockname()[1])}
    assert not any("send_proxy_protocol" in line for line in lines)


def test_a_request_that_was_sent_again_says_so(make):
    def dies(conn, request):
        if conn.number == 0 and request.target != "/first":
            conn.close()
        else:
            conn.send(reply())

    _, running = start(make, dies)
    client = make.client(running)
    assert client.get("/first").status == 200
    assert client.get("/second").status == 200
    assert told(lines_of(running, 2)[1]) == ("new", "resend", 2)


def test_what_never_reached_a_host_has_no_connection(make):
    origin = make.origin()
    running = make.gateway(service([forward_all(origin, "/a/*")], server=JSON_LINES))
    assert fetch(running.address, "/nowhere").status == 404
    line = lines_of(running, 1)[0]
    assert (line["status"], "conn" in line, "host" in line) == (404, False, False)


def test_calls_of_one_request_are_told_together(make):
    first, second = make.origin(), make.origin()
    endpoint = {"endpoint": "/both", "backend": [{"host": [each.url], "url_pattern": "/x", "encoding": "string", "group": name}
                                                 for name, each in (("one", first), ("two", second))]}
    running = make.gateway(service([endpoint], server=JSON_LINES))
    for _ in range(2):
        assert fetch(running.address, "/both").status == 200
    lines = lines_of(running, 2)
    assert [told(line) for line in lines] == [("new", "cold", 2), ("reused", None, 2)]


def test_connections_tell_why_they_were_made(make):
    _, running = start(make)
    client = make.client(running)
    assert client.get().status == 200
    assert [row["reason"] for row in connections(running)] == ["cold"]
    fetch(running.addresses[-1], "/v1/pools:flush", "POST", body=b"")
    eventually(lambda: not connections(running), what="the flushed connection closed")
    assert client.get().status == 200
    assert [row["reason"] for row in connections(running)] == ["drain"]
