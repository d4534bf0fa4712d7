"""just_booted.py: `just_booted.py COMMAND...` runs a command as on a machine that boots this moment: its clocks begin at zero.

They do so in a time namespace (Linux 5.6), which needs root; without it the exit code is 125, and stderr says why. The command takes
the place of this process. SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import os
import sys
import time

CLONE_NEWTIME = 0x80
CLOCKS = {"monotonic": time.CLOCK_MONOTONIC, "boottime": time.CLOCK_BOOTTIME}
OFFSETS = "/proc/self/timens_offsets"  # of children; what this namespace has of its own is in there from the start
SECOND_NS = 10**9
FAILED = 125
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def offsets_to_zero():
    with open(OFFSETS, encoding="ascii") as file:
        own = {name: int(seconds) * SECOND_NS + int(ns) for name, seconds, ns in map(str.split, file)}
    for name, clock in CLOCKS.items():
        yield "{} {} {}\n".format(name, *divmod(own[name] - time.clock_gettime_ns(clock), SECOND_NS))


def begin_time():
    check(LIBC.unshare(CLONE_NEWTIME))
    text = "".join(offsets_to_zero())
    with open(OFFSETS, "w", encoding="ascii") as file:
        file.write(text)
    namespace = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    check(LIBC.setns(namespace, CLONE_NEWTIME))


def main(command):
    try:
        begin_time()
        os.execvp(command[0], command)
    except OSError as error:
        print(f"no time namespace: {error}", file=sys.stderr)
        sys.exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
