"""test_bench.py: ./dev bench: rows by name, statistics, when it refuses to compare, the report, and a run of the rig itself.

SPDX-License-Identifier: Apache-2.0"""

import json
import shutil
from types import SimpleNamespace

import bench
import bench_measure
import bench_micro
import bench_peers
import bench_profile
import bench_report
import bench_rows
import bench_stage
import bench_stats
import pytest
from common import BUILD, ROOT, Failed

# Rows and arguments.


def test_rows_are_chosen_by_name_in_the_order_asked():
    assert [row.name for row in bench_rows.choose("tls-16k-64, keepalive-128-64")] == ["tls-16k-64", "keepalive-128-64"]
    assert len(bench_rows.choose("")) == len(bench_rows.ROWS)


def test_an_unknown_row_is_refused():
    with pytest.raises(Failed, match="keepalive-127"):
        bench_rows.choose("keepalive-127")


def test_without_git_the_commit_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench.commit() == "unknown"


def test_all_rows_of_the_issue_are_there():
    names = {row.name for row in bench_rows.ROWS}
    assert names >= {"keepalive-128-1", "keepalive-128-64", "keepalive-128-1000", "browser-128-64", "keepalive-16k-64",
                     "keepalive-1m-16", "close-128-64", "tls-128-64", "tls-16k-64", "tls-1m-16", "tls-full-64", "tls-resumed-64",
                     "h2-128", "h2-16k", "json-pass", "json-filter", "json-merge2", "json-merge5", "idle-plain", "idle-tls",
                     "rest-15000", "growth-routes", "growth-hosts", "growth-connections", "reuse-off-on",
                     "idle-websocket", "upstream-h2"}
    assert len(names) == len(bench_rows.ROWS)


@pytest.mark.parametrize("row", bench_rows.ROWS, ids=lambda row: row.name)
def test_a_row_is_whole(row):
    lanes = {lane.name for lane in row.lanes}
    assert len(lanes) == len(row.lanes) and row.judged in lanes
    assert all(lane.base in lanes and lane.peer in bench_peers.PEERS for lane in row.lanes)
    assert not row.grows_as or row.grows_as in lanes
    assert row.fresh_sets == 1 or row.kind == "load"


def test_only_some_peers():
    row = bench_rows.choose("keepalive-128-64", ["holdfast", "relay"])[0]
    assert [(lane.name, lane.base) for lane in row.lanes] == [("relay", "relay"), ("holdfast", "relay")]
    assert row.goal is None  # which was to nginx


@pytest.mark.parametrize("words", (["--rounds", "0"], ["--slice", "0.01"], ["--slice", "100"]), ids=" ".join)
def test_senseless_arguments_are_refused(words):
    with pytest.raises(Failed):
        bench.read_arguments(words)


def test_quick_is_small():
    options = bench.read_arguments(["--quick"])
    assert options.rows.split(",") == list(bench_rows.QUICK) and options.rounds <= 3 and options.slice <= 0.3


# Statistics.


def piece(us, requests=1000, **more):
    return {"requests": requests, "us_per_request": us, "requests_per_second": 100.0, "p50_us": 5.0, "p99_us": 9.0, **more}


@pytest.mark.parametrize("values, expected", [([3], (3, 3, 3)), ([1, 2, 3], (1.5, 2, 2.5)), ([5, 1, 3, 2, 4], (2, 3, 4))])
def test_quartiles(values, expected):
    assert bench_stats.quartiles(values) == expected


def test_ratios_are_of_the_same_round():
    assert bench_stats.ratios([piece(10), piece(40)], [piece(20), piece(50)]) == [0.5, 0.8]


def test_a_round_in_which_one_served_nothing_is_no_ratio():
    assert bench_stats.ratios([piece(10), piece(40)], [piece(20), piece(0, requests=0)]) == [0.5]


def test_a_summary():
    slices = [piece(10, origin={"connections": 0, "requests": 1000}), piece(12, cut=2, origin={"connections": 20, "requests": 1000})]
    summary = bench_stats.summarize(slices, [piece(20), piece(20)])
    assert summary["us_per_request"] == 11 and summary["ratio"] == (0.525, 0.55, 0.575)
    assert summary["errors"] == 2 and summary["reuse"] == 0.99 and summary["requests"] == 2000


