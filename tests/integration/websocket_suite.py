"""websocket_suite.py: what the functional cases of the Autobahn test suite (version 25.10.1) send, by their numbers: 1 framing, 2 Ping
and Pong, 3 reserved bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 the close handshake, 9 limits, 10 automatic fragments, 12 and 13
compression. Not what they expect: through a gateway that has to be what it is without one.

A case is a list of pieces, each sent by itself, with a pause (PAUSE) or a wait for a message in answer (ANSWER) between. Each ends the
connection, or has the other side do it. What the suite sends a second later, as nothing may be left to chance, is sent behind the
answer here. SPDX-License-Identifier: Apache-2.0
"""
import json
import random
import zlib

from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, masked

PAUSE, ANSWER = "pause", "answer"
END = masked(CLOSE, close(1000))
ANSWERED = [ANSWER, END]
KIB, MIB = 1 << 10, 1 << 20
HELLO, ODD = b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"


def chopped(size, *frames):
    data = b"".join(frames)
    return [data[at:at + size] for at in range(0, len(data), size)]


def ways(frames):
    """In one piece, a frame at a time, a byte at a time."""
    return [[b"".join(frames), *ANSWERED], [*frames, *ANSWERED], [*chopped(1, *frames), *ANSWERED]]


def fragments(opcode, data, size):
    parts = [data[at:at + size] for at in range(0, len(data), size)] or [b""]
    last = len(parts) - 1
    return [masked(opcode if i == 0 else CONTINUATION, part, fin=i == last) for i, part in enumerate(parts)]


def numbered(prefix, cases):
    return {f"{prefix}.{i}": case for i, case in enumerate(cases, 1)}


def framing():
    cases = {}
    for number, opcode in ((1, TEXT), (2, BINARY)):
        sizes = [[masked(opcode, b"*" * size), *ANSWERED] for size in (0, 125, 126, 127, 128, 65535, 65536)]
        cases |= numbered(f"1.{number}", [*sizes, [*chopped(997, masked(opcode, b"*" * 65536)), *ANSWERED]])
    return cases


def pings():
    ten = [masked(PING, b"payload-%d" % i) for i in range(10)]
    return numbered("2", [
        [masked(PING), END], [masked(PING, HELLO), END], [masked(PING, ODD), END], [masked(PING, b"\xfe" * 125), END],
        [masked(PING, b"\xfe" * 126), END], [*chopped(1, masked(PING, b"\xfe" * 125)), END], [masked(PONG), END],
        [masked(PONG, "unsolicited pong payload"), END], [masked(PONG, "unsolicited pong payload"), masked(PING, "ping payload"), END],
        [*ten, END], [*chopped(1, *ten), END]])


def reserved_bits():
    text, ping = masked(TEXT, HELLO), masked(PING)

    def odd(rsv):
        return masked(TEXT, HELLO, rsv=rsv)

    return numbered("3", [
        [masked(TEXT, HELLO, rsv=1), END], [text + odd(2) + ping, END], [text, ANSWER, odd(3), ping, END],
        [*chopped(1, text), ANSWER, *chopped(1, odd(4), ping), END],
        [masked(BINARY, ODD, rsv=5), END], [masked(BINARY, HELLO, rsv=6), END], [masked(CLOSE, rsv=7), END]])


def opcodes():
    text, ping, cases = masked(TEXT, HELLO), masked(PING), {}
    for number, first in ((1, 3), (2, 11)):
        odd = [masked(first + i, HELLO if i in (1, 3, 4) else b"") for i in range(5)]
        cases |= numbered(f"4.{number}", [
            [odd[0], END], [odd[1], END], [text + odd[2] + ping, END], [text, ANSWER, odd[3], ping, END],
            [*chopped(1, text), ANSWER, *chopped(1, odd[4], ping), END]])
    return cases


def part(opcode, payload, fin=False):
    return masked(opcode, payload, fin=fin)


def broken_up():
    first, second, ping = part(TEXT, "fragment1"), part(CONTINUATION, "fragment2", True), masked(PING, "ping payload")
    alone, open_alone = part(CONTINUATION, "non-continuation payload", True), part(CONTINUATION, "non-continuation payload")
    text, twice = masked(TEXT, HELLO), [part(TEXT, "fragment2"), part(CONTINUATION, "fragment3", True)]
    five = [part(TEXT, "fragment1"), part(CONTINUATION, "fragment2"), masked(PING, "pongme 1!"), part(CONTINUATION, "fragment3"),
            part(CONTINUATION, "fragment4"), masked(PING, "pongme 2!"), part(CONTINUATION, "fragment5", True)]
    return numbered("5", [
        [part(PING, "fragment1") + second, END], [part(PONG, "fragment1") + second, END],
        *ways([first, second]), *ways([first, ping, second]), *ways([alone, text]), *ways([open_alone, text]),
        [first + second + part(CONTINUATION, "fragment3") + masked(TEXT, "fragment4"), END],
        [b"".join([part(CONTINUATION, "fragment1"), *twice] * 2), END], [b"".join([part(CONTINUATION, "fragment1", True), *twice] * 2), END],
        [first + masked(TEXT, "fragment2"), END],
        [b"".join(five[:3]), PAUSE, b"".join(five[3:]), *ANSWERED], [*five[:3], PAUSE, *five[3:], *ANSWERED]])


