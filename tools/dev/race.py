"""race.py: the word `race`: proves, or disproves, that a gateway wins the idle-close race. An origin closes idle connections
at 3 ms, clients think 0 to 6 ms between their requests, so that every other pick of a kept connection is a close call. Each
gateway of race_peers.py runs in turn before a fresh origin, with GET and with POST, in several rounds, so that a busy moment of
the machine hurts all alike. The origin's ledger tells what was executed, and how often; what the clients saw is told by
bench/race_client.c. Bounded in requests and time.

SPDX-License-Identifier: Apache-2.0"""

import argparse
import http.client
import json
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import build
from common import BUILD, Failed, environment, say, stop_group
from race_peers import HOLDFAST, PEERS, free_port

RESULTS = BUILD / "bench/race.json"
REQUESTS_MAX = 10_000_000  # the ledger tells 2^24 numbers apart
START_LIMIT_S = 10
METHODS = ("GET", "POST")


def read_arguments(words):
    parser = argparse.ArgumentParser(prog="./dev race", description="The idle-close race, gateways side by side.",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000, help="how many, for each gateway and method")
    parser.add_argument("--connections", type=int, default=64, help="clients, one connection each (at most 1024)")
    parser.add_argument("--rounds", type=int, default=4, help="in which the requests are sent, gateway after gateway")
    parser.add_argument("--idle", default="3ms", help="the origin closes connections that are idle for so long")
    parser.add_argument("--think", type=float, default=6, help="the most that clients wait before a request, ms")
    parser.add_argument("--close-by", choices=("close", "half", "reset"), default="close", help="how the origin closes")
    parser.add_argument("--fault", default="", help='more flags for the origin, as "--hang-up-rate 0.001"')
    parser.add_argument("--peers", default=",".join(PEERS), help="gateways, by comma; who is not installed is left out")
    parser.add_argument("--limit", type=int, default=120, help="seconds for each gateway and method in a round")
    parser.add_argument("--json", default=str(RESULTS), help="write the result here")
    options = parser.parse_args(words)
    if not (0 < options.requests <= REQUESTS_MAX and 0 < options.connections <= 1024 and 0 < options.limit <= 3600):
        raise Failed("race: requests up to 10 million, connections up to 1024, limit up to 3600 s")
    if not 0 < options.rounds <= min(100, options.requests):
        raise Failed("race: 1 to 100 rounds, and not more than requests")
    options.peers = [name.strip() for name in options.peers.split(",")]
    unknown = [name for name in options.peers if name not in PEERS]
    if unknown:
        raise Failed(f"race: no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return options


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


def run_clients(client, options, port, method, requests):
    command = [client, f"127.0.0.1:{port}", method, "/bytes/128", requests, options.connections, 0,
               int(options.think * 1000), options.limit]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          timeout=options.limit + 30)
    if done.returncode != 0:
        raise Failed(f"race_client ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


WHY = {"new_by": "new connections", "closes_by": "closes", "resends_by": "sent again", "resends_refused_by": "not sent again"}


def reasons_of(work):
    """Holdfast's own ledger, flat: {("new_by", "cold"): 3}; of peers nothing."""
    address = work / "admin"
    if not address.exists():
        return {}
    connection = http.client.HTTPConnection("127.0.0.1", int(address.read_text()), timeout=10)
    try:
        connection.request("GET", "/v1/pools")
        pool = next(iter(json.loads(connection.getresponse().read())["hosts"]), {})
    finally:
        connection.close()
    pool["closes_by"] = {f"{reason} ({side})": sides[side] for reason, sides in pool.get("closes", {}).items()
                         for side in sides}
    return {(group, reason): count for group in WHY for reason, count in pool.get(group, {}).items()}


def run_method(client, options, work, port, origin, method, requests):
    """What the clients saw and what the origin counted, raw."""
    ledger(origin, "DELETE")
    before = reasons_of(work)
    seen = run_clients(client, options, port, method, requests)
    time.sleep(0.1)  # what is still under way at the origin
    counted = ledger(origin)
    why = {group: {} for group in WHY}
    for (group, reason), count in reasons_of(work).items():
        if count > before.get((group, reason), 0):
            why[group][reason] = count - before.get((group, reason), 0)
    return {**seen, "doubled": counted["doubled"], "executed": counted["distinct"], "executions": counted["requests"],
            "origin_connections": counted["connections"], "why": why}


def run_peer(client, options, name, requests):
    """One round of one gateway by method, or None when it is not here."""
    with tempfile.TemporaryDirectory() as folder:
        work, port, origin = Path(folder), free_port(), free_port()
        work.chmod(0o755)
        command = PEERS[name](work, port, origin)
        if not command:
            return None
        origin_command = [HOLDFAST, "origin", "--listen", f"127.0.0.1:{origin}", "--close-idle-after", options.idle,
                          "--close-by", options.close_by, *options.fault.split()]
        with running(origin_command, origin, "the origin"), running(command, port, name):
            return {method: run_method(client, options, work, port, origin, method, requests) for method in METHODS}


def run_rounds(client, options):
    """Peer to method to what each round gave. Who is not here is so in the first round."""
    rounds = {name: {method: [] for method in METHODS} for name in options.peers}
    for number in range(options.rounds):
        requests = options.requests // options.rounds + (number < options.requests % options.rounds)
        for name in list(rounds):
            say(f"round {number + 1} of {options.rounds}: {name}")
            raw = run_peer(client, options, name, requests)
            if not raw:
                say(f"{name} is not here")
                del rounds[name]
            for method, row in (raw or {}).items():
                rounds[name][method].append(row)
    return rounds


def merged(counts):
    """Dictionaries of counts, added."""
    total = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def total_of(rows):
    """One row of a table from the raw rows of all rounds: counts are added, of latencies the median is taken."""
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key not in ("status", "why") and not key.endswith("_ms")}
    total.update({key: statistics.median(row[key] for row in rows) for key in rows[0] if key.endswith("_ms")})
    total["status"] = merged(row["status"] for row in rows)
    total["why"] = {group: merged(row["why"][group] for row in rows) for group in WHY}
    per_100k = 100_000 / max(total["completed"], 1)
    total["status_errors_per_100k"] = sum(total["status"].values()) * per_100k
    total["cut_per_100k"] = (total["cut"] + total["timeouts"] + total["connect_failures"]) * per_100k
    total["reuse"] = 1 - total["origin_connections"] / max(total["executions"], 1)
    return total