def summary(errors=0, ratio=(0.9, 0.95, 1.0), requests=10, **more):
    return {"errors": errors, "ratio": ratio, "requests": requests, **more}


@pytest.mark.parametrize("told, base, wrong, resumption, why", [
    (summary(), summary(), None, False, None),
    (summary(errors=3), summary(errors=3), None, False, None),
    (summary(), summary(), "status 502", False, "answered wrongly: status 502"),
    (summary(requests=0), summary(), None, False, "served nothing"),
    (summary(errors=1), summary(), None, False, "errors differ: 1 to 0"),
    (summary(), summary(errors=1), None, False, "errors differ: 0 to 1"),
    (summary(ratio=(0.8, 1.0, 1.05)), summary(), None, False, None),
    (summary(ratio=(0.8, 1.0, 1.06)), summary(), None, False, "too noisy: the quartiles are 26 % apart"),
    (summary(resumed=0.5), summary(), None, True, "resumed only 50 %"),
    (summary(resumed=1.0), summary(), None, True, None)])
def test_when_it_refuses_to_compare(told, base, wrong, resumption, why):
    refused = bench_stats.refusal(told, base, wrong, resumption)
    assert (refused is None) == (why is None) and (refused or "").startswith(why or "")


@pytest.mark.parametrize("goal, allowance, expected", [(1.0, 1, "reached"), (0.9, 1, "missed"), (0.9, 1.1, "reached"), (None, 1, None)])
def test_the_verdict(goal, allowance, expected):
    assert bench_stats.verdict(summary(), goal, allowance) == expected


# What other programs print.


def test_h2load_is_read():
    text = ("finished in 300.12ms, 51114.00 req/s, 10.00MB/s\nrequests: 15340 total, 15340 started, 15340 done, 15338 succeeded, "
            "2 failed, 1 errored, 0 timeout\n")
    seen = bench_measure.read_h2load(text, [30, 10, 20])
    assert seen["requests"] == 15338 and seen["status"] == 2 and abs(seen["seconds"] - 0.30012) < 1e-9 and seen["p50_us"] == 20


def test_h2load_that_said_nothing_is_no_measurement():
    with pytest.raises(Failed):
        bench_measure.read_h2load("connection refused", [])


@pytest.mark.parametrize("text, count", [
    ("29,,raw_syscalls:sys_enter,819542,100.00,,\n", 29),
    ("% time     seconds\n100.00    0.010000           1      5000        12 total\n", 5000),
    ("100.00    0.010000           1      5000           total\n", 5000), ("<not supported>,,x\n", None)])
def test_system_calls_are_read(text, count):
    assert bench_stage.read_syscalls(text) == count


def test_all_names_in_the_settings_are_filled_in(tmp_path):
    place = bench_peers.Place(tmp_path, 1, 2, 3, 4, *(tmp_path / name for name in ("c", "k", "p", "b", "t")))
    more = {"MORE": "", "USER": "", "MODULES": ""}
    for path in sorted((ROOT / "bench/peers").iterdir()):
        text = bench_peers.fill(path.name, place, **more).read_text()
        assert "@" not in text, path
    for name in ("holdfast", "holdfast-1000-routes", "holdfast-1000-hosts", "holdfast-no-reuse-tls", "holdfast-plain-pool"):
        config = json.loads(bench_peers.command(name, "main", place)[3].read_text())
        assert config["endpoints"][0]["backend"]


