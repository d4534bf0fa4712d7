"""suite.py: `./dev test`: the stages in order, cheapest first, one summary, and the closing line that any CI can count.

Each stage is a function from Run to Points and raises Failed when it cannot start. A stage that finds nothing to run has
failed: an empty folder must not look like success. SPDX-License-Identifier: Apache-2.0"""

import os
import subprocess
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import build
import style
from common import BUILD, CPUS, PYTHON, ROOT, BuildFailed, Failed, environment, run_logged, say, tail
from tap import Points, has_plan, parse

LOGS = BUILD / "test"
SIM_SEEDS = 200
FUZZ_SECONDS = 5
TSAN_TESTS = ("unit-base", "unit-os", "unit-observe", "unit-net", "unit-upstream", "unit-tls", "unit-app")


@dataclass
class Run:
    """What the stages share: the -k filter, and which build trees are there."""

    keyword: str = ""
    built: set = field(default_factory=set)


def one_point(name, good):
    return Points(passed=1) if good else Points(failed=[name])


def need(run, kind):
    if kind not in run.built:
        raise Failed(f"not run: there is no build/{kind}")


def run_tap(name, command, log, limit_s=600, env=None, cwd=ROOT):
    """Runs a program that writes TAP (or nothing: then its exit code is its only point)."""
    code = run_logged(command, log, limit_s=limit_s, env=env, cwd=cwd)
    text = log.read_text(encoding="utf-8", errors="replace")
    points = parse(text, name, code)
    if points.total() == 0 and not has_plan(text):
        points.passed = 1
    if points.failed:
        points.logs.append(log)
    return points


def run_tap_all(jobs):
    """jobs: (name, command, log, limit_s, env, cwd), as many at a time as there are CPUs."""
    points = Points()
    with ThreadPoolExecutor(max_workers=CPUS) as pool:
        for result in pool.map(lambda job: run_tap(*job), jobs):
            points.add(result)
    return points


# The stages.


def stage_tidy(run, log):
    points = one_point("tidy", style.tidy(log=log) == 0)
    if not style.formatter():
        points.skipped.append(f"format: clang-format {style.FORMAT_VERSION} is not here")
    return points


def stage_debug(run, log):
    build.build("debug", strict=True, log=log)
    run.built.add("debug")
    return Points(passed=1)


UNIT_LIMIT_S = 300  # a hang is what it looks for; meson's 30 s are too few under ThreadSanitizer on a busy machine


def unit_jobs(kind, suite_names, run, log, prefix=()):
    jobs = []
    for test in build.introspect(kind, "tests"):
        name = test["name"]
        if not suite_names(test):
            continue
        command = [*prefix, *test["cmd"]]
        if run.keyword:
            command += ["--filter", run.keyword]
        jobs.append((name, command, LOGS / f"{log}-{name}.log", max(test.get("timeout") or 0, UNIT_LIMIT_S),
                     environment(**test.get("env", {})), test.get("workdir") or ROOT))
    return jobs


def just_booted():
    """What runs a command with clocks that begin at zero; no words where that is not permitted."""
    prefix = [PYTHON, ROOT / "tests/just_booted.py"]
    return prefix if subprocess.call([*prefix, "true"], stderr=subprocess.DEVNULL) == 0 else []


def stage_unit(run, log):
    """As on a machine that has just booted, where a time before its beginning is a wrong one; under tsan with the machine's clock."""
    need(run, "debug")
    prefix = just_booted()
    jobs = unit_jobs("debug", lambda test: any(s.endswith("unit") for s in test["suite"]), run, "unit", prefix)
    if not jobs:
        raise Failed("no test of suite unit is described for build/debug")
    points = run_tap_all(jobs)
    if not prefix:
        points.skipped.append("unit: a clock that begins at zero: time namespaces need root")
    return points


def stage_sim(run, log):
    need(run, "debug")
    binary = build.executables("debug", "test_sim").get("test_sim")
    if not binary:
        raise Failed("no executable test_sim is described for build/debug")
    replay = ROOT / "tests/sim/replay/seeds.txt"
    seeds = replay.read_text(encoding="utf-8").split("\n") if replay.exists() else []
    seeds = [line.split("#")[0].strip() for line in seeds]
    listed = subprocess.run([binary, "--list"], stdout=subprocess.PIPE, text=True, check=True)
    jobs = [(f"sim {name}", [binary, "--scenario", name, "--count", SIM_SEEDS], LOGS / f"sim-{name}.log", 1800)
            for name in listed.stdout.split()]
    jobs += [(f"seed {seed}", [binary, "--seed", seed], LOGS / f"sim-{seed}.log", 300) for seed in seeds if seed]
    return run_tap_all(jobs)


