"""bench_report.py: what ./dev bench found, for people: lines on the terminal, a page with plots that needs nothing but itself
(report.html), and docs/performance.md. All of it is made from report.json. SPDX-License-Identifier: Apache-2.0"""

from html import escape

import bench_rows
from bench_stats import is_noise, spread
from common import ROOT, say

PROVISIONAL_LOAD = 0.5  # a load average before the run above which figures are called provisional
NOTES = ROOT / "bench/notes.md"  # what stands behind the goals that are missed; written by hand

COLUMNS = (  # heading, value of a lane's dictionary, format
    ("CPU us/request", lambda lane: lane.get("summary", {}).get("us_per_request"), "{:.2f}"),
    ("requests/s", lambda lane: lane.get("summary", {}).get("requests_per_second"), "{:,.0f}"),
    ("p50 us", lambda lane: lane.get("summary", {}).get("p50_us"), "{:,.0f}"),
    ("p99 us", lambda lane: lane.get("summary", {}).get("p99_us"), "{:,.0f}"),
    ("open p50", lambda lane: lane.get("open_loop", {}).get("p50_us"), "{:,.0f}"),
    ("open p99", lambda lane: lane.get("open_loop", {}).get("p99_us"), "{:,.0f}"),
    ("syscalls", lambda lane: lane.get("syscalls_per_request"), "{:.2f}"),
    ("switches", lambda lane: lane.get("summary", {}).get("switches_per_request"), "{:.3f}"),
    ("segments", lambda lane: lane.get("summary", {}).get("segments_per_request"), "{:.2f}"),
    ("reuse", lambda lane: lane.get("summary", {}).get("reuse"), "{:.4f}"),
    ("errors", lambda lane: lane.get("summary", {}).get("errors"), "{:,}"),
    ("MB", lambda lane: lane["memory_bytes"] / 1e6 if "memory_bytes" in lane else None, "{:.1f}"),
    ("bytes/connection", lambda lane: lane.get("bytes_per_connection"), "{:,.0f}"),
    ("% of a core at rest", lambda lane: 100 * lane["cpu_at_rest"] if "cpu_at_rest" in lane else None, "{:.4f}"),
)


def cell(value, form):
    return "-" if value is None else form.format(value)


def ratio_text(lane):
    triple = lane.get("summary", {}).get("ratio")
    return "{1:.3f} [{0:.3f}-{2:.3f}]".format(*triple) if triple else "-"


def refusals(rows):
    """What was not compared, and why, of Holdfast's lanes; what is merely not here is no refusal."""
    found = []
    for row in rows:
        if row["refused"]:
            found.append(f"{row['name']}: {row['refused']}")
        for name, lane in row["lanes"].items():
            why = lane.get("refused") or ""
            if lane["peer"].startswith("holdfast") and why and "not here" not in why:
                found.append(f"{row['name']}: {name}: {why}")
    return found


def ours(row):
    return [(name, lane) for name, lane in row["lanes"].items() if lane["peer"].startswith("holdfast")]


def is_noisy(row):
    """Was the machine too noisy for the lane that has the goal?"""
    return is_noise(row["lanes"].get(row["judged"], {}).get("refused"))


def spread_of(row):
    """Of that lane; without a ratio it is as bad as can be."""
    ratio = row["lanes"].get(row["judged"], {}).get("summary", {}).get("ratio")
    return spread(ratio) if ratio else float("inf")


def is_missed(row):
    return "missed" in [row["verdict"], *(goal["verdict"] for goal in row.get("also", []))]


def faults(rows):
    """What is wrong with Holdfast or with the rig, not with the machine or with a peer."""
    found = [f"{row['name']}: {row['refused']}" for row in rows if (row["refused"] or "").startswith("failed")]
    for row in rows:
        for name, lane in ours(row):
            errors, base = (one.get("summary", {}).get("errors", 0) for one in (lane, row["lanes"].get(lane["base"], {})))
            if lane.get("wrong") or errors > base or (lane.get("refused") or "").startswith(("failed", "served nothing", "did not")):
                found.append(f"{row['name']}: {name}: {lane.get('refused') or lane.get('wrong')}")
    return found


def by_how_much(value, limit, least=False):
    """"missed by 0.150 (19 %)", in the goal's own unit."""
    gap = limit - value if least else value - limit
    shown = f"{gap:,.0f}" if limit >= 100 else f"{gap:.3f}"
    return f"missed by {shown} ({100 * gap / limit:.0f} %)"


