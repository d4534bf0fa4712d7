"""test_routing.py: which endpoint a request finds, and what it gets when there is none (krakend-core 3.2 and 3.3).

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest
from configs import backend, endpoint, service
from rawhttp import Client, fetch

ENDPOINTS = [
    ("GET", "/plain", "/plain"),
    ("POST", "/plain", "/posted"),
    ("PUT", "/put", "/put"),
    ("GET", "/u/{id}", "/id/{id}"),
    ("GET", "/u/new", "/new"),
    ("GET", "/u/{id}/posts/{post}", "/id/{id}/post/{post}"),
    ("GET", "/u/new/only", "/new-only"),
    ("GET", "/a/{x}/c", "/x-{x}-c"),
    ("POST", "/u/{user}", "/user/{user}"),
    ("GET", "/ends/", "/ends"),
    ("POST", "/ends/", "/ends"),
    ("GET", "/Users/List", "/listed"),
    ("GET", "/Users/List/{id}", "/listed/{id}"),
]


@pytest.fixture(scope="module")
def origin(shared):
    return shared.origin()


@pytest.fixture(scope="module")
def address(shared, origin):
    endpoints = [endpoint(path, backend(origin, pattern, encoding="no-op"), method=method, output_encoding="no-op")
                 for method, path, pattern in ENDPOINTS]
    return shared.gateway(service(endpoints)).address


FOUND = [
    ("GET", "/plain", "/plain"),
    ("POST", "/plain", "/posted"),
    ("GET", "/u/7", "/id/7"),
    ("GET", "/u/new", "/new"),
    ("GET", "/u/newer", "/id/newer"),
    ("GET", "/u/ne", "/id/ne"),
    ("GET", "/u/new/only", "/new-only"),
    ("GET", "/u/new/posts/3", "/id/new/post/3"),  # the static branch fails later: back to the parameter
    ("GET", "/u/7/posts/a-b.c~d", "/id/7/post/a-b.c~d"),
    ("GET", "/a/b/c", "/x-b-c"),
    ("GET", "/a//c", "/x--c"),  # an empty parameter in the middle
    ("GET", "/u/a%20b", "/id/a%20b"),
    ("GET", "/u/%41", "/id/A"),
    ("GET", "/%70lain", "/plain"),  # matched decoded
    ("GET", "/u/7%2Fposts%2F9", "/id/7/post/9"),  # %2F is a separator
    ("GET", "/u/%C3%A9", "/id/%C3%A9"),
    ("POST", "/u/7", "/user/7"),  # another method, another name
    ("GET", "/ends/", "/ends"),
    ("GET", "/Users/List/AbC", "/listed/AbC"),
]


@pytest.mark.parametrize("method, target, expected", FOUND)
def test_found(address, origin, method, target, expected):
    origin.requests.clear()
    assert fetch(address, target, method).status == 200
    assert (origin.last.method, origin.last.target) == (method, expected)


@pytest.mark.parametrize("target", ["/", "/plai", "/plainx", "/plain/x", "/u", "/u/7/x", "/u/7/posts", "/nothing/here"])
def test_not_found(address, origin, target):
    origin.requests.clear()
    response = fetch(address, target)
    assert response.status == 404
    assert (response.get("content-type"), response.body) == ("text/plain", b"404 page not found")
    assert response.get("x-krakend", "").startswith("Version ")
    assert response.get("x-krakend-completed") == "false"
    assert origin.requests == []


WRONG_METHOD = [
    ("DELETE", "/plain", "GET, POST"),
    ("HEAD", "/plain", "GET, POST"),
    ("OPTIONS", "/plain", "GET, POST"),
    ("GET", "/put", "PUT"),
    ("DELETE", "/u/7", "GET, POST"),
    ("POST", "/__health", "GET"),
]


@pytest.mark.parametrize("method, target, allow", WRONG_METHOD)
def test_wrong_method(address, method, target, allow):
    with Client(address) as client:
        response = client.request(method, target)
        assert (response.status, response.get("allow")) == (405, allow)
        assert response.get("content-type") == "text/plain"
        assert response.body == (b"" if method == "HEAD" else b"405 method not allowed")
        assert response.get("x-krakend-completed") == "false"
        assert client.get("/plain").status == 200


def test_allow_lists_methods_in_order_of_first_use(make, origin):
    """GET is first because /__health is registered before all endpoints."""
    endpoints = [endpoint("/m", backend(origin), method=method) for method in ("PUT", "DELETE", "GET", "PATCH")]
    response = fetch(make.gateway(service(endpoints)).address, "/m", "POST")
    assert response.get("allow") == "GET, PUT, DELETE, PATCH"


REDIRECTS = [
    # a trailing slash more or less
    ("GET", "/plain/", 301, "/plain"),
    ("POST", "/plain/", 307, "/plain"),
    ("GET", "/u/7/", 301, "/u/7"),
    ("GET", "/ends", 301, "/ends/"),
    ("POST", "/ends", 307, "/ends/"),
    ("GET", "/plain/?a=1&b=%20", 301, "/plain?a=1&b=%20"),
    # another spelling of a registered path; parameters keep the client's
    ("GET", "/PLAIN", 301, "/plain"),
    ("GET", "/users/list", 301, "/Users/List"),
    ("GET", "/USERS/list/AbC", 301, "/Users/List/AbC"),
    ("GET", "//plain", 301, "/plain"),
    ("GET", "/x/../plain", 301, "/plain"),
    ("GET", "/./plain", 301, "/plain"),
    ("POST", "/Plain", 307, "/plain"),
    ("GET", "/PLAIN/?q=1", 301, "/plain?q=1"),
]


@pytest.mark.parametrize("method, target, status, location", REDIRECTS)
def test_redirect(address, origin, method, target, status, location):
    origin.requests.clear()
    response = fetch(address, target, method)
    assert (response.status, response.get("location")) == (status, location)
    assert response.get("x-krakend") is None and response.get("x-krakend-completed") is None
    if method == "GET":
        assert response.get("content-type") == "text/html; charset=utf-8"
        assert b"<a href=" in response.body
    assert origin.requests == []


def test_a_forwarded_prefix_is_put_before_a_trailing_slash_redirect(address):
    assert fetch(address, "/plain/", fields=[("X-Forwarded-Prefix", "/api/v1")]).get("location") == "/api/v1/plain"


PARAMETERS = [
    ("/u/a%20b", 200, None),
    ("/u/%252F", 400, b"error: encoded url params"),
    ("/u/%2525", 400, b"error: encoded url params"),
    ("/u/%3F", 400, b"error: encoded url params"),
    ("/u/%23", 400, b"error: encoded url params"),
    ("/u/%25", 400, b'error: invalid URL escape "%"'),
    ("/u/%25zz", 400, b'error: invalid URL escape "%zz"'),
    ("/u/7/posts/%253F", 400, b"error: encoded url params"),
]


@pytest.mark.parametrize("target, status, body", PARAMETERS)
def test_the_parameter_check(address, origin, target, status, body):
    origin.requests.clear()
    response = fetch(address, target)
    assert response.status == status
    if body:
        assert response.body == body
        assert response.get("content-type") == "text/plain; charset=utf-8"
        assert response.get("x-krakend") is None
        assert origin.requests == []


class TestRouterSettings:
    """extra_config.router (krakend-core 2.5), as far as routing goes."""

    @pytest.fixture
    def get(self, make, origin):
        def build(router, target, method="GET", fields=()):
            endpoints = [endpoint("/a/{id}", backend(origin, "/x/{id}"), output_encoding="no-op")]
            return fetch(make.gateway(service(endpoints, extra={"router": router})).address, target, method, fields)
        return build

    def test_redirects_can_be_turned_off(self, get):
        router = {"disable_redirect_trailing_slash": True, "disable_redirect_fixed_path": True}
        assert get(router, "/a/7/").status == 404

    def test_fixed_path_still_tolerates_a_slash(self, get):
        assert get({"disable_redirect_trailing_slash": True}, "/a/7/").status == 301

    def test_405_can_be_turned_into_404(self, get):
        assert get({"disable_handle_method_not_allowed": True}, "/a/7", "POST").status == 404

    @pytest.mark.parametrize("target, method, status", [("/none", "GET", 404), ("/a/7", "POST", 405)])
    def test_error_bodies(self, get, target, method, status):
        response = get({"error_body": {str(status): {"why": ["no", 1.5, None]}}}, target, method)
        assert (response.status, json.loads(response.body)) == (status, {"why": ["no", 1.5, None]})
        assert response.get("content-type") == "application/json; charset=utf-8"
        assert response.get("x-krakend-completed") == "false"

    def test_the_parameter_check_can_be_turned_off(self, get, origin):
        assert get({"disable_path_decoding": True}, "/a/%3F").status == 200
        assert origin.last.target == "/x/%3F"

    def test_the_version_can_be_hidden(self, get):
        assert get({"hide_version_header": True}, "/a/7").get("x-krakend") == "Version undefined"

    def test_extra_slashes_can_be_removed(self, get, origin):
        assert get({"remove_extra_slash": True}, "//a//7").status == 200
        assert origin.last.target == "/x/7"

    def test_options_can_be_answered(self, get):
        response = get({"auto_options": True}, "/a/7", "OPTIONS")
        assert (response.status, response.body) == (200, b"")
        assert "get" in response.tokens("allow")
