"""test_tls_files.py: certificates, keys and staples that change while the gateway runs.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import os
import shutil
import ssl
import subprocess
import time

import pytest
from admin import metrics
from certificates import Authority, Certificate, run_openssl
from tls_front import connect, context_of, s_client, secured, tls_block
from waiting import eventually

FAST = {"reload_interval": "100ms"}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certificates")


def put(certificate, folder, name="live"):
    """Copies of the files, each of which takes its place at once."""
    live = Certificate(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    for source, target in ((certificate.key, live.key), (certificate.certificate, live.certificate)):
        shutil.copy(source, target + ".new")
        os.rename(target + ".new", target)
    return live


def subject(running, name="localhost"):
    out = s_client(running, "-servername", name)
    return next((line for line in out.splitlines() if line.startswith("subject=")), out)


def test_a_new_certificate_is_shown_without_a_restart(make, authority, tmp_path):
    live = put(authority.issue("first"), tmp_path)
    running = make.gateway(secured(make.origin(), tls_block(live), FAST))
    context = context_of(authority)
    old = connect(make, running, context)
    assert old.get().status == 200 and subject(running) == "subject=CN=first"
    put(authority.issue("second"), tmp_path)
    eventually(lambda: subject(running) == "subject=CN=second", what="the new certificate")
    assert old.get().status == 200  # connections stay
    assert metrics(running)['holdfast_tls_reloads_total{what="certificates",outcome="ok"}'] >= 1


def sleeps_on(running):
    before = running.sleeps()
    time.sleep(2)
    return running.sleeps() == before


def test_nothing_wakes_an_idle_gateway_and_who_comes_then_sees_the_new_certificate(make, authority, tmp_path):
    live = put(authority.issue("first"), tmp_path)
    running = make.gateway(secured(make.origin(), tls_block(live), FAST))
    context = context_of(authority)
    kept = connect(make, running, context)
    assert kept.get().status == 200
    eventually(lambda: sleeps_on(running), 40, "rest")
    put(authority.issue("second"), tmp_path)
    assert sleeps_on(running)
    shown = connect(make, running, context).sock.getpeercert()["subject"][0][0][1]
    assert shown == "second"
    assert kept.get().status == 200


def opened_for_a_reader(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # nobody reads yet
        return None


@pytest.mark.parametrize("when", ["at rest", "behind it"])
@pytest.mark.parametrize("silent", [["live.key"], ["tickets", "live.key"]])
def test_a_volume_that_does_not_answer_holds_up_no_client(make, authority, tmp_path, silent, when):
    """Pipes that say nothing stand for it."""
    live = put(authority.issue("first"), tmp_path)
    tickets = tmp_path / "tickets"
    tickets.write_bytes(bytes(80))
    running = make.gateway(secured(make.origin(), tls_block(live), {"ticket_keys": [str(tickets)], **FAST}))
    context = context_of(authority)
    eventually(lambda: sleeps_on(running), 40, "rest")
    if when == "behind it":
        assert connect(make, running, context).get().status == 200
        time.sleep(0.5)
    for name in reversed(silent):
        os.mkfifo(tmp_path / "silent")
        os.rename(tmp_path / "silent", tmp_path / name)
    if when == "at rest":
        assert connect(make, running, context).get().status == 200
    pipe = eventually(lambda: opened_for_a_reader(tmp_path / silent[0]), what="the main thread to read")
    try:
        time.sleep(1.5)  # its next look is overdue
        for _ in range(8):
            assert connect(make, running, context).get().status == 200
    finally:
        put(authority.issue("second"), tmp_path)
        os.close(pipe)
    eventually(lambda: subject(running) == "subject=CN=second", what="the volume to be read again")


def test_every_handshake_succeeds_while_certificates_change(make, authority, tmp_path):
    pairs = [authority.issue(name) for name in ("one", "two")]
    live = put(pairs[0], tmp_path)
    running = make.gateway(secured(make.origin(), tls_block(live), {"reload_interval": "10ms"}, {"workers": 2}))
    context, shown = context_of(authority), set()
    for turn in range(60):
        put(pairs[turn % 2], tmp_path)
        client = connect(make, running, context)
        shown.add(client.sock.getpeercert()["subject"][0][0][1])
        assert client.get().status == 200
        client.close()
    assert shown == {"one", "two"}


def test_the_old_certificate_stays_when_the_new_one_is_bad(make, authority, tmp_path):
    live = put(authority.issue("first"), tmp_path)
    running = make.gateway(secured(make.origin(), tls_block(live), FAST))
    stranger = authority.issue("stranger")
    shutil.copy(stranger.key, live.key)
    running.wait_output("the old certificates stay: .*live.key: is not the key of .*live.pem: key values mismatch")
    assert subject(running) == "subject=CN=first"
    assert metrics(running)['holdfast_tls_reloads_total{what="certificates",outcome="failed"}'] >= 1
    os.unlink(live.certificate)
    running.wait_output("the old certificates stay: .*live.pem: no such file")
    assert subject(running) == "subject=CN=first"
    put(stranger, tmp_path)
    eventually(lambda: subject(running) == "subject=CN=stranger", what="the pair that fits again")


@pytest.mark.parametrize("bad,reason", [
    ("not a certificate", "no start line"), ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", r"\S+"), ("", "no start line")])
def test_the_old_certificate_stays_whatever_the_new_one_is(make, authority, tmp_path, bad, reason):
    live = put(authority.issue("first"), tmp_path)
    running = make.gateway(secured(make.origin(), tls_block(live), FAST))
    new = tmp_path / "new"
    new.write_text(bad)
    os.rename(new, live.certificate)
    running.wait_output(f"the old certificates stay: .*live.pem: {reason}")
    assert subject(running) == "subject=CN=first"
    eventually(lambda: metrics(running)['holdfast_tls_reloads_total{what="certificates",outcome="failed"}'] >= 1)


def test_the_old_authorities_of_clients_stay_when_the_new_ones_are_bad(make, authority, tmp_path):
    clients = Authority(tmp_path / "clients", "clients")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(clients.certificate, trusted)
    tls = tls_block(authority.issue("server"), enable_mtls=True, disable_system_ca_pool=True, ca_certs=[str(trusted)])
    running = make.gateway(secured(make.origin(), tls, FAST))
    known = context_of(authority, "TLS13", clients.issue("client"))
    assert connect(make, running, known).get().status == 200
    trusted.write_text("not a certificate")
    running.wait_output("trusted.pem\" is passed over: no start line")
    running.wait_output("the old certificates stay: .*trusted.pem: cannot be used any more")
    assert connect(make, running, known).get().status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(make, running, context_of(authority, "TLS13")).get()  # and nobody without one
    assert metrics(running)['holdfast_tls_reloads_total{what="certificates",outcome="failed"}'] >= 1


def test_the_authorities_of_clients_are_read_again(make, authority, tmp_path):
    clients, others = Authority(tmp_path / "clients", "clients"), Authority(tmp_path / "others", "others")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(clients.certificate, trusted)
    tls = tls_block(authority.issue("server"), enable_mtls=True, disable_system_ca_pool=True, ca_certs=[str(trusted)])
    running = make.gateway(secured(make.origin(), tls, FAST))
    first, second = (context_of(authority, "TLS13", each.issue("client")) for each in (clients, others))
    client = connect(make, running, first)
    assert client.get().status == 200
    session = client.sock.session
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(make, running, second).get()
    shutil.copy(others.certificate, trusted)
    running.wait_output("files were read again")
    assert connect(make, running, second).get().status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(make, running, first, session=session).get()  # not by its session either


def test_when_a_certificate_ends_is_in_the_metrics(make, authority, tmp_path):
    live = put(authority.issue("first"), tmp_path)
    running = make.gateway(secured(make.origin(), tls_block(live)))
    out = subprocess.run(["openssl", "x509", "-in", live.certificate, "-noout", "-enddate"], capture_output=True, text=True,
                         check=True).stdout
    ends = datetime.datetime.strptime(out.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=datetime.timezone.utc)
    numbers = metrics(running)
    assert numbers[f'holdfast_tls_certificate_expiry_timestamp_seconds{{file="{live.certificate}"}}'] == ends.timestamp()


class Responder:
    """Signs OCSP responses with the authority's key."""

    def __init__(self, authority, folder):
        self.authority, self.folder = authority, folder

    def answer(self, certificate, path, status="V", seconds=3600):
        """A response for the certificate, good (V) or revoked (R), that is valid for so long."""
        serial = subprocess.run(["openssl", "x509", "-in", certificate.certificate, "-noout", "-serial"], text=True,
                                capture_output=True, check=True).stdout.strip().split("=")[1]
        revoked = "240101000000Z" if status == "R" else ""
        index = self.folder / "index.txt"
        index.write_text(f"{status}\t401231000000Z\t{revoked}\t{serial}\tunknown\t/CN=x\n")
        request = self.folder / "request.der"
        run_openssl("ocsp", "-issuer", self.authority.certificate, "-cert", certificate.certificate, "-reqout", request)
        new = f"{path}.new"
        run_openssl("ocsp", "-index", index, "-rsigner", self.authority.certificate, "-rkey", self.authority.key, "-CA",
                    self.authority.certificate, "-reqin", request, "-respout", new, "-ndays" if seconds > 60 else "-nmin",
                    30 if seconds > 60 else 1)
        os.rename(new, path)


