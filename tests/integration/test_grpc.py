"""test_grpc.py: gRPC over HTTP/2 by the byte: what passes, what the gateway says in gRPC's words, deadlines, cancels, health.

SPDX-License-Identifier: Apache-2.0
"""
import time

import h2.events
import pytest
from configs import backend, endpoint, service
from h2client import Client
from h2peer import Peer
from origin import answers, chunked, reply
from rawhttp import fetch
from waiting import Stopwatch, eventually

MESSAGE = b"\0\0\0\0\2\x08\x01"
TYPE = ("content-type", "application/grpc")
GRPC = [TYPE, ("te", "trailers")]
GOOD = chunked([MESSAGE], [("Content-Type", "application/grpc")], [("grpc-status", "0"), ("x-meta", "m")])


def way(upstream, traffic="short", path="/a.Echo/*", upstream_options=None, **keys):
    extra = {"holdfast/upstream": {"class": traffic, **(upstream_options or {})}}
    keys = {"method": "POST", "output_encoding": "no-op", **keys}
    return endpoint(path, backend(upstream, path, encoding="no-op", extra_config=extra), **keys)


def call(make, gateway, path="/a.Echo/Say", fields=GRPC, body=MESSAGE, **keys):
    client = Client(gateway.address)
    make.stack.callback(client.sock.close)
    client.request(1, path, "POST", body, fields, **keys)
    return client


def start(make, *ways, server=None, **root):
    return make.gateway(service(list(ways), server, None, use_h2c=True, **root))


def status_of(client, stream=1):
    """(HTTP status, grpc-status, grpc-message) of an answer without messages."""
    client.wait(h2.events.StreamEnded, stream)
    head = dict(client.of(h2.events.ResponseReceived, stream)[0].headers)
    assert not client.of(h2.events.DataReceived, stream), "all of it stands in the head"
    assert head["content-type"] == "application/grpc"
    return int(head[":status"]), int(head["grpc-status"]), head.get("grpc-message")


def test_messages_metadata_and_trailers_pass(make):
    origin = make.origin(answers(GOOD))
    gateway = start(make, way(origin))
    client = call(make, gateway, fields=[*GRPC, ("grpc-timeout", "5S"), ("grpc-encoding", "identity"), ("x-own", "1")])
    assert client.status(1) == 200
    assert client.body(1) == MESSAGE
    assert client.trailers(1) == [("grpc-status", "0"), ("x-meta", "m")]
    request = origin.last
    assert (request.path, request.body, request.get("te")) == ("/a.Echo/Say", MESSAGE, "trailers")
    assert (request.get("grpc-timeout"), request.get("grpc-encoding")) == ("5S", "identity")
    assert request.get("content-type") == "application/grpc"
    assert request.get("x-own") is None, "metadata of applications pass by input_headers"
    assert request.get("accept-encoding") is None


def test_fields_of_grpc_pass_whatever_is_listed(make):
    origin = make.origin(answers(GOOD))
    client = call(make, start(make, way(origin, input_headers=["X-Own"])), fields=[*GRPC, ("x-own", "1"), ("x-not", "2")])
    assert client.trailers(1)[0] == ("grpc-status", "0")
    assert (origin.last.get("content-type"), origin.last.get("x-own"), origin.last.get("x-not")) == ("application/grpc", "1", None)


def test_a_host_that_refuses_connections_is_unavailable(make):
    origin = make.origin()
    gateway = start(make, way(origin))
    origin.stop_listening()
    assert status_of(call(make, gateway)) == (200, 14, "connect_refused")


def test_what_the_gateway_says_is_counted(make):
    extra = {"holdfast/admin": {"listen": "127.0.0.1:0"}}
    ways = [way(make.origin(answers(reply("no", "503 Service Unavailable")))), way(make.origin(begins), path="/c.Late/*", timeout="300ms")]
    gateway = make.gateway(service(ways, None, extra, use_h2c=True))
    assert status_of(call(make, gateway))[1] == 14
    assert status_of(call(make, gateway, "/b.Other/Say"))[1] == 12
    assert dict(call(make, gateway, "/c.Late/Say").trailers(1))["grpc-status"] == "4"
    text = fetch(gateway.addresses[-1], "/metrics").body.decode()
    for status in (14, 12, 4):
        assert f'holdfast_grpc_errors_total{{status="{status}"}} 1\n' in text


