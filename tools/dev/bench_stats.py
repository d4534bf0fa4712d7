"""bench_stats.py: medians, quartiles and ratios of the rounds of ./dev bench, and when it refuses to compare.

A lane is one peer under one load; its slices are what the rounds gave. A lane is compared with its base lane round by round,
so that a busy moment hurts both. SPDX-License-Identifier: Apache-2.0"""

import statistics

SPREAD_MAX = 0.25  # interquartile range over median, of the ratios
ERRORS = ("status", "cut", "wrong", "timeouts", "connect_failures")
MEASURES = ("us_per_request", "requests_per_second", "p50_us", "p99_us", "switches_per_request", "segments_per_request")


def quartiles(values):
    """(lower quartile, median, upper quartile); of one value it is that value three times."""
    if not values:
        raise ValueError("no values")
    if len(values) == 1:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def spread(triple):
    low, middle, high = triple
    return (high - low) / middle if middle else float("inf")


def errors_of(one):
    """How many requests of a slice had no right answer."""
    return sum(one.get(name, 0) for name in ERRORS)


def ratios(slices, base_slices):
    """CPU per request over that of the base lane, for each round in which both served something."""
    return [one["us_per_request"] / other["us_per_request"] for one, other in zip(slices, base_slices)
            if one.get("us_per_request") and other.get("us_per_request")]


def summarize(slices, base_slices):
    """One line of the table from the slices of a lane."""
    summary = {}
    for name in MEASURES:
        values = [one[name] for one in slices if one.get(name) is not None]
        if values:
            summary[name] = statistics.median(values)
    total = ratios(slices, base_slices)
    if total:
        summary["ratio"] = quartiles(total)
    requests = sum(one["requests"] for one in slices)
    summary["requests"] = requests
    summary["errors"] = sum(errors_of(one) for one in slices)
    upstream = [one["origin"] for one in slices if one.get("origin")]
    asked = sum(one["requests"] for one in upstream)
    if asked:
        summary["reuse"] = 1 - sum(one["connections"] for one in upstream) / asked
    if requests and any("resumed" in one for one in slices):
        summary["resumed"] = sum(one.get("resumed", 0) for one in slices) / requests
    return summary


def refusal(summary, base, wrong=None, resumption=False):
    """Why this lane must not be compared with its base; None when it may be.

    `wrong`: what was wrong with its answer before the rounds. `resumption`: the row is about resumed sessions."""
    if wrong:
        return f"answered wrongly: {wrong}"
    if summary["requests"] == 0:
        return "served nothing"
    if summary["errors"] != base["errors"]:
        return f"errors differ: {summary['errors']} to {base['errors']} of the base"
    if resumption and summary.get("resumed", 0) < 0.95:
        return f"resumed only {100 * summary.get('resumed', 0):.0f} % of its sessions"
    if summary is not base and "ratio" in summary and spread(summary["ratio"]) > SPREAD_MAX:
        return f"too noisy: the quartiles are {100 * spread(summary['ratio']):.0f} % apart (at most {100 * SPREAD_MAX:.0f} %)"
    return None


def verdict(summary, row_goal, allowance):
    """"reached", "missed", or None when there is no goal. allowance: what the goal is multiplied with (growth of the relay)."""
    if row_goal is None or "ratio" not in summary:
        return None
    return "reached" if summary["ratio"][1] <= row_goal * allowance else "missed"


MEASURES_ALSO = {  # what a further goal looks at, from a lane and its base
    "syscalls": lambda lane, base: lane.get("syscalls_per_request"),
    "memory": lambda lane, base: quotient(lane, base, lambda one: one.get("memory_bytes")),
    "throughput": lambda lane, base: quotient(lane, base, lambda one: one.get("summary", {}).get("requests_per_second")),
    "time": lambda lane, base: quotient(lane, base, lambda one: one.get("summary", {}).get("p50_us")),
}


def quotient(lane, base, value):
    return value(lane) / value(base) if value(lane) is not None and value(base) else None


def judge_also(goal, lane, base):
    """A further goal as the report holds it: what, limit, least, value and verdict (None: nothing was measured)."""
    value = None if lane.get("refused") else MEASURES_ALSO[goal.what](lane, base)
    reached = None if value is None else value >= goal.limit if goal.least else round(value, 3) <= goal.limit
    return {"what": goal.what, "limit": goal.limit, "least": goal.least, "value": value,
            "verdict": None if reached is None else "reached" if reached else "missed"}


def is_noise(refused):
    """Is it the machine that kept us from comparing?"""
    return bool(refused) and refused.startswith("too noisy")


def percentile(values, share):
    """Of a list of numbers; None when it is empty."""
    ordered = sorted(values)
    return ordered[int((len(ordered) - 1) * share)] if ordered else None
