"""test_grpc_clients.py: gRPC end to end with a client and a server that people use (Python's grpcio): all four kinds of calls,
metadata, statuses, deadlines and cancels, over HTTP/2 with and without TLS on both sides.

Messages are bytes: no protobuf is needed to pass them.
SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import threading
import time

import pytest
from configs import backend, endpoint, service
from tls_front import tls_block
from waiting import Stopwatch, eventually

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")

SECONDS = 15


class Echo:
    """A server whose handlers note what becomes of their calls."""

    def __init__(self, certificate=None, seconds=SECONDS):
        self.ended, self.metadata, self.remaining, self.seconds = threading.Event(), {}, None, seconds
        self.pool = concurrent.futures.ThreadPoolExecutor(32)
        self.server = grpc.server(self.pool)
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Hang": grpc.unary_unary_rpc_method_handler(self.hang),
            "Drip": grpc.unary_stream_rpc_method_handler(self.drip),
        }
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.Echo", handlers),))
        if certificate:
            pair = [(open(certificate.key, "rb").read(), open(certificate.certificate, "rb").read())]
            port = self.server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
        else:
            port = self.server.add_insecure_port("127.0.0.1:0")
        self.url = f"{'https' if certificate else 'http'}://{'localhost' if certificate else '127.0.0.1'}:{port}"
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()
        self.pool.shutdown(wait=False)

    def note(self, context):
        self.metadata = dict(context.invocation_metadata())
        self.remaining = context.time_remaining()
        context.add_callback(self.ended.set)

    def unary(self, request, context):
        self.note(context)
        context.send_initial_metadata((("x-initial", "i"),))
        context.set_trailing_metadata((("x-trailing", "t"), ("x-data-bin", b"\0\1\xff")))
        return request

    def up(self, requests, context):
        self.note(context)
        return b"".join(requests)

    def down(self, request, context):
        self.note(context)
        for number in range(int(request)):
            yield b"%d" % number

    def both(self, requests, context):
        self.note(context)
        for request in requests:
            yield request[::-1]

    def fail(self, request, context):
        self.note(context)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "über 100%\n")

    def hang(self, request, context):
        self.note(context)
        self.ended.wait(self.seconds)
        return b""

    def drip(self, request, context):
        self.note(context)
        while not self.ended.wait(0.05):
            yield b"drop"


WAYS = ["h2c", "tls"]


class Stage:
    def __init__(self, make, authority, certificate, way, traffic="stream", server=None, origin=None, **keys):
        secure = certificate if way == "tls" else None
        self.echo = make.stack.enter_context(Echo(secure))
        upstream = {"class": traffic, "protocol": "h2" if secure else "h2c"}
        route = endpoint("/a.Echo/*", backend(origin or self.echo.url, "/a.Echo/*", encoding="no-op",
                                              extra_config={"holdfast/upstream": upstream}),
                         **{"method": "POST", "output_encoding": "no-op", "timeout": "10s", "input_headers": ["*"], **keys})
        listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(certificate)}]
        root = {"client_tls": {"ca_certs": [str(authority.certificate)], "min_version": "TLS12"}} if secure else {}
        self.gateway = make.gateway(service([route], {"listeners": listeners, **(server or {})}, None, use_h2c=True, **root))
        port = self.gateway.addresses[1 if secure else 0][1]
        options = [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", 64 << 20)]
        if secure:
            credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
            channel = grpc.secure_channel(f"localhost:{port}", credentials, options)
        else:
            channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.channel = make.stack.enter_context(channel)

    def call(self, kind, name):
        return getattr(self.channel, kind)(f"/a.Echo/{name}")


@pytest.fixture
def stage(make, authority, certificate):
    return lambda way="h2c", **keys: Stage(make, authority, certificate, way, **keys)


@pytest.mark.parametrize("way", WAYS)
def test_unary_calls_with_metadata_and_trailers(stage, way):
    stage = stage(way)
    answer, call = stage.call("unary_unary", "Unary").with_call(b"hello", timeout=SECONDS, metadata=(("x-own", "o"),))
    assert answer == b"hello"
    assert dict(call.initial_metadata())["x-initial"] == "i"
    trailing = dict(call.trailing_metadata())
    assert (trailing["x-trailing"], trailing["x-data-bin"]) == ("t", b"\0\1\xff")
    assert stage.echo.metadata["x-own"] == "o"
    assert 5 < stage.echo.remaining <= SECONDS, "the deadline reaches the server"


@pytest.mark.parametrize("way", WAYS)
def test_streams_of_the_client_and_of_the_server(stage, way):
    stage = stage(way)
    parts = [b"%05d" % number for number in range(2000)]
    assert stage.call("stream_unary", "Up")(iter(parts), timeout=SECONDS) == b"".join(parts)
    assert list(stage.call("unary_stream", "Down")(b"3000", timeout=SECONDS)) == [b"%d" % number for number in range(3000)]
    assert list(stage.call("unary_stream", "Down")(b"0", timeout=SECONDS)) == []


@pytest.mark.parametrize("way", WAYS)
def test_both_at_once_answer_for_answer(stage, way):
    """Each message is only sent when the answer to the one before is here: nothing is held back."""
    stage = stage(way)
    turn = threading.Semaphore(1)

    def questions():
        for number in range(50):
            assert turn.acquire(timeout=SECONDS)
            yield b"q%d" % number

    seen = []
    for answer in stage.call("stream_stream", "Both")(questions(), timeout=SECONDS):
        seen.append(answer)
        turn.release()
    assert seen == [(b"q%d" % number)[::-1] for number in range(50)]


def test_large_messages_and_compression(stage):
    stage = stage()
    large = bytes(range(256)) * 12000
    assert stage.call("unary_unary", "Unary")(large, timeout=SECONDS) == large
    answer = stage.call("unary_unary", "Unary")(b"z" * 100000, timeout=SECONDS, compression=grpc.Compression.Gzip)
    assert answer == b"z" * 100000


def test_many_calls_at_once_share_connections(stage):
    stage = stage()
    call = stage.call("unary_unary", "Unary")
    futures = [call.future(b"%d" % number, timeout=SECONDS) for number in range(300)]
    assert [future.result() for future in futures] == [b"%d" % number for number in range(300)]


def failure(future):
    with pytest.raises(grpc.RpcError) as caught:
        future.result()
    return caught.value


def test_a_servers_status_and_text_pass(stage):
    error = failure(stage().call("unary_unary", "Fail").future(b"", timeout=SECONDS))
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "über 100%\n")


def test_an_unknown_method_is_the_servers_answer(stage):
    error = failure(stage().call("unary_unary", "Nothing").future(b"", timeout=SECONDS))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_an_unknown_service_is_ours(stage):
    stage = stage()
    error = failure(stage.channel.unary_unary("/b.Other/Say").future(b"", timeout=SECONDS))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_server_that_is_gone_is_unavailable(stage):
    stage = stage()
    assert stage.call("unary_unary", "Unary")(b"x", timeout=SECONDS) == b"x"
    stage.echo.server.stop(0).wait()
    error = failure(stage.call("unary_unary", "Unary").future(b"x", timeout=SECONDS))
    assert error.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name, kind", [("Hang", "unary_unary"), ("Drip", "unary_stream")])
def test_a_client_that_cancels_is_heard_by_the_server_within_a_second(stage, name, kind):
    stage = stage()
    call = stage.call(kind, name)
    running = call.future(b"", timeout=SECONDS) if kind == "unary_unary" else call(b"", timeout=SECONDS)
    if kind == "unary_stream":
        assert next(running) == b"drop"
    eventually(lambda: stage.echo.remaining is not None, what="the call is at the server")
    running.cancel()
    eventually(stage.echo.ended.is_set, 1.5, "the server hears of it")
    assert running.code() == grpc.StatusCode.CANCELLED


@pytest.mark.parametrize("timeout, own", [("10s", 0.5), ("500ms", 10)])
def test_the_earlier_deadline_ends_it_on_both_sides(stage, timeout, own):
    stage = stage(timeout=timeout, traffic="short")
    watch = Stopwatch()
    error = failure(stage.call("unary_unary", "Hang").future(b"", timeout=own))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(stage.echo.ended.is_set, what="the server hears of it")
    assert watch.awake < 5


def test_a_stream_lives_longer_than_the_endpoints_timeout(stage):
    stage = stage(timeout="300ms")
    drops = stage.call("unary_stream", "Drip")(b"", timeout=SECONDS)
    began = time.monotonic()
    while time.monotonic() - began < 1:
        assert next(drops) == b"drop"
    drops.cancel()


def test_a_drain_lets_calls_finish(stage):
    stage = stage(server={"drain_window": "1s", "drain_limit": "8s"})
    turn = threading.Semaphore(1)

    def questions():
        for number in range(5):
            assert turn.acquire(timeout=SECONDS)
            yield b"q%d" % number

    answers = stage.call("stream_stream", "Both")(questions(), timeout=SECONDS)
    assert next(answers) == b"0q"
    stage.gateway.send_signal(15)
    time.sleep(0.3)
    for number in range(1, 5):
        turn.release()
        assert next(answers) == b"%dq" % number
    turn.release()
    assert list(answers) == []
    stage.gateway.wait()


def test_health_of_the_gateway(stage):
    stage = stage(server={"grpc_health": True})
    check = stage.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"", timeout=SECONDS) == b"\x08\x01"
    assert check(b"\x0a\x06a.Echo", timeout=SECONDS) == b"\x08\x01"
    assert failure(check.future(b"\x0a\x05b.Oth", timeout=SECONDS)).code() == grpc.StatusCode.NOT_FOUND


def test_a_watch_of_the_gateways_health(stage):
    """What grpcio's own health client does: one stream, each state as it comes, and an end in order."""
    stage = stage(server={"grpc_health": True, "drain_window": "20s", "drain_limit": "30s"})
    watch = stage.channel.unary_stream("/grpc.health.v1.Health/Watch")
    states = watch(b"", timeout=SECONDS)
    unknown = watch(b"\x0a\x05b.Oth", timeout=SECONDS)
    assert next(states) == b"\x08\x01"
    assert next(unknown) == b"\x08\x03"
    cancelled = watch(b"", timeout=SECONDS)
    assert next(cancelled) == b"\x08\x01"
    cancelled.cancel()
    stage.gateway.send_signal(15)
    assert list(states) == [b"\x08\x02"]
    assert states.code() == grpc.StatusCode.OK
    assert list(unknown) == [b"\x08\x02"]
    stage.channel.close()
    stage.gateway.wait()
