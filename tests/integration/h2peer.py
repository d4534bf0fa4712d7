"""h2peer.py: a host of HTTP/2 on Python's h2, without TLS, that does what no server would: a handler sees each event of a connection,
and a connection may fall silent while its socket stays open.

    with Peer(handler) as peer: ... peer.url, peer.conns, peer.conns[0].requests

A handler is called as handler(conn, event) on the connection's thread, which sends what it has queued. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

CONNECT = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL


def answers_ok(conn, event):
    """Each request, when it is whole, gets `OK`."""
    if isinstance(event, h2.events.StreamEnded):
        conn.answer(event.stream_id)


class Conn(threading.Thread):
    def __init__(self, peer, sock, number):
        super().__init__(daemon=True)
        self.peer, self.sock, self.number = peer, sock, number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8",
                                                                       validate_inbound_headers=False))
        self.events, self.requests, self.deaf, self.over = [], {}, False, False

    def run(self):
        with contextlib.suppress(OSError, h2.exceptions.H2Error):
            if self.peer.settings:
                self.h2.local_settings = h2.settings.Settings(client=False, initial_values=self.peer.settings)
            self.h2.initiate_connection()
            self.flush()
            while self.step():
                pass
        self.over = True

    def step(self):
        while self.deaf and not self.peer.over:
            time.sleep(0.02)
        data = self.sock.recv(65536)
        for event in self.h2.receive_data(data):
            self.note(event)
            self.peer.handler(self, event)
            if self.deaf:
                return True  # what is queued stays here
        self.flush()
        return data

    def note(self, event):
        self.events.append(event)
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = dict(event.headers)
        if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length and self.peer.acknowledges:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def of(self, kind, stream=None):
        return [event for event in self.events if isinstance(event, kind) and (stream is None or event.stream_id == stream)]

    def answer(self, stream, body=b"OK", fields=(), status="200"):
        self.h2.send_headers(stream, [(":status", status), *fields])
        self.h2.send_data(stream, body, end_stream=True)


class Peer:
    def __init__(self, handler=answers_ok, settings=None, acknowledges=True):
        """`acknowledges`: bodies open the windows again."""
        self.handler, self.settings, self.acknowledges = handler, settings, acknowledges
        self.conns, self.over = [], False
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.sock.close()
        for conn in self.conns:
            with contextlib.suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)
            conn.join(5)
            conn.sock.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while not self.over:
                conn = Conn(self, self.sock.accept()[0], len(self.conns))
                self.conns.append(conn)
                conn.start()

    def requests(self, path=None):
        """(connection's number, head) in no order of their own."""
        return [(conn.number, head) for conn in self.conns for head in list(conn.requests.values())
                if path is None or head.get(":path") == path]
