"""test_client_boundary.py: clients that people use send their next request at the very end of what Keep-Alive: timeout= has
promised, a tenth of a second before it to two tenths behind it. Each with its own idle behaviour: some read the promise and
leave before it ends, some have longer limits of their own. Nobody may meet a close. The requests are POSTs, which few clients
send again by themselves, and the gateway counts requests that meet a close, also those that a client would hide.

SPDX-License-Identifier: Apache-2.0
"""
import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from admin import metrics
from configs import endpoint, forward_all, service
from origin import reply
from waiting import Stopwatch

PROGRAMS = pathlib.Path(__file__).parent / "boundary"
WORKERS, ROUNDS = 50, 6
NODE_MODULES = "/usr/share/nodejs"


def answering(make, promise, *more):
    """POST / is answered by the gateway itself; idle connections are promised `promise` seconds."""
    own = endpoint("/", method="POST", extra_config={"holdfast/answer": {"body": "fixed"}})
    return make.gateway(service([own, *more], {"workers": 2}, {"holdfast/admin": {"listen": "127.0.0.1:0"},
                                "router": {"disable_access_log": True}}, idle_timeout=f"{promise}s"))


def judge(running, note, name, told):
    """Nobody failed, and nobody met a close; a machine too slow for that to be asked is named. `late` are requests that were through
    only eight tenths of a second behind the promise that the one before was given, or later: wherever the time went."""
    numbers = metrics(running)
    note(f"{name} at the boundary", f"{told['ok']} requests on {numbers['holdfast_client_connections_opened_total']:.0f} connections"
         + (f", {told['late']} of them later than meant" if told["late"] else ""))
    assert len(told["errors"]) <= told["late"], told["errors"][:5]
    assert told["ok"] + len(told["errors"]) == WORKERS * (ROUNDS + 1)
    assert numbers["holdfast_client_races_total"] <= told["late"]


def run(command, seconds=55, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False, **options)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return json.loads(done.stdout)


def need(*names, why):
    found = next(filter(None, map(shutil.which, names)), None)
    return found or pytest.skip(f"left out: {why}")


@pytest.mark.parametrize("kind,promise,wait", [("agent", 1, 1), ("agent", 2, 2), ("fetch", 3, 1), ("undici", 2, 1), ("undici", 2, 2)])
def test_node(make, note, kind, promise, wait):
    """Node leaves a second before the end of what is promised, undici too (newer ones two): that is their own boundary."""
    node = need("node", why="nodejs is not installed")
    if kind == "undici" and not os.path.isdir(f"{NODE_MODULES}/undici"):
        pytest.skip("left out: Debian's node-undici is not installed")
    running = answering(make, promise)
    told = run([node, PROGRAMS / "agent.js", kind, running.url, wait, WORKERS, ROUNDS],
               env={**os.environ, "NODE_PATH": NODE_MODULES})
    judge(running, note, f"node, {kind}, {wait} s of {promise}", told)


@pytest.mark.parametrize("kind", ["requests", "http.client"])
def test_python(make, note, kind):
    if kind == "requests":
        pytest.importorskip("requests", reason="left out: python3-requests is not there for this interpreter")
    running = answering(make, 1)
    judge(running, note, f"python, {kind}", run([sys.executable, PROGRAMS / "threads.py", kind, running.url, 1, WORKERS, ROUNDS]))


@pytest.mark.heavy  # the first run compiles Go's standard library
def test_go(make, note, tmp_path):
    go = need("go", why="golang-go is not installed")
    program = tmp_path / "boundary"
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    subprocess.run([go, "build", "-o", program, PROGRAMS / "boundary.go"], env=environment, check=True, timeout=200, cwd=tmp_path)
    running = answering(make, 1)
    judge(running, note, "go", run([program, running.url, 1, WORKERS, ROUNDS]))


def java_with_compiler():
    """A JDK: a bare run time cannot start from source."""
    homes = [os.environ.get("JAVA_HOME", ""), *sorted(glob.glob("/usr/lib/jvm/*"))]
    usable = [home for home in homes if home and os.access(f"{home}/bin/javac", os.X_OK)]
    if usable:
        return f"{usable[0]}/bin/java"
    return pytest.skip("left out: default-jdk-headless is not installed")


def test_java(make, note):
    java = java_with_compiler()
    running = answering(make, 1)
    told = run([java, PROGRAMS / "Boundary.java", running.url, 1, WORKERS, ROUNDS])
    judge(running, note, "java", told)


def test_curl(make, note):
    """--rate starts a request each so many milliseconds over the connection of the one before."""
    curl = need("curl", why="curl is not installed")
    running = answering(make, 1)
    if b"--rate" not in subprocess.run([curl, "--help", "all"], capture_output=True, timeout=10, check=False).stdout:
        pytest.skip("left out: this curl has no --rate (7.84)")
    children, watch = [], Stopwatch()
    for i in range(WORKERS):
        between_ms = 900 + 300 * i // WORKERS
        words = [curl, "-sS", "-m", "20", "--noproxy", "*", "--rate", f"{3600000 // between_ms}/h", "-d", "x"]
        for _ in range(ROUNDS + 1):
            words += ["-o", "/dev/null", running.url]
        children.append(subprocess.Popen([*words, "-w", "%{http_code} %{num_connects}\n"], stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True))
    lines = [line for child in children for line in child.communicate(timeout=50)[0].splitlines()]
    # curl does not say when: a machine that stood still has made all of them late.
    told = {"ok": sum(line.startswith("200 ") for line in lines), "late": WORKERS * int(watch.stalled / 0.5),
            "errors": [line for line in lines if not line.startswith("200 ")]}
    judge(running, note, "curl", told)
    assert WORKERS <= lines.count("200 1") <= WORKERS + told["late"], "each kept its one connection"


def test_chromium(make, note, tmp_path):
    browser = need("chromium-headless-shell", "chromium", why="no Chromium is installed")
    results, arrived = [], threading.Event()

    def take(conn, _):
        results.append(json.loads(conn.body()))
        conn.send(reply(b"thanks"))
        arrived.set()

    page = endpoint("/page", extra_config={"holdfast/answer": {"body": (PROGRAMS / "page.html").read_text(encoding="utf-8"),
                                                               "headers": {"Content-Type": "text/html"}}})
    running = answering(make, 1, page, forward_all(make.origin(take), "/done", "/done", method="POST"))
    url = f"http://w.localhost:{running.address[1]}/page?1,{WORKERS},{ROUNDS}"
    log = tmp_path / "browser.log"
    with log.open("wb") as output:
        child = subprocess.Popen([browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run",
                                  "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}",
                                  "--remote-debugging-port=0", url], stdout=output, stderr=output, start_new_session=True)
        try:
            assert arrived.wait(50), log.read_text(errors="replace")[-2000:]
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    judge(running, note, "chromium", results[0])
