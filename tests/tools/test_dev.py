"""test_dev.py: the parts of ./dev that read text: TAP, metrics, apt sources, arguments. SPDX-License-Identifier: Apache-2.0"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import common
import demo
import fresh
import pytest
import suite
import tap

ROOT = Path(__file__).resolve().parents[2]

# name: (output, exit code, passed, words in each failure, skipped)
TAP_CASES = {
    "all_good": ("1..2\nok 1 - a\nok 2 - b\n", 0, 2, [], 0),
    "one_fails": ("1..2\nok 1 - a\nnot ok 2 - b\n", 1, 1, ["b"], 0),
    "a_skip_is_no_success": ("1..2\nok 1 - a\nok 2 - b # SKIP no IPv6\n", 0, 1, [], 1),
    "a_skip_as_old_cmocka_writes_it": ("1..1\nnot ok 1 # SKIP b\n", 0, 0, [], 1),
    "a_crash_half_way": ("1..3\nok 1 - a\n", -11, 1, ["ended with code -11"], 0),
    "an_early_end_with_code_0": ("1..3\nok 1 - a\n", 0, 1, ["3 points announced, 1 seen"], 0),
    "a_sanitizer_finding_after_all_points": ("1..1\nok 1 - a\n", 1, 1, ["ended with code 1"], 0),
    "words_that_look_like_points": ("1..1\nokay\nnotok 1\nok 1 - a\n", 0, 1, [], 0),
}


@pytest.mark.parametrize("case", TAP_CASES)
def test_tap_is_counted(case):
    text, code, passed, failures, skipped = TAP_CASES[case]
    points = tap.parse(text, "unit", code)
    assert points.passed == passed
    assert len(points.failed) == len(failures) and all(words in points.failed[i] for i, words in enumerate(failures))
    assert len(points.skipped) == skipped


def test_a_program_without_tap_counts_by_its_exit_code(tmp_path):
    assert suite.run_tap("x", ["true"], tmp_path / "log").passed == 1
    assert suite.run_tap("x", ["false"], tmp_path / "log").failed == ["x: ended with code 1"]
    assert suite.run_tap("x", ["echo", "1..0"], tmp_path / "log").total() == 0
    assert suite.run_tap("x", ["/no/such/program"], tmp_path / "log").failed == ["x: ended with code 127"]


def test_a_program_that_hangs_is_stopped_with_its_children(tmp_path):
    code = common.run_logged(["sh", "-c", "sleep 77 & echo $! ; wait"], tmp_path / "log", limit_s=0.5)
    child = (tmp_path / "log").read_text().splitlines()[1]
    assert code == 124
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_stage_that_cannot_start_has_failed():
    def stage(run, log):
        suite.need(run, "debug")

    points, _seconds = suite.run_stage(suite.Run(), "unit", stage)
    assert points.failed == ["unit: not run: there is no build/debug"]


def test_unit_tests_run_as_on_a_machine_that_has_just_booted():
    prefix = suite.just_booted()
    if not prefix:
        pytest.skip("time namespaces need root")
    clocks = "import time; print(time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    out = subprocess.run([*prefix, sys.executable, "-c", clocks], capture_output=True, text=True, check=True).stdout
    assert all(float(each) < 60 for each in out.split())
    assert subprocess.run([*prefix, "/no/such/program"], capture_output=True, check=False).returncode == 125


def test_where_they_cannot_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(suite, "just_booted", list)
    monkeypatch.setattr(suite, "unit_jobs", lambda *_: [("x", ["true"], tmp_path / "log")])
    points = suite.stage_unit(suite.Run(built={"debug"}), None)
    assert points.passed == 1 and len(points.skipped) == 1 and "time namespaces" in points.skipped[0]


def test_a_keyword_that_names_a_stage_brings_the_builds_it_needs():
    assert suite.chosen("sim") == ["debug", "sim"]
    assert suite.chosen("retry") == list(suite.FILTERED)
    assert suite.chosen("") == [name for name, _, _ in suite.STAGES]


def test_upstream_requests_are_added_up_over_hosts():
    text = ("# TYPE holdfast_upstream_requests counter\n"
            'holdfast_upstream_requests_total{host="a",conn="reused"} 7\n'
            'holdfast_upstream_requests_total{conn="reused",host="b"} 1.0\n'
            'holdfast_upstream_requests_total{host="a",conn="new"} 2\n'
            'holdfast_upstream_closes_total{host="a",conn="new"} 9\n')
    assert demo.upstream_requests(text) == {"reused": 8, "new": 2}


STANZAS = """# a comment
Types: deb
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb deb-src
URIs: http://mirror.invalid/security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://mirror.invalid/src
Suites: bookworm

