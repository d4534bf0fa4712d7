"""test_client_statuses.py: each status with which the gateway itself refuses a client, over HTTP/1.1 and HTTP/2: the status, the reason in
the text, what becomes of the connection; and that no text says what the client said.

421 is in test_tls_server.py, 425 in test_tls_resumption.py, 501 for tunnels that do not exist in test_websocket_http2.py.
SPDX-License-Identifier: Apache-2.0
"""
import collections
import re
import threading

import h2.events
import pytest
from admin import ADMIN, metrics
from configs import backend, endpoint, proxy, service
from h2client import Client as Client2
from rawhttp import Client, fetch
from waiting import eventually

CANARY = b"<i>canary</i>"
LENGTH = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = {"max_body_bytes": 1000, "body_gap_timeout": "700ms", "max_header_fields": 30}

HTTP1 = {
    "400 a fragment": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request: bad_target"),
    "400 a star": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad Request: bad_target"),
    "400 chunks that are none": (CHUNKED + b"zz\r\n", "400 Bad Request: bad_chunk"),
    "400 gzip under chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                               "400 Bad Request: bad_framing"),
    "408 a head that stops": (b"GET / HTTP/1.1\r\nHost: a\r\n", "408 Request Timeout: head_timeout"),
    "408 a body that stops": (LENGTH % 100 + b"hello", "408 Request Timeout: body_timeout"),
    "413 a length": (LENGTH % 1001, "413 Content Too Large: body_too_large"),
    "413 chunks": (CHUNKED + b"3e9\r\n" + b"a" * 1001 + b"\r\n", "413 Content Too Large: body_too_large"),
    "414": (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "414 URI Too Long: target_too_long"),
    "417": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", "417 Expectation Failed: bad_expectation"),
    "431 bytes": (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 70000 + b"\r\n\r\n",
                  "431 Request Header Fields Too Large: head_too_large"),
    "431 fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: a\r\n" * 40 + b"\r\n", "431 Request Header Fields Too Large: head_too_large"),
    "501": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented: bad_coding"),
    "505 2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported: bad_version"),
    "505 3.0": (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported: bad_version"),
}


@pytest.fixture(scope="module")
def front(shared):
    upstream = shared.origin()
    running = shared.gateway(proxy(upstream, {"workers": 1, **LIMITS}, use_h2c=True, read_header_timeout="700ms", idle_timeout="30s",
                                   max_header_bytes=65536, timeout="20s"))
    running.origin = upstream
    return running


@pytest.mark.parametrize("name", HTTP1)
def test_http1(front, name):
    raw, text = HTTP1[name]
    with Client(front.address) as client:
        client.send(raw)
        response = client.read_response()
        assert (str(response.status), response.says_close) == (name[:3], True)
        assert response.body.decode() == text
        assert client.ended()


def test_each_status_is_counted(make):
    """Those of requests that never became one, too, and 499 of the client that went away."""
    release = threading.Event()
    upstream = make.origin(lambda conn, _: release.wait(20))
    running = make.gateway(proxy(upstream, {"workers": 1, **LIMITS}, ADMIN, read_header_timeout="700ms", idle_timeout="30s",
                                 max_header_bytes=65536, timeout="20s"))
    wanted = collections.Counter({"499": 1})
    for name, (raw, _) in HTTP1.items():
        if "chunks" in name or "body" in name:
            continue  # these reach the host
        with Client(running.address) as client:
            client.send(raw)
            wanted[str(client.read_response().status)] += 1
    with Client(running.address) as client:
        client.send_request("GET", "/slow")
        upstream.wait_requests(1)
        client.reset()

    def counted():
        found = collections.Counter()
        for name, number in metrics(running).items():
            if name.startswith("holdfast_requests_total{"):
                found[re.search(r'status="(\d+)"', name)[1]] += int(number)
        return found

    eventually(lambda: counted() == wanted, what=f"{wanted} in the metrics")
    release.set()
    assert {"408", "413", "414", "417", "431", "499", "501", "505"} <= set(wanted)


HTTP2 = {
    "408": ({"method": "POST", "body": b"hello", "end": False}, "408 Request Timeout: body_timeout"),
    "413 a length": ({"method": "POST", "end": False, "fields": [("content-length", "1001")]}, "413 Content Too Large: body_too_large"),
    "413 no length": ({"method": "POST", "end": False, "body": b"a" * 1001}, "413 Content Too Large: body_too_large"),
    "417": ({"fields": [("expect", "more")]}, "417 Expectation Failed: bad_expectation"),
    "414": ({"path": "/" + "a" * 9000}, "414 URI Too Long: target_too_long"),
    "414 beyond a head": ({"path": "/" + "a" * 70000}, "414 URI Too Long: target_too_long"),
    "431 bytes": ({"fields": [("x-a", "a" * 70000)]}, "431 Request Header Fields Too Large: head_too_large"),
    "431 fields": ({"fields": [("x-a", "a")] * 40}, "431 Request Header Fields Too Large: head_too_large"),
}


@pytest.mark.parametrize("name", HTTP2)
def test_http2(make, front, name):
    """The other streams of the connection go on."""
    asked, text = HTTP2[name]
    client = Client2(front.address)
    make.stack.callback(client.sock.close)
    client.poll()
    client.request(1, **asked)
    assert str(client.status(1)) == name[:3]
    assert client.body(1).decode() == text
    client.request(3)
    assert client.status(3) == 200
    assert not client.closed and not client.of(h2.events.ConnectionTerminated)


