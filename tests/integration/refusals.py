"""refusals.py: a kernel that refuses system calls, or options of sockets: a seccomp filter for a child process, installed before it
starts.

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import errno
import platform
import struct

MACHINE = platform.machine()
NUMBERS = {"setsockopt": (54, 208), "getsockopt": (55, 209), "socket": (41, 198), "fcntl": (72, 25), "sched_setaffinity": (203, 122),
           "prlimit64": (302, 261), "epoll_pwait2": (441, 441)}
SETSOCKOPT = {"x86_64": 54, "aarch64": 208}.get(MACHINE)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06  # BPF: load a word, compare, return
ALLOW, FAIL = 0x7fff0000, 0x00050000
NUMBER, ARGUMENTS = 0, 16  # offsets in struct seccomp_data
ANYTHING_BUT_0 = object()


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def word(code, value, if_true=0, if_false=0):
    return struct.pack("=HBBI", code, if_true, if_false, value)


def number_of(call):
    return NUMBERS[call][0 if MACHINE == "x86_64" else 1]


def rule(call, arguments, error):
    """The call with these arguments, {place: value}, fails."""
    left = 2 * len(arguments) + 1  # instructions behind the first comparison
    words = [word(LOAD, NUMBER), word(EQUAL, number_of(call), 0, left)]
    for place, value in arguments.items():
        left -= 2
        skips = (left, 0) if value is ANYTHING_BUT_0 else (0, left)
        words += [word(LOAD, ARGUMENTS + 8 * place), word(EQUAL, 0 if value is ANYTHING_BUT_0 else value, *skips)]
    return [*words, word(ANSWER, FAIL | error)]


def option(level, name):
    """setsockopt as if the kernel did not know it."""
    return ("setsockopt", {1: level, 2: name}, errno.ENOPROTOOPT)


def refuse(options=(), calls=()):
    """In the child, before exec. `options`: (level, name); `calls`: (name, {place: value}, errno)."""
    words = [each for call in [*(option(*each) for each in options), *calls] for each in rule(*call)]
    code, libc = b"".join([*words, word(ANSWER, ALLOW)]), ctypes.CDLL(None, use_errno=True)
    rules = Filter(len(code) // 8, code)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
