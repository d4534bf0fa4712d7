"""bench_profile.py: `./dev bench --profile --rows ROW`: where Holdfast's processor time goes while a row loads it, by perf's
samples: the symbols that cost most, and a flame graph (build/bench/profile-ROW.svg). Release builds have no frame pointers, so
stacks are whole in the kernel only; in the gateway the symbol itself counts. SPDX-License-Identifier: Apache-2.0"""

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from html import escape
from pathlib import Path

from bench_measure import clients_for, wrong_answer
from bench_stage import LOAD_CPU, Stage
from common import Failed, say

SECONDS, FREQUENCY, TOP, REPORTED = 4, 1999, 40, 12
FRAME = re.compile(r"^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$")
WIDTH, LINE = 1200, 17
COLOURS = {"kernel": "#8fa3bf", "holdfast": "#e0a458", "other": "#a9c29b"}


def stacks(lines):
    """Counter of stacks, outermost first, as (place, symbol), from the output of perf script."""
    found, stack = Counter(), []
    for line in [*lines, ""]:
        frame = FRAME.match(line)
        if frame:
            symbol, where = frame.groups()
            place = "kernel" if "kernel" in where or where.endswith(".ko") else "holdfast" if "holdfast" in where else "other"
            stack.append((place, symbol))
        elif not line.strip() and stack:
            found[tuple(reversed(trusted(stack)))] += 1
            stack = []
    return found


def trusted(stack):
    """Innermost first: what the kernel knows, and the first frame of user code behind it."""
    inner = next((i for i, (place, _) in enumerate(stack) if place != "kernel"), len(stack))
    return [frame for frame in stack[:inner + 1] if frame[1] != "[unknown]"] or [("other", "unknown")]


def tree_of(found):
    root = {"name": ("other", "all"), "count": 0, "below": {}}
    for stack, count in found.items():
        node = root
        node["count"] += count
        for frame in stack:
            node = node["below"].setdefault(frame, {"name": frame, "count": 0, "below": {}})
            node["count"] += count
    return root


def boxes(node, x, depth, scale, total):
    """SVG of a node and what is below it; what is narrower than a pixel is left out."""
    width = node["count"] * scale
    if width < 1:
        return
    place, symbol = node["name"]
    share = f"{escape(symbol)} {100 * node['count'] / total:.2f} %"
    yield (f'<g><title>{share}</title><rect x="{x:.1f}" y="{depth * LINE}" width="{max(width - 0.5, 0.5):.1f}" height="{LINE - 1}" '
           f'fill="{COLOURS[place]}"/>')
    if width > 30:
        yield f'<text x="{x + 3:.1f}" y="{depth * LINE + 12}">{escape(symbol[:int(width / 6.5)])}</text>'
    yield "</g>"
    for below in sorted(node["below"].values(), key=lambda each: -each["count"]):
        yield from boxes(below, x, depth + 1, scale, total)
        x += below["count"] * scale


def depth_of(node):
    return 1 + max(map(depth_of, node["below"].values()), default=0)


def flame(found):
    root = tree_of(found)
    total = max(root["count"], 1)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {depth_of(root) * LINE}" font-family="monospace" '
            f'font-size="11">{"".join(boxes(root, 0, 0, WIDTH / total, total))}</svg>\n')


def top(found, count=TOP):
    """(share, place, symbol) of the innermost frames, the most costly first."""
    leaves = Counter()
    for stack, number in found.items():
        leaves[stack[-1]] += number
    total = sum(leaves.values()) or 1
    return [(number / total, *frame) for frame, number in leaves.most_common(count)]


def shares(found):
    """Share of each place (kernel, holdfast, other)."""
    total = Counter()
    for stack, number in found.items():
        total[stack[-1][0]] += number
    return {place: number / sum(total.values()) for place, number in total.items()}


def record(program, clients, folder, seconds=SECONDS):
    data = Path(folder, "perf.data")
    words = ["taskset", "-c", str(LOAD_CPU), "perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g", "-o", data,
             "-p", ",".join(map(str, program.pids())), "--", "sleep", str(seconds)]
    recorder = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = clients.run(seconds)
    recorder.wait(seconds + 30)
    done = subprocess.run(["perf", "script", "-i", data], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed("perf may not record here: " + done.stderr[-200:])
    return stacks(done.stdout.splitlines()), seen


def look(stage, row, lane, seconds=SECONDS):
    """(stacks, what the clients saw) while the lane is loaded; the stage is the caller's."""
    if not shutil.which("perf"):
        raise Failed("perf is not installed")
    wrong = wrong_answer(stage, row, lane)
    if wrong:
        raise Failed(f"{row.name}: {wrong}")
    clients = clients_for(stage, row, lane)
    try:
        clients.open()
        clients.run(0.5)
        with tempfile.TemporaryDirectory() as folder:
            return record(stage.peers[lane.peer], clients, folder, seconds)
    finally:
        clients.stop()


def symbols(stage, row, lane, seconds):
    """What the report holds of a missed row: where its time goes, by place and by symbol, and a flame graph."""
    found, seen = look(stage, row, lane, seconds)
    return {"samples": sum(found.values()), "requests": seen["requests"], "shares": shares(found),
            "top": top(found, REPORTED), "flame": flame(found)}


def profile(rows, binary, results):
    for row in rows:
        lane = next((lane for lane in row.lanes if lane.name == row.judged), None)
        if row.kind != "load" or not lane:
            raise Failed(f"bench: --profile: {row.name} has no load for Holdfast")
        stage = Stage(row.stage, [lane.peer], binary)
        try:
            found, seen = look(stage, row, lane)
        finally:
            stage.stop()
        path = Path(results, f"profile-{row.name}.svg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(flame(found), encoding="utf-8")
        say(f"{row.name}: {seen['requests']:,} requests, {sum(found.values()):,} samples; "
            + ", ".join(f"{place} {100 * share:.1f} %" for place, share in sorted(shares(found).items())))
        for share, place, symbol in top(found):
            say(f"  {100 * share:6.2f} %  {place:9} {symbol}")
        say(f"flame graph: {os.path.relpath(path)}")
    return 0
