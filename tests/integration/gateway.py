"""gateway.py: the binary under test as a child process: started, watched, stopped, and its end checked.

The binary is $HOLDFAST_BINARY, else build/debug/holdfast. Configurations ask for port 0; the addresses come from the
`ready:` line on stderr. Stopping fails the test on an exit code other than 0 and on any sanitizer report, leaks included.
SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import threading

from refusals import refuse
from waiting import PATIENCE_SECONDS, eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"ready:.*")
ADDRESS = re.compile(r"https?://(\[[0-9a-fA-F:]+\]|[0-9A-Za-z.-]+):(\d+)")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|SUMMARY: \w+Sanitizer|runtime error:")

JUST_BOOTED = [sys.executable, str(ROOT / "tests" / "just_booted.py")]
START_SECONDS = 15
STOP_SECONDS = 20


def binary_path():
    return pathlib.Path(os.environ.get("HOLDFAST_BINARY", ROOT / "build" / "debug" / "holdfast"))


def release_binary_path():
    """For runs where speed or memory counts: $HOLDFAST_RELEASE_BINARY, else the same binary as everywhere."""
    return pathlib.Path(os.environ.get("HOLDFAST_RELEASE_BINARY", binary_path()))


def child_environment(extra=None):
    """Ours without KRAKEND_* and proxy settings, which would change what is tested."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("KRAKEND_") and not name.lower().endswith("_proxy")}
    # What was freed and is held back to catch its use counts as the gateway's: half of the 8 MiB that tests let it grow.
    kept["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:quarantine_size_mb=4:" + kept.get("ASAN_OPTIONS", "")
    kept["UBSAN_OPTIONS"] = "print_stacktrace=1:" + kept.get("UBSAN_OPTIONS", "")
    return {**kept, **(extra or {})}


def sanitizer_report(text):
    match = SANITIZER.search(text)
    return text[max(0, match.start() - 200):match.start() + 4000] if match else None


class Process:
    """A running `holdfast` command with its output collected line by line."""

    def __init__(self, arguments, environment=None, open_files=None, binary=None, cwd=None, refused_options=(), refused_calls=(),
                 just_booted=False):
        def limit():
            if open_files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
            if refused_options or refused_calls:
                refuse(refused_options, refused_calls)

        self.out, self.err = [], []
        self.told_to_end = False
        self.child = subprocess.Popen(
            [*(JUST_BOOTED if just_booted else ()), str(binary or binary_path()), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", env=child_environment(environment), cwd=cwd,
            preexec_fn=limit if open_files or refused_options or refused_calls else None)
        self.readers = [threading.Thread(target=self._collect, args=pair, daemon=True)
                        for pair in ((self.child.stdout, self.out), (self.child.stderr, self.err))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _collect(pipe, lines):
        for line in pipe:
            lines.append(line.rstrip("\n"))

    @property
    def pid(self):
        return self.child.pid

    @property
    def output(self):
        """Everything printed so far, stderr first."""
        return "\n".join(self.err + self.out)

    def running(self):
        return self.child.poll() is None

    def send_signal(self, number):
        self.told_to_end = self.told_to_end or number in (signal.SIGTERM, signal.SIGINT)
        self.child.send_signal(number)

    def freeze(self):
        """Stops all threads; true at the return. Goes on with SIGCONT."""
        def states():
            return {path.read_text().rsplit(")", 1)[1].split()[0]
                    for path in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat")}

        self.send_signal(signal.SIGSTOP)
        eventually(lambda: states() == {"T"}, what="all threads stopped")

    @contextlib.contextmanager
    def frozen(self):
        """What comes in the meantime lies there all at once when it goes on."""
        self.freeze()
        try:
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def wait(self, seconds=STOP_SECONDS):
        """The exit code; the process is killed and the test fails when it does not end."""
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"did not end within {seconds} s\n{self.output[-4000:]}") from None
        for reader in self.readers:
            reader.join(5)
        return code

    def wait_ready(self):
        """The addresses of the `ready:` line."""
        def ready():
            return next((line for line in self.err if READY.search(line)), None) or not self.running()

        line = eventually(ready, START_SECONDS, "a ready: line on stderr")
        if line is True:
            raise AssertionError(f"ended with {self.wait()} before it was ready\n{self.output[-4000:]}")
        return line, [(host.strip("[]"), int(port)) for host, port in ADDRESS.findall(line)]

    def wait_output(self, pattern, seconds=PATIENCE_SECONDS):
        """The first line that matches."""
        expression = re.compile(pattern)
        return eventually(lambda: next(filter(expression.search, self.err + self.out), None), seconds,
                          f"a line with {pattern!r} in\n{self.output[-2000:]}")

    def stop(self, number=signal.SIGTERM):
        """Ends it by a signal and checks how it ended; number None: it was told already."""
        if number and not self.told_to_end and self.running():
            self.send_signal(number)
        code = self.wait()
        print(f"--- output of pid {self.pid}\n{self.output[-6000:]}")
        report = sanitizer_report(self.output)
        assert not report, report
        assert code == 0, f"exit code {code}\n{self.output[-4000:]}"

    def all_output(self):
        """Everything it prints to its end, to which this brings it: what is not there does not come later."""
        self.stop()
        return self.output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Gateway(Process):
    """`holdfast run -c FILE` that is ready; `address` is its first listener."""

    def __init__(self, config, directory, arguments=(), **options):
        self.path = pathlib.Path(directory) / "gateway.json"
        self.path.write_text(json.dumps(config, indent=2), encoding="utf-8")
        super().__init__(["run", "-c", self.path, *arguments], **options)
        try:
            self.ready, self.addresses = self.wait_ready()
        except BaseException:
            self.child.kill()
            raise
        self.address = self.addresses[0] if self.addresses else None

    @property
    def url(self):
        host, port = self.address
        return f"http://{host}:{port}"

    def memory_kib(self, key="VmRSS"):
        """VmRSS: resident now; VmHWM: the most there ever was."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"{key}:\s+(\d+) kB", status)[1])

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sleeps(self, which="all"):
        """How often its threads have gone to sleep: all, or the main one; but those of a sanitizer."""
        folders = pathlib.Path(f"/proc/{self.pid}/task").iterdir()
        ours = [folder for folder in folders if folder.name == str(self.pid)
                or (which == "all" and (folder / "comm").read_text(encoding="ascii").startswith("worker-"))]
        return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", (folder / "status").read_text(encoding="ascii"))[1])
                   for folder in ours)

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def run_to_end(arguments, environment=None, seconds=STOP_SECONDS, cwd=None):
    """A command that ends by itself: (exit code, stdout, stderr)."""
    process = Process(arguments, environment, cwd=cwd)
    code = process.wait(seconds)
    report = sanitizer_report(process.output)
    assert not report, report
    return code, "\n".join(process.out), "\n".join(process.err)
