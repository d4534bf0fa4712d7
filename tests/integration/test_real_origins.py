"""test_real_origins.py: the gateway in front of real servers, driven by real clients: the same bytes as without it.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import pathlib
import random
import re
import subprocess

import pytest
import servers
from configs import proxy
from gateway import release_binary_path
from waiting import eventually, standstill

SIZES = {"empty": 0, "small": 128, "page": 40_000, "large": 3_000_001}
SERVERS = [servers.Nginx, servers.Apache, servers.Node, servers.HAProxy, servers.Python, servers.Python10]


class Pair:
    """A real server behind a gateway; `files` maps names to what they hold."""

    def __init__(self, make, kind, files, root, directory):
        self.kind, self.files = kind, files
        self.server = make.stack.enter_context(kind(directory / kind.__name__, root))
        self.gateway = make.gateway(proxy(self.server, timeout="30s"), binary=release_binary_path())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    servers.let_others_read(folder)
    for name, size in SIZES.items():
        (folder / name).write_bytes(random.Random(name).randbytes(size))
        (folder / name).chmod(0o644)
    return folder


@pytest.fixture(scope="module", params=SERVERS, ids=lambda kind: kind.__name__.lower())
def pair(request, shared, root, tmp_path_factory):
    if request.param.missing:
        pytest.skip(request.param.missing)
    directory = tmp_path_factory.mktemp("servers")
    servers.let_others_read(directory)
    files = {name: (root / name).read_bytes() for name in SIZES}
    return Pair(shared, request.param, files, root, directory)


def only(*kinds):
    """Runs a test with these servers only."""
    return pytest.mark.parametrize("pair", kinds, ids=lambda kind: kind.__name__.lower(), indirect=True)


def needs(tool):
    if not servers.find_tool(tool):
        pytest.skip(f"{tool} is not installed")
    return servers.find_tool(tool)


def through(pair, method, target, body=None, count=1):
    """(status, headers, body) of each of `count` requests on one connection of http.client."""
    connection = http.client.HTTPConnection(*pair.gateway.address, timeout=20)
    try:
        answers = []
        for _ in range(count):
            connection.request(method, target, body=body)
            response = connection.getresponse()
            answers.append((response.status, response.headers, response.read()))
        return answers
    finally:
        connection.close()


@pytest.mark.parametrize("name", SIZES)
def test_get(pair, name):
    direct = http.client.HTTPConnection(*pair.server.address, timeout=20)
    direct.request("GET", "/" + name)
    expected = direct.getresponse().read()
    direct.close()
    assert expected == pair.files[name]
    for status, _, body in through(pair, "GET", "/" + name, count=5):
        assert (status, body == expected) == (200, True)


def test_head(pair):
    for status, headers, body in through(pair, "HEAD", "/page", count=3):
        assert (status, body, headers["content-length"]) == (200, b"", str(SIZES["page"]))


def test_not_found_is_the_origins_own(pair):
    assert [status for status, _, _ in through(pair, "GET", "/none", count=3)] == [404] * 3


@only(servers.Node)
def test_post(pair):
    for size in (0, 1, 70_000, 2_000_000):
        body = random.Random(size).randbytes(size)
        for status, _, got in through(pair, "POST", "/echo", body, count=2):
            assert (status, got == body) == (200, True)


@only(servers.Node)
def test_chunked(pair):
    for name in SIZES:
        for status, _, body in through(pair, "GET", "/chunked/" + name, count=3):
            assert (status, body == pair.files[name]) == (200, True)


@only(servers.Nginx)
def test_an_origin_that_closes_after_each_answer(pair):
    assert [(status, len(body)) for status, _, body in through(pair, "GET", "/close/page", count=20)] == \
        [(200, SIZES["page"])] * 20


def test_curl(pair, tmp_path):
    """Four downloads over one connection of curl, compared as files."""
    curl = needs("curl")
    arguments, outputs = [], []
    for number, name in enumerate(["large", "page", "empty", "large"]):
        outputs.append((tmp_path / str(number), name))
        arguments += ["-o", str(outputs[-1][0]), f"{pair.gateway.url}/{name}"]
    done = subprocess.run([curl, "-sS", "--max-time", "40", "-w", "%{http_code} %{num_connects}\\n", *arguments],
                          capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.split("\n")[:-1]] == ["200"] * 4
    assert sum(int(line.split()[1]) for line in done.stdout.split("\n")[:-1]) == 1
    for path, name in outputs:
        assert (path.read_bytes() if path.exists() else b"") == pair.files[name]


@only(servers.Node)
def test_curl_uploads_with_expect(pair, tmp_path):
    body, out = tmp_path / "in", tmp_path / "out"
    body.write_bytes(random.Random(1).randbytes(3_000_000))
    subprocess.run([needs("curl"), "-sS", "--fail", "--max-time", "40", "-H", "Expect: 100-continue", "--data-binary",
                    f"@{body}", "-o", str(out), f"{pair.gateway.url}/echo"], check=True)
    assert out.read_bytes() == body.read_bytes()


def test_wrk(pair, note):
    """A short load: no error, and connections to the origin are few."""
    before = len(pair.server.used_ports())
    done = subprocess.run([needs("wrk"), "-t1", "-c8", "-d1s", f"{pair.gateway.url}/small"], capture_output=True,
                          text=True, check=True)
    assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
    assert int(re.search(r"(\d+) requests in", done.stdout)[1]) > 20, done.stdout
    ports = pair.server.used_ports()[before:]
    ratio = 1 - len(set(ports)) / max(1, len(ports))
    note("reuse ratio", f"{pair.kind.__name__}: {ratio:.4f} ({len(ports)} requests, {len(set(ports))} connections)")
    if pair.kind is not servers.Python10:
        assert ratio > 0.9
    assert pair.gateway.running()


@only(servers.Nginx, servers.Apache, servers.Node, servers.HAProxy, servers.Python)
def test_sequential_requests_reuse_one_connection(pair):
    before = len(pair.server.used_ports())
    if before:  # until what earlier tests asked for is logged
        before = eventually(lambda: standstill(lambda: len(pair.server.used_ports())), what="the end of earlier lines")
    through(pair, "GET", "/small", count=50)
    eventually(lambda: len(pair.server.used_ports()) >= before + 50, what="50 lines in the server's log")
    ports = pair.server.used_ports()[before:]
    assert len(ports) == 50 and len(set(ports)) <= 2


def test_the_folder_is_what_was_served(root):
    assert {path.name for path in pathlib.Path(root).iterdir()} == set(SIZES)