HEADINGS = ("completed", "status /100k", "cut /100k", "doubled", "wrong", "reuse", "p50 ms", "p99 ms")


def show(name, method, row):
    cells = (f"{row['completed']:,}", f"{row['status_errors_per_100k']:.1f}", f"{row['cut_per_100k']:.1f}", row["doubled"],
             row["misdelivered"], f"{100 * row['reuse']:.2f} %", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}")
    say(f"{name:17} {method:5}" + "".join(f"{cell:>13}" for cell in cells))
    for group, reasons in row["why"].items():
        if reasons:
            listed = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda pair: -pair[1]))
            say(f"{'':23}{WHY[group]}: {listed}")


def race(arguments):
    """The word `race`. Returns the exit code: 1 when Holdfast doubled a POST, gave an answer to the wrong request, or left
    one without any."""
    options = read_arguments(arguments)
    build.build("release", ["holdfast"])
    client = build.build_executables("release", "race_client")["race_client"]
    say(f"origin closes idle connections at {options.idle} ({options.close_by}), clients think 0-{options.think:g} ms, "
        f"{options.connections} connections, {options.requests:,} requests each")
    rounds = run_rounds(client, options)
    peers = {name: {method: total_of(rows) for method, rows in methods.items()} for name, methods in rounds.items()}
    say(" " * 23 + "".join(f"{heading:>13}" for heading in HEADINGS))
    for name, rows in peers.items():
        for method, row in rows.items():
            show(name, method, row)
    Path(options.json).parent.mkdir(parents=True, exist_ok=True)
    result = {"options": vars(options), "peers": peers, "rounds": rounds}
    Path(options.json).write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0 if all(is_sound(rows, options) for name, rows in peers.items() if name.startswith("holdfast")) else 1


def is_sound(rows, options):
    return (rows["POST"]["doubled"] == 0 and
            all(row["misdelivered"] == 0 and row["completed"] == options.requests and row["right"] <= row["executed"]
                for row in rows.values()))
