"""The page of diagnostics says what problems.def says. SPDX-License-Identifier: Apache-2.0"""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_page_is_fresh():
    subprocess.run(["/usr/bin/python3", ROOT / "tools/gen_diagnostics.py", "--check"], check=True)


def test_each_problem_has_a_row():
    numbers = re.findall(r"^PROBLEM\((\d+),", (ROOT / "src/config/problems.def").read_text(encoding="utf-8"), flags=re.M)
    page = (ROOT / "docs/diagnostics.md").read_text(encoding="utf-8")
    assert len(numbers) > 30
    assert [f"HF{int(n):04d}" for n in numbers] == re.findall(r"HF\d{4}", page)
