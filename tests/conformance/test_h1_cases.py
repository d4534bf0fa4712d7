"""test_h1_cases.py: every HTTP/1 case, both directions, must be PASS or SOFT. See h1_judge.py for the words.

SPDX-License-Identifier: Apache-2.0
"""
import pytest
from h1_driver import load_cases, run_case


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["id"])
def test_case(case, pair, record_property):
    verdict, facts = run_case(case, pair.gateway.address, pair.backend)
    record_property("verdict", str(verdict))
    assert verdict.word != "FAIL", f"{case['title']}: {verdict} {facts}"
