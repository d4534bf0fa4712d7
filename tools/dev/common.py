"""common.py: where things are, and running other programs with a log and a limit. Used by every word of ./dev.

SPDX-License-Identifier: Apache-2.0"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PYTHON = sys.executable  # ./dev calls Debian's own
CPUS = len(os.sched_getaffinity(0))


class Failed(Exception):
    """Ends a word with a message and exit code 1."""


class BuildFailed(Failed):
    """The output of the step before says more."""


def say(text=""):
    print(text, flush=True)


def tool(name):
    """Debian's program before any other of that name in PATH: meson must match Debian's python3."""
    return f"/usr/bin/{name}" if os.access(f"/usr/bin/{name}", os.X_OK) else shutil.which(name) or name


def environment(**more):
    """This process's environment with the sanitizers set to stop at the first finding and to say where."""
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.setdefault("TSAN_OPTIONS", "second_deadlock_stack=1:halt_on_error=1:allocator_may_return_null=1")
    env.update({name: str(value) for name, value in more.items()})
    return env


def stop_group(process, grace_s=5):
    """Ends a process that was started in its own session, and all its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(grace_s)
        except (ProcessLookupError, PermissionError):
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def run_logged(command, log, limit_s=900, env=None, cwd=ROOT, append=False):
    """Runs `command` with its output in the file `log`. Returns the exit code; 124 when it took longer than limit_s."""
    log = Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab" if append else "wb") as out:
        out.write(("$ " + " ".join(map(str, command)) + "\n").encode())
        out.flush()
        try:
            process = subprocess.Popen([str(word) for word in command], cwd=cwd, env=env or environment(), stdout=out,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as err:
            out.write(f"cannot start: {err}\n".encode())
            return 127
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            stop_group(process)
            out.write(f"\nstopped: longer than {limit_s} s\n".encode())
            return 124
        except BaseException:
            stop_group(process)
            raise
    return code


def tail(log, lines=40):
    """The end of a log as text; control bytes made harmless."""
    try:
        text = Path(log).read_text(encoding="utf-8", errors="backslashreplace")
    except OSError as err:
        return str(err)
    return "\n".join(text.splitlines()[-lines:])
