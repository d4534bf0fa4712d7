"""bench_measure.py: one row of ./dev bench: are the answers right, then the lanes in turn over several rounds.

What a row gives is a dictionary that report.json holds as it is. Start with measure_row. SPDX-License-Identifier: Apache-2.0"""

import http.client
import json
import math
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import bench_rows
import bench_stats
from bench_stage import LOAD_CPU, Clients, count_syscalls, tcp_segments
from common import Failed

SUITE = "TLS_AES_128_GCM_SHA256"
SPARE_FILES = 2500  # descriptors besides the clients' connections
SETTLE_S = 0.5
REST_S = 60  # long enough that what a peer does twice a minute counts in proportion
CALM_S = 20  # before: what came with the connections is over, limits of ten seconds for their first request among it
SET_ROUNDS_MIN = 2  # of each set of peers: there and back, so that nobody is always first
H2LOAD_TRIES, H2LOAD_HANG_S = 4, 10
FAILURES = (Failed, OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError)


def tls_context(protocols=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def fetch(port, path, tls):
    """(status, fields, body, TLS suite)"""
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=tls_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        suite = connection.sock.version() if tls else None
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(), suite
    finally:
        connection.close()


def path_of(row, lane):
    return lane.path or row.load.path


def wrong_answer(stage, row, lane):
    """What is wrong with the answer of this lane; None when it is right. What a WebSocket is granted, the load looks at itself."""
    load = row.load
    if load.mode == "websocket":
        return None
    path = path_of(row, lane)
    try:
        status, fields, body, version = fetch(stage.port(lane.peer, load.tls), path.replace("@", "0"), load.tls)
        if load.body_bytes:
            expected = fetch(stage.origin_port, f"/bytes/{load.body_bytes}", False)[2]
        else:
            expected = None
        if load.mode == "h2":
            refused = wrong_h2(stage.port(lane.peer, True), path, expected)
            if refused:
                return refused
    except FAILURES as err:
        return f"no answer: {err}"
    if status != 200:
        return f"status {status}"
    if fields.get("Content-Encoding"):
        return f"compressed: {fields['Content-Encoding']}"
    if load.tls and version != "TLSv1.3":
        return f"not on equal terms: {version}"
    if expected is not None and body != expected:
        return f"another body: {len(body)} bytes in place of {len(expected)}, or other ones"
    return None if expected is not None or is_json(body) else "the body is not JSON"


def is_json(body):
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def speaks_h2(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with tls_context(["h2"]).wrap_socket(plain) as secured:
            return secured.selected_alpn_protocol() == "h2"


def wrong_h2(port, path, expected):
    if not shutil.which("nghttp"):
        return None
    done = subprocess.run(["nghttp", "--no-verify-peer", f"https://127.0.0.1:{port}{path}"], capture_output=True, check=False,
                          timeout=20)
    return None if done.stdout == expected else "another body over HTTP/2"


class H2Clients:
    """h2load with the same face as Clients. It makes its connections anew for each slice. Latencies of its open loop count
    from when a request was sent."""

    def __init__(self, port, load, path, connections):
        self.connections = connections
        self.words = ["taskset", "-c", str(LOAD_CPU), "h2load", "-t1", f"-c{connections}", f"-m{load.inflight}",
                      "--groups=X25519", f"--tls13-ciphers={SUITE}", f"https://127.0.0.1:{port}{path}"]

    def open(self):
        return self.run(0.3)

    def run(self, seconds, rate=0):
        """h2load 1.52 hangs now and then when it has stopped all of its clients, whoever served them; then it is run again, and
        what was counted meanwhile is of two runs ("hung")."""
        for left in reversed(range(H2LOAD_TRIES)):
            try:
                return self.run_once(seconds, rate) | {"hung": left < H2LOAD_TRIES - 1}
            except subprocess.TimeoutExpired:
                if left == 0:
                    raise
        return None

    def run_once(self, seconds, rate):
        with tempfile.NamedTemporaryFile() as log:
            pace = [f"--rps={max(rate / self.connections, 1):.0f}"] if rate else []
            words = [*self.words[:-1], *pace, "-D", f"{int(seconds * 1000)}ms", f"--log-file={log.name}", self.words[-1]]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds + H2LOAD_HANG_S)
            latencies = [int(line.split("\t")[2]) for line in Path(log.name).read_text().splitlines()]
        return read_h2load(done.stdout, latencies)

    def stop(self):
        pass


def read_h2load(text, latencies):
    """What rig_load would say, from h2load's output and the microseconds of its log."""
    counts = {name: int(number) for number, name in
              re.findall(r"(\d+) (total|started|done|succeeded|failed|errored|timeout)\b", text)}
    finished = re.search(r"finished in ([\d.]+)(ms|us|s),", text)
    if not counts or not finished:
        raise Failed("h2load said nothing that can be read: " + text[-200:])
    seconds = float(finished.group(1)) * {"s": 1, "ms": 1e-3, "us": 1e-6}[finished.group(2)]
    # What is under way when the time is up is cut off by h2load itself, and is no error.
    return {"seconds": seconds, "requests": counts["succeeded"], "status": counts["done"] - counts["succeeded"],
            "cut": 0, "wrong": 0, "timeouts": counts["timeout"], "connect_failures": 0, "connects": 0,
            "p50_us": bench_stats.percentile(latencies, 0.5), "p99_us": bench_stats.percentile(latencies, 0.99)}


UNITS = {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}


class WrkClients:
    """wrk with the same face as Clients, in whole seconds. It makes its connections anew for each slice."""

    def __init__(self, port, load, path, connections):
        self.words = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", "--latency"]
        self.url = f"http://127.0.0.1:{port}{path}"

    def open(self):
        return self.run(1)

    def run(self, seconds, rate=0):
        words = [*self.words, f"-d{max(math.ceil(seconds), 1)}s", self.url]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds + 60)
        return read_wrk(done.stdout)

    def stop(self):
        pass


