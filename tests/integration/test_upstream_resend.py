"""test_upstream_resend.py: which requests are sent again when a kept connection dies under them (the evidence ladder, cases 72 to 82 of
the catalogue). What counts is what the origin executed. SPDX-License-Identifier: Apache-2.0
"""
import pytest
from configs import forward_all, proxy, service
from origin import reply


class DiesOnSecond:
    """Answers the first request of the first connection, takes the next one on it whole, and ends without an answer."""

    def __init__(self, end="close", part=b"", deaths=1):
        self.end, self.part, self.deaths = end, part, deaths
        self.seen = {}

    def __call__(self, conn, request):
        body = conn.body()
        self.seen.setdefault(conn.number, []).append((request.method, body, request.get("idempotency-key")))
        first = min(self.seen)
        dies = (conn.number == first and len(self.seen[first]) > 1) or (conn.number != first and self.deaths > 1)
        if not dies:
            conn.send(reply(b"%d" % len(body or b"")))
            return
        if self.part:
            conn.send(self.part)
        getattr(conn, self.end)()

    @property
    def executed(self):
        """Every request but the one that made the connection a kept one."""
        return [entry for number in sorted(self.seen) for entry in self.seen[number]][1:]


def meet(make, origin, resend=None):
    extra = {"holdfast/upstream": {"resend": resend}} if resend else None
    client = make.client(make.gateway(proxy(make.origin(origin), extra=extra)))
    assert client.get("/first").status == 200
    return client


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method, body", [("GET", None), ("DELETE", None), ("PUT", b"a" * 10000), ("PUT", b"a" * 60000)])
def test_an_idempotent_request_is_sent_once_more(make, end, method, body):
    origin = DiesOnSecond(end)
    response = meet(make, origin).request(method, "/x", body=body)
    assert (response.status, response.body) == (200, b"%d" % len(body or b""))
    assert origin.executed == [(method, body or b"", None)] * 2


@pytest.mark.parametrize("resend", ["idempotent", "unacked"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_post_that_was_read_is_never_sent_twice(make, resend, end):
    origin = DiesOnSecond(end)
    assert meet(make, origin, resend).request("POST", "/x", body=b"pay 5").status == 502
    assert origin.executed == [("POST", b"pay 5", None)]


def test_a_key_makes_a_post_repeatable(make):
    origin = DiesOnSecond()
    response = meet(make, origin).request("POST", "/x", [("Idempotency-Key", "42")], b"pay 5")
    assert response.status == 200
    assert origin.executed == [("POST", b"pay 5", "42")] * 2


def test_a_body_that_was_not_kept_is_not_sent_again(make):
    origin = DiesOnSecond()
    assert meet(make, origin).request("PUT", "/x", body=b"a" * 70000).status == 502
    assert len(origin.executed) == 1


def test_it_can_be_turned_off(make):
    origin = DiesOnSecond()
    assert meet(make, origin, "off").request("GET", "/x").status == 502
    assert len(origin.executed) == 1


def test_a_resend_is_not_sent_again(make):
    origin = DiesOnSecond(deaths=9)
    assert meet(make, origin).request("GET", "/x").status == 502
    assert len(origin.executed) == 2


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 20", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nConte"])
def test_a_byte_of_an_answer_forbids_it(make, part):
    origin = DiesOnSecond(part=part)
    assert meet(make, origin).request("GET", "/x").status == 502
    assert len(origin.executed) == 1


def test_a_fresh_connection_that_dies_is_no_race(make):
    def dies(conn, request):
        conn.body()
        conn.close()

    upstream = make.origin(dies)
    assert make.client(make.gateway(proxy(upstream))).get("/x").status == 502
    assert len(upstream.requests) == 1


def test_the_nearer_setting_wins(make):
    origin = DiesOnSecond()
    upstream = make.origin(origin)
    route = forward_all(upstream)
    route["backend"][0]["extra_config"] = {"holdfast/upstream": {"resend": "off"}}
    config = service([route], {"error_status": "precise"}, {"holdfast/upstream": {"resend": "unacked"}})
    client = make.client(make.gateway(config))
    assert client.get("/first").status == 200
    assert client.get("/x").status == 502
    assert len(origin.executed) == 1
