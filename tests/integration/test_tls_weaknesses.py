"""test_tls_weaknesses.py: testssl.sh finds nothing above "low" in what is spoken. Its view of the test's certificate and of HTTP
headers is left out. SPDX-License-Identifier: Apache-2.0
"""
import json
import shutil
import subprocess

import pytest
from tls_front import secured, tls_block

HARMLESS = {"OK", "INFO", "DEBUG", "LOW"}


@pytest.mark.heavy
def test_testssl_finds_nothing_above_low(make, certificate, tmp_path):
    tool = shutil.which("testssl") or shutil.which("testssl.sh")
    if not tool:
        pytest.skip("testssl.sh is not installed")
    running = make.gateway(secured(make.origin(), tls_block(certificate), {"handshake_timeout": "30s"}))
    report = tmp_path / "report.json"
    subprocess.run([tool, "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1", "-p", "-s", "-f", "-P",
                    "-U", "--jsonfile", str(report), f"localhost:{running.address[1]}"], stdin=subprocess.DEVNULL,
                   capture_output=True, timeout=220, check=False)
    findings = json.loads(report.read_text())
    assert {"TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "LUCKY13"} <= {each["id"] for each in findings}
    # engine_problem tells of the scanner's own OpenSSL.
    assert [each for each in findings if each["severity"] not in HARMLESS and each["id"] != "engine_problem"] == []
