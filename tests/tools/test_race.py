"""test_race.py: ./dev race: arguments, what is told from what clients and origin counted, and the verdict.

SPDX-License-Identifier: Apache-2.0"""

import json

import pytest
import race
import race_peers
from common import Failed

BAD = (["--requests", "0"], ["--requests", "10000001"], ["--connections", "1025"], ["--limit", "0"],
       ["--peers", "holdfast,nobody"])

SEEN = {"sent": 1000, "completed": 1000, "right": 990, "cut": 4, "timeouts": 1, "misdelivered": 0, "connect_failures": 1,
        "connects": 70, "status": {"502": 3, "504": 1}, "seconds": 1.0, "p50_ms": 0.1, "p99_ms": 0.2, "max_ms": 0.3}
COUNTED = {"requests": 1000, "distinct": 995, "doubled": 5, "unnumbered": 0, "connections": 50, "by_method": {}}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_senseless_arguments_are_refused(words):
    with pytest.raises(Failed):
        race.read_arguments(words)


def test_a_row_says_what_was_seen_and_counted(monkeypatch):
    calls = []
    monkeypatch.setattr(race, "run_clients", lambda *_: dict(SEEN))
    monkeypatch.setattr(race, "ledger", lambda port, method="GET": calls.append(method) or COUNTED)
    row = race.run_method("client", race.read_arguments([]), 1, 2, "GET")
    assert calls == ["DELETE", "GET"]
    assert row["status_errors_per_100k"] == 400 and row["cut_per_100k"] == 600
    assert (row["doubled"], row["executed"], row["reuse"]) == (5, 995, 0.95)


@pytest.mark.parametrize("change, sound", [
    ({}, True), ({"doubled": 1}, False), ({"misdelivered": 1}, False), ({"completed": 99}, False), ({"executed": 97}, False),
    ({"status_errors_per_100k": 5.0}, True)])
def test_the_verdict(change, sound):
    good = {"doubled": 0, "misdelivered": 0, "completed": 100, "right": 98, "executed": 98}
    options = race.read_arguments(["--requests", "100"])
    assert race.is_sound({"GET": good, "POST": {**good, **change}}, options) is sound


def test_a_get_may_be_sent_twice():
    good = {"doubled": 0, "misdelivered": 0, "completed": 100, "right": 98, "executed": 98}
    assert race.is_sound({"GET": {**good, "doubled": 3}, "POST": good}, race.read_arguments(["--requests", "100"]))


def test_peers_that_are_not_installed_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(race_peers, "find", lambda name: None)
    assert all(race_peers.PEERS[name](tmp_path, 1, 2) is None for name in race_peers.PEERS if "holdfast" not in name)


def test_the_configuration_of_holdfast_goes_to_the_origin(tmp_path):
    race_peers.holdfast()(tmp_path, 8001, 9001) if race_peers.HOLDFAST.exists() else pytest.skip("no release build")
    config = json.loads((tmp_path / "gateway.json").read_text())
    assert config["endpoints"][0]["backend"][0]["host"] == ["http://127.0.0.1:9001"]
