"""tls_origin.py: the origin of origin.py behind TLS. SPDX-License-Identifier: Apache-2.0"""
import ssl

from origin import Connection, Origin, answers_ok

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


class TlsConnection(Connection):
    failure = None  # of the handshake
    resumed = None
    version = None
    peer = None  # the certificate that the gateway showed

    def serve(self):
        self.raw = self.sock
        try:
            self.sock = self.origin.context.wrap_socket(self.sock, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.failure = error
            self._note_end("handshake")
            self.sock.close()
            return
        self.resumed, self.version, self.peer = self.sock.session_reused, self.sock.version(), self.sock.getpeercert()
        super().serve()

    def say_goodbye(self):
        """close_notify; the connection below stays open."""
        self.closing = True
        try:
            self.sock.settimeout(0.2)
            self.sock.unwrap()
        except (ssl.SSLError, OSError, ValueError):
            pass


class TlsOrigin(Origin):
    """`version`: the only one it speaks, of VERSIONS; `clients`: the authority that must have signed the client's."""

    connection_class = TlsConnection

    def __init__(self, certificate, handler=answers_ok, version=None, clients=None, name="127.0.0.1",
                 address=("127.0.0.1", 0)):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.certificate, certificate.key)
        self.context.sni_callback = self._note_name
        if version:
            self.context.minimum_version = self.context.maximum_version = VERSIONS[version]
        if clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients.certificate)
        self.name, self.names = name, []  # names that clients asked for
        super().__init__(handler, address)

    def _note_name(self, _, name, __):
        self.names.append(name)

    @property
    def url(self):
        return f"https://{self.name}:{self.address[1]}"
