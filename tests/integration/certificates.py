"""certificates.py: an authority and what it signs, made by the openssl command in a folder of the test.

SPDX-License-Identifier: Apache-2.0
"""
import subprocess
from dataclasses import dataclass

EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
NAMES = "DNS:localhost,IP:127.0.0.1"


@dataclass
class Certificate:
    certificate: str  # path of the PEM file
    key: str


def run_openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=text, text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"


def past():
    """Flags of `openssl x509` for a time that is over; from 3.4 on it refuses an end before the start."""
    told = subprocess.run(["openssl", "x509", "-help"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if "-not_after" in told.stdout:
        return "-not_before", "20200101000000Z", "-not_after", "20200102000000Z"
    return "-days", -1


class Authority:
    """Signs certificates; `certificate` is what clients have to trust."""

    def __init__(self, folder, name="authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        run_openssl("req", "-x509", *EC_KEY, "-keyout", self.key, "-out", self.certificate, "-days", 30,
                    "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign")

    def issue(self, name, names=NAMES, expired=False):
        request, key, certificate = (self.folder / f"{name}.{end}" for end in ("csr", "key", "pem"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")
        run_openssl("req", "-new", *EC_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        run_openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                    *(past() if expired else ("-days", 30)), "-extfile", extensions, "-out", certificate)
        return Certificate(str(certificate), str(key))
