"""The keep-alive test matrix, HTTP/2 (G.6) and drain and concurrency (G.9): each number has a test that carries it in its name.

SPDX-License-Identifier: Apache-2.0"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"^(?:    )?(?:def test|TEST\(\w*?case)((?:_\d{3})+)_", re.M)
MATRIX = {*range(110, 131), *range(151, 174)}
RELOAD = {161, 163, 169}  # there is no reload yet
ELSEWHERE = {
    172: "tests/sim/test_sim_dial.c: dial_races_addresses_as_rfc_8305_says",
}


def numbers():
    found = set()
    for path in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("tests/**/test_*.c")]:
        for digits in NAME.findall(path.read_text(encoding="utf-8")):
            found |= {int(number) for number in re.findall(r"\d{3}", digits)}
    return found


def test_each_number_has_a_test_of_its_name():
    assert MATRIX - numbers() - RELOAD - set(ELSEWHERE) == set()
