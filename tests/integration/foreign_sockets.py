"""foreign_sockets.py: the TCP options of another process's sockets, as the kernel has them (ss does not tell all of them).

SPDX-License-Identifier: Apache-2.0
"""
import ctypes
import os
import pathlib
import socket

import pytest

PIDFD_GETFD = 438  # the same number everywhere
OPTIONS = {"idle": socket.TCP_KEEPIDLE, "interval": socket.TCP_KEEPINTVL, "count": socket.TCP_KEEPCNT,
           "user_timeout_ms": socket.TCP_USER_TIMEOUT}
LIBC = ctypes.CDLL(None, use_errno=True)


def borrow(pidfd, number):
    fd = LIBC.syscall(PIDFD_GETFD, pidfd, number, 0)
    if fd == -1:
        pytest.skip(f"sockets of another process are not to be had: {os.strerror(ctypes.get_errno())}")
    return socket.socket(fileno=fd)


def is_socket(path):
    try:
        return os.readlink(path).startswith("socket:")
    except OSError:
        return False


def on_each(pid, port, look):
    """look(socket) of each connection of the process to that port."""
    found, pidfd = [], os.pidfd_open(pid)
    try:
        for path in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            if not is_socket(path):
                continue
            with borrow(pidfd, int(path.name)) as sock:
                if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
                    continue
                try:
                    if sock.getpeername()[1] == port:
                        found.append(look(sock))
                except OSError:
                    pass  # it listens, or has ended
    finally:
        os.close(pidfd)
    return found


def tcp_options(pid, port):
    """Of each connection of the process to that port, {"idle": seconds, "interval": ..., "count": ..., "user_timeout_ms": ...}."""
    return on_each(pid, port, lambda sock: {name: sock.getsockopt(socket.IPPROTO_TCP, code) for name, code in OPTIONS.items()})


def keep_alive_seconds(pid, port):
    """Of each one: how long it is idle before the first probe of TCP keep-alive; None: it sends none."""
    return on_each(pid, port, lambda sock: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                   if sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) else None)