@pytest.mark.parametrize("part", ["no CONTINUATION", "half a frame"])
def test_http2_head_that_stops(make, front, part):
    """408 on the stream; a stream that was there before is answered too; then the connection ends, as nothing can come behind half a
    head."""
    client = Client2(front.address)
    make.stack.callback(client.sock.close)
    client.poll()
    client.request(1)
    assert client.status(1) == 200
    client.h2.send_headers(3, [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/" + "a" * 100)], end_stream=True)
    frame = bytearray(client.h2.data_to_send())
    if part == "half a frame":
        del frame[len(frame) // 2:]
    else:
        frame[4] &= ~4  # END_HEADERS
    client.sock.sendall(frame)
    assert client.status(3) == 408
    assert client.body(3).decode() == "408 Request Timeout: head_timeout"
    told = client.wait(h2.events.ConnectionTerminated)[0]
    assert (told.error_code, told.last_stream_id) == (0, 3)
    for _ in range(100):
        if not client.closed:
            client.poll()
    assert client.closed


def down(**keys):
    """An endpoint of a host that is not there."""
    return endpoint("/down/*", backend("http://127.0.0.1:10", "/*"), **{"method": "*", "input_query_strings": ["*"], **keys})


@pytest.fixture(scope="module")
def talkative(shared):
    """Says the most that it can be told to say."""
    upstream = shared.origin()
    there = [down(output_encoding="no-op"), endpoint("/json/{a}", backend("http://127.0.0.1:10", "/{a}"), input_query_strings=["*"]),
             endpoint("/slash", backend(upstream)), endpoint("/get", backend(upstream))]
    extra = {"router": {"return_error_msg": True}}
    return shared.gateway(service(there, {"workers": 1, **LIMITS}, extra, use_h2c=True, max_header_bytes=65536))


QUERY = b"?a=" + CANARY
HEAD = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
SAID = {
    "method": CANARY + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "method that nobody knows": b"CANARY /get" + HEAD + b"\r\n",
    "no route": b"GET /" + CANARY + QUERY + HEAD + b"\r\n",
    "not allowed": b"PUT /get" + QUERY + HEAD + b"X-A: " + CANARY + b"\r\n\r\n",
    "redirect": b"GET /slash/" + QUERY + HEAD + b"\r\n",
    "redirect of a prefix": b"GET /slash/" + HEAD + b"X-Forwarded-Prefix: /" + CANARY + b"\r\n\r\n",
    "parameter": b"GET /json/%253Ci%253Ecanary" + CANARY + HEAD + b"\r\n",
    "bad escape": b"GET /json/%<i>canary" + HEAD + b"\r\n",
    "host that is not there": b"GET /down/x" + QUERY + HEAD + b"\r\n",
    "host that is not there, a path": b"GET /down/" + CANARY + HEAD + b"\r\n",
    "host that is not there, JSON": b"GET /json/" + CANARY.replace(b"/", b"%2F") + QUERY + HEAD + b"\r\n",
    "version": b"GET / HTTP/1.1" + CANARY + b"\r\nHost: a\r\n\r\n",
    "field name": b"GET /" + HEAD + CANARY + b": a\r\n\r\n",
    "host": b"GET / HTTP/1.1\r\nHost: " + CANARY + b"\r\n\r\n",
    "length": b"POST /" + HEAD + b"Content-Length: " + CANARY + b"\r\n\r\n",
    "coding": b"POST /" + HEAD + b"Transfer-Encoding: " + CANARY + b"\r\n\r\n",
    "expectation": b"POST /" + HEAD + b"Expect: " + CANARY + b"\r\n\r\n",
    "named field": b"GET /" + HEAD + b"Connection: Host, " + CANARY + b"\r\n\r\n",
    "chunk": b"POST /down/x" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CANARY + b"\r\n",
    "head": b"GET /" + HEAD + b"X-A: " + CANARY * 8000 + b"\r\n\r\n",
    "target": b"GET /" + CANARY * 8000 + HEAD + b"\r\n",
}


@pytest.mark.parametrize("name", SAID)
def test_no_text_says_what_the_client_said(talkative, name):
    with Client(talkative.address) as client:
        try:
            client.send(SAID[name])
        except OSError:
            pass
        answer = client.read_to_end()
    assert re.match(rb"HTTP/1\.1 [345]\d\d ", answer), answer[:200]
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"<i>" not in body and b"CANARY" not in body, answer
    assert b"<i>" not in re.sub(rb"Location: [^\r]*", b"", head)  # a URL, as Go writes it
    assert b"\n\n" not in head and b"\0" not in answer


@pytest.mark.parametrize("path", ["/" + CANARY.decode(), "/json/%0d%0aX-Evil:%201", "/slash%0d%0aX-Evil:1/", "/down/a%0d%0aX-Evil:1"])
def test_nor_over_http2(make, talkative, path):
    client = Client2(talkative.address)
    make.stack.callback(client.sock.close)
    client.request(1, path)
    assert client.status(1) >= 300
    head = dict(client.of(h2.events.ResponseReceived, 1)[0].headers)
    assert b"<i>" not in client.body(1) and "x-evil" not in head
    assert not any("<i>" in value or "\n" in value for name, value in head.items() if name != "location")


@pytest.mark.parametrize("path", ["/slash%0d%0aX-Evil:1/", "/json/%0d%0aX-Evil:%201", "/down/a%0d%0aX-Evil:1"])
def test_line_ends_in_a_path_begin_no_field(talkative, path):
    response = fetch(talkative.address, path)
    assert response.status >= 300 and response.get("x-evil") is None
