"""test_h1_judge.py: the judge itself: who passes everything on, or refuses everything, fails the cases that are about that; and no case
is lost on the way. SPDX-License-Identifier: Apache-2.0
"""
from types import SimpleNamespace

import pytest
from h1_backend import Recording
from h1_driver import load_cases
from h1_judge import judge
from h1_player import Seen

REQUESTS = [case for case in load_cases() if case["direction"] == "request"]


def answered(status):
    return SimpleNamespace(status=status, interim=False, head=f"HTTP/1.1 {status} X\r\n", body="", complete=True, until_close=False)


def of_action(*actions):
    return [pytest.param(case, id=case["id"]) for case in REQUESTS if case["expected"]["action"] in actions]


def test_all_cases_are_there():
    assert len(REQUESTS) >= 150 and len(load_cases()) >= 198
    assert len({case["id"] for case in load_cases()}) == len(load_cases())


@pytest.mark.parametrize("case", of_action("reject"))
def test_who_passes_everything_on_fails(case):
    request = SimpleNamespace(head="GET /case HTTP/1.1\r\nHost: a\r\n", body="")
    verdict = judge(case, Seen([answered(200)], Recording(case, requests=[request])))
    if case["expected"]["backend"].get("drop_ok"):
        assert verdict.word == "SOFT", "the bad line may be left out"
    else:
        assert verdict.word == "FAIL" and verdict.kind in ("unsafe", "lenient", "policy"), verdict


@pytest.mark.parametrize("case", of_action("accept", "normalise"))
def test_who_refuses_everything_fails(case):
    verdict = judge(case, Seen([answered(400)], Recording(case), closed=True))
    assert verdict.word == ("PASS" if 400 in case["expected"]["status"] else "FAIL"), verdict


@pytest.mark.parametrize("case", of_action("reject"))
def test_who_refuses_and_closes_passes(case):
    verdict = judge(case, Seen([answered(case["expected"]["status"][0])], Recording(case), closed=True))
    assert verdict.word == "PASS", verdict
