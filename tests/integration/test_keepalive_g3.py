"""test_keepalive_g3.py: pipelining, early answers, expectations: items 49 to 63 and 65 of the test matrix (G.3).

SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

import pytest
from configs import forward_all, proxy, service
from origin import answers, answers_ok, by_path, reply
from rawhttp import Client, Cut, fetch
from waiting import Stopwatch, eventually

GET = "GET {} HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def front(make):
    """(origin, gateway, client): a client on a plain reverse proxy."""
    def build(handler=answers_ok, **root):
        upstream = make.origin(handler)
        running = make.gateway(proxy(upstream, **root))
        return upstream, running, make.client(running)
    return build


def test_49_pipelined_requests_go_one_at_a_time_in_order(front):
    inside, most = [], []

    def handler(conn, request):
        inside.append(request)
        most.append(len(inside))
        time.sleep(0.05)
        conn.send(reply(request.target))
        inside.remove(request)

    _, _, client = front(handler)
    client.send("".join(GET.format(f"/{n}") for n in (1, 2, 3)))
    assert [client.read_response().body for _ in range(3)] == [b"/1", b"/2", b"/3"]
    assert max(most) == 1


def test_50_a_failed_answer_in_the_middle_ends_the_pipeline(front):
    def cut(conn, _):
        conn.body()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        conn.close()

    upstream, _, client = front(by_path({"/2": cut}))
    client.send(GET.format("/1") + "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + GET.format("/3"))
    assert client.read_response().body == b"OK"
    with pytest.raises(Cut):
        client.read_response()
    assert [request.target for request in upstream.requests] == ["/1", "/2"]


def test_51_nothing_behind_close_is_executed(front):
    upstream, _, client = front()
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET.format("/2"))
    assert client.read_response().says_close
    assert client.ended()
    time.sleep(0.2)
    assert [request.target for request in upstream.requests] == ["/1"]


def test_52_a_thousand_pipelined_requests_are_all_answered(front):
    upstream, _, client = front(lambda conn, request: conn.send(reply(request.target)))
    sender = threading.Thread(target=client.send, args=("".join(GET.format(f"/{n}") for n in range(1000)),))
    sender.start()
    assert [client.read_response().body for _ in range(1000)] == [b"/%d" % n for n in range(1000)]
    sender.join()
    assert len(upstream.connections) == 1


def test_52_reading_stops_while_answers_are_not_ready(front):
    release = threading.Event()

    def waits(conn, _):
        release.wait(30)
        conn.send(reply())

    _, running, client = front(waits, timeout="30s")
    before = running.memory_kib()
    sent = client.send_until_blocked(GET.format("/").encode() * 1000, 64 << 20)
    assert sent < 32 << 20, "the gateway kept reading"
    assert running.memory_kib() - before < 16 << 10
    release.set()
    assert client.read_response().status == 200


def ask_to_continue(client, target="/", body=b"hello", version="1.1"):
    client.send(f"POST {target} HTTP/{version}\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n")


def says_continue(conn, request):
    assert request.get("expect", "").lower() == "100-continue"
    assert not conn.buffer, "the body came before it was asked for"
    conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    conn.body()
    conn.send(reply(request.body))


def test_53_continue_from_the_upstream_is_passed_on_once(front):
    upstream, _, client = front(says_continue, expect_continue_timeout="5s")
    for _ in range(2):
        ask_to_continue(client)
        assert client.read_response().status == 100
        client.send("hello")
        response = client.read_response()
        assert (response.status, response.body) == (200, b"hello")
    assert len(upstream.connections) == 1


def test_53_by_default_the_client_is_told_to_go_on_at_once(front):
    """expect_continue_timeout 0 is KrakenD's default: the body is sent at once."""
    upstream, _, client = front(answers(reply()))
    ask_to_continue(client)
    assert client.read_response().status == 100
    client.send("hello")
    assert client.read_response().status == 200
    assert upstream.last.body == b"hello"


@pytest.mark.parametrize("status", ["417 Expectation Failed", "401 Unauthorized"])
def test_54_a_refusal_instead_of_continue(front, status):
    """The origin reads the body behind its refusal if one is sent: both connections must stay in step, or end."""
    upstream, running, client = front(by_path({"/x": lambda conn, _: conn.send(reply(b"no", status))}),
                                      expect_continue_timeout="20s", timeout="30s")
    watch = Stopwatch()
    ask_to_continue(client, "/x")
    response = client.read_response()
    assert (response.status, response.body) == (int(status[:3]), b"no")
    assert watch.awake < 3
    if response.says_close:
        assert client.ended()
    else:
        client.send("hello" + GET.format("/next"))
        assert client.read_response().body == b"OK"
    assert fetch(running.address, "/other").body == b"OK"
    assert upstream.requests[0].body in (None, b"hello")


