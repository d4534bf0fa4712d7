"""__main__.py: the words of ./dev, once the packages are there. Each word is one function of one module.

SPDX-License-Identifier: Apache-2.0"""

import os
import signal
import subprocess
import sys

import bench
import build
import demo
import faults
import fresh
import fuzz
import race
import style
import suite
import training
from common import ROOT, Failed, environment, say

HELP = """usage: ./dev WORD

  demo [--once]         build, run the gateway on its embedded example, send requests, show the answers and the reuse
                        ratio; --once ends by itself
  test [-k NAME]        everything that has to hold; -k: a stage, or tests with NAME in their name
  setup [SECTION...]    install what is missing (tools/deps.txt; build and test by default) and the git hook
  build [KIND]          build/KIND/holdfast; KIND: release (default), tuned (the release optimised for what a short load
                        of the bench runs: 4 to 5 % less CPU, twice the time to build), debug, tsan, fuzz, plain, cover
  sim [COUNT | SEED]    COUNT random walks (200); seed=N, or a number over 100000: that one, with its trace;
                        --until 1000000 --scenario races: as many as it takes to so many closes, in the release build
  fuzz TARGET [SECONDS] libFuzzer on one engine, 60 s by default
  bench [--rows R,S]    what a request costs, beside nginx, HAProxy, h2o, Apache and a bare relay: build/bench/report.html;
                        --quick, --list, --micro (instructions, as CI holds them), json or h1 (one engine); bench --help
  race [--requests N]   the idle-close race: Holdfast, nginx, HAProxy and Apache side by side; more: race --help
  faults [--faults F]   origins that close, reset, cut, stall and fall silent: Holdfast, nginx and HAProxy; faults --help
  tidy                  layers, banned calls, lengths, format
  fmt [--check]         format C with clang-format 14
  fresh RELEASE         bookworm or trixie: demo --once and test in a bare Debian (root; needs the network)
"""


def word_build(arguments):
    if len(arguments) > 1:
        raise Failed("usage: ./dev build [KIND]")
    kind = arguments[0] if arguments else "release"
    if kind == "tuned":
        training.build_tuned()
    else:
        build.build(kind)
    say(f"built build/{kind}/holdfast" if (ROOT / "build" / kind / "holdfast").exists() else f"built build/{kind}")
    return 0


def word_setup(arguments):
    style.install_hook()
    say("ready: all packages are here")
    return 0


def sim_arguments(arguments):
    """What test_sim is called with: a count or one seed with its trace, and options of test_sim that are passed on."""
    first = arguments[0] if arguments and not arguments[0].startswith("--") else None
    more = arguments[1:] if first else arguments
    text = first or str(suite.SIM_SEEDS)
    try:
        number = int(text.removeprefix("seed="), 0)
    except ValueError:
        raise Failed("usage: ./dev sim [COUNT | seed=SEED] [--until CLOSES] [--scenario TEXT] [--first SEED|random]") from None
    if text.startswith("seed=") or number > 100000:
        return ["--seed", str(number), "--trace", *more]
    return ["--count", str(number), *more]


def word_sim(arguments):
    command = sim_arguments(arguments)
    kind = "release" if "--until" in command else "debug"  # a million closes are an hour's work under the sanitizers
    binary = build.build_executables(kind, "test_sim")["test_sim"]
    return subprocess.call([binary, *command], cwd=ROOT, env=environment())


def word_help(arguments):
    say(HELP.rstrip())
    return 0


WORDS = {
    "demo": demo.demo,
    "test": suite.test,
    "setup": word_setup,
    "build": word_build,
    "sim": word_sim,
    "fuzz": fuzz.fuzz,
    "bench": bench.bench,
    "race": race.race,
    "faults": faults.faults,
    "tidy": style.tidy,
    "fmt": style.fmt,
    "fresh": fresh.fresh,
    "pre-commit": lambda arguments: style.pre_commit(),
    "help": word_help,
    "--help": word_help,
    "-h": word_help,
}


def interrupt(number, frame):
    """SIGTERM ends us as Ctrl-C does, so that what we started is ended too."""
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupt)
    word = sys.argv[1] if len(sys.argv) > 1 else "help"
    os.chdir(ROOT)
    if word not in WORDS:
        print(f"dev: no word is called {word}\n\n{HELP}", file=sys.stderr, end="")
        return 2
    try:
        return WORDS[word](sys.argv[2:])
    except Failed as err:
        print(f"dev: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
