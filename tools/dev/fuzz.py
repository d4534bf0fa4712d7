"""fuzz.py: the word `fuzz TARGET [SECONDS]`: libFuzzer on one engine, starting from fuzz/corpus/TARGET.

New inputs stay under build/fuzz/found/; what deserves to be kept is copied to fuzz/corpus/TARGET by hand, a crash always.
SPDX-License-Identifier: Apache-2.0"""

import subprocess

import build
from common import BUILD, ROOT, Failed, environment, say

FOUND = BUILD / "fuzz/found"
CRASHES = BUILD / "fuzz/crashes"


def command(target, binary, seconds):
    """The command line that fuzzes `target` for so long; makes the folders it names."""
    found, corpus = FOUND / target, ROOT / "fuzz/corpus" / target
    dictionary = ROOT / "fuzz/dict" / f"{target}.dict"
    found.mkdir(parents=True, exist_ok=True)
    CRASHES.mkdir(parents=True, exist_ok=True)
    line = [str(binary), str(found)]
    line += [str(corpus)] if corpus.is_dir() else []
    line += [f"-dict={dictionary}"] if dictionary.exists() else []
    return line + [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1",
                   f"-artifact_prefix={CRASHES}/{target}-"]


def fuzz(arguments):
    """The word `fuzz`. Returns the exit code; without arguments it lists the targets."""
    if len(arguments) > 2 or (len(arguments) == 2 and not arguments[1].isdigit()):
        raise Failed("usage: ./dev fuzz TARGET [SECONDS]")
    build.configure("fuzz")
    targets = {name.removeprefix("fuzz_"): path for name, path in build.executables("fuzz", "fuzz_").items()}
    if not arguments or arguments[0] not in targets:
        raise Failed("targets: " + (" ".join(targets) or "none yet"))
    target, seconds = arguments[0], arguments[1] if len(arguments) == 2 else "60"
    binary = build.build_executables("fuzz", f"fuzz_{target}")[f"fuzz_{target}"]
    code = subprocess.call(command(target, binary, seconds), cwd=ROOT, env=environment())
    if code != 0:
        say(f"found something: see {CRASHES.relative_to(ROOT)}/; add it to fuzz/corpus/{target} with the fix")
    return code
