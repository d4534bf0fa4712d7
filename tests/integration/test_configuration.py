"""test_configuration.py: `check` and the start of `run`: what is said about a configuration, and with which exit code.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import socket

import pytest
from certificates import EC_KEY, run_openssl
from configs import backend, endpoint, forward_all, proxy, service
from gateway import ROOT, Process, binary_path, run_to_end

URL = "http://127.0.0.1:9009"


@pytest.fixture
def check(tmp_path):
    """check(config or text, flags...): (exit code, all output, the file's path)."""
    def run(config, *flags, command="check", environment=None):
        path = tmp_path / "gateway.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config, indent=2), encoding="utf-8")
        code, out, err = run_to_end([command, "-c", path, *flags], environment)
        return code, err + "\n" + out, path
    return run


def problems(text, path):
    """(line, column, severity, rest) of each problem."""
    found = re.findall(rf"^{re.escape(str(path))}:(\d+):(\d+): (error|warning|note): (.*)$", text, re.M)
    return [(int(line), int(column), severity, rest) for line, column, severity, rest in found]


def minimal(**root):
    return {"version": 3, "endpoints": [endpoint("/a", backend(URL))], **root}


def test_a_good_file(check):
    code, text, path = check(minimal())
    assert (code, problems(text, path)) == (0, [])
    assert f"Parsing configuration file: {path}" in text
    assert "Syntax OK!" in text


def test_everything_is_said_on_stderr(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(minimal()))
    _, out, err = run_to_end(["check", "-c", path])
    assert out == "" and "Syntax OK!" in err


def test_zero_endpoints_are_legal(check):
    assert check({"version": 3})[0] == 0


def test_all_problems_at_once_each_at_its_place(check):
    text = """{
  "version": 3,
  "timeout": "3sec",
  "port": "eighty",
  "endpoints": [
    {"endpoint": "/a", "backend": [{"host": ["http://127.0.0.1:9009"], "url_pattern": "/x/{nobody}"}]},
    {"endpoint": "/b"}
  ]
}
"""
    code, output, path = check(text)
    assert code == 1 and "Syntax OK!" not in output
    errors = [(line, column) for line, column, severity, _ in problems(output, path) if severity == "error"]
    assert {line for line, _ in errors} >= {3, 4, 6, 7}
    assert (3, 14) in errors and (4, 11) in errors
    lines = output.splitlines()
    at = next(number for number, line in enumerate(lines) if f"{path}:3:14:" in line)
    assert re.search(r"\[HF\d{4}\]$", lines[at])
    assert '"timeout": "3sec"' in lines[at + 1]
    assert "^" in lines[at + 2] and "3s" in lines[at + 2]


@pytest.mark.parametrize("key, near", [("timout", "timeout"), ("max_idle_conections", "max_idle_connections"),
                                       ("endpoint", "endpoints"), ("cache_tll", "cache_ttl")])
def test_a_misspelt_key_is_a_warning_with_a_suggestion(check, key, near):
    code, text, path = check(minimal(**{key: "1s"}))
    assert code == 0 and "Syntax OK!" in text
    [(_, _, severity, rest)] = problems(text, path)
    assert severity == "warning" and key in rest
    assert f'"{near}"' in text or f"did you mean {near}" in text


def test_unknown_keys_are_errors_when_strict(check):
    code, text, path = check(minimal(timout="1s"), "--strict")
    assert code == 1 and problems(text, path)[0][2] == "error"


def test_unknown_namespaces_and_comments_are_fine(check):
    config = minimal(**{"$schema": "x", "extra_config": {"somebody/else": {"a": 1}}})
    assert check(config)[0] == 0


NO_OBJECTS = [('{"version": 3,\n "endpoints": [}\n', 2), ('{"version": 3,}', 1), ("", 1), ("[]", 1), ('{"version": 3', 1),
              ('{"version": 3}\n\ngarbage', 3), ('{\n"name": "a\tb", "version": 3}', 2), ("{'version': 3}", 1)]


@pytest.mark.parametrize("text, line", NO_OBJECTS)
def test_a_file_that_is_no_json_object(check, text, line):
    code, output, path = check(text)
    assert code == 1
    found = problems(output, path)
    assert len(found) == 1 and found[0][0] == line and found[0][2] == "error", output


INVALID = {
    "no version": {"endpoints": []},
    "version 2": {"version": 2, "endpoints": []},
    "listen_ip is no address": minimal(listen_ip="localhost"),
    "duration without unit": minimal(timeout="10"),
    "empty duration": minimal(idle_timeout=""),
    "no backend": {"version": 3, "endpoints": [{"endpoint": "/a"}]},
    "star in the middle": {"version": 3, "endpoints": [endpoint("/a/*/b", backend(URL))]},
    "reserved /__debug": {"version": 3, "endpoints": [endpoint("/x/__debug/y", backend(URL))]},
    "reserved /__echo": {"version": 3, "endpoints": [endpoint("/__echo/x", backend(URL))]},
    "reserved /__health": {"version": 3, "endpoints": [endpoint("/__health", backend(URL))]},
    "unknown parameter": {"version": 3, "endpoints": [endpoint("/a/{b}", backend(URL, "/{c}"))]},
    "host with a path": {"version": 3, "endpoints": [endpoint("/a", backend("http://a.test/path"))]},
    "host with another scheme": {"version": 3, "endpoints": [endpoint("/a", backend("ftp://a.test"))]},
    "empty host": {"version": 3, "endpoints": [endpoint("/a", backend(""))]},
    "two backends under no-op": {"version": 3, "endpoints": [endpoint("/a", backend(URL), backend(URL),
                                                                      output_encoding="no-op")]},
    "wrong error_status": service([], {"error_status": "exact"}),
    "wrong profile": service([], {"profile": "unsafe"}),
    "wrong listener": service([], {"listeners": [{"listen": "nowhere"}]}),
    "negative workers": service([], {"workers": -1}),
    "object for a number": minimal(port={}),
    "number past 64 bits": minimal(timeout=1e30),
    "port past 65535": minimal(port=70000),
    "negative port": minimal(port=-1),
    "a host's port past 65535": {"version": 3, "endpoints": [endpoint("/a", backend("http://a.test:70000"))]},
    "a host's port 0": {"version": 3, "endpoints": [endpoint("/a", backend("http://a.test:00"))]},
    **{f"{host} as it is": {"version": 3, "endpoints": [endpoint("/a", backend(host, disable_host_sanitize=True))]}
       for host in ("a.test:80", "http://", "http://a.test?b", "http://a.test#b", "http://user:word@a.test", "http://\u00e9.test", "http://a b")},
    "a method that is none": {"version": 3, "endpoints": [endpoint("/a", backend(URL, method="G T"))]},
    "a path with a backslash": {"version": 3, "endpoints": [endpoint("/a\\b", backend(URL))]},
    "nested deeply": minimal(name="x", x=json.loads("[" * 600 + "]" * 600)),
    "half of a surrogate pair": minimal(name="\ud800"),
    "text for a boolean": minimal(disable_keep_alives="maybe"),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_configuration_is_refused(check, command, name):
    code, text, path = check(INVALID[name], command=command)
    assert code == 1
    assert any(severity == "error" for _, _, severity, _ in problems(text, path)), text


WEAKLY_TYPED = {
    "number as text": minimal(port="8081"),
    "hexadecimal text": minimal(port="0x1F90"),
    "number as boolean": minimal(disable_keep_alives=1),
    "boolean as text": minimal(disable_keep_alives="true"),
    "one host, no list": {"version": "3", "host": "http://a.test",
                          "endpoints": [{"endpoint": "/a", "backend": {"url_pattern": "/x"}}]},
    "null": minimal(timeout=None, port=None),
    "another case": {"Version": 3, "ENDPOINTS": [endpoint("/a", backend(URL))]},
    "Go durations": minimal(timeout="1h30m", cache_ttl="1.5s", idle_timeout="100us", read_timeout="1m0.5s"),
    "no scheme": {"version": 3, "endpoints": [endpoint("/a", backend("a.test:8080"))]},
    "names that are reserved only in part": {"version": 3, "endpoints": [
        endpoint(path, backend(URL)) for path in ("/__stats/", "/__debugger", "/x/__healthy", "/__echoes/y")]},
    "no leading slash": {"version": 3, "endpoints": [endpoint("a", backend(URL, "x"))]},
}


@pytest.mark.parametrize("name", WEAKLY_TYPED)
def test_what_krakend_accepts_is_accepted(check, name):
    code, text, path = check(WEAKLY_TYPED[name])
    assert code == 0, text
    assert not [problem for problem in problems(text, path) if problem[2] == "error"]


def test_the_json_format(check):
    code, text, _ = check(minimal(timeout="3sec", timout=1), "--format", "json")
    assert code == 1
    listed = json.loads(text[text.index("["):text.rindex("]") + 1])
    assert len(listed) == 2


CONFLICTS = {
    "the same twice": ["/a/b", "/a/b"],
    "two names at one place": ["/a/{b}", "/a/{c}/d"],
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_route_conflicts_name_both_places(check, name):
    config = {"version": 3, "endpoints": [endpoint(path, backend(URL)) for path in CONFLICTS[name]]}
    for command, flags in (("check", ["-t"]), ("run", [])):
        code, text, path = check(config, *flags, command=command)
        assert code == 1
        lines = [number for number, line in enumerate(path.read_text().splitlines(), 1) if '"endpoint"' in line]
        assert len(lines) == 2
        for line in lines:
            assert re.search(rf":{line}(:|\b)", text), (line, text)


def test_alike_paths_of_different_methods_are_no_conflict(check):
    endpoints = [endpoint("/a/{b}", backend(URL)), endpoint("/a/{c}", backend(URL), method="POST"),
                 endpoint("/a/new", backend(URL)), {**forward_all(URL)}]
    assert check(service(endpoints), "-t")[0] == 0


def test_a_method_krakend_does_not_register_is_skipped_and_said(check):
    code, text, _ = check({"version": 3, "endpoints": [endpoint("/a", backend(URL), method="LINK")]})
    assert code == 0 and "LINK" in text


EXAMPLES = sorted((ROOT / "examples").rglob("*.json"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_load(example, tmp_path):
    run_openssl("req", "-x509", *EC_KEY, "-keyout", tmp_path / "server.key", "-out", tmp_path / "server.pem", "-subj",
                "/CN=localhost")
    code, out, err = run_to_end(["check", "-c", example], cwd=tmp_path)
    assert code == 0 and "Syntax OK!" in err, err + out
    assert "error:" not in err and "warning:" not in err, err


def test_the_document_of_the_interface_loads(check):
    plain = proxy(URL)
    del plain["extra_config"]
    assert check({**plain, "port": 8080})[0] == 0


class TestCommands:
    def test_check_without_a_file(self):
        assert run_to_end(["check"])[0] == 1

    def test_a_missing_file(self, tmp_path):
        for command in ("check", "run"):
            code, out, err = run_to_end([command, "-c", tmp_path / "none.json"])
            assert code == 1 and "none.json" in out + err

    def test_run_without_a_file_offers_the_demo(self):
        code, out, err = run_to_end(["run"])
        assert code == 0
        assert "--config" in out + err and "--demo" in out + err

    def test_version(self):
        code, out, err = run_to_end(["version"])
        assert code == 0 and out == ""
        assert re.search(r"^KrakenD Version: \S+", err, re.M)

    @pytest.mark.parametrize("arguments", [[], ["help"], ["-h"], ["--help"], ["run", "--help"], ["check", "-h"]])
    def test_help_is_on_stdout(self, arguments):
        code, out, err = run_to_end(arguments)
        assert (code, err) == (0, "")
        assert "Usage" in out and ("--config" in out if arguments[1:] else "check" in out)

    @pytest.mark.parametrize("arguments", [["frobnicate"], ["run", "--frobnicate"]])
    def test_unknown_words(self, arguments):
        code, _, err = run_to_end(arguments)
        assert code == 255 and "frobnicate" in err

    def test_flags_in_their_forms(self, tmp_path):
        path = tmp_path / "c.json"
        path.write_text(json.dumps(minimal()))
        for flags in (["--config", path], [f"--config={path}"], ["-dc", path], ["-tc", path], [f"-c{path}"]):
            assert run_to_end(["check", *flags])[0] == 0, flags

    def test_it_answers_to_the_name_krakend(self, tmp_path):
        link = tmp_path / "krakend"
        link.symlink_to(binary_path().resolve())
        path = tmp_path / "c.json"
        path.write_text(json.dumps(minimal()))
        process = Process(["check", "-c", path], binary=link)
        assert process.wait() == 0

    def test_a_port_that_is_taken(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for name, config in (("listener", service([], {"listeners": [{"listen": f"127.0.0.1:{port}"}]})),
                                 ("port", {"version": 3, "listen_ip": "127.0.0.1", "port": port})):
                path = tmp_path / f"{name}.json"
                path.write_text(json.dumps(config))
                code, out, err = run_to_end(["run", "-c", path])
                assert code == 1 and str(port) in out + err and "ready:" not in err
