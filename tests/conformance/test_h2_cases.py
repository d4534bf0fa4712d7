"""test_h2_cases.py: every HTTP/2 case of a client, over TLS and without. SPDX-License-Identifier: Apache-2.0"""
import pytest
from certificates import Authority
from conftest import Pair, configuration
from gateway import Gateway
from h2_driver import context, load_cases, load_long_cases
from h2_player import play
from tls_front import tls_block

# The sanitizers keep what was freed, so that memory says little; it is held against the release build by hand.


class Http2Pair(Pair):
    """The same, with a second listener that speaks TLS, and HTTP/2 by prior knowledge on the first."""

    root = {"use_h2c": True}

    def start(self):
        config = configuration(self.backend) | self.root
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


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["id"])
def test_case_without_tls(case, http2_pair):
    problems, seen = play(case, http2_pair.gateway.addresses[0], http2_pair.backend)
    assert not problems, f"{case['title']}: {problems} {seen.got}"


class HastyPair(Http2Pair):
    """Silence of a minute and a half would take as long: the limit is shorter, and so is the wait for it."""

    root = {"use_h2c": True, "idle_timeout": "2s"}


@pytest.fixture
def hasty_pair(tmp_path):
    (tmp_path / "authority").mkdir()
    pair = HastyPair(tmp_path)
    yield pair
    pair.stop()


@pytest.mark.parametrize("index, wrapped", [(0, None), (1, context())], ids=["h2c", "tls"])
@pytest.mark.parametrize("case", load_long_cases(), ids=lambda case: case["id"])
def test_case_of_silence(case, index, wrapped, hasty_pair):
    problems, seen = play(case, hasty_pair.gateway.addresses[index], hasty_pair.backend, wrapped)
    assert not problems, f"{case['title']}: {problems} {seen.got}"
    assert seen.client.goaway == "NO_ERROR" and seen.client.closed
    assert seen.seconds > 1.5
