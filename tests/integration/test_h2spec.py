"""test_h2spec.py: h2spec over TLS and by prior knowledge, where it is installed (it is no Debian package: build it with Go,
and name it in HOLDFAST_H2SPEC or have it in the PATH). SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shutil
import subprocess

import pytest
from configs import forward_all, service
from origin import reply
from tls_front import tls_block

CASES = 146


@pytest.mark.parametrize("index", [0, 1], ids=["h2c", "tls"])
def test_every_case_passes(make, certificate, index):
    tool = os.environ.get("HOLDFAST_H2SPEC") or shutil.which("h2spec")
    if not tool:
        pytest.skip("left out: h2spec is not installed, and HOLDFAST_H2SPEC does not name it")
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(certificate)}]
    origin = make.origin(lambda conn, request: (conn.body(), conn.send(reply(b"hello"))))
    running = make.gateway(service([forward_all(origin)], {"listeners": listeners}, use_h2c=True))
    words = [tool, *(["-t", "-k"] if index else []), "-h", "127.0.0.1", "-p", str(running.addresses[index][1]), "-o", "4"]
    told = subprocess.run(words, capture_output=True, text=True, timeout=50, check=False).stdout
    tests, passed = map(int, re.search(r"(\d+) tests, (\d+) passed", told).groups())
    assert (tests, passed) == (CASES, CASES), told[-3000:]