def read_wrk(text):
    """What rig_load would say, from wrk's output."""
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    if not total:
        raise Failed("wrk said nothing that can be read: " + text[-200:])
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    connect, read, write, timeout = map(int, errors.groups()) if errors else (0,) * 4
    status = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    shares = {share: float(number) * UNITS[unit] for share, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s|m)\b", text)}
    failed = int(status.group(1)) if status else 0
    return {"seconds": float(total.group(2)) * UNITS[total.group(3)] / 1e6, "requests": int(total.group(1)) - failed,
            "status": failed, "cut": read + write, "wrong": 0, "timeouts": timeout, "connect_failures": connect, "connects": 0,
            "p50_us": shares.get("50"), "p99_us": shares.get("99")}


def clients_for(stage, row, lane):
    load = row.load
    kind = {"h2": H2Clients, "wrk": WrkClients}.get(load.mode, Clients)
    return kind(stage.port(lane.peer, load.tls), load, path_of(row, lane), lane.connections or load.connections)


def one_slice(stage, lane, clients, seconds):
    program = stage.peers[lane.peer]
    origin, cpu_ns, switches, segments = stage.origin_counts(), program.cpu_ns(), program.switches(), tcp_segments()
    seen = clients.run(seconds)
    if seen.pop("hung", False):
        return one_slice(stage, lane, clients, seconds)
    requests = max(seen["requests"], 1)
    seen["us_per_request"] = (program.cpu_ns() - cpu_ns) / 1000 / requests
    seen["switches_per_request"] = (program.switches() - switches) / requests
    seen["segments_per_request"] = (tcp_segments() - segments) / requests
    seen["requests_per_second"] = seen["requests"] / seen["seconds"] if seen["seconds"] else 0
    after = stage.origin_counts()
    # The question itself is a connection of its own.
    seen["origin"] = {"connections": max(after["connections"] - origin["connections"] - 1, 0),
                      "requests": after["requests"] - origin["requests"]}
    return seen


def usable(stage, row):
    """(lanes that can be loaded, lane name to why the others cannot)."""
    lanes, why = [], {}
    for lane in row.lanes:
        if lane.peer in stage.missing:
            why[lane.name] = "not here: " + stage.missing[lane.peer]
        elif row.load.mode == "h2" and not shutil.which("h2load"):
            why[lane.name] = "not here: h2load is not installed"
        elif row.load.mode == "wrk" and not shutil.which("wrk"):
            why[lane.name] = "not here: wrk is not installed"
        elif row.load.mode == "h2" and not speaks_h2(stage.port(lane.peer, True)):
            why[lane.name] = "not here: this build does not speak HTTP/2 with its clients"
        else:
            lanes.append(lane)
    return lanes, why


def files_missing(row):
    need = max([lane.connections for lane in row.lanes] + [row.load.connections]) + SPARE_FILES
    have = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return f"needs {need} descriptors, the hard limit is {have}" if need > have else None


