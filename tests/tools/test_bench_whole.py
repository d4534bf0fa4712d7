"""test_bench_whole.py: a whole run of ./dev bench: each goal of the issue has its row, what fails takes nothing else with it,
noise is measured again, and the document says by how much a goal was missed and where the time goes.

SPDX-License-Identifier: Apache-2.0"""

import http.server
import os
import re
import subprocess
import threading
import time
from types import SimpleNamespace

import bench
import bench_measure
import bench_peers
import bench_profile
import bench_report
import bench_rows
import bench_stage
import bench_stats
import pytest
from common import BUILD, ROOT, Failed
from test_bench import SAMPLES, measured_row, piece, report_of

# What must be reached, and where.

GOALS = {"keepalive-128-64": 0.80, "keepalive-128-1000": 0.65, "keepalive-16k-64": 0.75, "keepalive-1m-16": 0.34,
         "close-128-64": 0.90, "tls-128-64": 0.85, "tls-16k-64": 0.72, "tls-1m-16": 0.72, "h2-128": 0.60, "h2-16k": 0.70,
         "json-pass": 0.10, "json-filter": 0.10, "json-merge2": 0.10, "json-merge5": 0.10, "growth-routes": 1.10,
         "growth-hosts": 1.10, "growth-connections": 1.10}
BYTES = {"idle-plain": 512, "idle-tls": 14 * 1024}
ALSO = {"keepalive-128-64": ("syscalls", 4.10, False), "json-pass": ("memory", 0.10, False),
        "reuse-off-on": ("throughput", 1.5, True), "reuse-off-on-tls": ("time", 0.333, False)}


def row_named(name):
    return bench_rows.choose(name)[0]


def test_each_goal_of_the_issue_is_that_of_its_row():
    assert {name: row_named(name).goal for name in GOALS} == GOALS
    assert {name: row_named(name).bytes_max for name in BYTES} == BYTES
    for name, (what, limit, least) in ALSO.items():
        assert bench_rows.Also(what, limit, least) in row_named(name).also, name


def test_each_row_in_cleartext_has_one_with_tls():
    for plain, tls in (("keepalive-128-1", "tls-128-1"), ("keepalive-128-64", "tls-128-64"), ("browser-128-64", "tls-browser-64"),
                       ("keepalive-128-1000", "tls-128-1000"), ("keepalive-16k-64", "tls-16k-64"), ("keepalive-1m-16", "tls-1m-16")):
        one, other = row_named(plain).load, row_named(tls).load
        assert (one.path, one.connections, one.inflight, one.head) == (other.path, other.connections, other.inflight, other.head)
        assert other.mode == "tls" and not one.tls


def test_rows_are_chosen_by_how_their_names_begin():
    assert [row.name for row in bench_rows.choose("sweep,idle-tls")] == ["sweep-idle-cap", "sweep-idle-timeout", "idle-tls"]
    assert [row.name for row in bench_rows.choose("keepalive-1m-16")] == ["keepalive-1m-16"]  # a whole name is that row alone


def place_in(folder):
    return bench_peers.Place(folder, 1, 2, 3, 4, *(folder / name for name in ("c", "k", "p", "b", "t")))


def test_a_sweep_changes_one_setting_in_small_steps(tmp_path):
    def config_of(lane):
        return bench_peers.json.loads(bench_peers.command(lane.peer, "sweep", place_in(tmp_path))[3].read_text())

    caps = [config_of(lane)["max_idle_connections_per_host"] for lane in row_named("sweep-idle-cap").lanes]
    times = [config_of(lane)["extra_config"]["holdfast/upstream"]["idle_timeout"] for lane in row_named("sweep-idle-timeout").lanes]
    assert caps == list(bench_rows.CAPS) and times == [f"{time}ms" for time in bench_rows.IDLE_TIMEOUTS_MS]
    assert row_named("sweep-idle-timeout").load.rate == 200  # 5 ms between two: the step is between 4 and 6 ms


