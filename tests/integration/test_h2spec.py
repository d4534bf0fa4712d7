"""test_h2spec.py: h2spec over TLS and by prior knowledge. It is no Debian package: its pinned source comes as a module of Go, is
checked by its sum, and is built with Debian's packages of the libraries that it uses. Where HOLDFAST_H2SPEC names one, or one is
in the PATH, that is taken. SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from configs import forward_all, service
from origin import reply
from test_multiplexed_clients import GO
from tls_front import tls_block

CASES = 145  # of the version below; later ones have more
MODULE, VERSION = "github.com/summerwind/h2spec", "v2.2.1+incompatible"
SUM = "h1:Ex8kpG4LjIeudEtfbM892Os2PawIZBsEvukHJcvZHho="
LIBRARIES = ["github.com/spf13/cobra", "github.com/fatih/color", "golang.org/x/net/http2"]


def download(folder):
    """The folder of the source."""
    environment = {**os.environ, "GO111MODULE": "on", "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local", "GOMODCACHE": str(folder / "modules")}
    done = subprocess.run(["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"], env=environment, cwd=folder, capture_output=True,
                          text=True, timeout=100, check=False)
    if done.returncode != 0:
        reason = (json.loads(done.stdout).get("Error") if done.stdout.startswith("{") else done.stderr) or "no reason was given"
        pytest.skip(f"left out: Go could not get {MODULE}: {reason.strip().splitlines()[-1][:200]}")
    told = json.loads(done.stdout)
    assert told["Sum"] == SUM
    return pathlib.Path(told["Dir"])


def build(folder):
    missing = [name for name in LIBRARIES if not os.path.isdir(f"/usr/share/gocode/src/{name}")]
    if missing:
        pytest.skip(f"left out: Debian's packages of {', '.join(missing)} are not installed")
    shutil.copytree(download(folder), folder / "path/src" / MODULE)
    environment = {**GO, "GOPATH": f"{folder / 'path'}:{GO['GOPATH']}"}
    done = subprocess.run(["go", "build", "-o", folder / "h2spec", f"{MODULE}/cmd/h2spec"], env=environment, cwd=folder,
                          capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "h2spec"


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    given = os.environ.get("HOLDFAST_H2SPEC") or shutil.which("h2spec")
    if not given and not shutil.which("go"):
        pytest.skip("left out: neither h2spec nor Go is installed, and HOLDFAST_H2SPEC names none")
    return given or build(tmp_path_factory.mktemp("h2spec"))


@pytest.mark.heavy  # the first run compiles Go's standard library
@pytest.mark.parametrize("index", [0, 1], ids=["h2c", "tls"])
def test_every_case_passes(make, certificate, index, tool, note):
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(certificate)}]
    origin = make.origin(lambda conn, request: (conn.body(), conn.send(reply(b"hello"))))
    running = make.gateway(service([forward_all(origin)], {"listeners": listeners}, use_h2c=True))
    words = [tool, *(["-t", "-k"] if index else []), "-h", "127.0.0.1", "-p", str(running.addresses[index][1]), "-o", "4"]
    told = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False).stdout
    tests, passed = map(int, re.search(r"(\d+) tests, (\d+) passed", told).groups())
    note(f"h2spec, {'TLS' if index else 'h2c'}", f"{passed} of {tests}")
    assert passed == tests >= CASES, told[-3000:]