def empty_result(row, why):
    lanes = {lane.name: {"peer": lane.peer, "base": lane.base, "refused": why.get(lane.name)} for lane in row.lanes}
    return {"name": row.name, "about": row.about, "kind": row.kind, "goal": row.goal, "judged": row.judged,
            "grows_as": row.grows_as, "note": row.note, "bytes_max": row.bytes_max, "load": asdict(row.load), "lanes": lanes,
            "fresh_sets": row.fresh_sets, "refused": None, "verdict": None, "also": []}


def failed_row(row, why):
    return empty_result(row, {}) | {"refused": why}


def measure_row(stage, row, options, how):
    """how: what counts system calls, see bench_stage.tracer."""
    refused = files_missing(row)
    here, why = usable(stage, row)
    result = empty_result(row, why)
    row = bench_rows.only_lanes(row, lambda lane: lane in here)
    result["goal"] = row.goal
    for lane in row.lanes:
        result["lanes"][lane.name]["base"] = lane.base
    if refused or not row.lanes:
        result["refused"] = refused or "nobody is here"
        return result
    lanes = row.lanes
    for lane in lanes:
        result["lanes"][lane.name]["wrong"] = wrong_answer(stage, row, lane)
    {"load": measure_load, "idle-bytes": measure_idle, "rest": measure_rest}[row.kind](stage, row, lanes, options, how, result)
    return result


def each_of(lanes, work, result, mark="refused"):
    """Calls work(lane) for each; whose fails is out, with the reason under `mark`, and the others go on. Returns who is left."""
    left = []
    for lane in lanes:
        try:
            work(lane)
            left.append(lane)
        except FAILURES as err:
            result["lanes"][lane.name][mark] = f"failed: {str(err) or type(err).__name__}"
    return left


def rounds_of_set(row, options):
    """How many rounds each set of peers is loaded for."""
    return options.rounds if row.fresh_sets == 1 else max(math.ceil(options.rounds / row.fresh_sets), SET_ROUNDS_MIN)


def measure_load(stage, row, lanes, options, how, result):
    good = [lane for lane in lanes if not result["lanes"][lane.name]["wrong"]]
    clients = {}
    slices = {lane.name: [] for lane in good}
    try:
        for number in range(row.fresh_sets):
            if number > 0:
                good = start_anew(stage, row, good, clients, result)
            good = load_in_turn(stage, row, good, clients, slices, options, result)
        good = each_of(good, lambda lane: result["lanes"][lane.name].update(
            slices=slices[lane.name], memory_bytes=stage.peers[lane.peer].memory_bytes()), result)
        judge(row, good, result)
        if not options.quick:
            add_open_loop(row, good, clients, slices, options, result)
            add_syscalls(stage, row, good, clients, options, how, result)
        judge_also(row, result)
    finally:
        stop_clients(clients)


def start_anew(stage, row, lanes, clients, result):
    """Another set of the same peers. Who of them is here again and answers rightly; the others are out with all that was
    counted before, so that round by round everybody has been in the same sets."""
    def outlive(lane):
        ended = stage.dead() & {lane.peer, "the origin"}
        if ended:
            raise Failed(f"{ended.pop()} ended by itself behind a set")

    def look(lane):
        if lane.peer in stage.missing:
            raise Failed(f"not here again: {stage.missing[lane.peer]}")
        result["lanes"][lane.name]["wrong"] = wrong_answer(stage, row, lane)

    stop_clients(clients)
    lanes = each_of(lanes, outlive, result)
    stage.renew()
    return [lane for lane in each_of(lanes, look, result) if not result["lanes"][lane.name]["wrong"]]


def load_in_turn(stage, row, lanes, clients, slices, options, result):
    """All rounds of one set of peers. Returns who is left; their clients are still there."""
    def begin(lane):
        clients[lane.name] = clients_for(stage, row, lane)
        clients[lane.name].open()
        clients[lane.name].run(options.slice / 2)

    good = each_of(lanes, begin, result)
    for number in range(rounds_of_set(row, options)):
        turn = each_of(good if number % 2 == 0 else list(reversed(good)), lambda lane: slices[lane.name].append(
            one_slice(stage, lane, clients[lane.name], options.slice)), result)
        good = [lane for lane in good if lane in turn]
    return good


def stop_clients(clients):
    for each in clients.values():
        each.stop()
    clients.clear()


