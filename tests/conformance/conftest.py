"""conftest.py: one gateway and one recording backend for all cases of a worker. SPDX-License-Identifier: Apache-2.0"""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
for folder in (HERE, HERE.parent / "integration"):
    sys.path.insert(0, str(folder))

import configs  # noqa: E402
from gateway import Gateway, binary_path  # noqa: E402
from h1_backend import Backend  # noqa: E402


def configuration(backend):
    """What the cases ask of a proxy: everything to the backend, /denied answered 403 by the gateway itself."""
    denied = {"endpoint": "/denied", "method": "*", "extra_config": {"holdfast/answer": {"status": 403, "body": "denied"}}}
    server = {"error_status": "precise"}
    url = "http://{}:{}".format(*backend.address)
    return configs.service([denied, configs.forward_all(url)], server)


class Pair:
    """A gateway and its backend; the gateway is started again when a case has brought it down."""

    def __init__(self, directory):
        self.directory, self.backend, self.gateway = directory, Backend(), None
        self.start()

    def start(self):
        self.gateway = Gateway(configuration(self.backend), self.directory)

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.backend.close()


@pytest.fixture(scope="session")
def running_pair(tmp_path_factory):
    if not binary_path().exists():
        pytest.exit(f"{binary_path()} does not exist: build it first, or set HOLDFAST_BINARY", 2)
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.stop()


@pytest.fixture
def pair(running_pair):
    yield running_pair
    gateway = running_pair.gateway
    if not gateway.running():
        output, code = gateway.output[-6000:], gateway.wait()
        running_pair.start()
        pytest.fail(f"the gateway ended with {code}\n{output}")