def test_the_whole_story_where_it_may_be_told(make):
    origin = make.origin()
    gateway = make.gateway(service([way(origin)], None, {"router": {"return_error_msg": True}}, use_h2c=True))
    origin.stop_listening()
    assert "refused" in status_of(call(make, gateway))[2]


@pytest.mark.parametrize("answer, code", [
    ("503 Service Unavailable", 14), ("502 Bad Gateway", 14), ("404 Not Found", 12), ("401 Unauthorized", 16), ("418 Teapot", 2)])
def test_answers_of_http_alone_are_translated(make, answer, code):
    gateway = start(make, way(make.origin(answers(reply("<html>", answer)))))
    http, status, message = status_of(call(make, gateway))
    assert (http, status) == (200, code)
    assert answer.split()[0] in message


def fails_by(how):
    def handler(conn, event):
        if not isinstance(event, h2.events.StreamEnded):
            return
        if how == "closes":
            conn.sock.close()
        elif how == "goaway":
            conn.h2.close_connection(0, last_stream_id=0)
        else:
            conn.h2.reset_stream(event.stream_id, {"resets": 2, "refuses": 7}[how])
    return handler


@pytest.mark.parametrize("how, messages", [("resets", {"reset"}), ("refuses", {"stream_refused"}), ("goaway", {"goaway"}),
                                           ("closes", {"no_answer", "reset"})])
def test_a_host_of_http2_that_fails_before_its_head_is_unavailable(make, how, messages):
    peer = make.stack.enter_context(Peer(fails_by(how)))
    gateway = start(make, way(peer, upstream_options={"protocol": "h2c", "eject_after": 0}))
    http, status, message = status_of(call(make, gateway))
    assert (http, status) == (200, 14) and message in messages


def test_a_status_that_a_server_gives_itself_stays(make):
    data = chunked([], [("Content-Type", "application/grpc"), ("grpc-status", "7")], (), "403 Forbidden")
    client = call(make, start(make, way(make.origin(answers(data)))))
    client.wait(h2.events.StreamEnded, 1)
    head = dict(client.of(h2.events.ResponseReceived, 1)[0].headers)
    assert (head[":status"], head["grpc-status"]) == ("403", "7")


def test_no_such_service_is_unimplemented(make):
    gateway = start(make, way(make.origin()))
    assert status_of(call(make, gateway, "/b.Other/Say"))[:2] == (200, 12)


def test_others_get_what_http_says(make):
    gateway = start(make, way(make.origin()))
    for fields in ([("content-type", "application/json")], [("content-type", "application/grpc-web")]):
        assert call(make, gateway, "/b.Other/Say", fields).status(1) == 404


def never(conn, _):
    conn.wait_end(20)


@pytest.mark.parametrize("timeout, header", [("10s", "300m"), ("300ms", "10S"), ("300ms", None)])
def test_the_earlier_deadline_counts(make, timeout, header):
    origin = make.origin(never)
    gateway = start(make, way(origin, timeout=timeout), timeout="10s")
    watch = Stopwatch()
    client = call(make, gateway, fields=[*GRPC, *([("grpc-timeout", header)] if header else [])])
    assert status_of(client) == (200, 4, "deadline")
    assert watch.between(0.25, 5), watch
    eventually(lambda: not origin.open_connections(), what="the call to the host is cancelled")


def begins(conn, _):
    conn.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"
              f"{len(MESSAGE):x}\r\n")
    conn.send(MESSAGE + b"\r\n")
    conn.wait_end(20)


def test_the_clients_deadline_ends_a_stream_too(make):
    """Class stream: the endpoint's timeout is for the head, the client's own is for the whole."""
    origin = make.origin(begins)
    gateway = start(make, way(origin, "stream", timeout="5s"))
    client = call(make, gateway, fields=[*GRPC, ("grpc-timeout", "700m")])
    assert client.status(1) == 200
    assert dict(client.trailers(1)) == {"grpc-status": "4", "grpc-message": "deadline"}
    assert client.body(1) == MESSAGE
    eventually(lambda: not origin.open_connections(), what="the call to the host is cancelled")


def test_a_stream_without_one_has_none(make):
    gateway = start(make, way(make.origin(begins), "stream", timeout="300ms"))
    client = call(make, gateway)
    assert client.status(1) == 200
    time.sleep(0.8)
    client.poll()
    assert not client.of(h2.events.StreamEnded, 1) and not client.of(h2.events.StreamReset, 1)