def verdict_text(row):
    judged = row["lanes"].get(row["judged"], {})
    refused = row["refused"] or judged.get("refused")
    if refused:
        return "not compared: " + refused
    if row["verdict"] != "missed":
        return row["verdict"] or no_goal_text(row)
    if row["bytes_max"]:
        return by_how_much(judged["bytes_per_connection"], row["bytes_max"])
    return by_how_much(judged["summary"]["ratio"][1], row["goal"] * max(grown_ratio(row), 1))


def no_goal_text(row):
    """Why there is none: a goal is to a base that is not here, or nobody set one."""
    absent = next((lane["refused"] for lane in row["lanes"].values() if "not here" in (lane.get("refused") or "")), None)
    return f"no goal: {absent}" if absent and row["name"].startswith("json") else "no goal"


def also_lines(row):
    """A line of the goals' table for each further goal."""
    for goal in row.get("also", []):
        value = goal["value"]
        verdict = goal["verdict"] or "not measured"
        if verdict == "missed":
            verdict = by_how_much(value, goal["limit"], goal["least"])
        yield [f"`{row['name']}`: {goal['what']}", f"at {'least' if goal['least'] else 'most'} {goal['limit']:.2f}",
               cell(value, "{:.2f}"), "-", verdict]


def grown_ratio(row):
    ratio = row["lanes"].get(row["grows_as"], {}).get("summary", {}).get("ratio")
    return ratio[1] if ratio else 1


def goal_text(row):
    if row["bytes_max"]:
        return f"at most {row['bytes_max']:,} bytes"
    if row["goal"] is None:
        return "-"
    grown = row["lanes"].get(row["grows_as"], {}).get("summary", {}).get("ratio")
    more = f" x {max(grown[1], 1):.2f} (as {row['grows_as']})" if grown else ""
    return f"{row['judged']} at most {row['goal']:.2f}{more}"


def used_columns(row):
    return [column for column in COLUMNS if any(column[1](lane) is not None for lane in row["lanes"].values())]


def table(row):
    """Heading and cells, as text."""
    columns = used_columns(row)
    lines = [["", "to base [quartiles]", *(heading for heading, _, _ in columns)]]
    for name, lane in row["lanes"].items():
        lines.append([name, ratio_text(lane), *(cell(value(lane), form) for _, value, form in columns)])
    return lines


def row_notes(row, commit=None):
    """`commit`: the report's, which a row may differ from (bench --add)."""
    notes = [f"{name}: {lane['refused']}" for name, lane in row["lanes"].items() if lane.get("refused")]
    bases = {lane["base"] for lane in row["lanes"].values() if "summary" in lane and not lane.get("refused")}
    if row["kind"] == "load" and bases and bases != {"nginx"}:
        for base in dict.fromkeys(lane["base"] for lane in row["lanes"].values()):
            others = [name for name, lane in row["lanes"].items() if "summary" in lane and lane["base"] == base != name]
            notes += [f"compared with {base}: {', '.join(others)}"] if others else []
    if row.get("attempts", 1) > 1:
        notes.append(f"measured {row['attempts']} times, the calmest is kept")
    if commit and row.get("commit", commit) != commit:
        notes.append(f"measured at {row['commit']}, {row['measured']}")
    if row.get("symbols_missing"):
        notes.append(f"no samples of where the time goes: {row['symbols_missing']}")
    return ([f"not measured: {row['refused']}"] if row["refused"] else []) + notes


def show_row(row, seconds):
    say(f"\n{row['name']}: {row['about']} ({seconds:.0f} s)")
    lines = table(row)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        say("  " + line[0].ljust(widths[0]) + "".join(text.rjust(width + 2) for text, width in zip(line[1:], widths[1:])))
    for note in row_notes(row):
        say(f"  {note}")
    if row["verdict"]:
        say(f"  goal {row['verdict']}: {goal_text(row)}")
    for line in also_lines(row):
        say("  " + ", ".join([line[0].replace("`", ""), *line[1:3], line[4]]))


# docs/performance.md


def markdown_table(lines):
    told = ["| " + " | ".join(lines[0]) + " |", "|" + "---|" * len(lines[0])]
    return told + ["| " + " | ".join(line) + " |" for line in lines[1:]]


def summary_lines(report):
    """Row, what it is, goal, Holdfast's figure and the verdict."""
    lines = [["row", "goal", "Holdfast", "floor", "verdict"]]
    for row in report["rows"]:
        judged, floor = row["lanes"].get(row["judged"], {}), row["lanes"].get("relay", {})
        value = cell(judged.get("bytes_per_connection"), "{:,.0f} bytes") if row["bytes_max"] else ratio_text(judged)
        if "cpu_at_rest" in judged:
            value = f"{100 * judged['cpu_at_rest']:.4f} % of a core"
        lines.append([f"`{row['name']}`", goal_text(row), value, ratio_text(floor), verdict_text(row)])
        lines += also_lines(row)
    return lines


