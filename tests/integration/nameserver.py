"""nameserver.py: a DNS server (dnsmasq) on a loopback port whose records a test changes.

SPDX-License-Identifier: Apache-2.0
"""
import shutil
import socket
import subprocess

from servers import free_port
from waiting import eventually


def find_dnsmasq():
    return shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin:/sbin")


class NameServer:
    """Options of dnsmasq are its records: `srv-host=_http._tcp.users.test,a.test,9001,0,10`, `host-record=a.test,127.0.0.1`."""

    def __init__(self, *records, ttl=1):
        self.ttl, self.process, self.port = ttl, None, None
        self.start(*records)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, *records):
        """Anew at the same port, with other records."""
        self.stop()
        self.port = self.port or free_port()
        self.process = subprocess.Popen(
            [find_dnsmasq(), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon",
             "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={self.port}", f"--local-ttl={self.ttl}",
             *(f"--{record}" for record in records)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers, what="dnsmasq answers")

    def _answers(self):
        assert self.process.poll() is None, "dnsmasq has ended"
        with socket.socket() as tcp:
            return tcp.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