def test_a_host_that_breaks_off_is_told_in_trailers(make):
    def handler(conn, _):
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n")
        conn.send(MESSAGE + b"\r\n")
        time.sleep(0.2)
        conn.reset()

    client = call(make, start(make, way(make.origin(handler))))
    assert dict(client.trailers(1))["grpc-status"] == "14"
    assert client.status(1) == 200


@pytest.mark.parametrize("handler", [never, begins])
def test_a_client_that_cancels_ends_the_hosts_work_within_a_second(make, handler):
    origin = make.origin(handler)
    client = call(make, start(make, way(origin, timeout="30s")), end=False)
    origin.wait_requests(1)
    if handler is begins:
        assert client.status(1) == 200
    client.h2.reset_stream(1, 8)
    client.flush()
    eventually(lambda: not origin.open_connections(), 1.5, "the call to the host is cancelled")


def test_a_client_that_cancels_while_its_upload_is_held_up(make):
    """The host takes nothing: the client's RST_STREAM must be noticed all the same."""
    origin = make.origin(lambda conn, _: time.sleep(20), receive_buffer=4096)
    client = call(make, start(make, way(origin, timeout="30s")), body=None, end=False)
    sent = 0
    while sent < 64 << 20:
        room = min(client.h2.local_flow_control_window(1), 16384)
        if room == 0:
            client.poll(0.5)
            if client.h2.local_flow_control_window(1) == 0:
                break
            continue
        client.h2.send_data(1, b"x" * room)
        client.flush()
        sent += room
    assert sent < 64 << 20, "nothing held it up"
    client.h2.reset_stream(1, 8)
    client.flush()

    def is_over():
        ping = len(client.of(h2.events.PingAckReceived))
        client.h2.ping(b"12345678")
        client.flush()
        client.poll()
        return len(client.of(h2.events.PingAckReceived)) > ping

    eventually(is_over, what="the connection lives")
    client.request(3, "/b.Other/Say", "POST", MESSAGE, GRPC)
    assert status_of(client, 3)[1] == 12


def test_limits_are_exhausted_resources(make):
    gateway = start(make, way(make.origin(begins), "stream", extra_config={"holdfast/stream": {"max_open": 1}}))
    first = call(make, gateway)
    assert first.status(1) == 200
    assert status_of(call(make, gateway))[:2] == (200, 8)


CHECK = "/grpc.health.v1.Health/Check"


def health(make, gateway, name=b""):
    message = (b"\x0a" + bytes([len(name)]) + name) if name else b""
    return call(make, gateway, CHECK, body=b"\0" + len(message).to_bytes(4, "big") + message)


def test_health_of_the_gateway_itself(make):
    gateway = start(make, way(make.origin()), server={"grpc_health": True})
    for name in (b"", b"a.Echo"):
        client = health(make, gateway, name)
        assert client.body(1) == b"\0\0\0\0\2\x08\x01"
        assert client.trailers(1) == [("grpc-status", "0")]
    assert status_of(health(make, gateway, b"b.Other"))[1] == 5


def watch(make, gateway, name=b""):
    message = (b"\x0a" + bytes([len(name)]) + name) if name else b""
    return call(make, gateway, "/grpc.health.v1.Health/Watch", body=b"\0" + len(message).to_bytes(4, "big") + message)


def messages(client):
    return b"".join(event.data for event in client.of(h2.events.DataReceived, 1))


def said(state):
    return b"\0\0\0\0\2\x08" + bytes([state])


def test_a_watcher_is_told_when_the_gateway_drains(make):
    """SERVING at once; NOT_SERVING at the drain's beginning, long before the window's end; then the stream is over."""
    gateway = start(make, way(make.origin(begins)), server={"grpc_health": True, "drain_window": "20s", "drain_limit": "30s"})
    watchers = [watch(make, gateway), watch(make, gateway, b"a.Echo"), watch(make, gateway, b"b.Other")]
    for client, state in zip(watchers, (1, 1, 3)):
        assert client.status(1) == 200
        eventually(lambda: client.poll(0.05) or messages(client) == said(state), 5, "the first state")
        assert not client.of(h2.events.StreamEnded, 1)
    gateway.send_signal(15)
    for client, state in zip(watchers, (1, 1, 3)):
        assert client.body(1) == said(state) + said(2)
        assert client.trailers(1) == [("grpc-status", "0")]
        client.sock.close()
    gateway.wait()


