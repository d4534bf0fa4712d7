"""test_forwarding.py: which headers, query and body reach the backend (krakend-core 3.4 and 4.1).

SPDX-License-Identifier: Apache-2.0
"""
import re

import pytest
from configs import backend, endpoint, service
from rawhttp import Client, fetch

VERSION = r"KrakenD Version \S+"


class Front:
    """One gateway, with an endpoint for each set of rules, all in front of one origin."""

    def __init__(self, make):
        self.origin = make.origin()
        rules = {
            "/none": ({}, {}),
            "/some": ({"input_headers": ["x-one", "X-TWO", "X-Missing"]}, {}),
            "/agent": ({"input_headers": ["User-Agent"]}, {}),
            "/all": ({"input_headers": ["*"], "input_query_strings": ["*"]}, {}),
            "/length": ({"input_headers": ["Content-Length", "Content-Type"]}, {}),
            "/query": ({"input_query_strings": ["b", "a", "Case"]}, {}),
            "/pattern": ({"input_query_strings": ["b"]}, {"url_pattern": "/x?fixed=1&b=0"}),
            "/p/{one}/{two}": ({}, {"url_pattern": "/x/{two}/{one}?q={one}"}),
            "/second": ({"input_headers": ["*"]}, {"input_headers": ["X-One", "X-Forwarded-For"]}),
            "/nothing": ({"input_headers": ["*"]}, {"input_headers": [""]}),
            "/query2": ({"input_query_strings": ["*"]}, {"input_query_strings": ["a"]}),
            "/method": ({}, {"method": "delete"}),
        }
        endpoints = [endpoint(path, backend(self.origin, **{"url_pattern": "/x", "encoding": "no-op", **inner}),
                              method=method, output_encoding="no-op", **outer)
                     for path, (outer, inner) in rules.items() for method in ("GET", "POST")]
        self.address = make.gateway(service(endpoints)).address

    def ask(self, target, fields=(), method="GET", body=None, **keys):
        """The request as the origin got it."""
        self.origin.requests.clear()
        assert fetch(self.address, target, method, fields, body, **keys).status == 200
        return self.origin.last


@pytest.fixture(scope="module")
def front(shared):
    return Front(shared)


CLIENT_FIELDS = [("X-One", "1"), ("X-Two", "2"), ("X-Two", "2b"), ("X-Three", "3"), ("Cookie", "a=b"),
                 ("User-Agent", "tester/1"), ("Content-Type", "text/x-a")]


def own_names(request):
    """The client's names that got through."""
    return request.names() & {"x-one", "x-two", "x-three", "cookie", "content-type"}


def test_without_a_list_only_the_content_type_passes(front):
    request = front.ask("/none", CLIENT_FIELDS)
    assert own_names(request) == {"content-type"}
    assert re.fullmatch(VERSION, request.get("user-agent"))
    assert request.get("x-forwarded-via") is None


def test_a_list_passes_its_names_with_all_values(front):
    request = front.ask("/some", CLIENT_FIELDS)
    assert own_names(request) == {"x-one", "x-two"}
    assert request.all("x-two") == ["2", "2b"]
    assert re.fullmatch(VERSION, request.get("user-agent"))


def test_a_listed_user_agent_is_kept_and_ours_is_told_apart(front):
    request = front.ask("/agent", CLIENT_FIELDS)
    assert request.get("user-agent") == "tester/1"
    assert re.fullmatch(VERSION, request.get("x-forwarded-via"))


def test_a_star_passes_all_end_to_end_fields(front):
    request = front.ask("/all", [*CLIENT_FIELDS, ("Connection", "keep-alive"), ("Te", "trailers")])
    assert own_names(request) == {"x-one", "x-two", "x-three", "cookie", "content-type"}
    assert request.get("user-agent") == "tester/1"
    assert not {"keep-alive", "proxy-connection"} & request.names()
    assert (request.get("te"), "TE" in request.get("connection")) == ("trailers", True)  # ours: trailers are passed on


def test_names_are_canonical(front):
    request = front.ask("/all", [("x-lower-case", "1"), ("X-UPPER-CASE", "2"), ("sec-ch-ua", "3")])
    assert {"X-Lower-Case", "X-Upper-Case", "Sec-Ch-Ua", "Host", "X-Forwarded-For"} <= {name for name, _ in request.fields}


def test_the_host_is_the_backends_and_the_clients_is_told(front):
    request = front.ask("/none", host="shop.test:8080")
    assert request.get("host") == "{}:{}".format(*front.origin.address)
    assert request.get("x-forwarded-host") == "shop.test:8080"


