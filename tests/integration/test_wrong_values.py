"""test_wrong_values.py: every key of the schema with a value of a wrong type, and under a wrong name: each is told with its place
and what it is called. SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest
from gateway import run_to_end

TOLD_ELSEWHERE = {  # keys of the root that are checked before the rest is looked at, or take any value
    "": {"version", "$schema", "extra_config", "endpoints", "async_agent", "plugin"},
}


@pytest.fixture(scope="module")
def schema():
    return json.loads(run_to_end(["schema"])[1])


def resolve(schema, node):
    while "$ref" in node:
        target = schema
        for step in node["$ref"][2:].split("/"):
            target = target[step]
        node = target
    return node


def keys_at(schema, path):
    """Names and rules of an object; path: "extra_config.holdfast/upstream" by steps."""
    node = resolve(schema, schema)
    for step in path:
        node = resolve(schema, node["properties"][step] if step != "[]" else node["items"])
    return {name: resolve(schema, rule) for name, rule in node["properties"].items()}


def is_told_at_all(rule):
    return rule.get("type") != "object" and "type" in rule or "enum" in rule


PLACES = {
    "": (),
    "client_tls": ("client_tls",),
    "extra_config.holdfast/server": ("extra_config", "holdfast/server"),
    "extra_config.holdfast/upstream": ("extra_config", "holdfast/upstream"),
    "extra_config.holdfast/admin": ("extra_config", "holdfast/admin"),
    "extra_config.holdfast/tls": ("extra_config", "holdfast/tls"),
    "endpoints[0]": ("endpoints", "[]"),
    "endpoints[0].backend[0]": ("endpoints", "[]", "backend", "[]"),
}


def put(place, members):
    """A configuration with these members at the place, each on a line of its own; and the line of each."""
    config = {"version": 3}
    for step in reversed(PLACES[place]):
        members = [members] if step == "[]" else {step: members}
    config.update(members)
    return json.dumps(config, indent=1)


def problems(tmp_path, text):
    path = tmp_path / "gateway.json"
    path.write_text(text, encoding="utf-8")
    return json.loads(run_to_end(["check", "-c", path, "--format", "json"])[1])


@pytest.mark.parametrize("place", PLACES)
def test_each_wrong_type_is_told_at_its_place(schema, tmp_path, place):
    names = [name for name, rule in keys_at(schema, PLACES[place]).items()
             if is_told_at_all(rule) and name not in TOLD_ELSEWHERE.get(place, ())]
    assert len(names) > 1
    text = put(place, {name: {"wrong": 1} for name in names})
    told = {problem["line"] for problem in problems(tmp_path, text)}
    lines = text.split("\n")
    missed = [name for name in names if not any(f'"{name}": {{' in lines[line - 1] or f'"{name}": {{' in lines[line - 2]
                                                for line in told)]
    assert missed == []


@pytest.mark.parametrize("place", [place for place in PLACES if place.startswith(("extra_config", "client_tls")) or not place])
def test_each_wrong_name_gets_a_suggestion(schema, tmp_path, place):
    names = [name for name in keys_at(schema, PLACES[place]) if len(name) > 4 and not name.startswith("$")]
    wrong = {name[:2] + name[3:]: name for name in names}
    assert len(wrong) > 1
    told = {problem["text"].rsplit('"', 2)[1]: problem["hint"] or "" for problem in problems(tmp_path, put(place, dict.fromkeys(wrong, 1)))
            if "unknown key" in problem["text"]}
    assert {name for name, right in wrong.items() if right not in told.get(name, "")} == set()
