"""test_compression.py: gzip between the gateway and its backends: asked for by itself as Go's transport does, undone
while it comes, and never seen by anybody else. SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import random
import re
import threading
import zlib

import pytest
import servers
from configs import backend, endpoint, forward_all, service
from origin import chunked, reply
from rawhttp import Client, Cut, fetch
from waiting import eventually

GZIP = [("Content-Encoding", "gzip")]
TEXT = b"a text that is long enough to be packed " * 500


def no_op(origin, url_pattern="/", extra=None, **keys):
    """An endpoint /a that streams."""
    return service([endpoint("/a", backend(origin, url_pattern, encoding="no-op"), output_encoding="no-op", **keys)],
                   {"error_status": "precise"}, extra)


def decoded(origin, extra=None, encoding="string", **keys):
    """An endpoint /a whose body is looked at."""
    return service([endpoint("/a", backend(origin, encoding=encoding), **keys)], {"error_status": "precise"},
                   {"router": {"return_error_msg": True}, **(extra or {})})


def answers(data):
    """An origin's handler: always these bytes."""
    return lambda conn, _: conn.send(data)


def failures(running):
    """Upstream failures, by the metrics page."""
    page = fetch(running.addresses[-1], "/metrics").body.decode()
    return sum(float(value) for value in re.findall(r"^holdfast_upstream_failures_total\{[^}]*\} (\S+)$", page, re.M))


@pytest.mark.parametrize("method, fields, input_headers, asked", [
    ("GET", [], [], "gzip"),
    ("POST", [], [], "gzip"),
    ("HEAD", [], [], None),
    ("GET", [("Accept-Encoding", "br")], ["*"], "br"),
    ("GET", [("Accept-Encoding", "br")], [], "gzip"),
    ("GET", [("Range", "bytes=0-4")], ["*"], None),
    ("GET", [("Range", "bytes=0-4")], [], "gzip"),
])
def test_who_asks_for_what(make, method, fields, input_headers, asked):
    upstream = make.origin()
    running = make.gateway(no_op(upstream, method="*", input_headers=input_headers))
    fetch(running.address, "/a", method, fields, body=b"x" if method == "POST" else None)
    assert upstream.last.get("accept-encoding") == asked


def test_a_subtree_is_passed_on_as_it_is(make):
    upstream = make.origin(answers(reply(gzip.compress(TEXT), fields=GZIP)))
    response = fetch(make.gateway(service([forward_all(upstream)])).address, "/any")
    assert upstream.last.get("accept-encoding") is None
    assert (response.get("content-encoding"), gzip.decompress(response.body)) == ("gzip", TEXT)


@pytest.mark.parametrize("send", [
    lambda packed: reply(packed, fields=[*GZIP, ("ETag", '"e"')]),
    lambda packed: chunked([packed[:7], packed[7:]], fields=[("Content-Encoding", "GZIP"), ("ETag", '"e"')]),
], ids=["length", "chunked"])
def test_no_op_bodies_are_unpacked(make, send):
    upstream = make.origin(answers(send(gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]))))
    client = make.client(make.gateway(no_op(upstream)))
    for _ in range(3):
        response = client.get("/a")
        assert response.body == TEXT
        assert response.get("content-encoding") is None and response.get("content-length") is None
        assert response.get("transfer-encoding") == "chunked" and response.get("etag") == '"e"'
        assert response.get("content-type") == "text/plain; charset=utf-8", "named by what was unpacked"
    assert len(upstream.connections) == 1, "the connection is kept"


def test_what_the_client_asked_for_is_left_alone(make):
    packed = gzip.compress(TEXT)
    upstream = make.origin(answers(reply(packed, fields=GZIP)))
    running = make.gateway(no_op(upstream, input_headers=["Accept-Encoding"]))
    response = fetch(running.address, "/a", fields=[("Accept-Encoding", "gzip")])
    assert response.body == packed and response.get("content-encoding") == "gzip"
    assert response.get("content-length") == str(len(packed))


