"""bench_micro.py: `./dev bench --micro`: instructions for each piece of work under callgrind, which a busy machine does not
change, against bench/baseline.json. More than 3 % above it fails.

Only what is in src/ counts. Each case runs twice, with few and with many rounds; the difference leaves out start and end. Counts depend on the compiler and
the C library: where these are others than the baseline's, nothing is compared, and that is said.
SPDX-License-Identifier: Apache-2.0"""

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build
from common import BUILD, CPUS, ROOT, Failed, environment, say

BASELINE = ROOT / "bench/baseline.json"
GROWTH_MAX = 0.03
FEW, MANY = 20, 120
LIMIT_S = 300
NAME_LINE = re.compile(r"^(c?)f([lien])=\((\d+)\)(?: (.*))?$")
COST_LINE = re.compile(r"^[+\-*\d]\S* \d+$")
OURS = re.compile(r"(?:^|/)src/[a-z]+/|intrin\.h$")
# What the simulator, its peers and its checks call more than the gateway does.
NOT_OURS = re.compile(r"sim_|rng_|host_totals|hosts_at|hosts_count|str_find|str_eq_fold")


def toolchain():
    """What counts depend on besides the source."""
    done = subprocess.run([*shlex.split(os.environ.get("CC", "gcc")), "-dumpfullversion"], capture_output=True, text=True, check=False)
    return {"compiler": f"gcc {done.stdout.strip()}", "libc": " ".join(platform.libc_ver()), "machine": platform.machine()}


def own_instructions(lines):
    """Of a callgrind file: instructions in files of src/, and in vector instructions. The simulator and its checks, the bench
    and the C library are left out; a cost line behind "calls=" is that of the called."""
    names, file_counts, function_counts, skip, total = {}, False, False, False, 0
    for line in lines:
        found = NAME_LINE.match(line)
        if found:
            called, kind, number, name = found.groups()
            key = ("function" if kind == "n" else "file", number)
            names[key] = name or names.get(key, "")
            if called:
                continue
            if kind == "n":
                function_counts = not NOT_OURS.match(names[key])
            else:
                file_counts = bool(OURS.search(names[key]))
        elif line.startswith("calls="):
            skip = True
        elif COST_LINE.match(line):
            total += int(line.split()[1]) if file_counts and function_counts and not skip else 0
            skip = False
    return total


def instructions(program, case, rounds):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program, case, str(rounds)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=environment())
        if done.returncode != 0 or not out.exists():
            raise Failed(f"bench_micro {case} under callgrind ended with {done.returncode}: {done.stderr[-300:]}")
        with open(out, encoding="utf-8", errors="replace") as lines:
            return own_instructions(lines)


def count_case(program, case):
    return (instructions(program, case, MANY) - instructions(program, case, FEW)) / (MANY - FEW)


def count_all(program):
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    cases = done.stdout.split()
    if not cases:
        raise Failed("bench_micro names no cases")
    with ThreadPoolExecutor(max_workers=CPUS) as pool:
        return dict(zip(cases, pool.map(lambda case: round(count_case(program, case), 1), cases)))


def compare(counted, baseline):
    """Lines of (case, now, then or None, change or None, bad). A case that went, or is new, is bad: the baseline is stale."""
    lines = []
    for case in sorted(counted.keys() | baseline.keys()):
        now, then = counted.get(case), baseline.get(case)
        change = now / then - 1 if now and then else None
        lines.append((case, now, then, change, change is None or change > GROWTH_MAX))
    return lines


def reason_not_to_run():
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    if platform.machine() == "x86_64" and " avx2 " not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        return "the processor has no AVX2, which the cases name"
    return None


def reason_not_to_compare(now, baseline):
    if not baseline:
        return "there is no bench/baseline.json"
    other = [f"{now[key]}, the baseline's {key} is {baseline['toolchain'].get(key)}" for key in now
             if baseline["toolchain"].get(key) != now[key]]
    return "; ".join(other) or None


def measure(log=None):
    """Case to instructions of one piece of work, in the build that callgrind sees (plain)."""
    program = build.build_executables("plain", "bench_micro", log=log)["bench_micro"]
    return count_all(program)


def show(lines):
    say(f"{'case':24} {'instructions':>13} {'baseline':>13} {'change':>8}")
    for case, now, then, change, bad in lines:
        told = f"{100 * change:+.2f} %" if change is not None else "-"
        say(f"{case:24} {now or '-':>13} {then or '-':>13} {told:>8}{'  TOO MANY' if bad and change else ''}"
            f"{'  not in both' if change is None else ''}")


def read_baseline():
    return json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else None


def gate(log):
    """For ./dev test: (what has too many instructions, as text; why nothing was compared, or None)."""
    baseline = read_baseline()
    why = reason_not_to_compare(toolchain(), baseline)
    if why:
        return [], why
    lines = compare(measure(log), baseline["instructions"])
    show(lines)
    return [f"micro: {case}: {now} instructions, {then} in bench/baseline.json; if they are worth it: ./dev bench --micro --update"
            for case, now, then, _, bad in lines if bad], None


def micro(update):
    """Returns the exit code. Where nothing can be counted or compared the reason is printed, and it is no failure."""
    why = reason_not_to_run()
    if why:
        say(f"skipped: {why}")
        return 0
    now, counted = toolchain(), measure()
    if update:
        BASELINE.write_text(json.dumps({"toolchain": now, "instructions": counted}, indent=1) + "\n", encoding="utf-8")
        say(f"written: {BASELINE.relative_to(ROOT)}")
    baseline = read_baseline()
    why = reason_not_to_compare(now, baseline)
    lines = compare(counted, baseline["instructions"] if baseline and not why else counted)
    show(lines)
    if why:
        say(f"not compared: {why}")
        return 0
    return 1 if any(bad for *_, bad in lines) else 0