GREEK, SURROGATE, TOO_FAR = "κ\u1f79σμε".encode(), b"\xed\xa0\x80", b"\xf4\x90\x80\x80"
CUT = [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80",
       b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"]
# From 6.5 on each case is one message; group by group as in Markus Kuhn's file of tests for decoders.
TEXTS = [
    [b"hello$world", "hello¢world".encode(), "hello€world".encode(), "hello\U00024b62world".encode(), GREEK],
    [GREEK[:length] for length in range(1, len(GREEK) + 1)],
    [chr(point).encode() for point in (0, 0x80, 0x800, 0x10000)],
    [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    [chr(point).encode() for point in (0x7f, 0x7ff, 0xffff, 0x10ffff)],
    [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    [*(chr(point).encode() for point in (0xd7ff, 0xe000, 0xfffd, 0x10ffff)), TOO_FAR],
    [b"\x80", b"\xbf", *((b"\x80\xbf" * 3)[:length] for length in range(2, 7)), bytes(range(0x80, 0xbf))],
    [b"".join(bytes([byte]) + b" " for byte in range(first, last))
     for first, last in ((0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd))],
    CUT,
    [b"".join(CUT)],
    [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    [chr(point).encode("utf-8", "surrogatepass") for point in (0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff)],
    [(chr(high) + chr(low)).encode("utf-8", "surrogatepass") for high in (0xd800, 0xdb7f, 0xdb80, 0xdbff) for low in (0xdc00, 0xdfff)],
    [chr(plane << 16 | low).encode() for plane in range(17) for low in (0xfffe, 0xffff)],
    [chr(point).encode() for point in range(0xfff9, 0x10000)],
]


def texts():
    bad, late = GREEK + SURROGATE + b"edited", GREEK + TOO_FAR + b"edited"
    hello = "Hello-µ@ßöäüàá-UTF-8!!".encode()

    def by_frames(*cuts):
        pieces = [late[:cuts[0]], late[cuts[0]:cuts[1]], late[cuts[1]:]]
        return [part(TEXT, pieces[0]), PAUSE, part(CONTINUATION, pieces[1]), PAUSE, part(CONTINUATION, pieces[2], True), *ANSWERED]

    def by_pieces(*cuts):
        data = masked(TEXT, late)
        at = [len(data) - len(late) + cut for cut in cuts]
        return [data[:at[0]], PAUSE, data[at[0]:at[1]], PAUSE, data[at[1]:], *ANSWERED]

    return {
        **numbered("6.1", [[masked(TEXT), *ANSWERED], [part(TEXT, "") + part(CONTINUATION, "") + part(CONTINUATION, "", True), *ANSWERED],
                           [part(TEXT, "") + part(CONTINUATION, "middle frame payload") + part(CONTINUATION, "", True), *ANSWERED]]),
        **numbered("6.2", [[masked(TEXT, hello), *ANSWERED], [b"".join(fragments(TEXT, hello, 12)), *ANSWERED],
                           [b"".join(fragments(TEXT, hello, 1)), *ANSWERED], [b"".join(fragments(TEXT, GREEK, 1)), *ANSWERED]]),
        **numbered("6.3", [[masked(TEXT, bad), *ANSWERED], [b"".join(fragments(TEXT, bad, 1)), *ANSWERED]]),
        **numbered("6.4", [by_frames(11, 15), by_frames(12, 13), by_pieces(11, 15), by_pieces(12, 13)]),
        **{name: case for number, group in enumerate(TEXTS, 5)
           for name, case in numbered(f"6.{number}", [[masked(TEXT, text), *ANSWERED] for text in group]).items()},
    }


def closes():
    text, ping = masked(TEXT, "Hello World!"), masked(PING)
    large = masked(TEXT, (b"BAsd7&jh23" * 26215)[:256 * KIB])
    reason = GREEK + SURROGATE + b"edited"

    def codes(*numbers):
        return [[masked(CLOSE, close(code))] for code in numbers]

    return {
        **numbered("7.1", [[text, *ANSWERED], [END, masked(CLOSE)], [END, ping], [END, text],
                           [part(TEXT, "fragment1"), END, part(CONTINUATION, "fragment2", True)], [large, ANSWER, text + END + ping]]),
        **numbered("7.3", [[masked(CLOSE)], [masked(CLOSE, "a")], [END], [masked(CLOSE, close(1000, "Hello World!"))],
                           [masked(CLOSE, close(1000, "*" * 123))], [masked(CLOSE, close(1000, "*" * 124))]]),
        **numbered("7.5", [[masked(CLOSE, close(1000) + reason)]]),
        **numbered("7.7", codes(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)),
        **numbered("7.9", codes(0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)),
        **numbered("7.13", codes(5000, 65535)),
    }


def limits(messages):
    """`messages`: of the thousand that 9.7 and 9.8 send one after the other."""
    cases = {}
    for i, (opcode, byte) in enumerate(((TEXT, b"*"), (BINARY, b"\xfe"))):
        cases |= numbered(f"9.{1 + i}", [[masked(opcode, byte * size), *ANSWERED]
                                         for size in (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)])
        cases |= numbered(f"9.{3 + i}", [[b"".join(fragments(opcode, byte * 4 * MIB, 64 << 2 * step)), *ANSWERED] for step in range(9)])
        cases |= numbered(f"9.{5 + i}", [[*chopped(64 << step, masked(opcode, byte * MIB)), *ANSWERED] for step in range(6)])
        cases |= numbered(f"9.{7 + i}", [[*[masked(opcode, byte * size), ANSWER] * messages, END]
                                         for size in (0, 16, 64, 256, 1024, 4096)])
    return cases


def compressed_frames(text, size, maker):
    """A message of permessage-deflate, in frames of `size` bytes (0: in one)."""
    data = (maker.compress(text) + maker.flush(zlib.Z_SYNC_FLUSH))[:-4]
    parts = [data[at:at + size] for at in range(0, len(data), size)] if size else [data]
    last = len(parts) - 1
    return b"".join(masked(TEXT if i == 0 else CONTINUATION, one, rsv=0 if i else 4, fin=i == last) for i, one in enumerate(parts))


SIZES = [(16, 0), (64, 0), (256, 0), (KIB, 0), (4 * KIB, 0), (8 * KIB, 0), (16 * KIB, 0), (32 * KIB, 0), (64 * KIB, 0), (128 * KIB, 0),
         (8 * KIB, 256), (16 * KIB, 256), (32 * KIB, 256), (64 * KIB, 256), (128 * KIB, 256), (128 * KIB, KIB), (128 * KIB, 4 * KIB),
         (128 * KIB, 32 * KIB)]
BASE = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
OFFERS = ["permessage-deflate", *(f"{BASE}; {more}" for more in (
    "server_no_context_takeover", "server_max_window_bits=9", "server_max_window_bits=15",
    "server_no_context_takeover; server_max_window_bits=9", "server_no_context_takeover; server_max_window_bits=15"))]
OFFERS.append(", ".join([OFFERS[4], OFFERS[1], BASE]))


def records(rng, size):
    """Text as services send it: some of it comes again."""
    out = "["
    while len(out) < size:
        out += json.dumps({"id": rng.randrange(1 << 30), "name": rng.choice(("a name", "another", "a third")), "ok": rng.random() < 0.5}) + ","
    return out[:size].encode()


PRINTABLE = bytes(0x20 + byte % 95 for byte in range(256))


def noise(rng, size):
    return rng.randbytes(size).translate(PRINTABLE)


def compressed(messages):
    """{name: (offer, case)}: 12.1 and 12.2 of kinds of data, 13 of offers; `messages` of a thousand each, one after the other. A client
    whose window is the smallest, and who begins anew with each message, may talk to any server: so does 13."""
    cases = {}
    for number, kind in enumerate((records, noise), 1):
        for i, (size, frames) in enumerate(SIZES, 1):
            rng, maker = random.Random(i), zlib.compressobj(wbits=-15)
            one = [compressed_frames(kind(rng, size), frames, maker) for _ in range(messages)]
            cases[f"12.{number}.{i}"] = OFFERS[0], [piece for data in one for piece in (data, ANSWER)] + [END]
    for number, offer in enumerate(OFFERS, 1):
        for i, (size, frames) in enumerate(SIZES, 1):
            rng = random.Random(i)
            one = [compressed_frames(records(rng, size), frames, zlib.compressobj(wbits=-9)) for _ in range(messages)]
            cases[f"13.{number}.{i}"] = offer, [piece for data in one for piece in (data, ANSWER)] + [END]
    return cases


def functional():
    """1 to 7 and 10: 247 cases."""
    return {**framing(), **pings(), **reserved_bits(), **opcodes(), **broken_up(), **texts(), **closes(),
            "10.1.1": [*fragments(TEXT, b"*" * 65536, 1300), *ANSWERED]}
