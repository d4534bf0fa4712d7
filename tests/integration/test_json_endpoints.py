"""test_json_endpoints.py: endpoints that decode one JSON backend: bodies, statuses, headers, error bodies.

krakend-core 3.5, 4.3, 4.5 and 6. SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json

import pytest
from configs import backend, endpoint, service
from origin import reply
from rawhttp import fetch
from waiting import Stopwatch


class Front:
    """The origin answers every request with `self.raw`; endpoints differ in how they are told to treat it."""

    def __init__(self, make):
        self.raw = b""
        self.origin = make.origin(lambda conn, _: conn.send(self.raw))
        details = {"backend/http": {"return_error_details": "it"}}
        endpoints = [
            endpoint("/json", backend(self.origin, "/x")),
            endpoint("/u/{id}", backend(self.origin, "/x/{id}")),
            endpoint("/cached", backend(self.origin, "/x"), cache_ttl="90s"),
            endpoint("/list", backend(self.origin, "/x", is_collection=True)),
            endpoint("/list-only", backend(self.origin, "/x", is_collection=True), output_encoding="json-collection"),
            endpoint("/code", backend(self.origin, "/x", extra_config={"backend/http": {"return_error_code": True}})),
            endpoint("/details", backend(self.origin, "/x", extra_config=details)),
        ]
        self.quiet = make.gateway(service(endpoints)).address
        self.telling = make.gateway(service(endpoints, extra={"router": {"return_error_msg": True}})).address

    def get(self, path, body, status="200 OK", fields=(("Content-Type", "application/json"),), tell=False):
        self.raw = reply(body, status, fields)
        return fetch(self.telling if tell else self.quiet, path)


@pytest.fixture(scope="module")
def front(shared):
    return Front(shared)


BODIES = [
    # (what the backend sends, what the client gets)
    (b'{"b":1,"a":2}', b'{"a":2,"b":1}'),
    (b' { "a" : [ 1 , 2 ] ,\r\n"B":{}, "b":null } ', b'{"B":{},"a":[1,2],"b":null}'),
    (b'{"n":[1.0,1e5,1E+2,-0,0.10,123456789012345678901234567890,1e999]}',
     b'{"n":[1.0,1e5,1E+2,-0,0.10,123456789012345678901234567890,1e999]}'),
    (b'{"z":{"y":{"c":1,"b":[{"q":1,"p":2}]},"x":true},"a":false}',
     b'{"a":false,"z":{"x":true,"y":{"b":[{"p":2,"q":1}],"c":1}}}'),
    (b'{"s":"<a href=\\"x\\">&</a>"}', b'{"s":"\\u003ca href=\\"x\\"\\u003e\\u0026\\u003c/a\\u003e"}'),
    (b'{"s":"\\u0041\\u00e9\\ud83d\\ude00\\/"}', '{"s":"Aé😀/"}'.encode()),
    ('{"é":"日本","a":"\u2028"}'.encode(), '{"a":"\\u2028","é":"日本"}'.encode()),
    (b'{"s":"\\b\\f\\n\\r\\t\\u0000\\u001f\\""}', b'{"s":"\\b\\f\\n\\r\\t\\u0000\\u001f\\""}'),
    (b'{"s":"\xff\xc3(\\ud800x"}', '{"s":"\ufffd\ufffd(\ufffdx"}'.encode()),
    (b'{"a":1,"a":2}', b'{"a":2}'),
    (b'{"a":1} trailing {"b":2}', b'{"a":1}'),
    (b'{"":0,"aa":1,"a":2,"A":3,"1":4}', b'{"":0,"1":4,"A":3,"a":2,"aa":1}'),
]


@pytest.mark.parametrize("sent, expected", BODIES, ids=range(len(BODIES)))
def test_a_body_is_decoded_and_written_again(front, sent, expected):
    response = front.get("/json", sent)
    assert (response.status, response.body) == (200, expected)
    assert response.get("content-type") == "application/json; charset=utf-8"
    assert response.get("x-krakend", "").startswith("Version ")
    assert response.get("x-krakend-completed") == "true"


def test_a_large_body(front):
    data = {f"key{n:05}": [n, {"text": "x" * 50}] for n in range(20_000)}
    response = front.get("/json", json.dumps(dict(reversed(data.items()))))
    assert response.body == json.dumps(data, separators=(",", ":")).encode()


def test_deep_nesting(front):
    body = b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"
    assert front.get("/json", body).body == body


def test_the_backends_headers_and_status_stay_behind(front):
    response = front.get("/json", b'{"a":1}', "201 Created", [("X-Backend", "1"), ("Set-Cookie", "a=1"), ("ETag", '"e"')])
    assert response.status == 200
    assert [response.get(name) for name in ("x-backend", "set-cookie", "etag")] == [None] * 3


INCOMPLETE = [(b"{}", b"{}"), (b"null", b"null")]


@pytest.mark.parametrize("sent, expected", INCOMPLETE)
def test_nothing_in_it_is_not_complete(front, sent, expected):
    response = front.get("/json", sent)
    assert (response.status, response.body, response.get("x-krakend-completed")) == (200, expected, "false")


def test_cache_control(front):
    assert front.get("/cached", b'{"a":1}').get("cache-control") == "public, max-age=90"
    assert front.get("/json", b'{"a":1}').get("cache-control") is None
    assert front.get("/cached", b"{}").get("cache-control") is None
    assert front.get("/cached", b"x", "500 Oops").get("cache-control") is None


def test_a_collection(front):
    sent = b'[{"b":1,"a":2}, 3, "x"]'
    assert front.get("/list", sent).body == b'{"collection":[{"a":2,"b":1},3,"x"]}'
    assert front.get("/list-only", sent).body == b'[{"a":2,"b":1},3,"x"]'
    assert front.get("/list", b'{"a":1}').status == 500


NOT_DECODABLE = [b"", b"[1]", b'"text"', b"7", b"<html></html>", b'{"a":1', b'{"a":}', b"{a:1}", b"{'a':1}", b'{"a":01}',
                 b'{"a":1,}', b'{"a":"\n"}', b'{"a":tru}']


@pytest.mark.parametrize("sent", NOT_DECODABLE)
def test_a_body_that_cannot_be_decoded(front, sent):
    response = front.get("/json", sent)
    assert (response.status, response.body) == (500, b"")
    assert response.get("x-krakend-completed") == "false" and response.get("content-type") is None
    told = front.get("/json", sent, tell=True)
    assert told.status == 500 and told.body
    assert told.get("content-type") == "text/plain; charset=utf-8"


STATUSES = ["202 Accepted", "204 No Content", "206 Partial Content", "304 Not Modified", "400 Bad Request",
            "401 Unauthorized", "404 Not Found", "429 Too Many Requests", "500 Oops", "503 Unavailable"]


def answer_for(status):
    return b"" if status[:3] in ("204", "304") else b'{"why":"no"}'


@pytest.mark.parametrize("status", STATUSES)
class TestOtherStatuses:
    def send(self, front, path, status, tell=False):
        raw = reply(answer_for(status), status, [("Content-Type", "application/problem+json")])
        if status[:3] in ("204", "304"):
            raw = raw.replace(b"Content-Length: 0\r\n", b"")
        front.raw = raw
        return fetch(front.telling if tell else front.quiet, path)

    def test_are_500_without_a_body(self, front, status):
        response = self.send(front, "/json", status)
        assert (response.status, response.body, response.get("x-krakend-completed")) == (500, b"", "false")

    def test_are_told_with_return_error_msg(self, front, status):
        response = self.send(front, "/u/7", status, tell=True)
        expected = f"invalid status code {status[:3]} [GET /x/{{{{.Id}}}}]: {front.origin.url}/x/7"
        assert (response.status, response.body.decode()) == (500, expected)
        assert response.get("content-type") == "text/plain; charset=utf-8"

    def test_pass_with_return_error_code(self, front, status):
        response = self.send(front, "/code", status)
        assert (response.status, response.body) == (int(status[:3]), b"")
        if answer_for(status):
            told = self.send(front, "/code", status, tell=True)
            assert (told.status, told.body) == (int(status[:3]), answer_for(status))
            assert told.get("content-type") == "application/problem+json"

    def test_become_data_with_return_error_details(self, front, status):
        response = self.send(front, "/details", status)
        assert (response.status, response.get("x-krakend-completed")) == (200, "false")
        details = json.loads(response.body)["error_it"]
        assert details["http_status_code"] == int(status[:3])
        assert details.get("http_body", "") == answer_for(status).decode()


def test_details_have_a_fixed_order(front):
    response = front.get("/details", b"<no>", "404 Not Found", [("Content-Type", "text/html")])
    assert response.body == (b'{"error_it":{"http_status_code":404,"http_body":"\\u003cno\\u003e",'
                             b'"http_body_encoding":"text/html"}}')


def test_gzip_that_was_asked_for_is_undone(make):
    def handler(conn, request):
        asked = "gzip" in request.get("accept-encoding", "")
        conn.send(reply(gzip.compress(b'{"a":1}'), fields=[("Content-Encoding", "gzip")]) if asked else reply(b'{"a":1}'))

    config = service([endpoint("/a", backend(make.origin(handler)))])
    assert fetch(make.gateway(config).address, "/a").body == b'{"a":1}'


def test_a_timeout_says_so(make):
    upstream = make.origin(lambda conn, _: conn.wait_end(20))
    config = service([endpoint("/a", backend(upstream), timeout="300ms")], extra={"router": {"return_error_msg": True}}, timeout="20s")
    running, watch = make.gateway(config), Stopwatch()
    response = fetch(running.address, "/a")
    assert (response.status, response.body) == (500, b"context deadline exceeded")
    assert watch.between(0.2, 3), watch


def test_a_refused_connection_says_so(make):
    upstream = make.origin()
    upstream.stop_listening()
    config = service([endpoint("/a", backend(upstream, "/x"))], extra={"router": {"return_error_msg": True}})
    response = fetch(make.gateway(config).address, "/a")
    assert response.status == 500 and b"connection refused" in response.body


def test_decoded_connections_are_reused(make):
    upstream = make.origin(lambda conn, _: conn.send(reply(b'{"a":1}')))
    client = make.client(make.gateway(service([endpoint("/a", backend(upstream))])))
    assert [client.get("/a").body for _ in range(10)] == [b'{"a":1}'] * 10
    assert len(upstream.connections) == 1


def test_the_same_path_with_a_post_body(make):
    upstream = make.origin(lambda conn, _: conn.send(reply(conn.body())))
    config = service([endpoint("/a", backend(upstream), method="POST")])
    response = fetch(make.gateway(config).address, "/a", "POST", body=b'{"b":[1.50],"a":"x"}')
    assert response.body == b'{"a":"x","b":[1.50]}'