def judge(row, lanes, result):
    """Summaries, refusals and the verdict, from the slices."""
    told = result["lanes"]
    for lane in lanes:
        base = told.get(lane.base, {}).get("slices") or told[lane.name]["slices"]
        told[lane.name]["summary"] = bench_stats.summarize(told[lane.name]["slices"], base)
    for lane in row.lanes:
        one, base = told[lane.name], told.get(lane.base, {})
        if one.get("refused"):
            continue
        if one.get("wrong") or not one.get("summary"):
            one["refused"] = bench_stats.refusal({"requests": 0, "errors": 0}, {"errors": 0}, one.get("wrong"))
        elif not base.get("summary"):
            one["refused"] = f"its base {lane.base} " + (base.get("refused") or f"answered wrongly: {base.get('wrong')}")
        else:
            one["refused"] = bench_stats.refusal(one["summary"], base["summary"], None, row.load.mode == "tls-resumed")
    judged = told.get(row.judged, {})
    if row.goal is not None and judged.get("summary") and not judged["refused"]:
        grown = told.get(row.grows_as, {}).get("summary", {}).get("ratio", (1, 1, 1))[1]
        result["verdict"] = bench_stats.verdict(judged["summary"], row.goal, max(grown, 1))


def judge_also(row, result):
    told = result["lanes"]
    lane = told.get(row.judged, {})
    result["also"] = [bench_stats.judge_also(goal, lane, told.get(lane.get("base"), {})) for goal in row.also]


def add_open_loop(row, lanes, clients, slices, options, result):
    """The same rate for all: half of what the slowest did."""
    if row.load.mode == "wrk" or row.load.rate or not lanes:
        return
    slowest = min(statistics.median(one["requests_per_second"] for one in slices[lane.name]) for lane in lanes)
    def ask(lane):
        seen = clients[lane.name].run(options.slice * 2, max(slowest / 2, 1))
        result["lanes"][lane.name]["open_loop"] = {name: seen[name] for name in ("p50_us", "p99_us")} | {
            "rate": slowest / 2, "errors": bench_stats.errors_of(seen)}

    each_of(lanes, ask, result, "open_loop_missing")


def add_syscalls(stage, row, lanes, clients, options, how, result):
    def count(lane):
        calls, seen = count_syscalls(stage.peers[lane.peer], how, lambda: clients[lane.name].run(options.slice))
        if calls and seen["requests"] and not seen.get("hung"):
            result["lanes"][lane.name]["syscalls_per_request"] = calls / seen["requests"]

    each_of(lanes if how else (), count, result, "syscalls_missing")


def measure_idle(stage, row, lanes, options, how, result):
    """Memory that grows with connections that have had one request each and are kept."""
    each_of(lanes, lambda lane: hold_idle(stage, row, lane, result["lanes"][lane.name]), result)
    ours = result["lanes"].get(row.judged, {})
    if "bytes_per_connection" in ours and not ours["refused"]:
        result["verdict"] = "reached" if ours["bytes_per_connection"] <= row.bytes_max else "missed"


def hold_idle(stage, row, lane, one):
    program = stage.peers[lane.peer]
    one["refused"] = one["wrong"] and f"answered wrongly: {one['wrong']}"
    if one["refused"]:
        return
    warm = Clients(stage.port(lane.peer, row.load.tls), row.load, row.load.path, 64)
    warm.open()
    warm.stop()
    time.sleep(SETTLE_S)
    before = program.memory_bytes()
    clients = Clients(stage.port(lane.peer, row.load.tls), row.load, row.load.path, row.load.connections)
    try:
        seen = clients.open()
        time.sleep(2 * SETTLE_S)
        one["bytes_per_connection"] = (program.memory_bytes() - before) / row.load.connections
        if bench_stats.errors_of(seen) or seen["connects"] != row.load.connections:
            one["refused"] = f"did not hold the connections: {bench_stats.errors_of(seen)} errors"
    finally:
        clients.stop()


def measure_rest(stage, row, lanes, options, how, result):
    """Share of a core that is used while nothing happens."""
    each_of(lanes, lambda lane: rest(stage, row, lane, result["lanes"][lane.name]), result)


def rest(stage, row, lane, one):
    program = stage.peers[lane.peer]
    one["refused"] = one["wrong"] and f"answered wrongly: {one['wrong']}"
    if one["refused"]:
        return
    clients = Clients(stage.port(lane.peer, row.load.tls), row.load, row.load.path, row.load.connections)
    try:
        seen = clients.open()
        time.sleep(CALM_S)
        before, since = program.cpu_ns(), time.monotonic_ns()
        time.sleep(REST_S)
        one["cpu_at_rest"] = (program.cpu_ns() - before) / (time.monotonic_ns() - since)
        one["refused"] = "did not hold the connections" if bench_stats.errors_of(seen) else None
    finally:
        clients.stop()
    time.sleep(SETTLE_S)