def rig_of(tmp_path, monkeypatch):
    """What runs the rig with a build that is there: words to (exit code, report)."""
    tree = next((tree for tree in (BUILD / kind for kind in ("release", "debug"))
                 if (tree / "bench/rig_load").exists() and (tree / "holdfast").exists()), None)
    if not tree or (os.cpu_count() or 1) < 2:
        pytest.skip("no build with the rig's programs, or one core")
    monkeypatch.setattr(bench.build, "build", lambda *_, **__: None)
    monkeypatch.setattr(bench_stage, "TOOLS", tree / "bench")

    def run(rows, peers):
        report = tmp_path / "report.json"
        code = bench.bench(["--rows", rows, "--peers", peers, "--quick", "--rounds", "1", "--slice", "0.1", "--binary",
                            str(tree / "holdfast"), "--json", str(report)])
        return code, bench.load_report(report)

    return tree, run


def test_a_sweep_finds_where_the_step_lies(tmp_path, monkeypatch):
    """With one idle connection kept for 64 requests at once hardly any is reused, with 256 all are."""
    _, run = rig_of(tmp_path, monkeypatch)
    code, report = run("sweep-idle-cap", "holdfast-cap-1,holdfast-cap-256")
    lanes = report["rows"][0]["lanes"]
    assert code == 0 and lanes["holdfast-cap-1"]["base"] == "holdfast-cap-256"
    assert lanes["holdfast-cap-1"]["summary"]["reuse"] < 0.5 < lanes["holdfast-cap-256"]["summary"]["reuse"]
    assert "compared with holdfast-cap-256: holdfast-cap-1" in bench_report.row_notes(report["rows"][0])


# Further goals.


@pytest.mark.parametrize("what, lane, base, value, verdict", [
    ("syscalls", {"syscalls_per_request": 4.06}, {}, 4.06, "reached"), ("syscalls", {"syscalls_per_request": 4.2}, {}, 4.2, "missed"),
    ("syscalls", {}, {}, None, None), ("memory", {"memory_bytes": 8}, {"memory_bytes": 10}, 0.8, "reached"),
    ("throughput", {"summary": {"requests_per_second": 300}}, {"summary": {"requests_per_second": 100}}, 3, "reached"),
    ("time", {"summary": {"p50_us": 10}}, {}, None, None)])
def test_a_further_goal(what, lane, base, value, verdict):
    found = bench_stats.judge_also(bench_rows.Also(what, 4.10), lane, base)
    assert (found["value"], found["verdict"]) == (value, verdict)


def test_a_further_goal_may_be_a_least_one():
    lanes = [{"summary": {"requests_per_second": number}} for number in (150, 100)]
    assert bench_stats.judge_also(bench_rows.Also("throughput", 1.5, True), *lanes)["verdict"] == "reached"
    assert bench_stats.judge_also(bench_rows.Also("throughput", 1.6, True), *lanes)["verdict"] == "missed"


def test_a_lane_that_was_not_compared_reaches_no_further_goal():
    lane = {"syscalls_per_request": 4, "refused": "errors differ"}
    assert bench_stats.judge_also(bench_rows.Also("syscalls", 4.10), lane, {})["verdict"] is None


def test_system_calls_are_judged_with_the_row():
    row = row_named("keepalive-128-64")
    result = measured_row()
    result["lanes"]["holdfast"]["syscalls_per_request"] = 4.25
    bench_measure.judge_also(row, result)
    assert bench_report.is_missed(result)
    assert ["`keepalive-128-64`: syscalls", "at most 4.10", "4.25", "-", "missed by 0.150 (4 %)"] in bench_report.summary_lines(
        report_of(result))


# Equal terms.

TERMS = {"nginx.conf": ("gzip off;", "access_log off;", "worker_processes 1;", "ssl_ecdh_curve X25519;", "TLS_AES_128_GCM_SHA256;"),
         "haproxy.cfg": ("nbthread 1", "bind-curves X25519", "TLS_AES_128_GCM_SHA256"),
         "h2o.conf": ("num-threads: 1", "compress: OFF"),
         "apache.conf": ("ServerLimit 1", "Curves X25519", "TLS_AES_128_GCM_SHA256"),
         "holdfast.json": ('"workers": 1', '"disable_access_log": true', '"curve_preferences": [29]', '"min_version": "TLS13"')}