@pytest.mark.parametrize("status, fields, body", [
    ("200 OK", [("Content-Encoding", "br")], b"not for us"),
    ("200 OK", [("Content-Encoding", "gzip, br")], b"not for us"),
    ("200 OK", GZIP, b""),
    ("204 No Content", GZIP, None),
    ("304 Not Modified", GZIP, None),
])
def test_other_answers_are_left_alone(make, status, fields, body):
    head = "\r\n".join([f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields)]).encode() + b"\r\n\r\n"
    upstream = make.origin(answers(head if body is None else reply(body, status, fields)))
    response = fetch(make.gateway(no_op(upstream)).address, "/a")
    assert response.body == (body or b"") and response.get("content-encoding") == fields[0][1]


def test_an_empty_body_that_says_gzip_is_empty(make):
    """As in Go: no byte, no header of gzip, no fault."""
    upstream = make.origin(answers(chunked([], fields=GZIP)))
    response = fetch(make.gateway(no_op(upstream)).address, "/a")
    assert (response.status, response.body, response.get("content-encoding")) == (200, b"", None)


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error"])
def test_errors_are_unpacked_too(make, status):
    upstream = make.origin(answers(reply(gzip.compress(b"no such thing"), status, GZIP)))
    extra = {"backend/http": {"return_error_details": "it"}}
    config = service([endpoint("/a", backend(upstream, extra_config=extra))])
    assert json.loads(fetch(make.gateway(config).address, "/a").body)["error_it"]["http_body"] == "no such thing"


def test_decoded_bodies_are_unpacked(make):
    upstream = make.origin(answers(reply(gzip.compress(b'{"b":1,"a":2}'), fields=GZIP)))
    response = fetch(make.gateway(decoded(upstream, encoding="json")).address, "/a")
    assert response.body == b'{"a":2,"b":1}' and response.get("content-encoding") is None


def test_pieces_reach_the_client_as_they_come(make):
    """What an origin flushes is not held back until the end."""
    going_on = threading.Event()

    def handler(conn, _):
        packer = zlib.compressobj(wbits=31)
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n")
        conn.send(packer.compress(b"first ") + packer.flush(zlib.Z_SYNC_FLUSH))
        going_on.wait(20)
        conn.send(packer.compress(b"second") + packer.flush())
        conn.close()

    with Client(make.gateway(no_op(make.origin(handler))).address) as client:
        client.send_request("GET", "/a")
        client.read_head()
        seen = b""
        while b"first " not in seen:
            seen += client.receive()
        assert b"second" not in seen
        going_on.set()
        while b"second" not in seen:
            seen += client.receive()


def damaged():
    packed = gzip.compress(TEXT)
    return {
        "cut": (packed[:-30], "unexpected EOF"),
        "no gzip": (TEXT, "gzip: invalid header"),
        "junk behind it": (packed + b"junk", "gzip: invalid header"),
        "wrong sum": (packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:], "gzip: invalid checksum"),
        "wrong block": (packed[:10] + b"\xff" * 20, "flate: corrupt input"),
    }


@pytest.fixture(params=list(damaged()))
def damage(request):
    return damaged()[request.param]


def test_damage_is_an_upstream_error_where_it_is_decoded(make, damage):
    upstream = make.origin(answers(reply(damage[0], fields=GZIP)))
    running = make.gateway(decoded(upstream, {"holdfast/admin": {"listen": "127.0.0.1:0"}}))
    response = fetch(running.address, "/a")
    assert (response.status, response.body) == (502, damage[1].encode())
    eventually(lambda: damage[1] in running.output, what="the fault on the log")
    assert failures(running) == 1


