"""h2_backend.py: a host that speaks HTTP/2 by hand and does what a case of group E says, once; after that it serves.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import struct
import threading
import time

from h2_wire import END_HEADERS, END_STREAM, PREFACE, block, encode, frame

OK = {"fields": [[":status", "200"], ["content-length", "2"]]}


def bytes_of(step, stream):
    flags = END_STREAM if "END_STREAM" in step.get("flags", []) else 0
    if step["send"] == "HEADERS":
        return frame(1, flags | END_HEADERS, stream, block(step))
    if step["send"] == "PUSH_PROMISE":
        return frame(5, END_HEADERS, stream, struct.pack(">I", 2) + block({"fields": [[":method", "GET"], [":path", "/pushed"]]}))
    if step["send"] == "GOAWAY":
        return frame(7, 0, 0, struct.pack(">II", step["last"], step["code"]))
    return encode(step, stream)


class BadBackend:
    """`misbehave(steps)`: what the next connection, or the next request, meets. `requests`: how many came."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        self.steps, self.greeting, self.requests, self.uploaded = [], [], 0, 0
        threading.Thread(target=self._accept, daemon=True).start()

    def misbehave(self, steps):
        at = next((i for i, step in enumerate(steps) if "on" in step), len(steps))
        self.greeting = [step for step in steps[:at] if "role" not in step]
        self.steps, self.requests, self.uploaded = steps[at:], 0, 0

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        try:
            with sock, sock.makefile("rb") as read:
                if read.read(len(PREFACE)) == PREFACE:
                    self._speak(sock, read)
        except OSError:
            pass

    def _play(self, sock, steps, stream):
        """False: the connection is to be closed."""
        for step in steps:
            if "close" in step:
                return False
            if "wait_ms" in step:
                continue  # the answer just never comes
            sock.sendall(bytes_of(step, stream))
        return True

    def _speak(self, sock, read):
        greeting, self.greeting = self.greeting, []
        silent = any("wait_ms" in step for step in greeting)
        if not any(step.get("send") == "SETTINGS" for step in greeting[:1]):
            sock.sendall(frame(4, 0, 0))
        if not self._play(sock, greeting, 0):
            time.sleep(0.05)  # what came is read, so that the end is no reset
            return
        while len(head := read.read(9)) == 9:
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big")
            payload = read.read(int.from_bytes(head[:3], "big"))
            if kind == 4 and not flags & 1:
                sock.sendall(frame(4, 1, 0))
            elif kind == 0:
                self.uploaded += len(payload)
            elif kind == 1:
                self.requests += 1
                steps, self.steps = self.steps, []
                if steps and not self._play(sock, steps, stream):
                    return
                if not steps and not silent:
                    sock.sendall(frame(1, END_HEADERS, stream, block(OK)) + frame(0, END_STREAM, stream, b"OK"))
