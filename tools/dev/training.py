"""training.py: build/tuned, the release that was optimised by what a load of the bench runs (gcc's -fprofile-use).

Three steps: build/training counts what is run how often, some rows of ./dev bench load it for a few seconds, and build/tuned
is compiled with the counts. Each tree has the objects of the other under the same names, so the counts (*.gcda) are copied
beside them. They are never kept elsewhere: they are of this machine's compiler. Start with build_tuned.
SPDX-License-Identifier: Apache-2.0"""

import resource
import shutil
from itertools import groupby

import bench_rows
import build
from bench_stage import Clients, Stage
from common import BUILD, Failed, say

COUNTED, TUNED = BUILD / "training", BUILD / "tuned"
ROWS = ("keepalive-128-64", "browser-128-64", "keepalive-16k-64", "close-128-64", "tls-128-64", "tls-16k-64", "tls-full-64",
        "json-pass", "json-filter", "json-merge2", "json-merge5")
RIG = ("bench/rig_origin", "bench/rig_load")
SECONDS = 1  # of each row: some ten thousand requests


def build_tuned(log=None):
    """Builds build/tuned/holdfast. What has not changed since the last training is neither trained nor built again."""
    build.build("training", ["holdfast"], log=log)
    build.configure("tuned", log=log)
    if not is_trained():
        build.build("release", RIG, log=log)
        train(COUNTED / "holdfast")
        hand_over()
    build.build("tuned", ["holdfast"], log=log)


def is_trained():
    """Did the program that is there now make the counts that are there?"""
    stamp = TUNED / "trained"
    return stamp.exists() and stamp.read_text() == str((COUNTED / "holdfast").stat().st_mtime_ns)


def train(binary):
    """Loads the program with the rows. It writes what it has counted as it ends."""
    for path in COUNTED.rglob("*.gcda"):
        path.unlink()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    say(f"training build/training/holdfast with {len(ROWS)} rows of the bench, {SECONDS} s each")
    rows = [row for row in bench_rows.ROWS if row.name in ROWS]
    for name, group in groupby(rows, lambda row: row.stage):
        stage = Stage(name, ["holdfast"], binary)
        try:
            for row in group:
                load(stage, row)
        finally:
            stage.stop()


def load(stage, row):
    """One row. What is not answered is no training, so it is a failure."""
    clients = Clients(stage.port("holdfast", row.load.tls), row.load, row.load.path, row.load.connections)
    try:
        clients.open()
        counts = clients.run(SECONDS)
    finally:
        clients.stop()
    if counts["requests"] == 0:
        raise Failed(f"training: {row.name} was not answered")


def hand_over():
    """Copies the counts beside the objects that are to be compiled with them."""
    counts = list(COUNTED.rglob("*.gcda"))
    if not counts:
        raise Failed("training: build/training/holdfast has left no counts")
    for path in counts:
        target = TUNED / path.relative_to(COUNTED)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (TUNED / "trained").write_text(str((COUNTED / "holdfast").stat().st_mtime_ns))
