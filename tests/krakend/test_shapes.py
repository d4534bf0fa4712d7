"""test_shapes.py: configurations as they are found in public: `check` accepts those whose parts are there or only missed, names
what is ignored, and refuses those that would run open. What is expected: shapes/expected.tsv.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from gateway import run_to_end  # noqa: E402

SHAPES = HERE / "shapes"
ROWS = [line.split("\t") for line in (SHAPES / "expected.tsv").read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.parametrize("name, code, words", ROWS, ids=[row[0] for row in ROWS])
def test_shape(name, code, words):
    found, _, text = run_to_end(["check", "-t", "-c", SHAPES / name])
    assert found == int(code), text
    assert ("Syntax OK!" in text) == (found == 0)
    for word in filter(None, words.split("|")):
        assert word in text, text
    if not words:
        assert "warning:" not in text, text


@pytest.mark.parametrize("name", [row[0] for row in ROWS if row[1] == "1"])
def test_run_refuses_what_check_refuses(name):
    code, _, text = run_to_end(["run", "-c", SHAPES / name])
    assert code == 1 and "ready:" not in text, text


def test_every_shape_has_a_row():
    assert sorted(row[0] for row in ROWS) == sorted(path.name for path in SHAPES.iterdir() if path.suffix != ".tsv")
    assert sum(row[1] == "0" for row in ROWS) >= 20
