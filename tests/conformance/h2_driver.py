#!/usr/bin/python3
"""h2_driver.py: runs the HTTP/2 cases against any reverse proxy and prints what is not a PASS.

  h2_driver.py --proxy 127.0.0.1:8443 [--tls] --backend 127.0.0.1:9001 [--pid PID] [--only REGEX] [-v]

It is client and HTTP/1 backend at once, as h1_driver.py. Group E, a bad HTTP/2 backend,
has a host of its own: h2_backend.py. Cases that need more than a minute are played with --long. What is left out is told.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import pathlib
import re
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from h1_backend import Backend  # noqa: E402
from h1_driver import address  # noqa: E402
from h2_player import play  # noqa: E402

CASES = pathlib.Path(__file__).with_name("h2_cases.json")
PATIENCE = {False: 12, True: 100}  # seconds of a wait
LONG = {"H2-140"}  # need more than a minute, unless the proxy's idle timeout is shorter


def load_all():
    return json.loads(CASES.read_text(encoding="utf-8"))["cases"]


def load_cases():
    return [case for case in load_all() if not case["group"].startswith("E") and case["id"] not in LONG]


def load_long_cases():
    return [case for case in load_all() if case["id"] in LONG]


def load_bad_backends():
    """Group E: see test_h2_bad_backends.py."""
    return [case for case in load_all() if case["group"].startswith("E")]


def context():
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols(["h2"])
    return made


def memory_of(pid):
    def read():
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    return read


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxy", type=address, required=True)
    parser.add_argument("--backend", type=address, required=True)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    backend, failed, count = Backend(options.backend), 0, 0
    cases = load_cases() + (load_long_cases() if options.long else [])
    for case in cases:
        if not re.search(options.only, case["id"]):
            continue
        problems, seen = play(case, options.proxy, backend, context() if options.tls else None,
                              memory_of(options.pid) if options.pid else None, PATIENCE[case["id"] in LONG])
        count += 1
        failed += bool(problems)
        if problems or options.v:
            print(case["id"], "FAIL" if problems else "PASS", "; ".join(problems), seen.got, seen.memory_kib, flush=True)
    left_out = [case["id"] for case in load_all() if case not in cases]
    print(f"{count - failed} passed, {failed} failed; not played here: {' '.join(left_out)}")


if __name__ == "__main__":
    main()