def test_a_peer_that_is_not_installed_is_not_here(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(bench_peers, "KRAKEND_FOLDER", tmp_path)
    for name in ("nginx", "haproxy", "h2o", "apache", "krakend"):
        with pytest.raises(bench_peers.NotHere):
            bench_peers.PEERS[name](SimpleNamespace(work=tmp_path))


# A row over several sets of newly started peers.


class FakeStage:
    """Counts its sets; `gone` and `wrong`: lane and set in which that peer is not there, or answers wrongly; `died`: in which it, or the
    origin, ends behind its last slice."""

    def __init__(self, gone=(), wrong=(), died=()):
        self.set, self.gone, self.wrong, self.died = 0, gone, wrong, died
        self.peers = {name: SimpleNamespace(memory_bytes=lambda: 1000 + self.set) for name in ("nginx", "holdfast")}

    def renew(self):
        self.set += 1

    def dead(self):
        return {name for name, number in self.died if number == self.set}

    @property
    def missing(self):
        return {peer: "it does not listen" for peer, number in self.gone if number == self.set}

    def port(self, peer, tls):
        assert peer not in self.missing and tls
        return 1


class FakeClients:
    """Are of one set, and know when they were stopped."""

    def __init__(self, stage):
        self.set, self.ran, self.opened, self.stopped = stage.set, [], 0, 0

    def open(self):
        self.opened += 1

    def run(self, seconds, rate=0):
        assert not self.stopped
        self.ran.append((seconds, rate))
        return piece(10)

    def stop(self):
        self.stopped += 1


def measured_in_sets(monkeypatch, stage, *words, name="tls-128-1"):
    """(the row's result, the clients that there were). Each slice tells its set: a process is as fast as its start was lucky."""
    row, clients, options = bench_rows.choose(name, ["nginx", "holdfast"])[0], [], bench.read_arguments(words)

    def slice_of(stage, lane, clients, seconds):
        assert clients.set == stage.set and not clients.stopped and seconds == options.slice
        luck = 1.0 + stage.set
        return piece(20 * luck if lane.peer == "nginx" else 10 * luck, set=stage.set)

    def new_clients(stage, *_):
        clients.append(FakeClients(stage))
        return clients[-1]

    monkeypatch.setattr(bench_measure, "clients_for", new_clients)
    monkeypatch.setattr(bench_measure, "one_slice", slice_of)
    monkeypatch.setattr(bench_measure, "wrong_answer", lambda stage, row, lane: "status 502" if (
        lane.peer, stage.set) in stage.wrong else None)
    return bench_measure.measure_row(stage, row, options, None), clients


def test_slices_of_all_sets_are_pooled_and_paired_within_a_set(monkeypatch):
    row, clients = measured_in_sets(monkeypatch, FakeStage(), "--rounds", "12")
    assert [[one["set"] for one in lane["slices"]] for lane in row["lanes"].values()] == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]] * 2
    ours = row["lanes"]["holdfast"]
    # By another pairing a lucky start would meet an unlucky one.
    assert ours["summary"]["ratio"] == (0.5, 0.5, 0.5) and ours["summary"]["requests"] == 12000 and not ours["refused"]
    assert ours["summary"]["us_per_request"] == 35 and row["fresh_sets"] == 6
    assert len(clients) == 12 and all(each.opened == each.stopped == 1 and each.ran[0] == (0.25, 0) for each in clients)


def test_the_rest_is_taken_from_the_last_set(monkeypatch):
    row, clients = measured_in_sets(monkeypatch, FakeStage())
    assert [lane["memory_bytes"] for lane in row["lanes"].values()] == [1005, 1005]
    assert [each.set for each in clients if (1.0, 50.0) in each.ran] == [5, 5]  # at a rate: the open loop


@pytest.mark.parametrize("rounds, of_a_set, fresh_sets", [
    (1, 2, 6), (8, 2, 6), (12, 2, 6), (13, 3, 6), (18, 3, 6), (1, 1, 1), (8, 8, 1)])
def test_how_many_rounds_a_set_has(monkeypatch, rounds, of_a_set, fresh_sets):
    name = {6: "tls-128-1", 1: "tls-128-64"}[fresh_sets]
    row, _ = measured_in_sets(monkeypatch, FakeStage(), "--rounds", str(rounds), name=name)
    assert [one["set"] for one in row["lanes"]["nginx"]["slices"]] == [number for number in range(fresh_sets) for _ in range(of_a_set)]


def test_the_report_tells_the_rounds_that_there_were(monkeypatch, tmp_path):
    row = bench_rows.choose("tls-128-1")[0]
    report, options = report_of(), bench.read_arguments(["--json", str(tmp_path / "r.json")])
    bench.keep(bench_measure.failed_row(row, "failed: x"), row, options, report)
    assert report["rows"][0]["rounds"] == 12


def test_who_answers_wrongly_in_one_set_only_is_refused(monkeypatch):
    row, _ = measured_in_sets(monkeypatch, FakeStage(wrong=[("holdfast", 3)]))
    assert row["lanes"]["holdfast"]["refused"] == "answered wrongly: status 502" and "summary" not in row["lanes"]["holdfast"]
    assert bench_report.faults([row]) == ["tls-128-1: holdfast: answered wrongly: status 502"]
    assert not row["lanes"]["nginx"]["refused"] and len(row["lanes"]["nginx"]["slices"]) == 12


