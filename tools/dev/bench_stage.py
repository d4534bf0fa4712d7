"""bench_stage.py: what is up while ./dev bench measures: origin, peers and clients, pinned to their cores, and what the kernel
says of them: processor time, system calls, switches, memory. SPDX-License-Identifier: Apache-2.0"""

import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bench_peers import NotHere, Place, command
from common import BUILD, Failed, environment, say, stop_group

CPUS = sorted(os.sched_getaffinity(0))
PEER_CPU, LOAD_CPU = CPUS[0], CPUS[-1]  # one and the same only where there is one; the bench refuses that
START_LIMIT_S = 20
TOOLS = BUILD / "release/bench"
FRONTED = "multiplexed"  # the stage whose hosts are to speak HTTP/2 too


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Program:
    """A program on one core, in a session of its own."""

    def __init__(self, name, words, cpu, log, port=None):
        self.name = name
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["taskset", "-c", str(cpu), *map(str, words)], env=environment(), stdout=out,
                                            stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self.wait_for(port, log)
        except Failed:
            self.stop()
            raise

    def wait_for(self, port, log):
        deadline = time.monotonic() + START_LIMIT_S
        while port and not listens(port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                lines = Path(log).read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise Failed(f"{self.name} does not listen (exit code {self.process.poll()}): {lines[-1] if lines else 'silent'}")
            time.sleep(0.02)

    def stop(self):
        stop_group(self.process)

    def pids(self):
        """The process and all below it."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*"):
                todo += map(int, (task / "children").read_text().split())
        return found

    def tasks(self):
        return [task for pid in self.pids() for task in Path(f"/proc/{pid}/task").iterdir()]

    def cpu_ns(self):
        """Time on a core of all threads, by the scheduler's own account."""
        return sum(int((task / "schedstat").read_text().split()[0]) for task in self.tasks())

    def switches(self):
        return sum(int(count) for task in self.tasks()
                   for count in re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text()))

    def memory_bytes(self):
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids()) * resource.getpagesize()


def tcp_segments():
    """Sent by anyone on this machine."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")]
    return int(dict(zip(*lines))["OutSegs"])


class Clients:
    """rig_load: holds its connections and loads when told."""

    def __init__(self, port, load, path, connections):
        self.connections, self.rate = connections, load.rate
        words = [TOOLS / "rig_load", port, path, load.paths, load.body_bytes, connections, min(load.inflight, connections),
                 load.mode, load.head]
        self.process = subprocess.Popen(["taskset", "-c", str(LOAD_CPU), *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            raise Failed(f"rig_load ended with {self.process.poll()}") from None

    def open(self):
        return self.ask("open")

    def run(self, seconds, rate=0):
        return self.ask(f"run {seconds} {rate or self.rate}")

    def stop(self):
        stop_group(self.process)


class Stage:
    """Origin and peers, all up at once. `missing` tells who is not, and why."""

    def __init__(self, name, peers, binary):
        self.name, self.wanted, self.binary = name, tuple(peers), Path(binary)
        self.folder = self.origin = self.front = None
        self.origin_port = self.origin_tls = 0
        self.peers, self.places, self.missing = {}, {}, {}
        self.start_all()

    def start_all(self):
        self.folder = tempfile.TemporaryDirectory(prefix="holdfast-bench-")
        self.peers, self.places, self.missing = {}, {}, {}
        Path(self.folder.name).chmod(0o755)
        self.certificate()
        self.origin_port, self.origin_tls = free_port(), free_port()
        self.origin = self.front = None
        peers = self.wanted
        try:
            self.origin = Program("the origin", [TOOLS / "rig_origin", self.origin_port, self.origin_tls, self.path("cert.pem"),
                                                 self.path("key.pem")], LOAD_CPU, self.path("origin.log"), self.origin_port)
            if self.name == FRONTED:
                peers = self.start_front(peers)
            for peer in peers:
                self.start(peer)
        except BaseException:
            self.stop()
            raise

    def renew(self):
        """All that is up ends, and other processes of the same programs take their place."""
        self.stop()
        self.start_all()

    def path(self, name):
        return Path(self.folder.name) / name

    def certificate(self):
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                               "-keyout", self.path("key.pem"), "-out", self.path("cert.pem"), "-days", "30", "-subj",
                               "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed("openssl cannot make a certificate")
        self.path("both.pem").write_bytes(self.path("cert.pem").read_bytes() + self.path("key.pem").read_bytes())
        for name in ("cert.pem", "key.pem", "both.pem"):
            self.path(name).chmod(0o644)

    def place(self, name):
        work = self.path(name)
        work.mkdir()
        work.chmod(0o777)
        return Place(work, free_port(), free_port(), self.origin_port, self.origin_tls, self.path("cert.pem"),
                     self.path("key.pem"), self.path("both.pem"), self.binary, TOOLS)

    def start_front(self, peers):
        """nginx beside the origin, and in front of it for who speaks TLS: in either version of HTTP. Who can be started behind that."""
        place = self.place("front")
        try:
            self.front = Program("the front", command("nginx", self.name, place), LOAD_CPU, place.work / "log", place.port)
        except NotHere as err:
            self.missing = {peer: str(err) for peer in peers}
            return ()
        self.origin_tls = place.tls_port
        return peers

    def start(self, peer):
        place = self.place(peer)
        work = place.work
        try:
            self.peers[peer] = Program(peer, command(peer, self.name, place), PEER_CPU, work / "log", place.port)
            self.places[peer] = place
        except (NotHere, Failed) as err:
            self.missing[peer] = str(err)
            say(f"{peer} is left out: {err}")

    def stop(self):
        for program in self.peers.values():
            program.stop()
        for program in (self.front, self.origin):
            if program:
                program.stop()
        self.folder.cleanup()

    def dead(self):
        """Who has ended by itself: peers by name, the origin as such."""
        programs = {"the origin": self.origin, **self.peers}
        return {name for name, program in programs.items() if program.process.poll() is not None}

    def port(self, peer, tls):
        return self.places[peer].tls_port if tls else self.places[peer].port

    def origin_counts(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.origin_port, timeout=10)
        try:
            connection.request("GET", "/counts")
            counts = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return counts


def tracer():
    """How system calls can be counted here: ("perf" or "strace", None) or (None, why not)."""
    if shutil.which("perf"):
        probe = subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"], capture_output=True, text=True,
                               check=False)
        if re.search(r"^\d+,", probe.stderr, re.M):
            return "perf", None
    if shutil.which("strace"):
        probe = subprocess.run(["strace", "-f", "-c", "-o", os.devnull, "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            return "strace", None
        return None, "neither perf nor strace may look at processes here"
    return None, "neither perf nor strace is installed"


def count_syscalls(program, how, work):
    """Calls `work` and returns (system calls of the program meanwhile, what work returned)."""
    pids = program.pids()
    if how == "perf":
        words = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids))]
    else:
        words = ["strace", "-f", "-c", "-q", *(word for pid in pids for word in ("-p", str(pid)))]
    counter = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(0.3)
    try:
        result = work()
    finally:
        counter.send_signal(signal.SIGINT)
        text = counter.communicate(timeout=20)[1]
    return read_syscalls(text), result


def read_syscalls(text):
    """The count in what perf stat -x, or strace -c printed; None when there is none."""
    found = re.search(r"^(\d+),", text, re.M)
    if not found:
        found = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$", text, re.M)
    return int(found.group(1)) if found else None