def stage_corpora(run, log):
    need(run, "debug")
    jobs, points = [], Points()
    for name, binary in build.executables("debug", "replay_").items():
        target = name.removeprefix("replay_")
        corpus = ROOT / "fuzz/corpus" / target
        if not corpus.is_dir() or not any(corpus.iterdir()):
            points.failed.append(f"{name}: fuzz/corpus/{target} is empty")
            continue
        jobs.append((name, [binary, corpus], LOGS / f"corpora-{target}.log", 600))
    if not jobs:
        raise Failed("no executable replay_* with a corpus is described for build/debug")
    points.add(run_tap_all(jobs))
    return points


def stage_release(run, log):
    """What is shipped, and the programs of the bench, which tests/tools runs. Tests run in builds with sanitizers."""
    import bench
    build.build("release", (*bench.TARGETS, "bench/race_client"), strict=True, log=log)
    run.built.add("release")
    return Points(passed=1)


def read_junit(path):
    """Points of a pytest run from its JUnit file."""
    points = Points()
    for case in xml.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '').split('.')[-1]}::{case.get('name')}"
        skipped = case.find("skipped")
        if skipped is not None:
            points.skipped.append(f"{name}: {skipped.get('message') or 'no reason given'}")
        elif case.find("failure") is not None or case.find("error") is not None:
            points.failed.append(name)
        else:
            points.passed += 1
        points.notes += [each.get("value") for each in case.iter("property") if each.get("name") == "note"]
    return points


def run_pytest(run, log, folder, kinds=()):
    """pytest on `folder`, which finds the programs of the builds it needs in HOLDFAST_BINARY (debug) and
    HOLDFAST_RELEASE_BINARY. Finding no test is a failure, except under -k."""
    if not list((ROOT / folder).glob("test_*.py")):
        raise Failed(f"there is no {folder}/test_*.py")
    for kind in kinds:
        need(run, kind)
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    command = [PYTHON, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2",
               "-o", "faulthandler_timeout=300", "-c", ROOT / "tests/pytest.ini", "--rootdir", ROOT, f"--junitxml={report}",
               folder]
    command += ["-k", run.keyword] if run.keyword else []
    env = environment(HOLDFAST_BINARY=BUILD / "debug/holdfast", HOLDFAST_RELEASE_BINARY=BUILD / "release/holdfast")
    code = run_logged(command, log, limit_s=1800, env=env)
    points = read_junit(report) if report.exists() else Points()
    if code == 5 and run.keyword:
        return points
    if code != 0 and not points.failed:
        points.failed.append(f"pytest {folder}: ended with code {code}")
    return points


def stage_tools(run, log):
    return run_pytest(run, log, "tests/tools")


def stage_integration(run, log):
    return run_pytest(run, log, "tests/integration", ["debug", "release"])


def stage_conformance(run, log):
    return run_pytest(run, log, "tests/conformance", ["debug"])


def stage_krakend(run, log):
    return run_pytest(run, log, "tests/krakend", ["debug"])


def without_address_randomisation():
    """ThreadSanitizer of gcc 12 and clang 14 does not bear the wide randomisation of newer kernels."""
    prefix = ["setarch", os.uname().machine, "-R"]
    try:
        return prefix if subprocess.call([*prefix, "true"], stderr=subprocess.DEVNULL) == 0 else []
    except OSError:
        return []


def stage_tsan(run, log):
    build.configure("tsan", log=log)
    jobs = unit_jobs("tsan", lambda test: test["name"] in TSAN_TESTS, run, "tsan", without_address_randomisation())
    if not jobs:
        raise Failed("no test of " + ", ".join(TSAN_TESTS) + " is described for build/tsan")
    named = {job[0] for job in jobs}
    binaries = {test["cmd"][0] for test in build.introspect("tsan", "tests") if test["name"] in named}
    build.build("tsan", sorted(os.path.relpath(path, BUILD / "tsan") for path in binaries), log=log)
    return run_tap_all(jobs)


def stage_fuzz(run, log):
    """All of the source under clang with warnings as errors, and each target for a few seconds on new input."""
    import fuzz
    build.build("fuzz", strict=True, log=log)
    targets = build.executables("fuzz", "fuzz_")
    if not targets:
        raise Failed("no executable fuzz_* is described for build/fuzz")
    jobs = []
    for name, binary in targets.items():
        target = name.removeprefix("fuzz_")
        jobs.append((name, fuzz.command(target, binary, FUZZ_SECONDS), LOGS / f"fuzz-{target}.log", FUZZ_SECONDS + 300))
    return run_tap_all(jobs)


