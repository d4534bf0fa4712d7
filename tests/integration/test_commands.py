"""test_commands.py: `holdfast origin`, `run --to`, `run --demo`: what comes with the program.

SPDX-License-Identifier: Apache-2.0
"""
import json
import signal
import socket
import time

import pytest
from configs import proxy, service
from gateway import run_to_end
from rawhttp import Client, Cut, fetch
from servers import free_port
from waiting import Stopwatch


class BuiltInOrigin:
    def __init__(self, make, *options):
        self.process = make.process(["origin", "--listen", "127.0.0.1:0", *options])
        _, addresses = self.process.wait_ready()
        self.address = addresses[0]
        self.url = "http://{}:{}".format(*self.address)


@pytest.fixture
def built_in(make):
    return lambda *options: BuiltInOrigin(make, *options)


class TestOrigin:
    def test_paths(self, built_in):
        with Client(built_in().address) as client:
            for size in (0, 1, 1000, 1_000_000):
                response = client.get(f"/bytes/{size}")
                assert (response.status, len(response.body), response.framing) == (200, size, "length")
            assert isinstance(json.loads(client.get("/json/7").body), dict)
            assert client.request("POST", "/echo", body=b"hello").body == b"hello"
            watch = Stopwatch()
            assert client.get("/delay/300").status == 200
            assert watch.between(0.25, 3), watch
            head = client.request("HEAD", "/bytes/1000")
            assert (head.status, head.get("content-length")) == (200, "1000")

    def test_two_answers_of_a_path_are_the_same(self, built_in):
        with Client(built_in().address) as client:
            for path in ("/bytes/5000", "/json/50"):
                assert client.get(path).body == client.get(path).body

    def test_close_idle_after(self, built_in):
        with Client(built_in("--close-idle-after", "300ms").address) as client:
            assert client.get("/bytes/1").status == 200
            watch = Stopwatch()
            assert client.ended(4) and watch.seconds > 0.2

    def test_close_after_requests(self, built_in):
        with Client(built_in("--close-after-requests", "3").address) as client:
            assert [client.get("/bytes/1").says_close for _ in range(3)] == [False, False, True]
            assert client.ended()

    def test_reset_rate(self, built_in):
        address = built_in("--reset-rate", "1").address
        with Client(address) as client, pytest.raises((Cut, ConnectionError), match="(?i)reset"):
            client.get("/bytes/1000")

    def test_stray_bytes(self, built_in):
        with Client(built_in("--stray-bytes").address) as client:
            client.get("/bytes/1")
            assert not client.silent(8), "no stray byte came"

    def test_the_ledger_counts_what_was_executed(self, built_in):
        address, number = built_in("--hang-up-rate", "at:2").address, [("X-Request-Number", "1")]
        with Client(address) as client:
            assert client.request("POST", "/sink", number, b"x").get("x-request-number") == "1"
            with pytest.raises((Cut, ConnectionError)):  # executed, not answered
                client.request("POST", "/sink", number, b"x")
        with Client(address) as client:
            ledger = json.loads(client.get("/ledger").body)
            assert (ledger["requests"], ledger["distinct"], ledger["doubled"], ledger["connections"]) == (2, 1, 1, 1)
            assert ledger["by_method"] == {"POST": {"requests": 2, "doubled": 1}}
            assert json.loads(client.request("DELETE", "/ledger").body)["requests"] == 0

    def test_keep_alive_header(self, built_in):
        with Client(built_in("--keep-alive-header", "--close-idle-after", "5s").address) as client:
            assert client.get("/bytes/1").get("keep-alive", "").startswith("timeout=")

    @pytest.mark.parametrize("options", [[], ["--close-idle-after", "40ms"], ["--close-after-requests", "3"],
                                         ["--keep-alive-header"], ["--stray-bytes"], ["--jitter", "5ms"],
                                         ["--close-idle-after", "30ms-50ms", "--close-by", "half"],
                                         ["--close-idle-after", "40ms", "--close-by", "reset"],
                                         ["--close-age", "20ms-80ms"], ["--close-after-requests", "3", "--unannounced"],
                                         ["--bytes-per-second", "20000"], ["--late-rate", "every:5", "--late-by", "50ms"]])
    def test_the_gateway_gets_along_with_its_faults(self, built_in, make, options):
        client = make.client(make.gateway(proxy(built_in(*options))))
        for number in range(25):
            response = client.get(f"/bytes/{number}")
            assert (response.status, len(response.body)) == (200, number)
            if "--close-idle-after" in options:  # around the moment of the close
                client.silent(0.03 + 0.001 * number)
            if "--stray-bytes" in options:  # they come 1 ms behind the answer, to a connection that is idle by then
                client.silent(0.02)


class TestRunTo:
    def test_a_proxy_without_a_file(self, make):
        upstream, port = make.origin(), free_port()
        process = make.process(["run", "--to", upstream.url, "-p", str(port)])
        assert process.wait_ready()[1][0][1] == port
        for target, method in (("/a/b?c=d", "GET"), ("/", "DELETE")):
            assert fetch(("127.0.0.1", port), target, method).body == b"OK"
            assert (upstream.last.method, upstream.last.target) == (method, target)
        assert len(upstream.connections) <= 2

    def test_the_configuration_it_stands_for(self, tmp_path):
        code, out, _ = run_to_end(["run", "--to", "http://127.0.0.1:9009", "--print-config"])
        config = json.loads(out)
        assert (code, config["version"], config["endpoints"][0]["endpoint"]) == (0, 3, "/*")
        path = tmp_path / "printed.json"
        path.write_text(out)
        assert run_to_end(["check", "-c", path])[0] == 0

    def test_it_ends_soon_though_a_client_is_idle(self, make):
        port = free_port()
        process = make.process(["run", "--to", make.origin().url, "-p", str(port)])
        process.wait_ready()
        with Client(("127.0.0.1", port)) as client:
            assert client.get("/").status == 200
            watch = Stopwatch()
            process.stop(signal.SIGINT)
            assert watch.awake < 6, "the window is a second, not thirty"

    @pytest.mark.parametrize("url", ["", "nonsense://x", "http://"])
    def test_a_bad_url(self, url):
        code, _, err = run_to_end(["run", "--to", url, "-p", free_port()])
        assert code in (1, 255) and err


def test_nothing_is_reported_to_anybody(make):
    """KrakenD tells its vendor five seconds behind the start."""
    listening = make.origin()
    make.gateway(service([]), environment={"HTTP_PROXY": listening.url, "HTTPS_PROXY": listening.url})
    time.sleep(5.5)
    assert not listening.connections


def test_the_demo(make):
    for port in (8080, 9901):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} is taken")
    process = make.process(["run", "--demo"])
    _, addresses = process.wait_ready()
    assert 8080 in [port for _, port in addresses]
    assert fetch(("127.0.0.1", 8080), "/__health").status == 200
    assert fetch(("127.0.0.1", 9901), "/v1/status").status == 200
