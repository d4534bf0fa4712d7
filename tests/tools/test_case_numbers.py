"""The keep-alive test matrix (G): each number of persistence (G.1), framing (G.2), connections to hosts that idle, close and race (G.4),
the idle client side (G.5), HTTP/2 (G.6), TLS (G.8), drain and concurrency (G.9) has a test that carries it in its name, or a row of a
table that begins with it.

SPDX-License-Identifier: Apache-2.0"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"^(?:    )?(?:def test|TEST\(\w*?(?:case|g4))((?:_\d{2,3})+)_", re.M)
ROW = re.compile(r'^    "(\d{2}) [^"]*": ', re.M)
TABLES = ROOT / "tests/integration/test_keepalive_g2.py"
MATRIX = {"G.1": range(1, 21), "G.2": range(21, 49), "G.4": range(68, 100), "G.5": range(100, 110), "G.6": range(110, 131),
          "G.8": range(142, 151), "G.9": range(151, 174)}
ELSEWHERE = {
    172: "tests/sim/test_sim_dial.c: dial_races_addresses_as_rfc_8305_says",
}


def numbers():
    found = {int(number) for number in ROW.findall(TABLES.read_text(encoding="utf-8"))}
    for path in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("tests/**/test_*.c")]:
        for digits in NAME.findall(path.read_text(encoding="utf-8")):
            found |= {int(number) for number in re.findall(r"\d{2,3}", digits)}
    return found


@pytest.mark.parametrize("part", MATRIX)
def test_each_number_has_a_test_of_its_name(part):
    assert set(MATRIX[part]) - numbers() - set(ELSEWHERE) == set()
