#!/usr/bin/python3
"""gen_diagnostics.py: docs/diagnostics.md from src/config/problems.def. Run it after a change there; tests/tools checks that the page is
fresh. SPDX-License-Identifier: Apache-2.0"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/config/problems.def"
PAGE = ROOT / "docs/diagnostics.md"

INTRO = """# Problems of a configuration

Each problem that `holdfast check` or `holdfast run` reports ends in a code. The code stays the same for ever; the words may get better.

    FILE:LINE:COLUMN: error|warning|note: TEXT [HFnnnn]

All problems are reported at once. Errors stop the start; warnings and notes do not. Under `check --strict` an unknown key is an error.
`check --format json` prints them as one array on standard output.

| code | means |
|---|---|
"""


def page():
    rows = re.findall(r'^PROBLEM\((\d+), \w+, "((?:[^"\\]|\\.)*)"\)', SOURCE.read_text(encoding="utf-8"), flags=re.M)
    lines = []
    for number, text in rows:
        words = text.replace('\\"', '"').replace("|", "\\|")
        lines.append(f"| HF{int(number):04d} | {words} |\n")
    return INTRO + "".join(lines)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else "docs/diagnostics.md is stale: run tools/gen_diagnostics.py")
    PAGE.write_text(page(), encoding="utf-8")
