"""test_race.py: ./dev race: arguments, what is told from what clients and origin counted, and the verdict.

SPDX-License-Identifier: Apache-2.0"""

import json

import pytest
import race
import race_peers
from common import BUILD, Failed

BAD = (["--requests", "0"], ["--requests", "10000001"], ["--connections", "1025"], ["--limit", "0"],
       ["--peers", "holdfast,nobody"], ["--rounds", "0"], ["--rounds", "6", "--requests", "5"])

SEEN = {"sent": 1000, "completed": 1000, "right": 990, "cut": 4, "timeouts": 1, "misdelivered": 0, "connect_failures": 1,
        "connects": 70, "status": {"502": 3, "504": 1}, "seconds": 1.0, "p50_ms": 0.1, "p99_ms": 0.2, "max_ms": 0.3}
COUNTED = {"requests": 1000, "distinct": 995, "doubled": 5, "unnumbered": 0, "connections": 50, "by_method": {}}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_senseless_arguments_are_refused(words):
    with pytest.raises(Failed):
        race.read_arguments(words)


def raw_row(monkeypatch, work, **seen):
    monkeypatch.setattr(race, "run_clients", lambda *_: {**SEEN, **seen})
    monkeypatch.setattr(race, "ledger", lambda port, method="GET": COUNTED)
    return race.run_method("client", race.read_arguments([]), work, 1, 2, "GET", 1000)


def test_rounds_are_added_up(monkeypatch, tmp_path):
    rows = [raw_row(monkeypatch, tmp_path), raw_row(monkeypatch, tmp_path, p50_ms=0.3, status={"502": 5})]
    total = race.total_of(rows)
    assert (total["completed"], total["doubled"], total["executed"], total["reuse"]) == (2000, 10, 1990, 0.95)
    assert total["status"] == {"502": 8, "504": 1} and total["status_errors_per_100k"] == 450
    assert total["cut_per_100k"] == 600 and abs(total["p50_ms"] - 0.2) < 1e-9


def test_reasons_are_those_of_the_round(monkeypatch, tmp_path):
    """What the ledger told before is taken off; a gateway that tells none has none."""
    told = iter([{("new_by", "cold"): 2, ("closes_by", "age (ours)"): 1}, {("new_by", "cold"): 5, ("closes_by", "age (ours)"): 1}])
    monkeypatch.setattr(race, "reasons_of", lambda _: next(told))
    row = raw_row(monkeypatch, tmp_path)
    assert row["why"] == {"new_by": {"cold": 3}, "closes_by": {}, "resends_by": {}, "resends_refused_by": {}}
    monkeypatch.undo()
    assert race.reasons_of(tmp_path) == {}


def test_requests_are_dealt_to_the_rounds(monkeypatch):
    dealt = []

    def run_peer(client, options, name, requests):
        dealt.append((name, requests))
        return None if name == "nginx" else {"GET": 1, "POST": 2}

    monkeypatch.setattr(race, "run_peer", run_peer)
    rounds = race.run_rounds("client", race.read_arguments(["--requests", "11", "--rounds", "3", "--peers", "holdfast,nginx"]))
    assert dealt == [("holdfast", 4), ("nginx", 4), ("holdfast", 4), ("holdfast", 3)]
    assert rounds == {"holdfast": {"GET": [1, 1, 1], "POST": [2, 2, 2]}}


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


def test_holdfast_runs_with_a_configuration_that_goes_to_the_origin(tmp_path, monkeypatch):
    built = [path for path in (BUILD / kind / "holdfast" for kind in ("release", "debug")) if path.exists()]
    if not built:
        pytest.skip("no holdfast is built")
    monkeypatch.setattr(race_peers, "HOLDFAST", built[0])
    assert race_peers.holdfast()(tmp_path, 8001, 9001) == [built[0], "run", "-c", tmp_path / "gateway.json"]
    config = json.loads((tmp_path / "gateway.json").read_text())
    assert config["endpoints"][0]["backend"][0]["host"] == ["http://127.0.0.1:9001"]