def is_provisional(report):
    """Was the machine busy with something else before we began? What the load was behind a row is our own."""
    return busiest(report) > PROVISIONAL_LOAD


def busiest(report):
    return max([report["machine"]["load_average"], *(row.get("load_before", 0) for row in report["rows"])])


def markdown(report):
    machine = report["machine"]
    text = ["# Performance", "",
            "<!-- Made by `./dev bench --docs` from build/bench/report.json; do not edit. -->", ""]
    if is_provisional(report):
        text += [f"**Provisional.** The machine was busy with other work (load average {busiest(report):.1f} at the start); "
                 "these figures are measured again before a release.", ""]
    text += [f"Measured at `{report['commit']}` with `./dev bench`: {machine['processor']}, {machine['cores']} cores, "
             f"{machine['memory_gib']} GiB, {machine['system']}, kernel {machine['kernel']}, "
             f"TCP {machine['congestion_control']}. Versions: "
             + ", ".join(f"{name} {version}" for name, version in report["versions"].items())
             + (" as `./dev build tuned` makes it." if report.get("tuned") else "."), "",
             "## How to read it", "",
             "- All peers of a row are up at once, each with one worker pinned to one core, and are loaded in turn in short slices "
             "over several rounds. Load and origin have the other core. Everything is on loopback.",
             "- CPU per request is the scheduler's account of all threads of a peer over the requests it answered. The ratio is that "
             "of the peer to its base (nginx, where nothing else is said) in the same round: median and quartiles. Trust the ratios "
             "more than the microseconds.", *fresh_lines(report),
             "- `relay` is the floor: a relay of our own that neither routes nor checks (`bench/relay.c`).",
             "- Equal terms: no compression, no logs, TLS 1.3 with X25519 and AES-128-GCM, a P-256 certificate; settings in "
             "`bench/peers/`.",
             "- p50 and p99 are of a closed loop at full load; `open` ones of an open loop at half the rate of the slowest peer, counted "
             f"from when a request was due (HTTP/2: sent). System calls are counted by: {report['syscalls_by']}. Segments are those that the whole "
             "machine sent.",
             "- Nothing is compared where a peer answered wrongly, errors differ, or the quartiles are more than 25 % apart.", "",
             "## Goals", "", *markdown_table(summary_lines(report)), "", NOTES.read_text(encoding="utf-8").rstrip(), "", *missing_rows(report), "## Rows", ""]
    for row in report["rows"]:
        text += [f"### {row['name']}", "", f"{row['about']}." + (f" {row['note']}." if row["note"] else ""), "",
                 *markdown_table(table(row)), ""]
        text += [*(f"- {note}" for note in row_notes(row, report["commit"])), ""] if row_notes(row, report["commit"]) else []
        text += symbol_lines(row)
    return "\n".join(text).rstrip() + "\n"


def fresh_lines(report):
    """Which rows were measured over several sets of processes, and why; nothing when none was."""
    rows = [row for row in report["rows"] if row.get("fresh_sets", 1) > 1]
    if not rows:
        return []
    names = " and ".join(f"`{row['name']}`" for row in rows)
    return [f"- Rows with one connection ({names}) are measured over {rows[0]['fresh_sets']} sets of freshly started processes, all "
            "rounds together: one start of a program differs from its next by up to 13 % there, and is calm in itself."]


def missing_rows(report):
    """Rows that the report has not, said by name."""
    have = {row["name"] for row in report["rows"]}
    names = [f"`{row.name}`" for row in bench_rows.ROWS if row.name not in have]
    return ["Not measured in this run: " + ", ".join(names) + ".", ""] if names else []


def symbol_lines(row):
    """Where the time of a row goes that misses its goal, by perf's samples of Holdfast alone."""
    seen = row.get("symbols")
    if not seen:
        return []
    shares = ", ".join(f"{place} {100 * share:.0f} %" for place, share in sorted(seen["shares"].items()))
    lines = [["share", "where", "symbol"], *([f"{100 * share:.1f} %", place, f"`{symbol}`"] for share, place, symbol in seen["top"])]
    return [f"Where Holdfast's time goes ({shares}; {seen['samples']:,} samples; the flame graph is in report.html):", "",
            *markdown_table(lines), ""]


# report.html

STYLE = """
:root { --ink: #1d2733; --paper: #fbfbf9; --line: #d5d9de; --ours: #0b6e4f; --peer: #8a94a3; --floor: #c0862b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14181d; --line: #333b45; --ours: #4cc38a;
  --peer: #7b8794; --floor: #d9a441; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } th, td { padding: .15rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } .missed, .refused { color: var(--bad); } .reached { color: var(--ours); }
h3 { margin: 2rem 0 .2rem; } .flame svg text { fill: #14181d; font: 11px monospace; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg { max-width: 100%; }
"""
WIDTH, LEFT, BAR = 860, 190, 22


