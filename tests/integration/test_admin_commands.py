"""test_admin_commands.py: what the admin listener tells of the configuration, and the commands it takes: drain and reload.

SPDX-License-Identifier: Apache-2.0
"""
import json
import threading
import time

import pytest
from admin import ADMIN
from configs import backend, endpoint, proxy, service
from gateway import run_to_end
from origin import reply
from rawhttp import fetch
from waiting import eventually


def settings_of(running):
    response = fetch(running.addresses[-1], "/v1/config")
    assert (response.status, response.get("cache-control")) == (200, "no-store")
    rows = json.loads(response.body)["settings"]
    assert len({row["path"] for row in rows}) == len(rows), "each setting is told once"
    return {row["path"]: (row["value"], row["from"]) for row in rows}


def line_of(running, text):
    lines = running.path.read_text().split("\n")
    return f"{running.path}:{next(number for number, line in enumerate(lines, 1) if text in line)}"


def test_each_setting_is_told_with_its_origin(make):
    config = service([endpoint("/x", backend("http://127.0.0.1:9009", "/y"), timeout="7s")], None,
                     {**ADMIN, "telemetry/x": {"password": "secret"}}, name="shop", max_idle_connections_per_host=200)
    running = make.gateway(config, environment={"KRAKEND_MAX_IDLE_CONNECTIONS": "150", "KRAKEND_TIMEOUT": "4s"})
    settings = settings_of(running)
    assert settings["name"] == ("shop", line_of(running, '"name": "shop"'))
    assert settings["max_idle_connections"] == (150, "environment KRAKEND_MAX_IDLE_CONNECTIONS")
    assert settings["timeout"] == ("4s", "environment KRAKEND_TIMEOUT")
    assert settings["max_idle_connections_per_host"] == (200, line_of(running, "max_idle_connections_per_host"))
    assert settings["dialer_keep_alive"] == ("15s", "default")
    assert settings["endpoints[0].timeout"] == ("7s", line_of(running, '"timeout": "7s"'))
    assert settings["endpoints[0].backend[0].host"][0] == ["http://127.0.0.1:9009"]
    assert settings["extra_config.holdfast/upstream.idle_timeout"] == ("learned", "default")
    assert settings["extra_config.holdfast/server.workers"][0] == 1
    assert settings["extra_config.telemetry/x"][0] == {"password": "***"}


def test_the_command_line_wins(make):
    running = make.gateway(service([endpoint("/x", backend("http://127.0.0.1:9009"))], None, ADMIN, port=1), ["-d"])
    assert settings_of(running)["debug_endpoint"] == (True, "command line")


