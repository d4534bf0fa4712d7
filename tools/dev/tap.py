"""tap.py: the Test Anything Protocol as cmocka and our harness write it: text to counts. No processes here.

SPDX-License-Identifier: Apache-2.0"""

import re
from dataclasses import dataclass, field

POINT = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*?)\s*$")
PLAN = re.compile(r"^1\.\.(\d+)")


@dataclass
class Points:
    """Test points of one run, or of several added up. Entries of `failed` and `skipped` are for people."""

    passed: int = 0
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    logs: list = field(default_factory=list)  # where to read about the failures
    notes: list = field(default_factory=list)  # figures that a test found, for people

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.logs += other.logs
        self.notes += other.notes

    def total(self):
        return self.passed + len(self.failed) + len(self.skipped)


def has_plan(text):
    return any(PLAN.match(line) for line in text.splitlines())


def parse(text, name, exit_code=0):
    """Counts the points of the program `name`. An exit code, or a plan that was not fulfilled, that no failed point
    explains is a failure of its own: a crash half way must not look like success."""
    points, planned = Points(), None
    for line in text.splitlines():
        plan, point = PLAN.match(line), POINT.match(line)
        if plan:
            planned = (planned or 0) + int(plan.group(1))
        elif point:
            label, _, directive = point.group(2).partition("#")
            directive = directive.strip()
            if directive.upper().startswith("SKIP"):
                points.skipped.append(f"{name}: {(label or directive[4:]).strip()}")
            elif point.group(1):
                points.failed.append(f"{name}: {label.strip()}")
            else:
                points.passed += 1
    if not points.failed:
        if exit_code != 0:
            points.failed.append(f"{name}: ended with code {exit_code}")
        elif planned is not None and planned != points.total():
            points.failed.append(f"{name}: {planned} points announced, {points.total()} seen")
    return points