def stapled(running, name="localhost"):
    return "OCSP Response Status: successful" in s_client(running, "-status", "-servername", name)


def test_a_staple_goes_with_its_certificate_and_is_read_again(make, authority, tmp_path):
    responder = Responder(authority, tmp_path)
    first, second = authority.issue("first", "DNS:localhost"), authority.issue("second", "DNS:second.test")
    staple = tmp_path / "first.ocsp"
    tuning = {"ocsp_staples": [{"public_key": first.certificate, "response": str(staple)}], **FAST}
    running = make.gateway(secured(make.origin(), tls_block(first, second), tuning))
    running.wait_output("first.pem goes without a staple: .*no such file")
    assert not stapled(running)
    responder.answer(first, staple)
    eventually(lambda: stapled(running), what="the staple")
    assert not stapled(running, "second.test")
    assert "Cert Status: good" in s_client(running, "-status", "-tls1_2", "-servername", "localhost")
    numbers = metrics(running)
    assert numbers[f'holdfast_tls_certificate_stapled{{file="{first.certificate}"}}'] == 1
    assert numbers[f'holdfast_tls_certificate_stapled{{file="{second.certificate}"}}'] == 0
    assert numbers["holdfast_tls_staples_total"] >= 2
    cases = {"is about another certificate": lambda: responder.answer(second, staple),
             "does not say that the certificate is good": lambda: responder.answer(first, staple, "R"),
             "is none, in DER": lambda: staple.write_bytes(b"garbage"),
             "larger than": lambda: staple.write_bytes(bytes(1 << 20))}
    for reason, change in cases.items():
        change()
        running.wait_output(f"first.pem goes without a staple: .*{reason}")
        assert not stapled(running), reason
    responder.answer(first, staple)
    eventually(lambda: stapled(running), what="the staple again")


