"""test_schema.py: `holdfast schema`: a JSON Schema that is one, that takes all configurations of this repository, and that
refuses what is wrong.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

import pytest
from gateway import ROOT, run_to_end

jsonschema = pytest.importorskip("jsonschema", reason="left out: python3-jsonschema is not there for this interpreter")

# Tables that hold values of the wrong type on purpose, to show what KrakenD does with them.
WRONG_ON_PURPOSE = {"shadow.json", "static.json", "router_wrong_type.json", "loose_types.json", "flatmap_backend.json",
                    "sequence_corners.json", "statuses.json"}


@pytest.fixture(scope="module")
def schema():
    code, out, err = run_to_end(["schema"])
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.fixture(scope="module")
def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def configurations():
    for path in sorted((ROOT / "examples").rglob("*.json")):
        yield path, json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests" / "krakend").glob("*.json")):
        if path.name not in WRONG_ON_PURPOSE:
            yield path, {"version": 3, **json.loads(path.read_text(encoding="utf-8"))["config"]}


ALL = [pytest.param(config, id=path.stem) for path, config in configurations() if isinstance(config, dict) and
       "version" in config]


@pytest.mark.parametrize("config", ALL)
def test_every_configuration_here_is_valid(validator, config):
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(config)] == []


WRONG = {
    "a version of another kind": {"version": 2},
    "an unknown key": {"version": 3, "timout": "1s"},
    "a duration without a unit": {"version": 3, "timeout": "3"},
    "a port that is none": {"version": 3, "port": 65536},
    "an endpoint without a path": {"version": 3, "endpoints": [{"backend": []}]},
    "a key of a backend at an endpoint": {"version": 3, "endpoints": [{"endpoint": "/a", "url_pattern": "/"}]},
    "an unknown key of the router": {"version": 3, "extra_config": {"router": {"auto_option": True}}},
    "a wrong choice of ours": {"version": 3, "extra_config": {"holdfast/server": {"profile": "unsafe"}}},
    "a wrong operation": {"version": 3, "endpoints": [{"endpoint": "/a", "backend": [
        {"extra_config": {"proxy": {"flatmap_filter": [{"type": "fly", "args": []}]}}}]}]},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused(validator, name):
    assert not validator.is_valid(WRONG[name])


@pytest.fixture(scope="module")
def linted(schema, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lint")
    (folder / "schema.json").write_text(json.dumps(schema), encoding="utf-8")

    def run(config):
        (folder / "krakend.json").write_text(json.dumps(config), encoding="utf-8")
        code, _, err = run_to_end(["check", "-c", folder / "krakend.json", "-s", folder / "schema.json"])
        return code, err
    return run


@pytest.mark.parametrize("config", ALL)
def test_our_own_linter_agrees_with_the_other(linted, config):
    assert "HF0113" not in linted(config)[1]


@pytest.mark.parametrize("name", [name for name, config in WRONG.items() if config.get("version") == 3])
def test_our_own_linter_refuses_too(linted, name):
    code, err = linted(WRONG[name])
    assert code == 1 and ("HF0113" in err or "ERROR parsing" in err)


def test_comments_and_unknown_components_are_fine(validator):
    assert validator.is_valid({"$schema": "x", "version": 3, "_note": 1, "#a": {}, "@b": [],
                               "extra_config": {"somebody/else": {"a": 1}, "router": {"_why": "x"}}})


def options(node, path=()):
    for name, option in node.get("properties", {}).items():
        yield (*path, name), option
        yield from options(option, (*path, name))
        yield from options(option.get("items", {}), (*path, name))


def test_every_key_is_described(schema):
    found = dict(options(schema))
    assert len(found) > 150
    described = [path for path, option in found.items() if not option.get("description")]
    free = re.compile(r"^(args|type|strategy|data|404|405)$")  # parts of free forms
    assert [path for path in described if not free.match(path[-1])] == []


def test_every_default_and_example_is_valid(schema):
    wrong = []
    for path, option in options(schema):
        check = jsonschema.Draft202012Validator(option)
        values = option.get("examples", []) + ([option["default"]] if "default" in option else [])
        wrong += [(path, value) for value in values if not check.is_valid(value)]
    # An empty text is how "not given" is written for these.
    assert [pair for pair in wrong if pair[1] != ""] == []


# What does nothing is told in one sentence, and two names may be of one thing.
SHARED = {"Only with multiplexing.", "Buffers come from the worker.", "Of KrakenD Enterprise; ignored.",
          "PEM file of the certificate and its chain.", "Accepted without effect. Buffers come from the worker.",
          "Accepted without effect. Only with multiplexing."}


def told_twice(pairs):
    names = {}
    for name, text in pairs:
        names.setdefault(text, set()).add(name)
    return {text: known for text, known in names.items() if len(known) > 1 and text not in SHARED}


def described(node, name=None):
    if isinstance(node, list):
        for member in node:
            yield from described(member, name)
    if not isinstance(node, dict):
        return
    if name and isinstance(node.get("description"), str):
        yield name, node["description"]
    for key, member in node.items():
        if key in ("properties", "patternProperties", "$defs"):
            for own, value in member.items():
                yield from described(value, own)
        else:
            yield from described(member, name)


def test_no_setting_has_the_description_of_another(schema):
    """KrakenD's page has that of idle_connection_timeout from another row (seed 001). The same text may stand at one name in two places."""
    assert len(list(described(schema))) > 200
    assert told_twice(described(schema)) == {}


def test_no_row_of_the_reference_is_a_copy_of_another():
    """Texts of a few words, as of lists that mean the same, may be alike."""
    rows = re.findall(r"^\| `([^|]+)` \|.*\|([^|]*)\|$", (ROOT / "docs/configuration.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 200
    assert told_twice((name, text.strip()) for name, text in rows if len(text.split()) > 5) == {}
