"""faults.py: the word `faults`: four origins, clients in an open loop, and one fault after another, with Holdfast, nginx and
HAProxy in turn (faults_stage.py plays origins and clients). Prints a table, writes JSON, and ends with code 1 when Holdfast misses a
goal that does not depend on how busy the machine is.

Runs in a network namespace of its own where that is allowed, so that the half-open origin can be made by nftables; elsewhere that
fault is left out. SPDX-License-Identifier: Apache-2.0"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import build
from common import BUILD, PYTHON, Failed, say
from faults_peers import PEERS, Gateway, free_port
from faults_stage import Stage

RESULTS = BUILD / "bench/faults.json"
STALL_ERRORS_MAX = 40
INSIDE = "HOLDFAST_FAULTS_NAMESPACE"
FAULTS = {
    "none": "nothing",
    "idle_close": "the origins close idle connections after 5 to 30 ms",
    "reset": "every 2 s one origin, in turn, resets its connections and is shut for 1 s",
    "cut": "2 % of the answers are cut by a reset in the body",
    "stall": "one origin takes requests and never answers again",
    "half_open": "nothing passes to or from one origin for 5 s, without a word",
}


def read_arguments(words):
    parser = argparse.ArgumentParser(prog="./dev faults", description="Faults of origins, gateways side by side.",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter,
                                     epilog="faults: " + "; ".join(f"{name}: {what}" for name, what in FAULTS.items()))
    parser.add_argument("--faults", default=",".join(FAULTS), help="which, by comma")
    parser.add_argument("--peers", default=",".join(PEERS), help="gateways, by comma; who is not installed is left out")
    parser.add_argument("--rate", type=int, default=400, help="requests a second")
    parser.add_argument("--seconds", type=float, default=15, help="for each gateway and fault")
    parser.add_argument("--post", type=int, default=30, help="percent of the requests that are POST")
    parser.add_argument("--fresh", type=int, default=20, help="percent of the requests that come on a new connection")
    parser.add_argument("--connections", type=int, default=64, help="that the clients keep")
    parser.add_argument("--patience", type=float, default=5, help="seconds that a client waits for an answer")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random: times, methods, faults")
    parser.add_argument("--json", default=str(RESULTS), help="write the result here")
    options = parser.parse_args(words)
    options.faults, options.peers = options.faults.split(","), options.peers.split(",")
    for kind, wanted, known in (("fault", options.faults, FAULTS), ("peer", options.peers, PEERS)):
        if unknown := [name for name in wanted if name not in known]:
            raise Failed(f"faults: no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    if not (0 < options.rate <= 5000 and 0 < options.seconds <= 600 and 0 < options.patience <= 60):
        raise Failed("faults: rate up to 5000, seconds up to 600, patience up to 60")
    return options


def namespace_command():
    """How to have a network of our own, or None."""
    for flags in (["-n"], ["-rn"]):
        if shutil.which("unshare") and subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode == 0:
            return ["unshare", *flags]
    return None


def run_quietly(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def prepare_network():
    """Inside the namespace. True: nftables can silence a port."""
    run_quietly("ip", "link", "set", "lo", "up")
    return (run_quietly("nft", "add table inet faults") and
            run_quietly("nft", "add chain inet faults in { type filter hook input priority 0; policy accept; }"))


def silence(port):
    """From now on nothing to or from this port arrives; None: everything does again."""
    if port is None:
        run_quietly("nft", "flush chain inet faults in")
        return
    run_quietly("nft", f"add rule inet faults in tcp dport {port} drop")
    run_quietly("nft", f"add rule inet faults in tcp sport {port} drop")


def run_one(options, peer, fault):
    """One row, or None when the peer is not here."""
    ports = [free_port() for _ in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        work, port = Path(folder), free_port()
        work.chmod(0o755)
        command = PEERS[peer](work, port, ports)
        if not command:
            return None
        return asyncio.run(Stage(fault, port, ports, options, silence).run(Gateway(command, peer, port, work)))


def count(errors):
    return sum(errors.values())


def misses(fault, row):
    """What of the goals Holdfast has missed; those alone that a busy machine does not excuse."""
    found = []
    if row["errors"]["GET"] and fault != "stall":
        found.append(f"errors for GET: {row['errors']['GET']}")
    if row["twice"]["POST"]:
        found.append(f"{row['twice']['POST']} POSTs executed twice")
    if row["torn"] or row["cuts_seen"] != row["cuts"]:
        found.append(f"{row['torn']} answers torn, {row['cuts'] - row['cuts_seen']} cuts not seen")
    if fault in ("none", "cut") and row["errors"]["POST"]:
        found.append(f"errors for POST: {row['errors']['POST']}")
    late = count(row["errors"]["GET"]) + count(row["errors"]["POST"])
    if fault == "stall" and late >= STALL_ERRORS_MAX:
        found.append(f"{late} requests without an answer: under {STALL_ERRORS_MAX} is the goal")
    return found


HEADINGS = ("ok", "GET bad", "POST bad", "unread", "GET twice", "POST twice", "torn", "cut seen", "p50 ms", "p99 ms", "max ms")


def show(peer, row):
    cells = (f"{row['ok']:,}", count(row["errors"]["GET"]), count(row["errors"]["POST"]), sum(row["unread"].values()),
             row["twice"]["GET"], row["twice"]["POST"], row["torn"], f"{row['cuts_seen']}/{row['cuts']}", f"{row['p50_ms']:.1f}",
             f"{row['p99_ms']:.1f}", f"{row['p100_ms']:.1f}")
    say(f"  {peer:17}" + "".join(f"{cell:>11}" for cell in cells))
    for method, errors in row["errors"].items():
        if errors:
            say(f"{'':21}{method}: " + ", ".join(f"{outcome} {number}" for outcome, number in sorted(errors.items())))


def run_all(options, can_silence):
    """Fault to peer to row; prints as it goes. Also what Holdfast has missed."""
    rows, missed = {}, []
    say(f"4 origins, {options.rate} requests a second for {options.seconds:g} s, {options.post} % POST, {options.fresh} % on new "
        f"connections; bad: no right answer; unread: of these no origin read the request")
    say(" " * 19 + "".join(f"{heading:>11}" for heading in HEADINGS))
    for fault in options.faults:
        if fault == "half_open" and not can_silence:
            say("half_open: left out, as it needs a network namespace and nftables")
            continue
        say(f"{fault}: {FAULTS[fault]}")
        rows[fault] = {}
        for peer in options.peers:
            row = run_one(options, peer, fault)
            if not row:
                say(f"  {peer} is not here")
                continue
            rows[fault][peer] = row
            show(peer, row)
            if peer.startswith("holdfast"):
                missed += [f"{fault}, {peer}: {what}" for what in misses(fault, row)]
    return rows, missed


def faults(arguments):
    """The word `faults`. Returns the exit code."""
    options = read_arguments(arguments)
    inside = os.environ.get(INSIDE)
    if not inside:
        build.build("release", ["holdfast"])
        command = namespace_command()
        if command:
            os.environ[INSIDE] = "1"
            return subprocess.call([*command, PYTHON, "-B", "tools/dev", "faults", *arguments])
    rows, missed = run_all(options, bool(inside) and prepare_network())
    for text in missed:
        say(f"missed: {text}")
    Path(options.json).parent.mkdir(parents=True, exist_ok=True)
    Path(options.json).write_text(json.dumps({"options": vars(options), "faults": rows, "missed": missed}, indent=1),
                                  encoding="utf-8")
    return 1 if missed else 0
