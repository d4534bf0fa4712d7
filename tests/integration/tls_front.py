"""tls_front.py: gateways that speak TLS to clients, and such clients: Python's ssl and openssl s_client.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import ssl
import subprocess

import rawhttp
from admin import ADMIN, metrics
from configs import proxy

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


def tls_block(*certificates, **keys):
    """KrakenD's `tls` with TLS 1.2 and 1.3, and the curves that clients like."""
    pairs = [{"public_key": each.certificate, "private_key": each.key} for each in certificates]
    return {"keys": pairs, "min_version": "TLS12", "curve_preferences": [29, 23], **keys}


def secured(upstream, tls, tuning=None, server=None):
    """A plain reverse proxy over TLS, with an admin listener."""
    extra = {**ADMIN, "holdfast/tls": tuning or {}}
    return proxy(upstream, server, extra, tls=tls)


def context_of(authority, version=None, certificate=None, protocols=("http/1.1",)):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if certificate:
        context.load_cert_chain(certificate.certificate, certificate.key)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class TlsClient(rawhttp.Client):
    """A client of rawhttp.py over TLS."""

    def __init__(self, address, context, name="localhost", session=None, **options):
        super().__init__(address, **options)
        self.raw = self.sock
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=name, session=session)
        except BaseException:
            self.raw.close()
            raise


class BothWays:
    """What rawhttp.py and origin.py need of a socket, over TLS, with an end of each direction: Python's own can say goodbye only for
    both. Without a `name` it is the server's."""

    def __init__(self, raw, context, name=None):
        self.raw, self.incoming, self.outgoing, self.early = raw, ssl.MemoryBIO(), ssl.MemoryBIO(), b""
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=name is None, server_hostname=name)
        self.settimeout, self.gettimeout, self.fileno = raw.settimeout, raw.gettimeout, raw.fileno
        self.close, self.setsockopt = raw.close, raw.setsockopt
        while self._try(self.tls.do_handshake) is ssl.SSLWantReadError:
            self._feed()

    def _try(self, call, *arguments):
        """What the call gives, or SSLWantReadError; its records leave."""
        try:
            return call(*arguments)
        except ssl.SSLWantReadError:
            return ssl.SSLWantReadError
        finally:
            if data := self.outgoing.read():
                self.raw.sendall(data)

    def _feed(self):
        data = self.raw.recv(65536)
        if not data:
            raise ssl.SSLEOFError("ended without close_notify") if self.tls.server_side else rawhttp.BadAnswer("no close_notify")
        self.incoming.write(data)

    def sendall(self, data):
        for at in range(0, len(data), 16384):
            self._try(self.tls.write, data[at:at + 16384])

    def recv(self, size):
        if self.early:
            data, self.early = self.early[:size], self.early[size:]
            return data
        try:
            while (data := self._try(self.tls.read, size)) is ssl.SSLWantReadError:
                self._feed()
        except ssl.SSLZeroReturnError:
            return b""
        return data

    def shutdown(self, _):
        """close_notify and FIN, in one segment where the kernel likes it so; reading goes on."""
        try:
            while (data := self._try(self.tls.read, 65536)) is not ssl.SSLWantReadError:
                self.early += data  # OpenSSL would not have it behind its own goodbye
        except ssl.SSLZeroReturnError:
            pass
        self._try(self.tls.unwrap)
        self.raw.shutdown(socket.SHUT_WR)


class BothWaysClient(rawhttp.Client):
    def __init__(self, address, context, **options):
        super().__init__(address, **options)
        self.sock = BothWays(self.sock, context, "localhost")


def connect(make, running, context, **options):
    return make.stack.enter_context(TlsClient(running.address, context, **options))


def s_client(running, *arguments, text="", seconds=20):
    """What `openssl s_client` prints; names as OpenSSL 3.2 and later writes them ("CN=x")."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{running.address[1]}", *map(str, arguments)]
    done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, check=False)
    return done.stdout.decode(errors="replace").replace("CN = ", "CN=")


def handshakes(running):
    """(full, resumed) so far."""
    numbers = metrics(running)
    return tuple(int(numbers[f'holdfast_tls_handshakes_total{{side="client",resumed="{resumed}"}}'])
                 for resumed in ("false", "true"))


def failures(running, reason):
    return metrics(running)[f'holdfast_tls_handshake_failures_total{{side="client",reason="{reason}"}}']