def test_a_staple_that_expires_is_left_out(make, authority, tmp_path):
    x509 = pytest.importorskip("cryptography.x509", reason="left out: python3-cryptography is not there for this interpreter")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509 import ocsp
    certificate, staple = authority.issue("first"), tmp_path / "first.ocsp"
    leaf = x509.load_pem_x509_certificate(open(certificate.certificate, "rb").read())
    issuer = x509.load_pem_x509_certificate(open(authority.certificate, "rb").read())
    key = serialization.load_pem_private_key(open(authority.key, "rb").read(), None)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    answer = ocsp.OCSPResponseBuilder().add_response(
        leaf, issuer, hashes.SHA256(), ocsp.OCSPCertStatus.GOOD, now - datetime.timedelta(hours=1),
        now + datetime.timedelta(seconds=6), None, None).responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
    staple.write_bytes(answer.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    tuning = {"ocsp_staples": [{"public_key": certificate.certificate, "response": str(staple)}], **FAST}
    running = make.gateway(secured(make.origin(), tls_block(certificate), tuning))
    assert stapled(running)
    eventually(lambda: not stapled(running), what="the end of the staple")
    running.wait_output("first.pem goes without a staple: its OCSP response has expired")
    time.sleep(0.3)
    assert running.output.count("has expired") == 1


def test_a_staple_for_no_certificate_is_told(make, authority, tmp_path):
    certificate = authority.issue("first")
    tuning = {"ocsp_staples": [{"public_key": "other.pem", "response": "other.ocsp"}]}
    running = make.gateway(secured(make.origin(), tls_block(certificate), tuning))
    assert running.wait_output(r'ocsp_staples\[0\]\.public_key: no listener shows "other\.pem"')


def test_a_chain_that_is_wrong_is_told_at_the_start_and_when_it_is_read_again(make, authority, tmp_path):
    live = put(authority.issue("first"), tmp_path)
    with open(live.certificate, "a") as file:
        file.write(open(authority.certificate).read())
    running = make.gateway(secured(make.origin(), tls_block(live), FAST))
    running.wait_output(r"certificate 2 of 2 signs itself.*HF0334")
    assert subject(running) == "subject=CN=first"  # it works all the same
    put(authority.issue("second", expired=True), tmp_path)
    running.wait_output(r"live\.pem: certificate 1 of 1 has expired")
