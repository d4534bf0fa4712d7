"""race.py: the word `race`: proves, or disproves, that a gateway wins the idle-close race. An origin closes idle connections
at 3 ms, clients think 0 to 6 ms between their requests, so that every other pick of a kept connection is a close call. Each
gateway of race_peers.py runs in turn before a fresh origin, with GET and with POST. The origin's ledger tells what was
executed, and how often; what the clients saw is told by bench/race_client.c. Bounded in requests and time.

SPDX-License-Identifier: Apache-2.0"""

import argparse
import http.client
import json
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import build
from common import BUILD, Failed, environment, say, stop_group
from race_peers import HOLDFAST, PEERS

RESULTS = BUILD / "bench/race.json"
REQUESTS_MAX = 10_000_000  # the ledger tells 2^24 numbers apart
START_LIMIT_S = 10
METHODS = ("GET", "POST")


def read_arguments(words):
    parser = argparse.ArgumentParser(prog="./dev race", description="The idle-close race, gateways side by side.")
    parser.add_argument("--requests", type=int, default=100_000, help="for each gateway and method")
    parser.add_argument("--connections", type=int, default=64, help="clients, one connection each (at most 1024)")
    parser.add_argument("--idle", default="3ms", help="the origin closes connections that are idle for so long")
    parser.add_argument("--think", type=float, default=6, help="the most that clients wait before a request, ms")
    parser.add_argument("--close-by", choices=("close", "half", "reset"), default="close", help="how the origin closes")
    parser.add_argument("--fault", default="", help='more flags for the origin, as "--hang-up-rate 0.001"')
    parser.add_argument("--peers", default=",".join(PEERS), help="which, by comma; all that are installed by default")
    parser.add_argument("--limit", type=int, default=120, help="seconds for each gateway and method")
    parser.add_argument("--json", default=str(RESULTS), help="write the result here")
    options = parser.parse_args(words)
    if not (0 < options.requests <= REQUESTS_MAX and 0 < options.connections <= 1024 and 0 < options.limit <= 3600):
        raise Failed("race: requests up to 10 million, connections up to 1024, limit up to 3600 s")
    options.peers = [name.strip() for name in options.peers.split(",")]
    unknown = [name for name in options.peers if name not in PEERS]
    if unknown:
        raise Failed(f"race: no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return options


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(process, port, name):
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise Failed(f"{name} does not listen (exit code {process.poll()})")


@contextmanager
def running(command, port, name):
    process = subprocess.Popen([str(word) for word in command], env=environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_port(process, port, name)
        yield process
    finally:
        stop_group(process)


def ledger(port, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, "/ledger")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def run_clients(client, options, port, method):
    command = [client, f"127.0.0.1:{port}", method, "/bytes/128", options.requests, options.connections, 0,
               int(options.think * 1000), options.limit]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          timeout=options.limit + 30)
    if done.returncode != 0:
        raise Failed(f"race_client ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def run_method(client, options, port, origin, method):
    """One row: what the clients saw and what the origin counted."""
    ledger(origin, "DELETE")
    seen = run_clients(client, options, port, method)
    time.sleep(0.1)  # what is still under way at the origin
    counted = ledger(origin)
    per_100k = 100_000 / max(seen["completed"], 1)
    return {
        **seen,
        "status_errors_per_100k": sum(seen["status"].values()) * per_100k,
        "cut_per_100k": (seen["cut"] + seen["timeouts"] + seen["connect_failures"]) * per_100k,
        "doubled": counted["doubled"], "executed": counted["distinct"], "origin_connections": counted["connections"],
        "reuse": 1 - counted["connections"] / max(counted["requests"], 1),
    }


def run_peer(client, options, name):
    """The rows of one gateway, or None when it is not here."""
    with tempfile.TemporaryDirectory() as folder:
        work, port, origin = Path(folder), free_port(), free_port()
        work.chmod(0o755)
        command = PEERS[name](work, port, origin)
        if not command:
            return None
        origin_command = [HOLDFAST, "origin", "--listen", f"127.0.0.1:{origin}", "--close-idle-after", options.idle,
                          "--close-by", options.close_by, *options.fault.split()]
        with running(origin_command, origin, "the origin"), running(command, port, name):
            return {method: run_method(client, options, port, origin, method) for method in METHODS}


HEADINGS = ("completed", "status /100k", "cut /100k", "doubled", "wrong", "reuse", "p50 ms", "p99 ms")


def show(name, method, row):
    cells = (f"{row['completed']:,}", f"{row['status_errors_per_100k']:.1f}", f"{row['cut_per_100k']:.1f}", row["doubled"],
             row["misdelivered"], f"{100 * row['reuse']:.2f} %", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}")
    say(f"{name:17} {method:5}" + "".join(f"{cell:>13}" for cell in cells))


def race(arguments):
    """The word `race`. Returns the exit code: 1 when Holdfast doubled a POST, gave an answer to the wrong request, or left
    one without any."""
    options = read_arguments(arguments)
    build.build("release", ["holdfast"])
    client = build.build_executables("release", "race_client")["race_client"]
    say(f"origin closes idle connections at {options.idle} ({options.close_by}), clients think 0-{options.think:g} ms, "
        f"{options.connections} connections, {options.requests:,} requests each")
    say(" " * 23 + "".join(f"{heading:>13}" for heading in HEADINGS))
    result = {"options": vars(options), "peers": {}}
    for name in options.peers:
        rows = run_peer(client, options, name)
        if not rows:
            say(f"{name:17} not here")
            continue
        result["peers"][name] = rows
        for method, row in rows.items():
            show(name, method, row)
    Path(options.json).parent.mkdir(parents=True, exist_ok=True)
    Path(options.json).write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0 if all(is_sound(rows, options) for name, rows in result["peers"].items() if name.startswith("holdfast")) else 1


def is_sound(rows, options):
    return (rows["POST"]["doubled"] == 0 and
            all(row["misdelivered"] == 0 and row["completed"] == options.requests and row["right"] <= row["executed"]
                for row in rows.values()))