FORWARDED_FOR = [
    ([], "127.0.0.1"),
    ([("X-Forwarded-For", "203.0.113.7, 10.0.0.1")], "203.0.113.7"),
    ([("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "10.0.0.1")], "203.0.113.7"),
    ([("X-Forwarded-For", "nonsense")], "127.0.0.1"),
    ([("X-Real-IP", "203.0.113.9")], "203.0.113.9"),
]


@pytest.mark.parametrize("fields, expected", FORWARDED_FOR)
@pytest.mark.parametrize("path", ["/none", "/all"])
def test_the_clients_address(front, path, fields, expected):
    """By default everybody is trusted, as in KrakenD: the leftmost address counts, and it alone is sent."""
    assert front.ask(path, fields).get("x-forwarded-for") == expected


def test_trusted_proxies_limit_who_may_name_the_client(make):
    upstream = make.origin()
    config = service([endpoint("/a", backend(upstream))], extra={"router": {"trusted_proxies": ["10.0.0.0/8"]}})
    fetch(make.gateway(config).address, "/a", fields=[("X-Forwarded-For", "203.0.113.7")])
    assert upstream.last.get("x-forwarded-for") == "127.0.0.1"


QUERIES = [
    ("/query?a=1&b=2&c=3", "a=1&b=2"),
    ("/query?b=2&a=1", "a=1&b=2"),  # sorted by name
    ("/query?a=2&a=1&a=2", "a=2&a=1&a=2"),  # values keep their order
    ("/query?case=1&Case=2", "Case=2"),
    ("/query?c=3", ""),
    ("/query?a=", "a="),
    ("/all?z=1&y=%20+%2B&x", "x=&y=++%2B&z=1"),
    ("/none?a=1", ""),
    ("/pattern?b=2&c=3", "fixed=1&b=0&b=2"),  # the pattern's own query comes first
    ("/query2?a=1&b=2", "a=1"),
]


@pytest.mark.parametrize("target, expected", QUERIES)
def test_the_query(front, target, expected):
    assert front.ask(target).query == expected


PARAMETERS = [
    ("/p/a/b", "/x/b/a", "q=a"),
    ("/p/a%20b/c", "/x/c/a%20b", "q=a%20b"),
    ("/p/a&b=c/d", "/x/d/a&b=c", "q=a%26b%3Dc"),  # escaped in the query, unlike KrakenD
]


@pytest.mark.parametrize("target, path, query", PARAMETERS)
def test_parameters_in_the_pattern(front, target, path, query):
    request = front.ask(target)
    assert request.path == path
    assert request.query.replace("+", "%20") == query


def test_a_second_list_at_the_backend_filters_again(front):
    request = front.ask("/second", CLIENT_FIELDS)
    assert own_names(request) == {"x-one"}
    assert request.get("x-forwarded-for") == "127.0.0.1"
    assert request.get("x-forwarded-host") is None


def test_an_empty_name_at_the_backend_drops_everything(front):
    request = front.ask("/nothing", CLIENT_FIELDS)
    assert own_names(request) == set()
    assert request.get("x-forwarded-for") is None and request.get("x-forwarded-host") is None
    assert "tester" not in request.get("user-agent", "")


def test_the_backends_method_is_its_own(front):
    assert front.ask("/method").method == "DELETE"


@pytest.mark.parametrize("path, framing", [("/none", "chunked"), ("/length", "length"), ("/all", "length")])
def test_a_length_is_forwarded_only_when_it_is_listed(front, path, framing):
    request = front.ask(path, [("Content-Type", "text/x-a")], "POST", b"hello")
    assert (request.body, request.get("content-type")) == (b"hello", "text/x-a")
    if framing == "chunked":
        assert request.get("transfer-encoding", "").lower() == "chunked" and request.get("content-length") is None
    else:
        assert request.get("content-length") == "5" and request.get("transfer-encoding") is None


def test_an_empty_post_has_length_zero(front):
    for path in ("/none", "/all"):
        request = front.ask(path, method="POST", body=b"")
        assert request.get("content-length") == "0" and request.body == b""


def test_a_get_without_a_body_has_no_framing(front):
    request = front.ask("/all")
    assert request.get("content-length") is None and request.get("transfer-encoding") is None


def test_a_chunked_body_and_its_trailers(front):
    front.origin.requests.clear()
    with Client(front.address) as client:
        client.send("POST /all HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert client.read_response().status == 200
    request = front.origin.last
    assert request.body == b"hello" and request.get("x-sum") is None
    assert request.trailers in ([], [("X-Sum", "1")])


@pytest.mark.parametrize("off", [True, False])
def test_compression_can_be_turned_off(make, off):
    upstream = make.origin()
    fetch(make.gateway(service([endpoint("/a", backend(upstream))], disable_compression=off)).address, "/a")
    assert upstream.last.get("accept-encoding") == (None if off else "gzip")


def test_the_clients_accept_encoding_passes_untouched(front):
    assert front.ask("/all", [("Accept-Encoding", "br, x-odd")]).get("accept-encoding") == "br, x-odd"
