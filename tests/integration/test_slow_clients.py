"""test_slow_clients.py: slowhttptest in all its modes: others are served all the while, and the slow ones go.

SPDX-License-Identifier: Apache-2.0
"""
import re
import shutil
import subprocess
import threading
import time

import pytest
from configs import proxy
from rawhttp import fetch
from waiting import Stopwatch, eventually

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
AVAILABLE = re.compile(r"service available:\s*(\w+)")
MODES = {"slow headers": ["-H", "-i", "1"], "slow bodies": ["-B", "-i", "1", "-s", "8192", "-t", "POST"],
         "ranges": ["-R", "-a", "1", "-b", "3000"],
         "slow reading": ["-X", "-w", "1", "-y", "16", "-n", "1", "-z", "4", "-k", "3"]}


@pytest.mark.parametrize("mode", MODES)
def test_slow_clients_harm_nobody(make, note, mode):
    tool = shutil.which("slowhttptest")
    if not tool:
        pytest.skip("no slowhttptest")
    big = b"a" * 500_000
    upstream = make.origin(lambda conn, _: (conn.body(), conn.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)))
    running = make.gateway(proxy(upstream, {"body_gap_timeout": "3s", "min_body_rate": 500, "send_gap_timeout": "3s",
                                            "min_send_rate": 500, "drain_window": "0s"},
                                 read_header_timeout="4s", timeout="20s"), open_files=2048)
    command = [tool, "-c", "150", "-r", "100", "-l", "8", "-p", "5", "-u", f"{running.url}/", *MODES[mode]]
    done = threading.Event()
    slowest, failures = [0.0], []

    def ask():
        while not done.is_set():
            watch = Stopwatch()
            try:
                if fetch(running.address, "/__health").status != 200:
                    failures.append("status")
            except (AssertionError, OSError) as error:
                failures.append(repr(error))
            slowest[0] = max(slowest[0], watch.awake)
            time.sleep(0.05)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    finally:
        done.set()
        asker.join()
    assert failures == []
    told = AVAILABLE.findall(COLOURS.sub("", ended.stdout))
    assert told and set(told) == {"YES"}, ended.stdout[-2000:]
    assert slowest[0] < 5
    eventually(lambda: fetch(running.address, "/__health").status == 200, what="service afterwards")
    note(f"slowhttptest, {mode}", f"slowest answer to others {slowest[0]:.2f} s")
