"""bench.py: the word `bench [CASE...]`. A case is an executable bench_CASE of the release build (one engine, in C) or a
script bench/CASE.py (the whole gateway paired with a peer in one run). Both print a table and write what they measured to
the file that --json names. Wall-clock figures are for people: nothing here is a test.

SPDX-License-Identifier: Apache-2.0"""

import subprocess

import build
from common import BUILD, PYTHON, ROOT, Failed, environment, say

RESULTS = BUILD / "bench"


def cases():
    """Name to command line, executables first; those are built here."""
    found = {}
    if build.executables("release", "bench_"):
        programs = build.build_executables("release", "bench_")
        found = {name.removeprefix("bench_"): [path] for name, path in programs.items()}
    for script in sorted((ROOT / "bench").glob("*.py")):
        if not script.name.startswith("_"):
            found[script.stem] = [PYTHON, "-B", str(script)]
    return found


def bench(arguments):
    """Runs the cases named, or all. Returns the exit code."""
    build.build("release")
    known = cases()
    unknown = [name for name in arguments if name not in known]
    if unknown or not known:
        raise Failed(f"no case is called {' '.join(unknown)}; cases: {' '.join(known) or 'none yet'}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    code = 0
    for name in arguments or known:
        say(f"== {name}")
        line = [*known[name], "--json", str(RESULTS / f"{name}.json")]
        env = environment(HOLDFAST_BINARY=BUILD / "release/holdfast")
        code = subprocess.call(line, cwd=ROOT, env=env) or code
    return code
