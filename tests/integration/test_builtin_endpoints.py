"""test_builtin_endpoints.py: /__health, /__debug/ and /__echo/ (krakend-core 2.4). SPDX-License-Identifier: Apache-2.0"""
import json

import pytest
from configs import service
from rawhttp import fetch
from waiting import eventually

JSON = "application/json; charset=utf-8"
METHODS = ["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS", "DELETE", "TRACE"]


@pytest.fixture(scope="module")
def running(shared):
    return shared.gateway(service([], debug_endpoint=True, echo_endpoint=True))


def test_health(running):
    response = fetch(running.address, "/__health")
    assert (response.status, response.get("content-type"), response.get("x-krakend")) == (200, JSON, None)
    health = json.loads(response.body)
    assert list(health) == ["agents", "now", "status"]
    assert (health["agents"], health["status"]) == ({}, "ok")
    assert health["now"].startswith("20")


@pytest.mark.parametrize("router, path, status", [({"disable_health": True}, "/__health", 404),
                                                  ({"health_path": "/up"}, "/up", 200),
                                                  ({"health_path": "/up"}, "/__health", 404)])
def test_health_can_move_or_go(make, router, path, status):
    assert fetch(make.gateway(service([], extra={"router": router})).address, path).status == status


@pytest.mark.parametrize("method", METHODS)
def test_debug(running, method):
    response = fetch(running.address, "/__debug/any/thing?a=1", method)
    assert (response.status, response.get("content-type"), response.get("x-krakend")) == (200, JSON, None)
    assert response.body == (b"" if method == "HEAD" else b'{"message":"pong"}')


def test_debug_logs_the_request(running):
    fetch(running.address, "/__debug/logged-path?logged=query", "POST", [("X-Logged", "header")], b"logged-body")
    for text in ("logged-path", "logged=query|logged:", "(?i)x-logged", "logged-body"):
        running.wait_output(text)


def test_echo(running):
    response = fetch(running.address, "/__echo/some/path?b=2&a=1&a=3", "POST", [("X-A", "1"), ("X-A", "2")], b'{"x":"y"}')
    assert (response.status, response.get("content-type")) == (200, JSON)
    echo = json.loads(response.body)
    assert list(echo) == ["req_uri", "req_uri_details", "req_method", "req_querystring", "req_body", "req_headers"]
    assert (echo["req_uri"], echo["req_method"], echo["req_body"]) == ("/__echo/some/path?b=2&a=1&a=3", "POST", '{"x":"y"}')
    assert echo["req_querystring"] == {"a": ["1", "3"], "b": ["2"]}
    assert echo["req_headers"]["X-A"] == ["1", "2"] and "Host" not in echo["req_headers"]
    assert set(echo["req_uri_details"]) == {"fragment", "host", "path", "query", "user"}
    assert echo["req_uri_details"]["path"] == "/__echo/some/path"


@pytest.mark.parametrize("path", ["/__debug", "/__echo"])
def test_without_the_slash_they_redirect(running, path):
    assert (fetch(running.address, path).status, fetch(running.address, path).get("location")) == (301, path + "/")
    assert fetch(running.address, path, "POST").status == 307


@pytest.mark.parametrize("path", ["/__debug/x", "/__echo/x"])
def test_they_are_off_by_default(make, path):
    assert fetch(make.gateway(service([])).address, path).status == 404


def test_run_d_turns_debug_on(make):
    running = make.gateway(service([]), arguments=["-d"])
    eventually(lambda: fetch(running.address, "/__debug/x").status == 200)
