"""test_websocket_parity.py: what a client of WebSockets sees of a server that people use is the same through the gateway as
without it, by the byte: each functional case of the Autobahn test suite as websocket_suite.py has it (1 to 7 and 10: 247; 9 and
12 to 13 with fewer messages each), and more of its groups here. SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import functools
import os
import subprocess
import time
import zlib

import pytest
import websocket_suite
from gateway import release_binary_path
from rawhttp import BadAnswer, Cut
from test_websocket import tunnel_config
from test_websocket_clients import MODULES, SERVER, needs_node, needs_python, python_server
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocket, close, frame, masked

DEFLATE = "permessage-deflate"
PAUSE_SECONDS, MESSAGES = 0.1, 3  # of the thousand of one case
END = masked(CLOSE, close(1000, "end"))


def deflated(text):
    made = zlib.compressobj(wbits=-15)
    return (made.compress(text) + made.flush(zlib.Z_SYNC_FLUSH))[:-4]


def parts(opcode, *payloads, last=True):
    """One message in fragments."""
    out = b""
    for i, payload in enumerate(payloads):
        out += masked(opcode if i == 0 else CONTINUATION, payload, fin=last and i == len(payloads) - 1)
    return out


HELLO = masked(TEXT, "Hello")
CASES = {
    # framing
    **{f"1 {kind} of {size}": masked(kind, b"*" * size) + END for kind in (TEXT, BINARY)
       for size in (0, 125, 126, 127, 128, 65535, 65536)},
    # Ping and Pong
    "2 ping": masked(PING) + END, "2 ping of 125": masked(PING, bytes(range(125))) + END, "2 ping of 126": masked(PING, b"x" * 126),
    "2 pong unasked": masked(PONG, "p") + HELLO + END, "2 ten pings": b"".join(masked(PING, b"%d" % i) for i in range(10)) + END,
    # reserved bits, in front of, between and behind what is valid
    **{f"3 RSV {bits} {kind}": HELLO + masked(kind, "x", rsv=bits) + masked(PING) for bits in range(1, 8) for kind in (TEXT, PING, CLOSE)},
    # opcodes that mean nothing
    **{f"4 opcode {code}": HELLO + masked(code, b"" if code % 2 else b"x") + masked(PING) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    # fragments
    "5 two": parts(TEXT, "frag", "ment") + END, "5 empty ones": parts(TEXT, "", "", "") + END,
    "5 a ping between": masked(TEXT, "a", fin=False) + masked(PING, "p") + masked(CONTINUATION, "b") + END,
    "5 a ping in fragments": masked(PING, "a", fin=False) + masked(CONTINUATION, "b"),
    "5 nothing to continue": masked(CONTINUATION, "b") + HELLO, "5 nothing to continue, open": HELLO + masked(CONTINUATION, "b", fin=False),
    "5 a message inside one": parts(TEXT, "a", last=False) + masked(TEXT, "b"),
    "5 whole, then none to continue": parts(TEXT, "a", "b") + masked(CONTINUATION, "c", fin=False) + HELLO,
    "5 many": parts(BINARY, *[bytes([i]) * i for i in range(200)]) + END,
    # UTF-8
    "6 valid": masked(TEXT, "Hello-µ@ßöäüàá-UTF-8!!") + END, "6 cut inside a character": parts(TEXT, b"\xce", b"\xba") + END,
    **{f"6 {bad.hex()}": masked(TEXT, bad) for bad in (b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\xce")},
    "6 bad in the second part": parts(TEXT, "good", b"\xed\xa0\x80"), "6 edges": masked(TEXT, "\0\x7f\u0080\u07ff\u0800\uffff\U0010ffff") + END,
    # the close handshake
    "7 empty": masked(CLOSE), "7 one byte": masked(CLOSE, b"\x03"), "7 reason of 123": masked(CLOSE, close(1000, "*" * 123)),
    "7 reason of 124": masked(CLOSE, close(1000, "*" * 124)), "7 bad UTF-8": masked(CLOSE, close(1000) + b"\xce\xba\xff"),
    "7 data behind": END + HELLO, "7 ping behind": END + masked(PING), "7 two": END + END, "7 inside a message": parts(TEXT, "a", last=False) + END,
    **{f"7 code {code}": masked(CLOSE, close(code)) for code in (0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010,
                                                                1011, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535)},
    # limits
    "9 1 MiB": masked(BINARY, bytes(range(256)) * 4096) + END, "9 4 MiB in parts": parts(BINARY, *[b"x" * 65536] * 64) + END,
    "10 a mask is missing": HELLO + frame(TEXT, "x"),
}
COMPRESSED = {
    "12 whole": masked(TEXT, deflated(b"Hello" * 100), rsv=4) + END, "12 empty": masked(TEXT, deflated(b""), rsv=4) + END,
    "12 in parts": masked(TEXT, deflated(b"part " * 50)[:5], rsv=4, fin=False) + masked(CONTINUATION, deflated(b"part " * 50)[5:]) + END,
    "12 plain too": HELLO + masked(TEXT, deflated(b"other"), rsv=4) + END, "12 1 MiB": masked(BINARY, deflated(bytes(1 << 20)), rsv=4) + END,
    "12 on a continuation": masked(TEXT, deflated(b"a"), rsv=4, fin=False) + masked(CONTINUATION, b"b", rsv=4),
    "12 on a ping": HELLO + masked(PING, b"x", rsv=4), "12 RSV2": HELLO + masked(TEXT, deflated(b"a"), rsv=6),
    "12 no deflate": HELLO + masked(TEXT, b"\xff\xff\xff", rsv=4),
}


@contextlib.contextmanager
def node_server():
    server = subprocess.Popen(["node", "-e", SERVER.replace("ws => ws", "ws => ws.on('error', () => {})"), "deflate"],
                              stdout=subprocess.PIPE, env={**os.environ, "NODE_PATH": MODULES}, text=True)
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def read_until(ws, out, done):
    """Adds frame after frame to `out`: opcode, payload (of a Close its code alone), FIN. False: there are no more."""
    with contextlib.suppress(BadAnswer, Cut, OSError):
        while not out or out[-1][0] != CLOSE:
            opcode, payload, fin, mask = ws.frames.next()
            assert not mask, "a server's frame is not masked"
            out.append((opcode, payload[:2] if opcode == CLOSE else payload, fin))
            if done(opcode, fin):
                return True
    return False


def play(ws, case, out):
    for step in case:
        if step == websocket_suite.PAUSE:
            time.sleep(PAUSE_SECONDS)
        elif step != websocket_suite.ANSWER:
            with contextlib.suppress(OSError):  # the server has ended it by now
                ws.send(step)
        elif not read_until(ws, out, lambda opcode, fin: fin and opcode < CLOSE):
            return
    read_until(ws, out, lambda *_: False)


def seen(address, case, offer=None):
    """What comes, and the code of its end."""
    out = []
    with WebSocket(address, fields=[("Sec-WebSocket-Extensions", offer)] if offer else []) as ws:
        granted = ws.answer.all("sec-websocket-extensions")
        play(ws, case, out)
    return granted, out


SERVERS = {"node": node_server, "python": lambda: python_server(compression="deflate")}


@functools.lru_cache(maxsize=1)
def cases_of(group):
    """{name: (offer, case)}"""
    if group == "compression":
        return websocket_suite.compressed(MESSAGES)
    if group in ("plain", "deflate"):
        return {name: (DEFLATE if group == "deflate" else None, [data]) for name, data in (COMPRESSED if group == "deflate" else CASES).items()}
    made = websocket_suite.functional() if group == "functional" else websocket_suite.limits(MESSAGES)
    return {name: (None, case) for name, case in made.items()}


@pytest.mark.heavy
@pytest.mark.parametrize("kind", [pytest.param("node", marks=needs_node), pytest.param("python", marks=needs_python)])
@pytest.mark.parametrize("group, count", [("plain", None), ("deflate", None), ("functional", 247), ("limits", 54), ("compression", 162)])
def test_nothing_differs(make, note, kind, group, count):
    cases = cases_of(group)
    with SERVERS[kind]() as port:
        binary = release_binary_path() if group in ("limits", "compression") else None
        gateway = make.gateway(tunnel_config(f"http://127.0.0.1:{port}"), binary=binary)
        differing = {}
        for name, (offer, case) in cases.items():
            direct, through = (seen(address, case, offer) for address in (("127.0.0.1", port), gateway.address))
            if direct != through:
                differing[name] = (direct, through)
    note(f"WebSockets of {kind}, {group}", f"{len(cases)} cases, {len(differing)} differ")
    assert not differing, str(list(differing)) + str(differing)[:3000]
    assert count in (None, len(cases))
