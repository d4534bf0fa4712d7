"""bench.py: the word `bench`: what a request costs, Holdfast beside its peers and a bare relay, all in one run.

All peers of a stage are up at once, each pinned to the first core, and are loaded in turn in short slices over several rounds
(of rows with one connection: of several sets of newly started peers); load and origin have the second core. The scheduler tells
the processor time. bench_rows.py has the rows, bench_peers.py the peers, bench_measure.py a row's course, bench_stats.py the
arithmetic and when it refuses to compare, bench_report.py the page. Figures of time are for people; what CI holds is --micro
(bench_micro.py). SPDX-License-Identifier: Apache-2.0"""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import time
import traceback
from itertools import groupby
from pathlib import Path

import bench_measure
import bench_micro
import bench_peers
import bench_profile
import bench_report
import bench_rows
import build
import training
from bench_measure import measure_row
from bench_stage import Stage, tracer
from common import BUILD, ROOT, Failed, environment, say

RESULTS = BUILD / "bench"
REPORT = RESULTS / "report.json"
CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")
DOCUMENT = ROOT / "docs/performance.md"
AGAIN_MAX = 2  # times that a row is measured again when the machine was too noisy
SYMBOLS_S = 2  # seconds of samples for a row that misses its goal
TARGETS = ("holdfast", "bench/rig_relay", "bench/rig_origin", "bench/rig_load")


def read_arguments(words):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cases", nargs="*", help="benches of one engine (json, h1) in place of the rig")
    parser.add_argument("--rows", default="", help="names, or how they begin (tls, sweep), with commas between; all by default")
    parser.add_argument("--peers", default="", help="only these lanes: holdfast,nginx,relay and so on")
    parser.add_argument("--rounds", type=int, default=8, help="at least 2 for each set of newly started peers, where a row has several")
    parser.add_argument("--slice", type=float, default=0.5, help="seconds for which a lane is loaded in a round")
    parser.add_argument("--quick", action="store_true", help="two rows, three peers, three short rounds: does the rig work?")
    parser.add_argument("--list", action="store_true", help="prints the rows")
    parser.add_argument("--add", action="store_true", help="keeps the rows of the last report that are not measured now")
    parser.add_argument("--docs", action="store_true", help="writes docs/performance.md from the last report, measures nothing")
    parser.add_argument("--micro", action="store_true", help="instructions under callgrind against bench/baseline.json")
    parser.add_argument("--update", action="store_true", help="with --micro: what is counted now is the new baseline")
    parser.add_argument("--profile", action="store_true", help="where Holdfast's time goes in the rows: symbols and a flame graph")
    parser.add_argument("--binary", default="", help="another holdfast than that of build/tuned")
    parser.add_argument("--json", default=str(REPORT), help="write the result here, and the page beside it")
    options = parser.parse_args(words)
    if not (1 <= options.rounds <= 1000 and 0.05 <= options.slice <= 60):
        raise Failed("bench: 1 to 1000 rounds of 0.05 to 60 s")
    if options.quick:
        options.rows = options.rows or ",".join(bench_rows.QUICK)
        options.peers = options.peers or ",".join(bench_rows.QUICK_PEERS)
        options.rounds, options.slice = min(options.rounds, 3), min(options.slice, 0.3)
    return options


def congestion_control():
    return CONGESTION.read_text(encoding="utf-8").strip() if CONGESTION.exists() else "unknown"


