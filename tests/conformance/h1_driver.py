#!/usr/bin/python3
"""h1_driver.py: runs the HTTP/1 cases against any reverse proxy and prints what is not a PASS.

  h1_driver.py --proxy 127.0.0.1:8080 --backend 127.0.0.1:9001 [--cases FILE] [--only REGEX] [--out FILE] [-v]

It is client and backend at once. The proxy sends every Host to the backend address, reuses backend connections, and
answers 403 by itself for the path /denied. The tests use the same parts through run_case.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import pathlib
import re
import sys
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from h1_backend import Backend  # noqa: E402
from h1_judge import judge  # noqa: E402
from h1_player import play  # noqa: E402

CASES = pathlib.Path(__file__).with_name("h1_cases.json")


def load_cases(path=CASES):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["cases"]


def run_case(case, proxy, backend):
    """(verdict, facts): the verdict of the judge, and what was seen, for the report."""
    seen = play(case, proxy, backend)
    return judge(case, seen), seen.facts


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxy", type=address, required=True)
    parser.add_argument("--backend", type=address, required=True)
    parser.add_argument("--cases", default=CASES)
    parser.add_argument("--only", default="")
    parser.add_argument("--out")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    backend = Backend(options.backend)
    results = []
    for case in load_cases(options.cases):
        if not re.search(options.only, case["id"]):
            continue
        verdict, facts = run_case(case, options.proxy, backend)
        results.append({"id": case["id"], "verdict": verdict.word, "kind": verdict.kind, "why": verdict.reasons,
                        "seen": facts, "title": case["title"]})
        if options.v or verdict.word != "PASS":
            print(case["id"], str(verdict)[:200], facts, flush=True)
    print(dict(Counter(result["verdict"] for result in results)),
          dict(Counter(result["kind"] for result in results if result["kind"])))
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps({"results": results}, indent=0), encoding="utf-8")


if __name__ == "__main__":
    main()