Enabled: no
Types: deb
URIs: http://mirror.invalid/off
Suites: bookworm
"""
LINES = """deb [arch=amd64 signed-by=/x] http://mirror.invalid/debian bookworm main contrib
deb-src http://mirror.invalid/debian bookworm main
# deb http://mirror.invalid/off bookworm main
deb http://mirror.invalid/backports bookworm-backports main
deb http://mirror.invalid/other other-tool main
"""


def test_apt_sources_are_read_in_both_styles():
    assert fresh.read_stanzas(STANZAS) == [("http://mirror.invalid/debian", "bookworm"),
                                           ("http://mirror.invalid/debian", "bookworm-updates"),
                                           ("http://mirror.invalid/security", "bookworm-security")]
    assert fresh.read_lines(LINES)[0] == ("http://mirror.invalid/debian", "bookworm")


def test_sources_of_another_release_keep_the_mirror_and_lose_what_is_not_debian():
    pairs = [("http://s", "bookworm-security"), *fresh.read_lines(LINES)]
    assert fresh.sources_for("trixie", pairs, "bookworm") == [("http://mirror.invalid/debian", "trixie"),
                                                              ("http://s", "trixie-security")]
    with pytest.raises(common.Failed):
        fresh.sources_for("trixie", [("http://s", "bookworm-security")], "bookworm")


def words():
    spec = importlib.util.spec_from_file_location("dev_words", ROOT / "tools/dev/__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sim_tells_a_count_from_a_seed():
    sim_arguments = words().sim_arguments
    assert sim_arguments([]) == ["--count", "200"]
    assert sim_arguments(["50"]) == ["--count", "50"]
    assert sim_arguments(["seed=7"]) == ["--seed", "7", "--trace"]
    assert sim_arguments(["--until", "9"]) == ["--count", "200", "--until", "9"]
    assert sim_arguments(["5", "--scenario", "races"]) == ["--count", "5", "--scenario", "races"]
    assert sim_arguments(["0xdeadbeef"]) == ["--seed", "3735928559", "--trace"]
    with pytest.raises(common.Failed):
        sim_arguments(["many"])


def deps_lines(*sections):
    """What the shell part of ./dev reads from tools/deps.txt."""
    script = (ROOT / "dev").read_text(encoding="utf-8")
    function = script[script.index("lines_of() {"):]
    function = function[:function.index("\n}\n") + 3]
    return subprocess.run(["sh", "-c", f"{function}lines_of {' '.join(sections)}"], cwd=ROOT, stdout=subprocess.PIPE,
                          check=True).stdout.decode().splitlines()


def test_each_dependency_is_one_package_with_a_reason():
    for line in (ROOT / "tools/deps.txt").read_text(encoding="utf-8").splitlines():
        assert not line or line.startswith("#") or line.partition("#")[2].strip(), line
    build, both = deps_lines("build"), deps_lines("build", "test")
    assert "gcc" in build and "curl" not in build and "curl" in both and both[:len(build)] == build
    assert all(len(line.split("|")) == len(line.split()) - line.count("|") for line in both)
