"""test_h2_cases.py: every HTTP/2 case of a client, over TLS and without. SPDX-License-Identifier: Apache-2.0"""
import pytest
from certificates import Authority
from conftest import Pair, configuration
from gateway import Gateway
from h2_driver import context, load_cases
from h2_player import play
from tls_front import tls_block

# The sanitizers keep what was freed, so that memory says little; it is held against the release build by hand.
SLOW = {"H2-144"}  # a thousand handshakes


class Http2Pair(Pair):
    """The same, with a second listener that speaks TLS, and HTTP/2 by prior knowledge on the first."""

    def start(self):
        config = configuration(self.backend)
        config["use_h2c"] = True
        certificate = Authority(self.directory / "authority").issue("server")
        listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(certificate)}]
        config["extra_config"]["holdfast/server"]["listeners"] = listeners
        self.gateway = Gateway(config, self.directory)


@pytest.fixture(scope="module")
def http2_pair(tmp_path_factory):
    directory = tmp_path_factory.mktemp("http2")
    (directory / "authority").mkdir()
    pair = Http2Pair(directory)
    yield pair
    pair.stop()


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["id"])
def test_case(case, http2_pair):
    problems, seen = play(case, http2_pair.gateway.addresses[1], http2_pair.backend, context())
    assert not problems, f"{case['title']}: {problems} {seen.got}"
    assert http2_pair.gateway.running()


@pytest.mark.parametrize("case", [case for case in load_cases() if case["id"] not in SLOW], ids=lambda case: case["id"])
def test_case_without_tls(case, http2_pair):
    problems, seen = play(case, http2_pair.gateway.addresses[0], http2_pair.backend)
    assert not problems, f"{case['title']}: {problems} {seen.got}"
