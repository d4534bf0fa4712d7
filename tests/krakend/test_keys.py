"""test_keys.py: every key of a KrakenD configuration stands in a table of this folder, or in keys.tsv with the test that has it;
every trap of the reference has a test, and so has every row of docs/krakend-compat.md.

What keys there are, says `holdfast schema`; keys.tsv holds the sections and lines of the reference that name them, so that a key that
our schema forgets is missed too. Our own (`holdfast/...`) are tested in tests/integration and tests/unit.
SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "integration"))

from gateway import run_to_end  # noqa: E402

ROWS = [line.split("\t") for line in (HERE / "keys.tsv").read_text(encoding="utf-8").splitlines()[1:]]
TRAPS = [line.split("\t") for line in (HERE / "traps.tsv").read_text(encoding="utf-8").splitlines()[1:]]


def keys_of_schema(node, path=()):
    for name, option in node.get("properties", {}).items():
        if not name.startswith("holdfast/"):
            yield ".".join((*path, name))
            yield from keys_of_schema(option, (*path, name))
            yield from keys_of_schema(option.get("items", {}), (*path, name))


def keys_of_config(value, path=()):
    for item in value if isinstance(value, list) else []:
        yield from keys_of_config(item, path)
    for name, item in value.items() if isinstance(value, dict) else []:
        yield ".".join((*path, name))
        yield from keys_of_config(item, (*path, name))


@pytest.fixture(scope="module")
def in_schema():
    code, out, _ = run_to_end(["schema"])
    assert code == 0
    return set(keys_of_schema(json.loads(out)))


@pytest.fixture(scope="module")
def in_tables():
    configs = [json.loads(path.read_text(encoding="utf-8"))["config"] for path in HERE.glob("*.json")]
    return {key for config in configs for key in keys_of_config(config)}


def test_every_key_of_the_schema_has_a_row(in_schema):
    assert sorted(in_schema - {key for key, *_ in ROWS}) == []


def test_every_row_is_a_key_of_the_schema(in_schema):
    assert sorted({key for key, *_ in ROWS} - in_schema) == []


@pytest.mark.parametrize("key, where", [(key, where) for key, _, where, _ in ROWS], ids=[row[0] for row in ROWS])
def test_the_key_is_tested_where_its_row_says(in_tables, key, where):
    if where == "tables":
        assert key in in_tables
        return
    assert key not in in_tables, "it stands in a table: say so"
    name = key.rpartition(".")[2]
    texts = [(ROOT / path).read_text(encoding="utf-8") for path in where.split(" ")]
    assert [path for path, text in zip(where.split(" "), texts) if name not in text] == []


def test_no_trap_is_missing():
    assert [int(number) for number, *_ in TRAPS] == list(range(1, 61))


@pytest.mark.parametrize("where", [where for *_, where in TRAPS], ids=[f"trap-{number}" for number, *_ in TRAPS])
def test_the_trap_has_its_test(where):
    path, _, name = where.partition(" ")
    assert name in (ROOT / path).read_text(encoding="utf-8")


def test_every_difference_names_a_test_that_is_there():
    rows = [line for line in (ROOT / "docs/krakend-compat.md").read_text(encoding="utf-8").splitlines() if "| tests/" in line]
    named = {path for row in rows for path in re.findall(r"tests/[\w/.-]+", row.rsplit("|", 2)[1])}
    assert len(rows) > 60 and sorted(path for path in named if not (ROOT / path).is_file()) == []
