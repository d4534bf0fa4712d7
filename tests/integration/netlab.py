"""netlab.py: a network namespace for a test, and a path in it that delays and drops.

`namespace()` puts the calling thread, and what it starts from then on (threads, processes), into a network of its own. It needs root
or a user namespace (`unshare -rn python3 -m pytest ...`); without either the test is skipped with the reason.

`Relay` is a path with a round trip of our choice, made of a TUN device, since not every kernel has netem. The gateway dials
Relay.FAR; packets come out at Relay.NEAR, where the origin listens, after the delay. The two far addresses have the same Internet
checksum, so packets stay valid when one is written over the other.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import ctypes
import fcntl
import heapq
import os
import select
import shutil
import struct
import subprocess
import threading
import time

import pytest

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*arguments):
    subprocess.run(arguments, check=True, capture_output=True, text=True)


def may_unshare():
    """In a child: is a network namespace to be had?"""
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def namespace():
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("no network namespace: unshare or ip is missing")
    old = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if LIBC.unshare(CLONE_NEWNET) != 0:
        os.close(old)
        pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    try:
        run("ip", "link", "set", "lo", "up")
        yield
    finally:
        LIBC.setns(old, CLONE_NEWNET)
        os.close(old)


def write_sysctl(name, value):
    with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
        file.write(value)


class PacketFilter:
    """Rules of nftables in the namespace; skips where the tool or the kernel lacks them."""

    def __init__(self):
        if not shutil.which("nft"):
            pytest.skip("no silent drops: nft is missing")
        try:
            run("nft", "add table inet lab")
            run("nft", "add chain inet lab in { type filter hook input priority 0; policy accept; }")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no silent drops: nft says {error.stderr.strip()}")

    def silence(self, port):
        """Nothing to or from this port arrives, in both directions."""
        run("nft", f"add rule inet lab in tcp dport {port} drop")
        run("nft", f"add rule inet lab in tcp sport {port} drop")

    def heal(self):
        run("nft", "flush chain inet lab in")


class Relay:
    NEAR, FAR, SEEN = "10.99.0.1", "10.99.1.2", "10.98.1.3"  # SEEN: whom the origin sees
    TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000

    def __init__(self, round_trip=0.02, forget_after=None):
        self.delay, self.forget_after = round_trip / 2, forget_after
        self.last, self.forgotten, self.queue, self.count = {}, set(), [], 0
        self.dropped = 0
        try:
            self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.tun, self.TUNSETIFF, struct.pack("16sH", b"lab0", self.IFF_TUN | self.IFF_NO_PI) + b"\0" * 22)
        except OSError as error:
            pytest.skip(f"no path with a delay: /dev/net/tun: {error.strerror}")
        run("ip", "addr", "add", self.NEAR + "/16", "dev", "lab0")
        run("ip", "link", "set", "lab0", "up")
        run("ip", "route", "add", "10.98.0.0/16", "dev", "lab0")
        self.over = False
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def close(self):
        self.over = True
        self.thread.join(5)
        os.close(self.tun)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def _address(text):
        return bytes(int(part) for part in text.split("."))

    def _flow_is_gone(self, packet, gateway_side):
        """As a middlebox does: a flow that was idle for too long is forgotten, and dropped from then on."""
        start = (packet[0] & 15) * 4
        ports = struct.unpack("!HH", packet[start:start + 4])
        flow, now = ports if gateway_side else ports[::-1], time.monotonic()
        is_syn = packet[start + 13] & 0x12 == 2
        if is_syn:
            self.forgotten.discard(flow)
        elif self.forget_after and now - self.last.get(flow, now) > self.forget_after:
            self.forgotten.add(flow)
        self.last[flow] = now
        return flow in self.forgotten

    def _take(self, packet):
        if packet[0] >> 4 != 4 or packet[9] != 6:
            return
        near, far, seen = map(self._address, (self.NEAR, self.FAR, self.SEEN))
        to = packet[16:20]
        if to not in (far, seen):
            return
        if self._flow_is_gone(packet, to == far):
            self.dropped += 1
            return
        changed = packet[:12] + (seen if to == far else far) + near + packet[20:]
        self.count += 1
        heapq.heappush(self.queue, (time.monotonic() + self.delay, self.count, changed))

    def _work(self):
        while not self.over:
            wait = self.queue[0][0] - time.monotonic() if self.queue else 0.1
            if select.select([self.tun], [], [], min(max(wait, 0), 0.1))[0]:
                self._take(os.read(self.tun, 65536))
            while self.queue and self.queue[0][0] <= time.monotonic():
                os.write(self.tun, heapq.heappop(self.queue)[2])
