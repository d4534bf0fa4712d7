"""test_tls_cases.py: the TLS cases of the catalogue that are a matter of the first bytes. SPDX-License-Identifier: Apache-2.0"""
import random
import socket
import ssl

import pytest
import tls_hello
from certificates import Authority
from configs import proxy
from gateway import Gateway
from origin import Origin
from tls_front import TlsClient, context_of, tls_block
from tls_hello import Peer, client_hello, extension, key_share, protocols, records, server_names

PLAYED = ["TL-004", "TL-005", "TL-007", "TL-012", "TL-014", "TL-015", "TL-017", "TL-025", "TL-035", "TL-037"]
MEMORY_MAX_KIB = 24 << 10  # sanitizers keep much of what was freed
UNEXPECTED_MESSAGE, HANDSHAKE_FAILURE, ILLEGAL_PARAMETER, DECODE_ERROR = 10, 40, 47, 50
INAPPROPRIATE_FALLBACK, UNRECOGNIZED_NAME = 86, 112


class Stage:
    def __init__(self, origin, directory):
        self.authority = Authority(directory / "authority")
        certificates = [self.authority.issue("server"), self.authority.issue("other", "DNS:other.test")]
        self.shown = {each.certificate.rsplit("/", 1)[-1][:-4]: ssl.PEM_cert_to_DER_cert(open(each.certificate, encoding="ascii").read())
                      for each in certificates}
        self.gateway = Gateway(proxy(origin, tls=tls_block(*certificates)), directory)
        self.address = self.gateway.address

    def is_served(self):
        with TlsClient(self.address, context_of(self.authority)) as client:
            return client.get().status == 200

    def ask(self, *more, **keys):
        return Peer(self.address, records(client_hello(*more, **keys)))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Origin() as origin:
        made = Stage(origin, tmp_path_factory.mktemp("tls"))
        with made.gateway:
            yield made


def test_what_the_others_compare_with(stage):
    with stage.ask() as peer:
        assert peer.hello and peer.alert is None


def test_tl_004_a_hello_in_records_of_one_byte(stage):
    """The handshake succeeds, to its end."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, first = context_of(stage.authority).wrap_bio(incoming, outgoing, server_hostname="localhost"), True
    with socket.create_connection(stage.address, 5) as sock:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                sock.sendall(records(data[5:], 1) if first else data)
                first = False
                incoming.write(sock.recv(65536))
        assert client.version() == "TLSv1.3"


@pytest.mark.parametrize("size, taken", [(60_000, True), (2 << 20, False)])
def test_tl_005_a_large_hello(stage, size, taken):
    before = stage.gateway.memory_kib()
    if taken:
        data = records(client_hello(extension(0x4a4a, bytes(size))))
    else:
        data = records(b"\x01" + size.to_bytes(3, "big") + bytes(300_000))
    with Peer(stage.address, data) as peer:
        assert peer.hello == taken
        assert taken or peer.alert is not None or peer.closed
        assert stage.gateway.memory_kib() - before < MEMORY_MAX_KIB
    assert stage.is_served()


def test_tl_007_empty_records(stage):
    with Peer(stage.address, b"\x16\x03\x01\0\0" * 10_000) as peer:
        assert peer.alert in (UNEXPECTED_MESSAGE, DECODE_ERROR) or peer.closed
        assert not peer.hello
    assert stage.is_served()


def test_tl_012_a_fallback_that_is_none(stage):
    with stage.ask(versions=(0x0303,), suites=[tls_hello.FALLBACK]) as peer:
        assert peer.alert == INAPPROPRIATE_FALLBACK
    with stage.ask(versions=(0x0303,)) as peer:
        assert peer.hello


@pytest.mark.parametrize("name, shown", [
    (b"other.test", "other"), (b"OTHER.Test", "other"), (b"unknown.test", "server"), (b"other.test\0.localhost", "server"),
    (b"\0other.test", "server"), (b"127.0.0.1", "server"), (b"[::1]", "server"), (b"other.test.", None), (b"a" * 60_000, "server"),
    (b"", "server")], ids=lambda value: repr(value)[:24])
def test_tl_014_names(stage, name, shown):
    """The right certificate, or the default one, or the alert that says that the name is none; never another's."""
    with stage.ask(server_names(name), versions=(0x0303,)) as peer:
        if peer.hello:
            while not any(der in peer.read for der in stage.shown.values()):
                data = peer.sock.recv(65536)
                assert data
                peer.read += data
            got = next(who for who, der in stage.shown.items() if der in peer.read)
            assert got == shown or shown is None
        else:
            assert shown != "other"
            assert peer.alert in (UNRECOGNIZED_NAME, DECODE_ERROR)
    assert stage.is_served()


@pytest.mark.parametrize("names", [(), (b"other.test", b"localhost")])
def test_tl_015_no_name_and_two(stage, names):
    with stage.ask(server_names(*names)) as peer:
        assert peer.alert in (DECODE_ERROR, ILLEGAL_PARAMETER)


@pytest.mark.parametrize("names", [(), (b"",), (b"http/1.1", b"")])
def test_tl_017_empty_protocols(stage, names):
    with stage.ask(protocols(*names)) as peer:
        assert peer.alert == DECODE_ERROR


def test_tl_025_a_second_hello_that_is_no_better(stage):
    """After a HelloRetryRequest there is no other: the second hello has to bring what was asked for."""
    hello = records(client_hello(share=key_share(None)))
    with Peer(stage.address, hello) as peer:
        assert peer.retry
        peer.send(hello)
        assert not peer.hello
        assert peer.alert in (ILLEGAL_PARAMETER, HANDSHAKE_FAILURE)
    with stage.ask(share=key_share(b"\x09" * 5)) as peer:
        assert peer.alert == ILLEGAL_PARAMETER


def test_tl_035_compressed_certificates(stage):
    """Who offers to take them, or asks for them, has an ordinary handshake: this is off."""
    with stage.ask(extension(tls_hello.CERTIFICATE_COMPRESSION, b"\x06\0\1\0\2\0\3"), versions=(0x0303,)) as peer:
        assert peer.hello
    with stage.ask(extension(tls_hello.CERTIFICATE_COMPRESSION, b"\x06\0\1\0\2\0\3")) as peer:
        assert peer.hello


def test_tl_037_many_unknown_extensions_in_any_order(stage):
    chance = random.Random(37)
    grease = [extension(0x0a0a + 0x1010 * i, bytes(i)) for i in range(16)]
    unknown = [extension(0x7000 + i, bytes(i % 7)) for i in range(1000)]
    for _ in range(5):
        more = grease + unknown
        chance.shuffle(more)
        with stage.ask(*more[500:], first=more[:500]) as peer:
            assert peer.hello and not peer.retry