def test_damage_cuts_a_stream(make, damage):
    upstream = make.origin(answers(reply(damage[0], fields=[*GZIP, ("Content-Type", "text/plain")])))
    running = make.gateway(no_op(upstream, extra={"holdfast/admin": {"listen": "127.0.0.1:0"}}))
    with Client(running.address) as client:
        client.send_request("GET", "/a")
        with pytest.raises(Cut):
            client.read_response()
    eventually(lambda: damage[1] in running.output, what="its reason in the access log")
    assert failures(running) == 1
    assert fetch(running.address, "/__health").status == 200


@pytest.mark.parametrize("asked_by_client", [False, True])
def test_a_bomb_that_is_decoded_stops_at_its_limit(make, asked_by_client):
    bomb = gzip.compress(b" " * (8 << 20), 9)
    upstream = make.origin(answers(reply(bomb, fields=GZIP)))
    extra = {"holdfast/upstream": {"max_decoded_bytes": 1 << 20}}
    running = make.gateway(decoded(upstream, extra, input_headers=["Accept-Encoding"]))
    before = running.memory_kib("VmHWM")
    response = fetch(running.address, "/a", fields=[("Accept-Encoding", "gzip")] if asked_by_client else [])
    assert response.status == 502 and b"more than 1048576 bytes" in response.body
    assert running.memory_kib("VmHWM") - before < 24 << 10


def test_the_limit_of_a_backend_is_its_own(make):
    upstream = make.origin(answers(reply(b"x" * 2000)))
    limited = {"extra_config": {"holdfast/upstream": {"max_decoded_bytes": 1000}}}
    config = service([endpoint("/a", backend(upstream, encoding="string", **limited)),
                      endpoint("/b", backend(upstream, encoding="string"))])
    address = make.gateway(config).address
    assert fetch(address, "/a").status == 500 and fetch(address, "/b").status == 200


def test_a_streamed_bomb_takes_no_memory(make):
    """The client's pace bounds it: 256 MiB unpacked, a few of them here at a time."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    upstream = make.origin(answers(reply(bomb, fields=[*GZIP, ("Content-Type", "x/y")])))
    running = make.gateway(no_op(upstream, timeout="60s"))
    before, size = running.memory_kib("VmHWM"), 0
    with Client(running.address, receive_buffer=65536) as client:
        client.send_request("GET", "/a", fields=[("Connection", "close")])
        while True:
            piece = client.sock.recv(1 << 20)
            if not piece:
                break
            size += len(piece)
    assert size > 256 << 20
    assert running.memory_kib("VmHWM") - before < 24 << 10


@pytest.fixture(scope="module")
def nginx(shared, tmp_path_factory):
    if servers.Nginx.missing:
        pytest.skip(servers.Nginx.missing)
    root, work = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("nginx")
    for folder in (root, work):
        servers.let_others_read(folder)
    random_part = random.Random(1).randbytes(100_000)
    (root / "text").write_bytes(TEXT * 50 + random_part)
    (root / "json").write_bytes(json.dumps({"list": list(range(5000))}).encode())
    for name in ("text", "json"):
        (root / name).chmod(0o644)
    server = shared.stack.enter_context(servers.Nginx(work / "nginx", root))
    return server, TEXT * 50 + random_part


def test_nginx_packs_and_nobody_sees_it(make, nginx):
    server, text = nginx
    assert fetch(server.address, "/packed/text", fields=[("Accept-Encoding", "gzip")]).get("content-encoding") == "gzip"
    config = service([endpoint("/text", backend(server, "/packed/text", encoding="no-op"), output_encoding="no-op"),
                      endpoint("/json", backend(server, "/packed/json"))])
    client = make.client(make.gateway(config))
    used_before = len(set(server.used_ports()))
    for _ in range(5):
        response = client.get("/text")
        assert response.body == text and response.get("content-encoding") is None
        assert client.get("/json").body == json.dumps({"list": list(range(5000))}, separators=(",", ":")).encode()
    eventually(lambda: len(set(server.used_ports())) == used_before + 1, what="one connection for all")