def machine():
    """What the figures depend on, for the report."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {"processor": models[0] if models else platform.machine(), "cores": os.cpu_count(),
            "system": release.get("PRETTY_NAME", "").strip('"'), "kernel": platform.release(),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
            "congestion_control": congestion_control(),
            "files_max": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "load_average": os.getloadavg()[0]}


def commit():
    if not shutil.which("git"):
        return "unknown"
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def versions(binary):
    found = {name: bench_peers.version_of(name) for name in ("nginx", "haproxy", "h2o", "apache", "krakend", "wrk", "h2load")}
    done = subprocess.run([binary, "version"], capture_output=True, text=True, check=False)
    told = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    found["holdfast"] = told.group(0) if told else None
    return {name: text or "not here" for name, text in found.items()}


def measure_all(rows, options, report):
    """Row by row into the report, which is saved behind each: what fails takes nothing else with it."""
    how, why_not = tracer()
    report["syscalls_by"] = how or why_not
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name, group in groupby(sorted(rows, key=stage_of), stage_of):
        group = list(group)
        peers = list(dict.fromkeys(lane.peer for row in group for lane in row.lanes))
        say(f"== stage {name}: {', '.join(peers)}")
        before, wanted = congestion_control(), group[0].congestion
        if wanted and not set_congestion_control(wanted):
            for row in group:
                keep(bench_measure.failed_row(row, f"TCP {wanted} cannot be had here"), row, options, report)
            continue
        try:
            measure_stage(lambda name=name, peers=peers: Stage(name.split(":")[0], peers, options.binary), group, options, how,
                          report)
        finally:
            if wanted:
                set_congestion_control(before)


def measure_stage(make, rows, options, how, report):
    """make(): the stage, which is made anew when a peer has ended in a row."""
    stage = None
    try:
        for row in rows:
            began = time.monotonic()
            try:
                stage = stage or make()
                result = measure_calmly(stage, row, options, how)
                add_symbols(stage, row, options, result)
            except Exception as err:  # pylint: disable=broad-except # an hour's other rows are not lost for this one
                result = bench_measure.failed_row(row, f"failed: {type(err).__name__}: {err}")
                say(f"{row.name} failed:\n{traceback.format_exc()}")
            keep(result, row, options, report, time.monotonic() - began)
            if stage and (result["refused"] or stage.dead()):
                stage.stop()
                stage = None
    finally:
        if stage:
            stage.stop()


def keep(result, row, options, report, seconds=0):
    rounds = row.fresh_sets * bench_measure.rounds_of_set(row, options)
    result.update(measured=time.strftime("%Y-%m-%d %H:%M"), commit=report["commit"], rounds=rounds, slice_s=options.slice,
                  load_average=os.getloadavg()[0], load_before=report["machine"]["load_average"])
    report["rows"] = [each for each in report["rows"] if each["name"] != row.name] + [result]
    bench_report.show_row(result, seconds)
    save(report, options)


def measure_calmly(stage, row, options, how):
    """A row in which the machine was too noisy to compare Holdfast is measured again, and the calmest run is kept."""
    best = None
    for attempt in range(1 + (0 if options.quick else AGAIN_MAX)):
        if attempt > 0 and row.fresh_sets > 1:
            stage.renew()
        result = measure_row(stage, row, options, how)
        result["attempts"] = attempt + 1
        if best is None or bench_report.spread_of(result) < bench_report.spread_of(best):
            best = result
        if not bench_report.is_noisy(best) or stage.dead():
            break
        say(f"{row.name}: too noisy, measured again")
    best["attempts"] = result["attempts"]
    return best


def add_symbols(stage, row, options, result):
    """Where a goal is missed: what the time goes to."""
    if row.kind != "load" or options.quick or not bench_report.is_missed(result):
        return
    lane = next(lane for lane in row.lanes if lane.name == row.judged)
    try:
        result["symbols"] = bench_profile.symbols(stage, row, lane, SYMBOLS_S)
    except bench_measure.FAILURES as err:
        result["symbols_missing"] = str(err)


def set_congestion_control(name):
    """For all TCP connections that are made from now on. False: not here, which is said."""
    try:
        CONGESTION.write_text(name)
    except OSError as err:
        say(f"TCP {name} cannot be had here: {err.strerror}")
        return False
    return True


def stage_of(row):
    """Memory is looked at in fresh processes, connections have the congestion control they were made with, and a row that
    starts its peers anew starts no others."""
    return f"{row.stage}:{row.name}" if row.kind != "load" or row.congestion or row.fresh_sets > 1 else row.stage


def save(report, options):
    order = {row.name: number for number, row in enumerate(bench_rows.ROWS)}
    report["rows"].sort(key=lambda row: order.get(row["name"], len(order)))
    path = Path(options.json)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    path.with_suffix(".html").write_text(bench_report.html(report), encoding="utf-8")


def load_report(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise Failed(f"bench: no report to read: {err}") from None


def rig(options):
    if (os.cpu_count() or 1) < 2:
        raise Failed("bench: two cores are needed, one for the peers and one for the load")
    rows = bench_rows.choose(options.rows, [name.strip() for name in options.peers.split(",") if name])
    rows = [row for row in rows if row.lanes]
    busy = os.getloadavg()[0]  # of others: before we build anything
    build.build("release", TARGETS)
    tuned = not options.binary
    if tuned:
        training.build_tuned()
        options.binary = str(BUILD / "tuned/holdfast")
    if options.profile:
        return bench_profile.profile(rows, options.binary, RESULTS)
    report = {"machine": machine() | {"load_average": busy}, "versions": versions(options.binary), "commit": commit(),
              "tuned": tuned, "rows": []}
    if options.add and Path(options.json).exists():
        before = load_report(options.json)
        same = all(before["machine"][key] == report["machine"][key] for key in ("processor", "cores", "kernel"))
        if not same:
            raise Failed("bench: --add: the last report is of another machine")
        report["rows"] = before["rows"]
    measured = {row.name for row in rows}
    measure_all(rows, options, report)
    say(f"report: {options.json} and {Path(options.json).with_suffix('.html')}")
    mine = [row for row in report["rows"] if row["name"] in measured]
    for text in bench_report.refusals(mine):
        say(f"not compared: {text}")
    faults = bench_report.faults(mine)
    for text in faults:
        say(f"FAULT: {text}")
    return 1 if faults else 0


def engines(names):
    """The benches of one engine, nanoseconds by the clock."""
    build.configure("release")
    known = {name.removeprefix("bench_"): name for name in build.executables("release", "bench_")}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Failed(f"no case is called {' '.join(unknown)}; cases: {' '.join(known) or 'none'}")
    code = 0
    for name in names:
        say(f"== {name}")
        program = build.build_executables("release", known[name])[known[name]]
        code = subprocess.call([program], cwd=ROOT, env=environment()) or code
    return code


def bench(arguments):
    """The word `bench`. Returns the exit code: 1 when Holdfast answered wrongly, had errors that its base had not, or a row
    failed, or --micro found more instructions. That the machine was too noisy is said, and is no failure."""
    options = read_arguments(arguments)
    if options.list:
        for row in bench_rows.ROWS:
            say(f"{row.name:20} {row.about}")
        return 0
    if options.micro:
        return bench_micro.micro(options.update)
    if options.docs:
        DOCUMENT.write_text(bench_report.markdown(load_report(options.json)), encoding="utf-8")
        say(f"written: {DOCUMENT.relative_to(ROOT)}")
        return 0
    return engines(options.cases) if options.cases else rig(options)
