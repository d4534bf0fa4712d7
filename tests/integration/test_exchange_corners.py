"""test_exchange_corners.py: what an exchange does when two things happen at once: early answers, limits, clients that leave.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest
from admin import ADMIN, pool_of
from configs import backend, endpoint, proxy, service
from origin import answers_ok, by_path
from rawhttp import fetch
from servers import full_listener
from waiting import eventually


@pytest.mark.parametrize("then", ["close", "reset"])
def test_an_error_message_is_not_mixed_with_half_an_answer(make, then):
    def half(conn, _):
        conn.body()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b'{"a": 1, "b": "')
        time.sleep(0.1)
        getattr(conn, then)()

    origin = make.origin(half)
    running = make.gateway(service([endpoint("/json", backend(origin, "/x"))], extra={"router": {"return_error_msg": True}}))
    client = make.client(running)
    for _ in range(2):
        response = client.get("/json")
        assert response.status == 500
        assert b'"a"' not in response.body and response.body


def test_a_request_is_not_sent_again_behind_a_part_of_an_answers_head(make):
    def half_a_head(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\nX-A: ")
        conn.close()

    origin = make.origin(by_path({"/x": half_a_head}))
    running = make.gateway(proxy(origin))
    assert fetch(running.address, "/ok").status == 200
    assert fetch(running.address, "/x").status == 502
    assert [request.path for request in origin.requests] == ["/ok", "/x"]


def test_a_request_sent_again_leaves_no_error_in_the_access_log(make):
    def closes_on_the_second(conn, request):
        if request.path == "/second" and conn.number == 0:
            conn.close()
        else:
            answers_ok(conn, request)

    origin = make.origin(closes_on_the_second)
    running = make.gateway(proxy(origin))
    assert fetch(running.address, "/first").status == 200
    assert fetch(running.address, "/second").status == 200
    assert len(origin.connections) == 2
    output = running.all_output()
    assert "/second" in output and "Error #01" not in output


def test_a_client_is_not_told_to_go_on_behind_a_refusal(make):
    def refuses_slowly(conn, _):
        conn.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n")
        time.sleep(0.3)
        conn.send(b"no")
        conn.wait_end(5)

    origin = make.origin(refuses_slowly)
    endpoints = [endpoint("/json", backend(origin, "/x"), method="POST", input_headers=["*"]),
                 endpoint("/noop", backend(origin, "/x", encoding="no-op"), method="POST", output_encoding="no-op",
                          input_headers=["*"])]
    running = make.gateway(service(endpoints, {"error_status": "precise"}, expect_continue_timeout="5s"))
    for path in ("/json", "/noop"):
        client = make.client(running)
        client.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        response = client.read_response()
        assert response.status >= 400, path


@pytest.mark.parametrize("request_text", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                          b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
                                          b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nhello"])
def test_a_client_that_leaves_lets_the_dial_go_on_within_its_clock(make, request_text):
    with full_listener() as url:
        running = make.gateway(proxy(url, None, ADMIN, timeout="30s", dialer_timeout="4s"))
        client = make.client(running)
        client.send(request_text)
        eventually(lambda: pool_of(running)["dialing"] == 1)
        client.reset()
        running.wait_output(r"\| 499 \|")
        assert pool_of(running)["dialing"] == 1, "the client was let go before"
        eventually(lambda: pool_of(running)["dialing"] == 0)


def test_a_client_that_leaves_while_its_body_is_held_back(make):
    def silent(conn, _):
        conn.wait_end(30)

    origin = make.origin(silent)
    running = make.gateway(proxy(origin, timeout="30s", expect_continue_timeout="20s"))
    client = make.client(running)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    origin.wait_requests(1)
    client.reset()
    origin.wait_open(0)


def test_a_body_that_is_announced_too_large_costs_no_upstream_connection(make):
    origin = make.origin()
    running = make.gateway(proxy(origin, {"max_body_bytes": 1000}, ADMIN))
    assert fetch(running.address).status == 200
    for _ in range(3):
        client = make.client(running)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + b"a" * 1001)
        assert client.read_response().status == 413
    assert fetch(running.address).status == 200
    assert len(origin.connections) == 1
    assert pool_of(running)["reused"] == 1
