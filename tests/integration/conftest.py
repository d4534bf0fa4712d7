"""conftest.py: fixtures: gateways, origins and clients that are closed in reverse order; a limit for each test.

`gateway`, `origin` and `client` make as many as a test asks for; `shared` does the same for all tests of a file, which also have
an `authority` and a `certificate` of its.
SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import gateway as gateway_module  # noqa: E402
import origin as origin_module  # noqa: E402
import rawhttp  # noqa: E402
from certificates import Authority  # noqa: E402

TEST_SECONDS = 60
HEAVY_SECONDS = 240


class Makers:
    """Makes things of a test and closes them in reverse order."""

    def __init__(self, stack, directory):
        self.stack, self.directory, self.count = stack, directory, 0
        self.just_booted = False  # of gateways that are made from then on: their clock begins with them

    def gateway(self, config, arguments=(), **options):
        self.count += 1
        directory = self.directory / f"gateway{self.count}"
        directory.mkdir()
        return self.stack.enter_context(gateway_module.Gateway(config, directory, arguments, just_booted=self.just_booted, **options))

    def origin(self, *arguments, **options):
        return self.stack.enter_context(origin_module.Origin(*arguments, **options))

    def client(self, target, **options):
        return self.stack.enter_context(rawhttp.Client(getattr(target, "address", target), **options))

    def process(self, arguments, **options):
        return self.stack.enter_context(gateway_module.Process(arguments, **options))


@pytest.fixture
def make(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Makers(stack, tmp_path)


@pytest.fixture
def gateway(make):
    return make.gateway


@pytest.fixture
def origin(make):
    return make.origin


@pytest.fixture
def client(make):
    return make.client


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Makers(stack, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Signs the certificates of a file's tests."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def certificate(authority):
    """For localhost and 127.0.0.1."""
    return authority.issue("server")


@pytest.fixture(autouse=True)
def limit(request):
    """No test hangs: a hang is what many of them look for."""
    def expire(*_):
        raise TimeoutError("the test took too long")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(HEAVY_SECONDS if request.node.get_closest_marker("heavy") else TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session", autouse=True)
def binary_is_built():
    if not gateway_module.binary_path().exists():
        pytest.exit(f"{gateway_module.binary_path()} does not exist: build it first, or set HOLDFAST_BINARY", 2)


@pytest.fixture
def note(record_property):
    """note("reuse", "..."): a line for the summary at the end of the run."""
    return lambda name, text: record_property("note", f"{name}: {text}")


def pytest_terminal_summary(terminalreporter):
    notes = [text for reports in terminalreporter.stats.values() for report in reports
             if getattr(report, "when", "") == "call" for name, text in report.user_properties if name == "note"]
    if notes:
        terminalreporter.section("notes")
        for text in sorted(notes):
            terminalreporter.line(text)
