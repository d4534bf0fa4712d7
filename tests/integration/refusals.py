"""refusals.py: a kernel that refuses options of sockets: a seccomp filter for a child process, installed before it starts.

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import errno
import platform
import struct

SETSOCKOPT = {"x86_64": 54, "aarch64": 208}.get(platform.machine())
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06  # BPF: load a word, compare, return
ALLOW, FAIL = 0x7fff0000, 0x00050000 | errno.ENOPROTOOPT
NUMBER, LEVEL, NAME = 0, 24, 32  # offsets in struct seccomp_data: the call, its second and its third argument


class Filter(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def program(options):
    """setsockopt of one of these (level, name) fails as if the kernel did not know it."""
    def word(code, value, if_true=0, if_false=0):
        return struct.pack("=HBBI", code, if_true, if_false, value)

    words = [word(LOAD, NUMBER), word(EQUAL, SETSOCKOPT, 0, 5 * len(options))]
    for level, name in options:
        words += [word(LOAD, LEVEL), word(EQUAL, level, 0, 3), word(LOAD, NAME), word(EQUAL, name, 0, 1), word(ANSWER, FAIL)]
    return b"".join([*words, word(ANSWER, ALLOW)])


def refuse(options):
    """In the child, before exec."""
    code, libc = program(options), ctypes.CDLL(None, use_errno=True)
    rules = Filter(len(code) // 8, code)
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