def test_a_watcher_that_comes_during_the_drain_hears_one_state(make):
    gateway = start(make, way(make.origin(begins)), server={"grpc_health": True, "drain_window": "5s", "drain_limit": "8s"})
    busy = call(make, gateway)
    assert busy.status(1) == 200
    gateway.send_signal(15)
    time.sleep(0.3)
    late = watch(make, gateway)
    assert (late.body(1), late.trailers(1)) == (said(2), [("grpc-status", "0")])
    busy.h2.reset_stream(1, 8)
    busy.flush()
    gateway.wait()


def test_a_watcher_is_told_when_its_listener_drains(make):
    """Those of the other listener go on; so does Check, which speaks of the whole."""
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.2:0"}]
    server = {"grpc_health": True, "listeners": listeners, "drain_window": "20s", "drain_limit": "30s"}
    gateway = make.gateway(service([way(make.origin())], server, {"holdfast/admin": {"listen": "127.0.0.1:0"}}, use_h2c=True))
    going, other, admin = gateway.addresses
    leaving = watch(make, gateway)
    gateway.address = other
    staying = watch(make, gateway)
    for client in (leaving, staying):
        assert client.status(1) == 200
        eventually(lambda: client.poll(0.05) or messages(client) == said(1), 5, "the first state")
    assert fetch(admin, f"/v1/drain?listener={going[0]}:{going[1]}", "POST", body=b"").status == 202
    assert leaving.body(1) == said(1) + said(2)
    assert leaving.trailers(1) == [("grpc-status", "0")]
    assert health(make, gateway).body(1) == said(1)
    staying.poll(0.1)
    assert messages(staying) == said(1) and not staying.of(h2.events.StreamEnded, 1)


def test_watchers_leave_without_a_trace_and_are_counted(make):
    gateway = start(make, way(make.origin()), server={"grpc_health": True, "max_streams_per_ip": 2})
    watchers = [watch(make, gateway) for _ in range(2)]
    for client in watchers:
        assert client.status(1) == 200
    assert status_of(watch(make, gateway))[:2] == (200, 8)
    watchers[0].h2.reset_stream(1, 8)
    watchers[0].flush()
    watchers[1].sock.close()

    def comes_in():
        client = watch(make, gateway)
        eventually(lambda: client.poll(0.05) or messages(client) or client.of(h2.events.StreamEnded, 1), 5, "an answer")
        return messages(client) == said(1)

    eventually(lambda: comes_in(), 5, "their places are free")
    assert health(make, gateway).body(1) == said(1)


def test_a_watchers_own_deadline_counts(make):
    gateway = start(make, way(make.origin()), server={"grpc_health": True})
    client = call(make, gateway, "/grpc.health.v1.Health/Watch", [*GRPC, ("grpc-timeout", "300m")], b"\0\0\0\0\0")
    assert dict(client.trailers(1))["grpc-status"] == "4"
    assert client.body(1) == said(1)


@pytest.mark.parametrize("body, status", [(b"", 13), (b"\1\0\0\0\0", 13)])
def test_what_is_no_request_to_watch(make, body, status):
    gateway = start(make, way(make.origin()), server={"grpc_health": True})
    assert status_of(call(make, gateway, "/grpc.health.v1.Health/Watch", body=body))[1] == status


def test_health_is_off_by_default_and_a_hosts_own_passes(make):
    origin = make.origin(answers(GOOD))
    gateway = start(make, way(origin, path="/*"))
    assert health(make, gateway).trailers(1)[0] == ("grpc-status", "0")
    assert origin.last.path == CHECK


def test_health_while_it_drains(make):
    gateway = start(make, way(make.origin(begins)), server={"grpc_health": True, "drain_window": "3s", "drain_limit": "8s"})
    busy = call(make, gateway)
    assert busy.status(1) == 200
    gateway.send_signal(15)

    def told():
        response = fetch(gateway.address, CHECK, "POST", [TYPE, ("TE", "trailers")], b"\0\0\0\0\0")
        assert response.trailers == [("grpc-status", "0")]
        return response.body

    eventually(lambda: told() == b"\0\0\0\0\2\x08\x02", what="NOT_SERVING")
    busy.h2.reset_stream(1, 8)
    busy.flush()
    gateway.wait()