def test_a_base_that_answers_wrongly_in_one_set_leaves_nothing_to_compare(monkeypatch):
    row, _ = measured_in_sets(monkeypatch, FakeStage(wrong=[("nginx", 5)]))
    assert row["lanes"]["holdfast"]["refused"] == "its base nginx answered wrongly: status 502"


def test_who_does_not_start_again_is_refused(monkeypatch):
    row, _ = measured_in_sets(monkeypatch, FakeStage(gone=[("holdfast", 2)]))
    assert row["lanes"]["holdfast"]["refused"] == "failed: not here again: it does not listen"
    assert bench_report.faults([row]) and len(row["lanes"]["nginx"]["slices"]) == 12


def test_who_ends_behind_its_last_slice_of_a_set_is_refused(monkeypatch):
    """The next set has another process of it, which knows nothing of that."""
    row, _ = measured_in_sets(monkeypatch, FakeStage(died=[("holdfast", 2)]))
    assert row["lanes"]["holdfast"]["refused"] == "failed: holdfast ended by itself behind a set"
    assert bench_report.faults([row]) and len(row["lanes"]["nginx"]["slices"]) == 12


def test_a_set_whose_origin_ended_leaves_nothing_to_compare(monkeypatch):
    row, _ = measured_in_sets(monkeypatch, FakeStage(died=[("the origin", 0)]))
    assert {lane["refused"] for lane in row["lanes"].values()} == {"failed: the origin ended by itself behind a set"}


def test_errors_of_one_set_count_for_all(monkeypatch):
    stage = FakeStage()
    monkeypatch.setattr(bench_stats, "errors_of", lambda one: int(one["set"] == 1 and one["us_per_request"] == 20))
    row, _ = measured_in_sets(monkeypatch, stage, "--quick")
    assert row["lanes"]["holdfast"]["refused"] == "errors differ: 2 to 0 of the base"


def test_rows_with_one_connection_have_sets_of_their_own():
    several = [row for row in bench_rows.ROWS if row.fresh_sets > 1]
    assert [(row.name, row.fresh_sets) for row in several] == [("keepalive-128-1", 6), ("tls-128-1", 6)]
    stages = [bench.stage_of(row) for row in bench_rows.ROWS]
    assert all(stages.count(bench.stage_of(row)) == 1 for row in several)


def test_a_renewed_stage_has_other_processes(monkeypatch):
    started, lame = [], ["nginx"]

    class FakeProgram:
        def __init__(self, name, words, cpu, log, port=None):
            assert log.parent.is_dir() and not any(each.name == name and not each.stopped for each in started)
            self.name, self.log, self.stopped = name, log, 0
            self.process = SimpleNamespace(poll=lambda: None)
            if name in lame:
                lame.remove(name)
                raise Failed("does not listen")
            started.append(self)

        def stop(self):
            self.stopped += 1

    monkeypatch.setattr(bench_stage, "Program", FakeProgram)
    monkeypatch.setattr(bench_stage, "command", lambda *_: [])
    stage = bench_stage.Stage("main", iter(["nginx", "relay"]), "holdfast")
    assert (list(stage.peers), list(stage.missing)) == (["relay"], ["nginx"])
    stage.renew()
    assert (list(stage.peers), stage.missing) == (["nginx", "relay"], {})
    assert [each.stopped for each in started] == [1, 1, 0, 0, 0] and not started[0].log.parent.exists()
    assert stage.dead() == set()
    for program in (stage.origin, stage.peers["relay"]):
        program.process.poll = lambda: 1
    assert stage.dead() == {"the origin", "relay"}
    stage.stop()
    assert [each.stopped for each in started] == [1] * 5 and not stage.path("").exists()


def test_another_attempt_has_new_peers_throughout(monkeypatch):
    stage, sets = FakeStage(), []

    def noisy(stage, row, options, how):
        sets.append(stage.set)
        stage.set += row.fresh_sets - 1
        return measured_row(ours=(10, 10, 30, 30), theirs=(20, 20, 20, 20))

    stage.dead = set
    monkeypatch.setattr(bench, "measure_row", noisy)
    bench.measure_calmly(stage, bench_rows.choose("tls-128-1")[0], bench.read_arguments([]), None)
    assert sets == [0, 6, 12]


# A row from its slices, and the report.