def stage_micro(run, log):
    """Instructions of engines and whole requests against bench/baseline.json."""
    import bench_micro
    why = bench_micro.reason_not_to_run()
    if why:
        return Points(skipped=[f"micro: {why}"])
    failed, why = bench_micro.gate(log)
    return Points(skipped=[f"micro: {why}"]) if why else Points(passed=1, failed=failed)


STAGES = (
    ("tidy", stage_tidy, "layers, banned calls, lengths, format"),
    ("debug", stage_debug, "build with ASan and UBSan, warnings are errors"),
    ("unit", stage_unit, "cmocka tests of each folder"),
    ("sim", stage_sim, f"seeds that once failed, then {SIM_SEEDS} new ones"),
    ("corpora", stage_corpora, "what the fuzzers have found so far"),
    ("tools", stage_tools, "tests of tools/"),
    ("release", stage_release, "build as shipped, warnings are errors"),
    ("integration", stage_integration, "in front of real servers"),
    ("krakend", stage_krakend, "configurations with the answers that KrakenD gives"),
    ("conformance", stage_conformance, "wire cases, both directions"),
    ("tsan", stage_tsan, "what threads share, under ThreadSanitizer"),
    ("fuzz", stage_fuzz, f"clang build, each target {FUZZ_SECONDS} s"),
    ("micro", stage_micro, "instructions under callgrind, at most 3 % more than in bench/baseline.json"),
)
BUILDS = ("debug", "release")
FILTERED = ("debug", "unit", "tools", "release", "integration", "krakend", "conformance")


def chosen(keyword):
    """Stages to run under -k: that stage if it is one's name (with the builds it needs), else those with single tests."""
    names = [name for name, _, _ in STAGES]
    if not keyword:
        return names
    if keyword in names:
        needs = {"unit": ["debug"], "sim": ["debug"], "corpora": ["debug"], "integration": ["debug", "release"],
                 "krakend": ["debug"], "conformance": ["debug"]}
        return needs.get(keyword, []) + [keyword]
    return list(FILTERED)


def run_stage(run, name, function):
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        points = function(run, log)
    except BuildFailed as err:
        points = Points(failed=[f"{name}: {err}"], logs=[log])
    except Failed as err:
        return Points(failed=[f"{name}: {err}"]), time.monotonic() - started
    if points.failed and not points.logs and log.exists():
        points.logs.append(log)
    return points, time.monotonic() - started


def show_failures(points):
    for log in dict.fromkeys(points.logs):
        say(f"-- end of {log.relative_to(ROOT)}")
        say(tail(log, 60))
    for text in points.failed:
        say(f"FAILED {text}")


def show_summary(rows, total, seconds_all):
    say()
    say(f"{'stage':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for name, points, seconds in rows:
        say(f"{name:<12} {points.passed:>7} {len(points.failed):>7} {len(points.skipped):>8} {seconds:>8.1f}")
    say(f"{'all':<12} {total.passed:>7} {len(total.failed):>7} {len(total.skipped):>8} {seconds_all:>8.1f}")
    say("logs: build/test/")
    for text in total.notes:
        say(f"note: {text}")
    for text in total.skipped:
        say(f"skipped: {text}")
    for text in total.failed:
        say(f"failed: {text}")


def test(arguments):
    """The word `test`. Returns the exit code."""
    keyword = ""
    if arguments[:1] == ["-k"] and len(arguments) == 2:
        keyword = arguments[1]
    elif arguments:
        raise Failed("usage: ./dev test [-k NAME]")
    LOGS.mkdir(parents=True, exist_ok=True)
    names = chosen(keyword)
    run = Run(keyword="" if keyword in names else keyword)
    rows, total, began = [], Points(), time.monotonic()
    for name, function, about in STAGES:
        if name not in names:
            continue
        say(f"== {name}: {about}")
        points, seconds = run_stage(run, name, function)
        show_failures(points)
        rows.append((name, points, seconds))
        total.add(points)
    if run.keyword and not any(points.total() for name, points, _ in rows if name not in BUILDS):
        total.failed.append(f"no test has {keyword} in its name")
    show_summary(rows, total, time.monotonic() - began)
    say(f"{total.passed} passed, {len(total.failed)} failed")
    return 1 if total.failed else 0
