"""h2client.py: a client of HTTP/2 on Python's h2 over a socket, which notes what comes.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.events
from h2.connection import ConnectionInputs, ConnectionState

# RFC 9113 6.8: behind a GOAWAY open streams go on, but h2 takes the connection for closed.
GOES_ON = {(ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN)}


class Client:
    """Python's h2 over a socket; events by stream."""

    def __init__(self, address, authority=None, first=b""):
        self.sock = socket.create_connection(address, timeout=10)
        self.sock.sendall(first)
        if authority:
            context = ssl.create_default_context(cafile=str(authority.certificate))
            context.set_alpn_protocols(["h2"])
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.state_machine._transitions = {**self.h2.state_machine._transitions, **GOES_ON}
        self.h2.initiate_connection()
        self.events, self.closed, self.acknowledges = [], False, True
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def request(self, stream, path="/", method="GET", body=None, fields=(), end=True):
        head = [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path), *fields]
        self.h2.send_headers(stream, head, end_stream=end and body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=end)
        self.flush()

    def poll(self, seconds=0.2):
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return
        self.closed = not data
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, h2.events.DataReceived) and self.acknowledges:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()

    def of(self, kind, stream=None):
        return [event for event in self.events
                if isinstance(event, kind) and (stream is None or event.stream_id == stream)]

    def wait(self, kind, stream=None, seconds=10):
        end = time.monotonic() + seconds
        while not self.of(kind, stream):
            assert time.monotonic() < end and not self.closed, f"no {kind.__name__}: {self.events}"
            self.poll()
        return self.of(kind, stream)

    def status(self, stream):
        return int(dict(self.wait(h2.events.ResponseReceived, stream)[0].headers)[":status"])

    def trailers(self, stream):
        self.wait(h2.events.StreamEnded, stream)
        return [field for event in self.of(h2.events.TrailersReceived, stream) for field in event.headers]

    def body(self, stream):
        self.wait(h2.events.StreamEnded, stream)
        return b"".join(event.data for event in self.of(h2.events.DataReceived, stream))