def measured_row(name="keepalive-128-64", ours=(10, 10), theirs=(20, 20), **more):
    row = bench_rows.choose(name, ["nginx", "holdfast"])[0]
    result = bench_measure.empty_result(row, {})
    result["lanes"]["nginx"]["slices"] = [piece(us) for us in theirs]
    result["lanes"]["holdfast"]["slices"] = [piece(us, **more) for us in ours]
    result.update(commit="abc", rounds=2, slice_s=0.5, load_average=0.1, measured="today")
    bench_measure.judge(row, row.lanes, result)
    return result


def report_of(*rows):
    machine = {"processor": "<Fast>", "cores": 2, "system": "Debian", "kernel": "6.1", "memory_gib": 4.0, "load_average": 0.1,
               "congestion_control": "cubic", "files_max": 20000}
    return {"machine": machine, "versions": {"nginx": "1.22.1"}, "commit": "abc", "syscalls_by": "perf", "rows": list(rows)}


def test_a_reached_goal():
    row = measured_row()
    assert row["verdict"] == "reached" and not bench_report.refusals([row])


def test_errors_that_differ_leave_no_verdict():
    row = measured_row(timeouts=1)
    assert row["verdict"] is None
    assert bench_report.refusals([row]) == ["keepalive-128-64: holdfast: errors differ: 2 to 0 of the base"]


def test_noise_leaves_no_verdict():
    row = measured_row(ours=(10, 10, 30, 30), theirs=(20, 20, 20, 20))
    assert row["verdict"] is None and "too noisy" in bench_report.refusals([row])[0]


def test_a_base_that_answers_wrongly_leaves_nothing_to_compare():
    row = bench_rows.choose("keepalive-128-64", ["nginx", "holdfast"])[0]
    result = bench_measure.empty_result(row, {})
    result["lanes"]["nginx"]["wrong"] = "status 500"
    result["lanes"]["holdfast"]["slices"] = [piece(10)]
    bench_measure.judge(row, [lane for lane in row.lanes if lane.peer == "holdfast"], result)
    assert result["lanes"]["holdfast"]["refused"] == "its base nginx answered wrongly: status 500" and result["verdict"] is None


def test_the_page_needs_nothing_else_and_escapes():
    page = bench_report.html(report_of(measured_row(), measured_row("tls-16k-64", timeouts=1)))
    assert "&lt;Fast&gt;" in page and "<Fast>" not in page and "<svg" in page and "errors differ" in page
    assert not any(word in page for word in ("http://", "https://", "src=", "@import", "<script"))


def test_packets_and_context_switches_are_told():
    row = measured_row()
    for name, value in (("switches_per_request", 0.125), ("segments_per_request", 4.25)):
        row["lanes"]["holdfast"]["summary"][name] = value
    heading, *lines = bench_report.table(row)
    ours = dict(zip(heading, next(line for line in lines if line[0] == "holdfast")))
    assert (ours["switches"], ours["segments"]) == ("0.125", "4.25")


def test_the_document_tells_machine_versions_and_rows():
    text = bench_report.markdown(report_of(measured_row()))
    assert "nginx 1.22.1" in text and "| `keepalive-128-64` | holdfast at most 0.80 | 0.500 [0.500-0.500] |" in text
    assert "**Provisional.**" not in text and "**Provisional.**" in bench_report.markdown(
        report_of() | {"machine": report_of()["machine"] | {"load_average": 3.0}})


def test_the_page_and_the_document_tell_why_there_are_several_sets():
    told = "Rows with one connection (`tls-128-1`) are measured over 6 sets of freshly started processes"
    report = report_of(measured_row(), measured_row("tls-128-1"))
    text = bench_report.markdown(report)
    assert f"- {told}" in text and text.index("How to read it") < text.index(told) < text.index("## Goals")
    assert told.replace("`", "") in bench_report.html(report)
    assert "freshly started" not in bench_report.markdown(report_of(measured_row())) + bench_report.html(report_of(measured_row()))


def test_the_document_in_the_tree_is_made_by_the_tool():
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert text.startswith("# Performance\n\n<!-- Made by `./dev bench --docs`") and "## Goals" in text


# Instructions.


def test_more_instructions_are_too_many():
    lines = bench_micro.compare({"a": 102.9, "b": 103.1, "c": 90.0, "new": 1.0}, {"a": 100.0, "b": 100.0, "c": 100.0, "gone": 1.0})
    assert {case: bad for case, *_, bad in lines} == {"a": False, "b": True, "c": False, "new": True, "gone": True}