UNEQUAL = ("CustomLog", "access-log:", "log global", "mod_deflate", "compression algo", "gzip on")


@pytest.mark.parametrize("name", TERMS)
def test_all_peers_have_equal_terms(name):
    text = (ROOT / "bench/peers" / name).read_text(encoding="utf-8")
    assert all(term in text for term in TERMS[name]) and not any(word in text for word in UNEQUAL)


def test_the_clients_offer_one_suite_and_one_curve():
    text = (ROOT / "bench/wire.c").read_text(encoding="utf-8")
    words = bench_measure.H2Clients(1, row_named("h2-128").load, "/", 16).words
    assert "TLS_AES_128_GCM_SHA256" in text and "NID_X25519" in text
    assert "--groups=X25519" in words and "--tls13-ciphers=TLS_AES_128_GCM_SHA256" in words


def test_peers_have_one_core_and_load_and_origin_another(tmp_path):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("two cores are needed")
    assert bench_stage.PEER_CPU != bench_stage.LOAD_CPU
    for core in (bench_stage.PEER_CPU, bench_stage.LOAD_CPU):
        program = bench_stage.Program("sleep", ["sh", "-c", "sleep 30 & wait"], core, tmp_path / "log")
        try:
            deadline = time.monotonic() + 20
            while len(program.pids()) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert [os.sched_getaffinity(pid) for pid in program.pids()] == [{core}, {core}]  # its children too
        finally:
            program.stop()


# Another load.

WRK = """Running 1s test @ http://127.0.0.1:80/
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   635.91us    0.89ms  12.92ms   93.69%
    Req/Sec    56.20k     8.07k   62.00k    86.67%
  Latency Distribution
     50%  250.00us
     75%  491.00us
     90%  700.00us
     99%    5.80ms
  22464 requests in 1.10s, 17.76MB read
"""


def test_wrk_is_read():
    seen = bench_measure.read_wrk(WRK)
    assert (seen["requests"], seen["seconds"], seen["p50_us"], seen["p99_us"]) == (22464, 1.1, 250, 5800)
    assert bench_stats.errors_of(seen) == 0


def test_wrk_tells_errors():
    seen = bench_measure.read_wrk(WRK + "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n")
    assert bench_stats.errors_of(seen) == 15 and seen["requests"] == 22459


def test_wrk_that_said_nothing_is_no_measurement():
    with pytest.raises(Failed):
        bench_measure.read_wrk("unable to connect")


# Who answers wrongly is not compared.


