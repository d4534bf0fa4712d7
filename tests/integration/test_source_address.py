"""test_source_address.py: holdfast/upstream source_address: our end of connections to hosts.

SPDX-License-Identifier: Apache-2.0
"""
from configs import forward_all, service
from gateway import run_to_end
from rawhttp import fetch


def config(urls, settings=None, backends=None, **root):
    endpoints = []
    for i, url in enumerate(urls):
        endpoint = forward_all(url, f"/{i}/*")
        if backends and backends[i]:
            endpoint["backend"][0]["extra_config"] = {"holdfast/upstream": backends[i]}
        endpoints.append(endpoint)
    return service(endpoints, {"error_status": "precise"},
                   {"holdfast/upstream": settings or {}, "holdfast/admin": {"listen": "127.0.0.1:0"}}, **root)


def sources(origin):
    return [conn.sock.getpeername()[0] for conn in origin.connections]


def test_the_host_sees_it(make):
    upstream = make.origin()
    gateway = make.gateway(config([upstream.url], {"source_address": "127.0.0.2"}))
    assert [fetch(gateway.address, "/0/x").status for _ in range(3)] == [200] * 3
    assert sources(upstream) == ["127.0.0.2"]


def test_backends_with_others_share_no_connection(make):
    """The nearer one wins; an empty one is none."""
    upstream = make.origin()
    gateway = make.gateway(config([upstream.url] * 3, {"source_address": "127.0.0.2"},
                                  [None, {"source_address": "127.0.0.3"}, {"source_address": ""}]))
    for _ in range(2):
        assert [fetch(gateway.address, f"/{i}/x").status for i in range(3)] == [200] * 3
    assert sources(upstream) == ["127.0.0.2", "127.0.0.3", "127.0.0.1"]


def test_one_that_is_not_ours_stops_the_start(tmp_path):
    """Told once, at its place, however many backends have it; a check on another machine has nothing against it."""
    path = tmp_path / "gateway.json"
    path.write_text('{"version": 3, "port": 0, "extra_config": {"holdfast/upstream": {\n"source_address": "192.0.2.1"}},\n'
                    '"endpoints": [{"endpoint": "/a", "backend": [{"host": ["http://127.0.0.1:99"]}, {"host": ["http://127.0.0.1:99"]}]}]}')
    code, _, errors = run_to_end(["run", "-c", path])
    assert code == 1
    assert errors.count("[HF0325]") == 1
    assert f'{path}:2:19: error: source_address: "192.0.2.1" cannot be used here' in errors
    code, _, errors = run_to_end(["check", "-c", path])
    assert code == 0, errors


def test_what_is_no_address(tmp_path):
    path = tmp_path / "gateway.json"
    path.write_text('{"version": 3, "extra_config": {"holdfast/upstream": {"source_address": "eth0"}}, "endpoints": []}')
    code, output, errors = run_to_end(["check", "-c", path])
    assert code == 1
    assert 'holdfast/upstream.source_address: "eth0" is not an IP address [HF0325]' in output + errors
