"""test_environment.py: KRAKEND_* variables over the file: transport settings and every root scalar (krakend-core 1.2).

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest
from configs import backend, endpoint, proxy, service
from crowd import Gate, at_once
from gateway import run_to_end
from rawhttp import fetch
from servers import free_port
from waiting import Stopwatch

TRANSPORT = {
    "DIALER_TIMEOUT": ("300ms", "soon"),
    "DIALER_KEEP_ALIVE": ("10s", "soon"),
    "DIALER_FALLBACK_DELAY": ("100ms", "soon"),
    "DISABLE_COMPRESSION": ("true", "maybe"),
    "DISABLE_KEEP_ALIVES": ("1", "maybe"),
    "MAX_IDLE_CONNECTIONS": ("10", "ten"),
    "MAX_IDLE_CONNECTIONS_PER_HOST": ("200", "ten"),
    "IDLE_CONNECTION_TIMEOUT": ("30s", "soon"),
    "RESPONSE_HEADER_TIMEOUT": ("2s", "soon"),
    "EXPECT_CONTINUE_TIMEOUT": ("1s", "soon"),
}

OTHERS = {
    "PORT": ("8099", "tcp://10.0.0.1:80"),
    "VERSION": ("3", "2.13"),
    "TIMEOUT": ("5s", ""),
    "CACHE_TTL": ("1h", "x"),
    "READ_TIMEOUT": ("1s", "x"),
    "WRITE_TIMEOUT": ("1s", "x"),
    "IDLE_TIMEOUT": ("1s", "x"),
    "READ_HEADER_TIMEOUT": ("1s", "x"),
    "MAX_HEADER_BYTES": ("4096", "x"),
    "LISTEN_IP": ("127.0.0.1", "here"),
    "DEBUG_ENDPOINT": ("true", "x"),
    "ECHO_ENDPOINT": ("t", "x"),
    "DISABLE_REST": ("false", "x"),
    "SEQUENTIAL_START": ("F", "x"),
    "USE_H2C": ("0", "x"),
    "MAX_SHUTDOWN_WAIT_TIME": ("10s", "x"),
    "DNS_CACHE_TTL": ("30s", "x"),
    "ALLOW_INSECURE_CONNECTIONS": ("False", "x"),
    "HOST": ("http://a.test:80", ""),
}

ALL = {**TRANSPORT, **OTHERS}


@pytest.fixture
def check(tmp_path):
    """check(variables): (exit code, output) for a file that has none of the keys."""
    def run(variables):
        path = tmp_path / "c.json"
        path.write_text(json.dumps({"version": 3, "endpoints": [endpoint("/a", backend("http://127.0.0.1:9009"))]}))
        code, out, err = run_to_end(["check", "-c", path], {"KRAKEND_" + name: value for name, value in variables.items()})
        return code, err + out
    return run


@pytest.mark.parametrize("name", ALL)
def test_a_good_value_is_taken_though_the_key_is_not_in_the_file(check, name):
    code, text = check({name: ALL[name][0]})
    assert code == 0 and "Syntax OK!" in text


@pytest.mark.parametrize("name", ALL)
def test_a_bad_value_is_refused_by_name(check, name):
    code, text = check({name: ALL[name][1]})
    assert code == 1 and "KRAKEND_" + name in text


def test_all_bad_values_at_once(check):
    code, text = check({name: bad for name, (_, bad) in TRANSPORT.items()})
    assert code == 1
    assert [name for name in TRANSPORT if "KRAKEND_" + name not in text] == []


def test_unknown_names_and_an_empty_port_are_ignored(check):
    assert check({"FOO": "x", "": "y", "PORT": "", "lower": "z"})[0] == 0


@pytest.mark.parametrize("name", ["TLS", "EXTRA_CONFIG", "ENDPOINTS"])
def test_objects_cannot_be_replaced_by_text(check, name):
    assert check({name: "x"})[0] == 1


def test_the_environment_wins_over_the_file(make):
    upstream = make.origin()
    config = proxy(upstream, disable_keep_alives=False, idle_connection_timeout="1h")
    address = make.gateway(config, environment={"KRAKEND_DISABLE_KEEP_ALIVES": "true"}).address
    for _ in range(3):
        fetch(address)
    assert len(upstream.connections) == 3


def test_idle_connection_timeout(make):
    upstream = make.origin()
    fetch(make.gateway(proxy(upstream), environment={"KRAKEND_IDLE_CONNECTION_TIMEOUT": "300ms"}).address)
    assert upstream.connections[0].ended.wait(10)


def test_response_header_timeout(make):
    upstream = make.origin(lambda conn, _: conn.wait_end(20))
    running = make.gateway(proxy(upstream, timeout="20s"), environment={"KRAKEND_RESPONSE_HEADER_TIMEOUT": "300ms"})
    watch = Stopwatch()
    assert fetch(running.address).status == 504 and watch.awake < 4


def test_disable_compression(make):
    upstream = make.origin()
    config = service([endpoint("/a", backend(upstream))])
    fetch(make.gateway(config, environment={"KRAKEND_DISABLE_COMPRESSION": "true"}).address, "/a")
    assert upstream.last.get("accept-encoding") is None


@pytest.mark.parametrize("name, cap", [("MAX_IDLE_CONNECTIONS", 1), ("MAX_IDLE_CONNECTIONS_PER_HOST", 2)])
def test_idle_caps(make, name, cap):
    upstream = make.origin(Gate(4))
    running = make.gateway(proxy(upstream), environment={"KRAKEND_" + name: str(cap)})
    at_once(running.address, 4)
    upstream.wait_open(cap)


def test_port_and_its_flag(make, tmp_path):
    """File, then environment, then -p."""
    in_file, in_environment, flag = free_port(), free_port(), free_port()
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"version": 3, "listen_ip": "127.0.0.1", "port": in_file, "endpoints": []}))
    for environment, arguments, expected in (({}, [], in_file), ({"KRAKEND_PORT": str(in_environment)}, [], in_environment),
                                             ({"KRAKEND_PORT": str(in_environment)}, ["-p", str(flag)], flag)):
        process = make.process(["run", "-c", path, *arguments], environment=environment)
        _, addresses = process.wait_ready()
        assert addresses == [("127.0.0.1", expected)]
        process.stop()


def test_endpoint_timeout_comes_from_the_root(make):
    """Without the variable it would be two seconds."""
    upstream = make.origin(lambda conn, _: conn.wait_end(20))
    for timeout, least, most in (("300ms", 0.25, 1.8), ("3s", 2.8, 8)):
        running = make.gateway(proxy(upstream), environment={"KRAKEND_TIMEOUT": timeout})
        watch = Stopwatch()
        assert fetch(running.address).status == 504
        assert watch.between(least, most), (timeout, watch)