def answers(status=200, body=b"x" * 128, fields=()):
    """A server on loopback that answers each request so; its port is server_address[1]."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for name, value in (*fields, ("Content-Length", len(body))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize("row, peer, why", [
    ("keepalive-128-64", {}, None), ("keepalive-128-64", {"status": 502}, "status 502"),
    ("keepalive-128-64", {"body": b"x" * 127}, "another body: 127 bytes in place of 128"),
    ("keepalive-128-64", {"body": b"y" * 128}, "another body: 128 bytes"),
    ("keepalive-128-64", {"fields": [("Content-Encoding", "gzip")]}, "compressed: gzip"),
    ("json-pass", {"body": b'{"a":1}'}, None), ("json-pass", {"body": b'{"a":1'}, "the body is not JSON")])
def test_a_wrong_answer_is_seen(row, peer, why):
    origin, server = answers(), answers(**peer)
    stage = SimpleNamespace(origin_port=origin.server_address[1], port=lambda name, tls: server.server_address[1])
    try:
        wrong = bench_measure.wrong_answer(stage, row_named(row), row_named(row).lanes[0])
    finally:
        for each in (origin, server):
            each.shutdown()
            each.server_close()
    assert wrong == why or (why and wrong.startswith(why))


def test_nobody_there_is_a_wrong_answer():
    port = bench_stage.free_port()
    stage = SimpleNamespace(origin_port=port, port=lambda name, tls: port)
    assert bench_measure.wrong_answer(stage, row_named("keepalive-128-64"), row_named("keepalive-128-64").lanes[0]).startswith(
        "no answer")


def test_an_open_loop_of_http2_shares_its_rate_out_over_the_connections(monkeypatch):
    told = []
    text = "finished in 1.00s, 1.00 req/s\nrequests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout\n"
    monkeypatch.setattr(bench_measure.subprocess, "run", lambda words, **_: told.append(words) or SimpleNamespace(stdout=text))
    clients = bench_measure.H2Clients(1, row_named("h2-128").load, "/", 16)
    clients.run(1, 8000)
    clients.run(1)
    assert "--rps=500" in told[0] and not any(word.startswith("--rps") for word in told[1])


def test_a_load_that_hangs_is_run_again_and_its_slice_measured_anew(monkeypatch):
    runs = iter([False, True, False])
    done = SimpleNamespace(stdout="finished in 1.00s, 1.00 req/s\nrequests: 9 total, 9 done, 9 succeeded, 0 timeout\n")

    def run(words, timeout, **_):
        if next(runs):
            return done
        raise subprocess.TimeoutExpired(words, timeout)

    monkeypatch.setattr(bench_measure.subprocess, "run", run)
    clients = bench_measure.H2Clients(1, row_named("h2-128").load, "/", 16)
    assert clients.run(1)["hung"]
    hung = iter([{"hung": True}, {"hung": False}])
    program = SimpleNamespace(cpu_ns=lambda: 0, switches=lambda: 0)
    stage = SimpleNamespace(peers={"nginx": program}, origin_counts=lambda: {"connections": 1, "requests": 1})
    asked = []
    clients = SimpleNamespace(run=lambda seconds: asked.append(seconds) or next(hung) | piece(10) | {"seconds": 1.0})
    assert bench_measure.one_slice(stage, row_named("h2-128").lanes[0], clients, 1)["requests"] == 1000 and len(asked) == 2


def test_a_load_that_always_hangs_is_given_up_on(monkeypatch):
    def run(words, timeout, **_):
        raise subprocess.TimeoutExpired(words, timeout)

    monkeypatch.setattr(bench_measure.subprocess, "run", run)
    with pytest.raises(subprocess.TimeoutExpired):
        bench_measure.H2Clients(1, row_named("h2-128").load, "/", 16).run(1)


# What fails takes nothing else with it.


class FakeProgram:
    def __init__(self):
        self.process = SimpleNamespace(poll=lambda: None)

    def memory_bytes(self):
        return 1000000


class FakeStage:
    """Everybody is here; `made` counts."""

    made = 0

    def __init__(self):
        type(self).made += 1
        self.peers, self.missing, self.stopped = {}, {}, False

    def stop(self):
        self.stopped = True

    def dead(self):
        return set()


def options_of(tmp_path, **more):
    return SimpleNamespace(rounds=2, slice=0.1, quick=False, json=str(tmp_path / "report.json"), **more)


def test_a_row_that_fails_takes_no_other_with_it(tmp_path, monkeypatch, capsys):
    def measure(stage, row, options, how):
        if row.name == "keepalive-128-64":
            raise Failed("rig_load ended with -11")
        return measured_row(row.name)

    FakeStage.made = 0
    monkeypatch.setattr(bench, "measure_row", measure)
    report = report_of()
    bench.measure_stage(FakeStage, bench_rows.choose("browser-128-64,keepalive-128-64,keepalive-16k-64"), options_of(tmp_path), None,
                        report)
    assert [(row["name"], row["refused"]) for row in report["rows"]] == [
        ("keepalive-128-64", "failed: Failed: rig_load ended with -11"), ("browser-128-64", None), ("keepalive-16k-64", None)]
    assert FakeStage.made == 2  # the stage of the failed row is not used again
    assert bench_report.faults(report["rows"]) == ["keepalive-128-64: failed: Failed: rig_load ended with -11"]
    assert "rig_load ended with -11" in bench_report.markdown(report)
    assert "keepalive-128-64 failed" in capsys.readouterr().out


def test_a_stage_that_cannot_be_made_is_told_in_each_of_its_rows(tmp_path):
    def make():
        raise Failed("the origin does not listen")

    report = report_of()
    bench.measure_stage(make, bench_rows.choose("browser-128-64,keepalive-16k-64"), options_of(tmp_path), None, report)
    assert all("the origin does not listen" in row["refused"] for row in report["rows"]) and len(report["rows"]) == 2


def test_congestion_control_that_is_not_here_is_told_in_the_row(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "set_congestion_control", lambda name: False)
    monkeypatch.setattr(bench, "tracer", lambda: (None, "nobody counts"))
    report = report_of()
    bench.measure_all(bench_rows.choose("keepalive-1m-16-reno"), options_of(tmp_path, binary="holdfast"), report)
    assert report["rows"][0]["refused"] == "TCP reno cannot be had here"


class FakeClients:
    def __init__(self, fails):
        self.fails, self.stopped = fails, False

    def open(self):
        pass

    def run(self, seconds, rate=0):
        if self.fails:
            raise Failed("rig_load ended with 1")
        return piece(10) | {"seconds": 0.1}

    def stop(self):
        self.stopped = True


@pytest.mark.parametrize("dies, expected", [
    ("haproxy", {"holdfast": None, "haproxy": "failed: rig_load ended with 1"}),
    ("nginx", {"holdfast": "its base nginx failed: rig_load ended with 1"})])
def test_a_peer_that_dies_loses_its_lane_only(tmp_path, monkeypatch, dies, expected):
    row = row_named("keepalive-128-64")
    result = bench_measure.empty_result(row, {})
    stage = FakeStage()
    stage.peers = {lane.peer: FakeProgram() for lane in row.lanes}
    clients = {}

    def make(stage, row, lane):
        clients[lane.name] = FakeClients(lane.peer == dies)
        return clients[lane.name]

    for lane in row.lanes:
        result["lanes"][lane.name]["wrong"] = None
    monkeypatch.setattr(bench_measure, "clients_for", make)
    monkeypatch.setattr(bench_measure, "one_slice", lambda stage, lane, clients, seconds: clients.run(seconds))
    bench_measure.measure_load(stage, row, row.lanes, options_of(tmp_path), None, result)
    assert {name: result["lanes"][name]["refused"] for name in expected} == expected
    assert all(each.stopped for each in clients.values())


# Noise.


def test_a_noisy_row_is_measured_again_and_the_calmest_is_kept(monkeypatch, tmp_path, capsys):
    runs = iter([(10, 10, 30, 30), (10, 10, 20, 20), (10, 11, 10, 11), (10, 10, 10, 10)])
    monkeypatch.setattr(bench, "measure_row", lambda *_: measured_row(ours=next(runs), theirs=(20, 20, 20, 20)))
    kept = bench.measure_calmly(FakeStage(), row_named("keepalive-128-64"), options_of(tmp_path), None)
    assert kept["attempts"] == 3 and kept["verdict"] == "reached" and not bench_report.is_noisy(kept)
    assert "measured 3 times, the calmest is kept" in bench_report.row_notes(kept)
    assert capsys.readouterr().out.count("measured again") == 2


def test_a_machine_that_stays_noisy_is_given_up_on_and_is_no_fault(monkeypatch, tmp_path):
    runs = iter([(10, 10, 30, 30), (10, 10, 50, 50), (10, 10, 40, 40)])
    monkeypatch.setattr(bench, "measure_row", lambda *_: measured_row(ours=next(runs), theirs=(20, 20, 20, 20)))
    kept = bench.measure_calmly(FakeStage(), row_named("keepalive-128-64"), options_of(tmp_path), None)
    assert kept["attempts"] == 3 and kept["verdict"] is None and kept["lanes"]["holdfast"]["summary"]["us_per_request"] == 20
    assert "too noisy" in bench_report.refusals([kept])[0] and bench_report.faults([kept]) == []


def test_what_is_a_fault_of_ours():
    assert bench_report.faults([measured_row(timeouts=1)]) == ["keepalive-128-64: holdfast: errors differ: 2 to 0 of the base"]
    assert bench_report.faults([measured_row()]) == []
    row = measured_row()
    row["lanes"]["holdfast"].update(wrong="status 502", refused="answered wrongly: status 502")
    assert bench_report.faults([row]) == ["keepalive-128-64: holdfast: answered wrongly: status 502"]


def test_errors_of_a_peer_are_no_fault_of_ours():
    row = measured_row()
    row["lanes"]["nginx"]["summary"]["errors"] = 3
    row["lanes"]["holdfast"]["refused"] = "errors differ: 0 to 3 of the base"
    assert bench_report.refusals([row]) and bench_report.faults([row]) == []


def test_only_what_was_busy_before_makes_figures_provisional():
    row = measured_row() | {"load_average": 2.0, "load_before": 0.1}
    assert "**Provisional.**" not in bench_report.markdown(report_of(row))
    assert "**Provisional.**" in bench_report.markdown(report_of(row, measured_row("tls-16k-64") | {"load_before": 0.9}))


# The document.


@pytest.mark.parametrize("value, limit, least, text", [
    (0.95, 0.80, False, "missed by 0.150 (19 %)"), (600, 512, False, "missed by 88 (17 %)"), (1.2, 1.5, True, "missed by 0.300 (20 %)")])
def test_by_how_much_a_goal_was_missed(value, limit, least, text):
    assert bench_report.by_how_much(value, limit, least) == text


def test_a_missed_goal_is_told_with_its_distance():
    lines = bench_report.summary_lines(report_of(measured_row(ours=(19, 19))))
    assert lines[1][-1] == "missed by 0.150 (19 %)"


def test_what_may_grow_as_the_relay_does_is_measured_against_both():
    row = row_named("growth-connections")
    result = bench_measure.empty_result(row, {})
    for name, us in (("relay 10", 10), ("relay 15000", 12), ("holdfast 10", 20), ("holdfast 15000", 28)):
        result["lanes"][name]["slices"] = [piece(us), piece(us)]
    bench_measure.judge(row, row.lanes, result)
    assert result["verdict"] == "missed" and bench_report.verdict_text(result) == "missed by 0.080 (6 %)"


def test_rows_that_were_not_measured_are_named():
    told = re.search(r"^Not measured in this run: (.*)\.$", bench_report.markdown(report_of(measured_row())), re.M).group(1)
    assert "`json-pass`" in told and "`rest-15000`" in told and "`keepalive-128-64`" not in told
    whole = report_of(*(bench_measure.empty_result(row, {}) for row in bench_rows.ROWS))
    assert "Not measured in this run" not in bench_report.markdown(whole)


def test_a_row_of_another_commit_says_so():
    row = measured_row() | {"commit": "old", "measured": "2026-01-01 10:00"}
    assert "- measured at old, 2026-01-01 10:00" in bench_report.markdown(report_of(row))


def test_a_missed_row_tells_where_its_time_goes(monkeypatch, tmp_path):
    found = bench_profile.stacks(SAMPLES.splitlines())
    monkeypatch.setattr(bench_profile, "look", lambda *_: (found, {"requests": 1000}))
    row = measured_row(ours=(19, 19))
    bench.add_symbols(FakeStage(), row_named("keepalive-128-64"), options_of(tmp_path), row)
    text = bench_report.markdown(report_of(row))
    assert "| 50.0 % | kernel | `tcp_ack` |" in text and "(holdfast 50 %, kernel 50 %; 2 samples" in text
    page = bench_report.html(report_of(row))
    assert "<title>h1_run 50.00 %" in page and "http://" not in page


def test_a_row_that_reaches_its_goal_is_not_looked_at(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_profile, "look", lambda *_: pytest.fail("looked"))
    row = measured_row()
    bench.add_symbols(FakeStage(), row_named("keepalive-128-64"), options_of(tmp_path), row)
    assert "symbols" not in row


def test_without_perf_the_document_says_why_there_are_no_symbols(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_profile.shutil, "which", lambda name: None)
    row = measured_row(ours=(19, 19))
    bench.add_symbols(FakeStage(), row_named("keepalive-128-64"), options_of(tmp_path), row)
    assert "no samples of where the time goes: perf is not installed" in bench_report.markdown(report_of(row))


LEVERS = ("vectored", "one send", "receive buffer", "splice", "memory BIO", "released at idle", "cache lines", "coarse clock",
          "lazy timers", "SIMD", "locks", "huge pages", "allocator")


def test_each_lever_of_the_design_has_its_figures_in_the_notes():
    text = (ROOT / "bench/notes.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and line.count("|") == 5]
    for lever in LEVERS:
        rows = [line for line in lines if lever.lower() in line.split("|")[1].lower()]
        assert rows and all(re.search(r"\d|not built", "".join(line.split("|")[2:])) for line in rows), lever


# KrakenD CE, where it can be had.


def test_where_krakend_is_not_the_reason_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_peers, "installed_krakend", lambda: None)
    monkeypatch.setattr(bench_peers, "KRAKEND_FOLDER", tmp_path)
    monkeypatch.setattr(bench_peers.shutil, "which", lambda name, **_: "/usr/bin/go" if name == "go" else None)
    tried = []
    monkeypatch.setattr(bench_peers.subprocess, "run",
                        lambda words, **_: tried.append(words) or SimpleNamespace(returncode=1))
    for _ in range(2):
        with pytest.raises(bench_peers.NotHere, match="KrakenD CE is not installed, and its Go module cannot be had or built here"):
            bench_peers.krakend(place_in(tmp_path))
    assert tried == [["go", "install", bench_peers.KRAKEND_MODULE]]  # once, not in each run


def test_json_rows_without_krakend_say_why_they_have_no_goal():
    row = row_named("json-pass")
    stage = SimpleNamespace(missing={"krakend": "KrakenD CE is not installed"})
    lanes, why = bench_measure.usable(stage, row)
    result = bench_measure.empty_result(row, why)
    result["goal"] = bench_rows.only_lanes(row, lambda lane: lane in lanes).goal
    assert result["goal"] is None
    assert bench_report.verdict_text(result) == "no goal: not here: KrakenD CE is not installed"
    assert "krakend: not here: KrakenD CE is not installed" in bench_report.row_notes(result)


def test_where_krakend_is_its_rows_run(tmp_path, monkeypatch):
    """In its place a script that starts Holdfast, which reads the same krakend.json."""
    tree, run = rig_of(tmp_path, monkeypatch)
    program = tmp_path / "krakend"
    program.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo "KrakenD Version: 2.13.0" && exit 0\nexec {tree}/holdfast "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    code, told = run("json", "krakend,holdfast")
    assert code == 0 and told["versions"]["krakend"] == "2.13.0"
    assert [row["name"] for row in told["rows"]] == ["json-pass", "json-filter", "json-merge2", "json-merge5"]
    for row in told["rows"]:
        lanes = row["lanes"]
        assert lanes["holdfast"]["base"] == "krakend" and row["goal"] == 0.10 and row["verdict"] == "missed", row["name"]
        assert not lanes["krakend"]["wrong"] and row["also"][0]["what"] == "memory" and row["also"][0]["value"] > 0.1


def test_the_words_of_the_document_need_no_report_of_a_whole_run(tmp_path, monkeypatch):
    """--docs writes what there is, also behind a run that was cut."""
    report = tmp_path / "report.json"
    report.write_text(bench.json.dumps(report_of(measured_row())), encoding="utf-8")
    monkeypatch.setattr(bench, "DOCUMENT", ROOT / "build/performance-of-a-test.md")
    (ROOT / "build").mkdir(exist_ok=True)
    assert bench.bench(["--docs", "--json", str(report)]) == 0
    assert "`keepalive-128-64`" in bench.DOCUMENT.read_text(encoding="utf-8")
    bench.DOCUMENT.unlink()


def test_the_rig_installs_what_it_says():
    done = subprocess.run(["sed", "-n", r"/^# \[bench\]/,/^# \[fresh\]/p", str(ROOT / "tools/deps.txt")], capture_output=True,
                          text=True, check=True)
    names = {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith("#")}
    assert names >= {"nginx", "haproxy", "h2o", "apache2-bin", "wrk", "nghttp2-client", "valgrind"}