def bars(row):
    """(name, median, (low, high) or None) of each lane: ratio, else bytes, else share at rest."""
    found = []
    for name, lane in row["lanes"].items():
        triple = lane.get("summary", {}).get("ratio")
        if triple:
            found.append((name, triple[1], (triple[0], triple[2])))
        elif "bytes_per_connection" in lane:
            found.append((name, lane["bytes_per_connection"], None))
        elif "cpu_at_rest" in lane:
            found.append((name, 100 * lane["cpu_at_rest"], None))
    return found


def colour(name):
    kind = "ours" if name.startswith("holdfast") else "floor" if name.startswith("relay") else "peer"
    return f"var(--{kind})"


def plot(row):
    """Bars from zero, whiskers from quartile to quartile, a dashed line where the goal is."""
    found = bars(row)
    if not found:
        return ""
    goal = row["bytes_max"] or (row["goal"] if not row["grows_as"] else None)
    top = max([value for _, value, _ in found] + [ends[1] for _, _, ends in found if ends] + ([goal] if goal else [])) * 1.12 or 1
    scale, height = (WIDTH - LEFT - 60) / top, BAR * len(found) + 12
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" aria-label="{escape(row["name"])}">']
    for number, (name, value, ends) in enumerate(found):
        y = number * BAR + 4
        parts.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{max(value * scale, 1):.1f}" height="{BAR - 6}" fill="{colour(name)}"/>')
        edge = value
        if ends:
            low, high = (LEFT + end * scale for end in ends)
            parts.append(f'<path d="M{low:.1f} {y + 8}H{high:.1f}M{low:.1f} {y + 4}v8M{high:.1f} {y + 4}v8" stroke="var(--ink)"/>')
            edge = max(edge, ends[1])
        shown = f"{value:.3f}" if value < 100 else f"{value:,.0f}"
        parts.append(f'<text x="{LEFT + edge * scale + 6:.1f}" y="{y + 13}">{shown}</text>')
    if goal:
        x = LEFT + goal * scale
        parts.append(f'<path d="M{x:.1f} 0V{height}" stroke="var(--bad)" stroke-dasharray="4 3"/>')
    return "".join(parts) + "</svg>"


def html_table(lines):
    head = "".join(f"<th>{escape(text)}</th>" for text in lines[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in line) + "</tr>" for line in lines[1:])
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def html_row(row):
    notes = "".join(f'<li class="refused">{escape(note)}</li>' for note in row_notes(row))
    verdict = f'<p class="{row["verdict"]}">Goal {row["verdict"]}: {escape(goal_text(row))}.</p>' if row["verdict"] else ""
    return (f'<h3 id="{escape(row["name"])}">{escape(row["name"])}</h3><p>{escape(row["about"])}. {escape(row["note"])}</p>{plot(row)}'
            f'{html_table(table(row))}{verdict}{html_also(row)}<ul>{notes}</ul>{html_flame(row)}')


def html_also(row):
    return "".join(f'<p class="{goal["verdict"]}">{escape(line[0].replace("`", ""))}: {escape(line[1])}, found {escape(line[2])}: '
                   f'{escape(line[4])}.</p>' for goal, line in zip(row.get("also", []), also_lines(row)))


def html_flame(row):
    """Inline, where an SVG needs no name space."""
    if "symbols" not in row:
        return ""
    drawn = row["symbols"]["flame"].replace(' xmlns="http://www.w3.org/2000/svg"', "")
    return f'<details><summary>Where the time goes</summary><div class="wide flame">{drawn}</div></details>'


def html(report):
    machine = report["machine"]
    about = (f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, kernel {machine['kernel']}; "
             f"commit {report['commit']}; load average {machine['load_average']:.1f} at the start. Versions: "
             + ", ".join(f"{name} {version}" for name, version in report["versions"].items()))
    fresh = " ".join(line.removeprefix("- ").replace("`", "") for line in fresh_lines(report))
    return ("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Holdfast: performance</title>"
            f"<meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body><h1>Performance</h1>"
            f"<p>{escape(about)}</p><p>Bars: CPU per request to that of the base in the same round, median; whiskers: quartiles; "
            "dashed: the goal. Nothing is compared where answers were wrong, errors differ, or quartiles are over 25 % apart. "
            f"{escape(fresh)}</p>"
            f"<h2>Goals</h2>{html_table(summary_lines(report))}<h2>Rows</h2>{''.join(map(html_row, report['rows']))}"
            "</body></html>\n")
