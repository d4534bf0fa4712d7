"""test_faults.py: ./dev faults: arguments, what a run comes to, and the verdict.

SPDX-License-Identifier: Apache-2.0"""

import argparse
import asyncio
import contextlib
import socket

import faults
import faults_stage
import pytest
from common import Failed

BAD = (["--faults", "none,flood"], ["--peers", "nobody"], ["--rate", "0"], ["--rate", "5001"], ["--seconds", "0"], ["--patience", "61"])
GOOD = {"errors": {"GET": {}, "POST": {}}, "twice": {"GET": 3, "POST": 0}, "torn": 0, "cuts": 9, "cuts_seen": 9}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_senseless_arguments_are_refused(words):
    with pytest.raises(Failed):
        faults.read_arguments(words)


@pytest.mark.parametrize("fault, change, missed", [
    ("none", {}, 0), ("reset", {"errors": {"GET": {"lost": 1}, "POST": {}}}, 1), ("reset", {"errors": {"GET": {}, "POST": {"lost": 9}}}, 0),
    ("none", {"errors": {"GET": {}, "POST": {"lost": 1}}}, 1), ("idle_close", {"twice": {"GET": 0, "POST": 1}}, 1),
    ("cut", {"torn": 1}, 1), ("cut", {"cuts_seen": 8}, 1), ("stall", {"errors": {"GET": {"status 504": 20}, "POST": {"status 504": 19}}}, 0),
    ("stall", {"errors": {"GET": {"status 504": 20}, "POST": {"status 504": 20}}}, 1)])
def test_the_verdict(fault, change, missed):
    assert len(faults.misses(fault, {**GOOD, **change})) == missed


class Nothing(contextlib.nullcontext):
    """No gateway at all: the clients ask an origin."""

    @staticmethod
    def ledger():
        return []


def run_stage(fault, seconds=2.0):
    ports = []
    for _ in range(4):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    options = argparse.Namespace(seed=3, rate=100, seconds=seconds, post=30, fresh=20, connections=8, patience=0.5)
    return asyncio.run(faults_stage.Stage(fault, ports[0], ports, options).run(Nothing()))


def test_nothing_is_wrong_without_a_fault():
    row = run_stage("none")
    assert row["sent"] == row["ok"] >= 190
    assert row["twice"] == {"GET": 0, "POST": 0} and row["errors"] == {"GET": {}, "POST": {}} and row["torn"] == 0


def test_cuts_and_stalls_are_seen():
    row = run_stage("cut", 4.0)
    assert row["cuts"] == row["cuts_seen"] > 0 and row["ok"] + row["cuts"] == row["sent"]
    row = run_stage("stall")
    assert row["errors"]["GET"].keys() == {"timeout"} and row["ok"] > 50