CALLGRIND = """events: Ir
fl=(1) ../src/http/h1/parse.c
fn=(1) parse
10 100
fi=(2) /usr/lib/gcc/include/avx2intrin.h
+1 7
fe=(1)
cfi=(3) ../sim/socket.c
cfn=(2) sim_send
calls=3 40
* 5000
-2 3
fl=(3)
fn=(2)
40 900
fl=(4) ../src/upstream/host.c
fn=(3) host_totals
1 70
"""


def test_only_instructions_of_ours_count():
    assert bench_micro.own_instructions(CALLGRIND.splitlines()) == 110


def test_a_compiler_of_several_words_is_asked_for_its_version(monkeypatch):
    monkeypatch.setenv("CC", "gcc")
    plain = bench_micro.toolchain()
    monkeypatch.setenv("CC", "env gcc")
    assert bench_micro.toolchain() == plain


def test_another_toolchain_is_not_compared():
    now = {"compiler": "gcc 14", "libc": "glibc 2.41"}
    assert bench_micro.reason_not_to_compare(now, {"toolchain": now}) is None
    assert "gcc 12" in bench_micro.reason_not_to_compare(now, {"toolchain": now | {"compiler": "gcc 12"}})
    assert bench_micro.reason_not_to_compare(now, None)


def test_without_valgrind_the_reason_is_told(monkeypatch, capsys):
    monkeypatch.setattr(bench_micro.shutil, "which", lambda name: None)
    assert bench_micro.micro(False) == 0 and "valgrind is not installed" in capsys.readouterr().out


# Profiles.

SAMPLES = """worker-0 1 1.0: 1 cpu-clock:
\tffff01 tcp_ack+0x1f ([kernel.kallsyms])
\tffff02 __x64_sys_sendto+0x1 ([kernel.kallsyms])
\t7f01 __send+0x2 (/usr/lib/libc.so.6)
\t0001 [unknown] ([unknown])

worker-0 1 1.1: 1 cpu-clock:
\t5501 h1_run+0x9 (/x/build/release/holdfast)
\t0001 nonsense (/x/build/release/holdfast)

"""


def test_stacks_are_whole_in_the_kernel_and_one_deep_above():
    found = bench_profile.stacks(SAMPLES.splitlines())
    assert dict(found) == {(("other", "__send"), ("kernel", "__x64_sys_sendto"), ("kernel", "tcp_ack")): 1,
                           (("holdfast", "h1_run"),): 1}
    assert bench_profile.top(found)[0][0] == 0.5 and bench_profile.shares(found) == {"kernel": 0.5, "holdfast": 0.5}


def test_a_flame_graph_has_every_symbol():
    drawn = bench_profile.flame(bench_profile.stacks(SAMPLES.splitlines()))
    assert all(f"<title>{symbol} 50.00 %" in drawn for symbol in ("__send", "__x64_sys_sendto", "tcp_ack", "h1_run"))


# The rig itself: does it start, load, count and compare? Figures are not looked at.


def test_a_small_run(tmp_path, monkeypatch):
    built = [BUILD / kind for kind in ("release", "debug") if (BUILD / kind / "bench/rig_load").exists()]
    built = [tree for tree in built if (tree / "holdfast").exists()]
    if not built:
        pytest.skip("no build with the rig's programs")
    if (bench.os.cpu_count() or 1) < 2:
        pytest.skip("two cores are needed")
    monkeypatch.setattr(bench.build, "build", lambda *_, **__: None)
    monkeypatch.setattr(bench_stage, "TOOLS", built[0] / "bench")
    report = tmp_path / "report.json"
    bench.bench(["--rows", "keepalive-128-64,tls-128-64", "--peers", "relay,holdfast", "--quick", "--rounds", "1", "--slice", "0.1",
                 "--binary", str(built[0] / "holdfast"), "--json", str(report)])
    rows = json.loads(report.read_text())["rows"]
    assert [row["name"] for row in rows] == ["keepalive-128-64", "tls-128-64"]
    for row in rows:
        for name, lane in row["lanes"].items():
            assert not lane["wrong"] and lane["summary"]["requests"] > 0 and lane["summary"]["errors"] == 0, name
            assert lane["summary"]["us_per_request"] > 0
    assert "<svg" in report.with_suffix(".html").read_text()