def test_a_yaml_file_has_lines_too(make, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text("version: 3\nport: 0\nextra_config:\n  holdfast/server:\n    workers: 1\n"
                    "    listeners: [{listen: '127.0.0.1:0'}]\n  holdfast/admin:\n    listen: '127.0.0.1:0'\n"
                    "endpoints:\n- endpoint: /x\n  backend:\n  - host: [http://127.0.0.1:9009]\n")
    running = make.process(["run", "-c", path])
    running.addresses = running.wait_ready()[1]
    settings = settings_of(running)
    assert settings["extra_config.holdfast/server.workers"] == (1, f"{path}:5")
    assert settings["endpoints[0].endpoint"] == ("/x", f"{path}:10")


def test_a_drain_is_begun_by_a_post_and_ends_as_after_sigterm(make):
    """The request under way ends well, health says 503 meanwhile, and the process ends by itself with code 0."""
    release = threading.Event()
    upstream = make.origin(lambda conn, _: (release.wait(20), conn.send(reply(b"late"))))
    running = make.gateway(proxy(upstream, {"drain_window": "1s", "drain_limit": "20s"}, ADMIN, timeout="30s"))
    admin = running.addresses[-1]
    client = make.client(running)
    client.send_request("GET", "/slow")
    upstream.wait_requests(1)
    assert fetch(admin, "/v1/drain").status == 405, "a GET changes nothing"
    assert fetch(admin, "/v1/drain", "POST", [("Origin", "http://elsewhere.test")], body=b"").status == 403
    assert fetch(admin, "/readyz").status == 200
    response = fetch(admin, "/v1/drain", "POST", body=b"")
    assert (response.status, json.loads(response.body)) == (202, {"draining": True})
    eventually(lambda: fetch(admin, "/readyz").status == 503)
    assert json.loads(fetch(admin, "/v1/status").body)["draining"] is True
    assert fetch(admin, "/v1/drain", "POST", body=b"").status == 200, "it goes on, and is not begun again"
    time.sleep(1.2)  # behind the window each answer is told to be the last
    release.set()
    answer = client.read_final()
    assert (answer.status, answer.body, answer.get("connection")) == (200, b"late", "close")
    running.stop(None)
    assert "Drain asked for at the admin listener" in running.output


def test_a_drain_that_nobody_holds_up_still_answers(make):
    running = make.gateway(proxy(make.origin(), None, ADMIN))
    assert fetch(running.addresses[-1], "/v1/drain", "POST", body=b"").status == 202
    running.stop(None)


@pytest.mark.parametrize("method, status", [("POST", 200), ("GET", 405), ("PUT", 405)])
def test_a_reload_is_a_command(make, method, status):
    running = make.gateway(proxy(make.origin(), None, ADMIN))
    response = fetch(running.addresses[-1], "/v1/reload", method, body=b"" if method != "GET" else None)
    assert response.status == status
    if status == 200:
        assert json.loads(response.body) == {"result": "ok", "generation": 2, "problems": []}
    else:
        assert response.get("allow") == "POST"
    assert fetch(running.address).status == 200


@pytest.mark.parametrize("listen, hosts, known, unknown", [
    ("127.0.0.1:0", [], ["localhost:1", "127.0.0.1", "[::1]:9901", None], ["gateway.test", "localhost.evil.test:9901"]),
    ("127.0.0.1:0", ["gateway.test"], ["gateway.test", "localhost"], ["evil.test"]),
    ("127.0.0.1:0", ["*"], ["gateway.test", "evil.test"], []),
    ("0.0.0.0:0", [], ["gateway.test", "evil.test"], []),
    ("0.0.0.0:0", ["gateway.test"], ["gateway.test:9901", "10.0.0.1"], ["evil.test"]),
])
def test_a_listener_answers_to_its_own_names(make, listen, hosts, known, unknown):
    """A page in a browser that lets its own name lead here reads nothing, and changes nothing."""
    running = make.gateway(proxy(make.origin(), None, {"holdfast/admin": {"listen": listen, "hosts": hosts}}))
    admin = ("127.0.0.1", running.addresses[-1][1])
    for host in known:
        assert fetch(admin, "/v1/status", host=host, version="1.1" if host else "1.0").status == 200
    for host in unknown:
        for method, target in (("GET", "/v1/config"), ("GET", "/v1/conns"), ("POST", "/v1/pools:flush"), ("POST", "/v1/drain")):
            response = fetch(admin, target, method, host=host, body=b"" if method == "POST" else None)
            assert response.status == 421 and b"holdfast/admin.hosts" in response.body
    assert json.loads(fetch(admin, "/v1/status").body)["draining"] is False


COMMANDS = ["/v1/drain", "/v1/reload", "/v1/pools:flush"]


def with_token(make, tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)
    return make.gateway(proxy(make.origin(), None, {"holdfast/admin": {"listen": "127.0.0.1:0", "token_file": str(path)}}))


def test_commands_need_the_token_of_the_file(make, tmp_path):
    running = with_token(make, tmp_path, "s3cret-word\n")
    admin = running.addresses[-1]
    for command in COMMANDS:
        for fields in ([], [("Authorization", "Bearer s3cret")], [("Authorization", "Basic s3cret-word")]):
            response = fetch(admin, command, "POST", fields, body=b"")
            assert (response.status, response.get("www-authenticate")) == (401, 'Bearer realm="admin"')
    assert fetch(admin, "/v1/status").status == 200, "pages can be read without"
    assert b"s3cret" not in fetch(admin, "/v1/config").body
    right = [("Authorization", "Bearer s3cret-word")]
    assert fetch(admin, "/v1/drain", "POST", [*right, ("Origin", "http://elsewhere.test")], body=b"").status == 403
    assert [fetch(admin, command, "POST", right, body=b"").status for command in ("/v1/pools:flush", "/v1/reload", "/v1/drain")] == \
        [200, 200, 202]
    running.stop(None)


@pytest.mark.parametrize("text, reason", [("", "holds no token"), ("two words", "holds no token"), ("x" * 5000, "larger than"),
                                          (None, "no such file")])
def test_a_token_file_that_cannot_be_used_stops_the_start(tmp_path, text, reason):
    path, file = tmp_path / "gateway.json", tmp_path / "token"
    if text is not None:
        file.write_text(text)
    path.write_text(json.dumps(service([endpoint("/x", backend("http://127.0.0.1:9009"))], None, {
        "holdfast/admin": {"listen": "127.0.0.1:0", "token_file": str(file)}}), indent=1))
    for words in ("check", "run"):
        code, _, err = run_to_end([words, "-c", path])
        assert code == 1 and "error: extra_config.holdfast/admin.token_file: " in err and reason in err and "[HF0333]" in err