def test_55_a_silent_upstream_gets_the_body_after_the_timeout(front):
    upstream, _, client = front(expect_continue_timeout="400ms")
    watch = Stopwatch()
    ask_to_continue(client)
    assert client.read_response().status == 100
    assert watch.seconds > 0.3
    client.send("hello")
    assert client.read_response().status == 200
    assert upstream.last.body == b"hello"


def test_56_no_100_for_http_1_0(front):
    upstream, _, client = front()
    ask_to_continue(client, version="1.0")
    client.send("hello")
    assert client.read_response().status == 200
    assert upstream.last.body == b"hello"


def test_57_an_unknown_expectation(front):
    _, _, client = front()
    assert client.get(fields=[("Expect", "something")]).status in (200, 417)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_58_early_hints_do_not_disturb_the_final_answer(front, version):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    upstream, _, client = front(answers(hint * 2 + reply()))
    client.send_request("GET", "/", version=version)
    statuses = []
    while not statuses or statuses[-1] < 200:
        statuses.append(client.read_response().status)
    assert statuses in ([200], [103, 103, 200])
    assert version == "1.1" or statuses == [200]
    assert fetch(client.sock.getpeername()).status == 200
    assert len(upstream.connections) == 1


def test_59_continue_that_nobody_asked_for(front):
    _, _, client = front(answers(b"HTTP/1.1 100 Continue\r\n\r\n" + reply()))
    for _ in range(2):
        assert client.get().body == b"OK"


def test_60_a_final_answer_stops_the_upload(front):
    def refuses(conn, _):
        conn.send(reply(b"too much", "413 Content Too Large"))
        conn.wait_end(10)

    upstream, running, client = front(by_path({"/up": refuses}), timeout="20s")
    watch = Stopwatch()
    client.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n\r\n" + b"a" * 65536)
    response = client.read_response()
    assert (response.status, response.body) == (413, b"too much")
    assert watch.awake < 3
    assert upstream.connections[0].ended.wait(8), "the upstream connection stayed open"
    assert fetch(running.address).body == b"OK"


def test_61_an_early_answer_while_the_body_goes_on(front):
    def early(conn, _):
        conn.send(reply(b"early"))
        conn.body()

    upstream, _, client = front(by_path({"/up": early}))
    body = b"a" * 100_000
    client.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:50_000])
    response = client.read_response()
    assert response.body == b"early"
    if response.says_close:
        assert client.ended(), "the rest of the body is not drained, so the connection must end"
        client = Client(client.sock.getpeername())
    else:
        client.send(body[50_000:])
    assert client.get("/next").body == b"OK"
    uploads = [request for request in upstream.requests if request.target == "/up"]
    assert len(uploads) == 1 and uploads[0].body in (None, body)


def test_62_a_client_that_leaves_in_mid_upload(front):
    upstream, running, client = front()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 300_000)
    upstream.wait_requests(1)
    client.reset()
    assert upstream.connections[0].ended.wait(8), "the upstream connection stayed open"
    assert fetch(running.address).body == b"OK"
    assert len(upstream.connections) == 2
    assert upstream.requests[0].body is None


def test_63_a_client_that_leaves_while_a_small_answer_arrives(front):
    def slow(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        time.sleep(0.3)
        conn.send(b"world")

    upstream, running, client = front(by_path({"/slow": slow}))
    client.send(GET.format("/slow"))
    client.read_head()
    client.reset()
    time.sleep(0.5)
    for _ in range(3):
        assert fetch(running.address).body == b"OK"
    eventually(lambda: len(upstream.open_connections()) <= 1, what="one pooled connection at most")


def test_63_a_client_that_leaves_a_large_answer(front):
    def large(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            conn.send(b"a" * 65536)

    upstream, running, client = front(by_path({"/large": large}))
    client.send(GET.format("/large"))
    client.read_head()
    client.reset()
    eventually(lambda: fetch(running.address).body == b"OK")
    assert upstream.requests[0].target == "/large"
    # The thread of that connection ends with an error once the gateway has closed.
    eventually(lambda: upstream.connections[0].sock.fileno() == -1, what="the upstream connection closed")


def test_65_an_upgrade_that_is_not_taken(make):
    upstream = make.origin()
    client = make.client(make.gateway(service([forward_all(upstream)])))
    fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
              ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    for _ in range(2):
        assert client.get(fields=fields).body == b"OK"
    assert client.get().body == b"OK"
    assert "upgrade" not in upstream.last.names()
    assert len(upstream.connections) == 1
