"""paused.py: a thread of another process stands still for a while, so that a test decides who comes first.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import ctypes
import os
import pathlib

import pytest

DETACH, SEIZE, INTERRUPT = 17, 0x4206, 0x4207  # the same numbers everywhere
WALL = 0x40000000  # threads are waited for too
LIBC = ctypes.CDLL(None, use_errno=True)


def ptrace(request, thread):
    if LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def paused(thread):
    """Enter and leave it in one thread: only who has stopped it may let it go."""
    try:
        ptrace(SEIZE, thread)
    except PermissionError as error:
        pytest.skip(f"threads of another process are not to be stopped here: {error}")
    ptrace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        ptrace(DETACH, thread)


def thread_named(pid, name):
    """The number of that thread of the process, such as "worker-0"."""
    return next(int(path.parent.name) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/comm") if path.read_text() == name + "\n")
