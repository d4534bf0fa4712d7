"""test_http2.py: clients that speak HTTP/2: curl, nghttp, h2load, Node and Python's h2; windows, aborts, drain.

SPDX-License-Identifier: Apache-2.0
"""
import re
import socket
import subprocess
import threading
import time

import h2.events
import pytest
from admin import metrics
from configs import forward_all, service
from h2client import Client
from origin import reply
from servers import find_tool
from tls_front import s_client, tls_block
from waiting import eventually

BIG = bytes(range(256)) * 4096


def front(make, certificate, upstream, server=None, extra=None, **root):
    """Plain (HTTP/2 by prior knowledge), TLS and admin listeners."""
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0", "tls": tls_block(certificate)}]
    extra = {"holdfast/admin": {"listen": "127.0.0.1:0"}, **(extra or {})}
    config = service([forward_all(upstream)], {"listeners": listeners, **(server or {})}, extra, use_h2c=True, **root)
    return make.gateway(config)


def echoes(conn, request):
    conn.send(reply(conn.body(), fields=(("X-Method", request.method),)))


def run(*command, seconds=40, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, check=False, **options)
    return done.stdout.decode(errors="replace")


def curl(*arguments):
    return run("curl", "-sSk", "-m", "20", "-o", "/dev/null", "-w", "%{http_version} %{http_code} %{size_download} ", *arguments)


def url(running, index, path="/"):
    return f"{'https' if index else 'http'}://127.0.0.1:{running.addresses[index][1]}{path}"


def client(make, running, index=0, authority=None):
    made = Client(running.addresses[index], authority if index else None)
    make.stack.callback(made.sock.close)
    return made


def test_curl_speaks_it_with_and_without_tls(make, certificate, tmp_path):
    running = front(make, certificate, make.origin(echoes))
    body = tmp_path / "body"
    body.write_bytes(BIG)
    assert curl("--http2", url(running, 1)) == "2 200 0 "
    assert curl("--http2-prior-knowledge", url(running, 0)) == "2 200 0 "
    assert curl("--http2", url(running, 0)) == "1.1 200 0 "  # an upgrade is not taken up (RFC 9113 3.1)
    assert curl("--http1.1", url(running, 1)) == "1.1 200 0 "
    assert curl("--http2", "--data-binary", f"@{body}", url(running, 1)) == f"2 200 {len(BIG)} "
    assert curl("--http2", "-I", url(running, 1)) == "2 200 0 "
    assert curl("--http2", "-H", "Expect: 100-continue", "-d", "x" * 2000, url(running, 1)) == "2 200 2000 "


def test_the_ready_line_names_what_is_spoken(make, certificate):
    ready = front(make, certificate, make.origin()).ready
    assert re.search(r"http://127\.0\.0\.1:\d+ \(http/1\.1, h2c\), https://127\.0\.0\.1:\d+ \(http/1\.1, h2\)", ready)
    assert re.search(r"http://127\.0\.0\.1:\d+ \(http/1\.1\)", make.gateway(service([forward_all(make.origin())])).ready)


@pytest.mark.parametrize("first, answer", [
    (b"INVALID CONNECTION PREFACE\r\n\r\n", "goaway"), (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "goaway"),
    (b"GET /\r\n\r\n", 400), (b"GET / HTTP/1.x\r\n\r\n", 400), (b"PRI * HTTP/2.0\r\nHost: x\r\n\r\n", 505)])
def test_what_is_neither_version_is_an_invalid_preface(make, certificate, first, answer):
    """RFC 9113 3.4; what looks like HTTP/1 has its answer there."""
    running = front(make, certificate, make.origin())
    with socket.create_connection(running.addresses[0], timeout=10) as sock:
        sock.sendall(first)
        told = b"".join(iter(lambda: sock.recv(4096), b""))
    if answer == "goaway":
        assert told[3] == 4 and told.endswith(b"\0\0\0\1"), "SETTINGS, then GOAWAY(PROTOCOL_ERROR)"
    else:
        assert told.startswith(b"HTTP/1.1 %d " % answer)


def test_a_listener_may_leave_it_out(make, certificate):
    upstream = make.origin()
    listeners = [{"listen": "127.0.0.1:0", "tls": tls_block(certificate), "protocols": ["http/1.1"]}]
    running = make.gateway(service([forward_all(upstream)], {"listeners": listeners}))
    assert "(http/1.1)" in running.ready
    assert "ALPN protocol: http/1.1" in s_client(running, "-alpn", "h2,http/1.1")
    plain = make.gateway(service([forward_all(upstream)]))
    assert "0 000 0" in curl("--http2-prior-knowledge", f"http://127.0.0.1:{plain.address[1]}/")


@pytest.mark.parametrize("index", [0, 1])
def test_h2load_gets_every_answer(make, certificate, index):
    running = front(make, certificate, make.origin())
    out = run(find_tool("h2load"), "-n", 600, "-c", 4, "-m", 32, url(running, index))
    assert "600 succeeded, 0 failed, 0 errored" in out
    numbers = metrics(running)
    assert numbers["holdfast_http2_connections_total"] == 4
    assert numbers["holdfast_http2_streams_total"] == 600


def test_nghttp_sends_trailers_and_gets_large_bodies(make, certificate):
    origin = make.origin(lambda conn, request: (conn.body(), conn.send(reply(BIG))))
    running = front(make, certificate, origin)
    out = run(find_tool("nghttp"), "-nvs", "--trailer", "x-up: 1", url(running, 0, "/big"), url(running, 0, "/other"))
    assert out.count("200   1M /") == 2


NODE = """
const http2 = require('http2');
const session = http2.connect(process.argv[1], {rejectUnauthorized: false});
let open = 40, wrong = 0;
for (let i = 0; i < 40; i++) {
  const body = Buffer.alloc(30000 + i, 97);
  const request = session.request({':method': 'POST', ':path': '/' + i});
  let size = 0;
  request.on('response', (head) => { if (head[':status'] !== 200) wrong++; });
  request.on('data', (piece) => { size += piece.length; });
  request.on('end', () => { if (size !== body.length) wrong++; if (--open === 0) { console.log('wrong', wrong); session.close(); } });
  request.end(body);
}
"""


def test_node_posts_on_many_streams_at_once(make, certificate):
    running = front(make, certificate, make.origin(echoes))
    assert run(find_tool("node"), "--no-warnings", "-e", NODE, url(running, 1)).strip() == "wrong 0"


def test_heads_are_as_http1_has_them(make, certificate):
    origin = make.origin()
    running = front(make, certificate, origin)
    made = client(make, running)
    made.request(1, "/a?b=c", fields=[("cookie", "a=1"), ("x-b", "2"), ("cookie", "b=2"), ("te", "trailers")])
    assert made.status(1) == 200
    request = origin.last
    assert request.get("Cookie") == "a=1; b=2" and request.get("X-B") == "2"
    assert request.get("Te") == "trailers" and len(request.all("Host")) == 1
    answer = dict(made.of(h2.events.ResponseReceived)[0].headers)
    assert not {"connection", "keep-alive", "transfer-encoding"} & set(answer)


def test_a_slow_reader_holds_up_nobody_else(make, certificate):
    def answers(conn, request):
        conn.send(reply(BIG if request.path == "/big" else b"OK"))

    running = front(make, certificate, make.origin(answers))
    made = client(make, running)
    made.h2.update_settings({4: 1 << 20})
    made.h2.increment_flow_control_window(1 << 24)
    made.acknowledges = False
    made.request(1, "/big")
    made.wait(h2.events.DataReceived, 1)
    made.request(3, "/small")
    assert made.body(3) == b"OK"


def test_a_client_that_resets_ends_the_upload(make, certificate):
    ended = threading.Event()

    def waits(conn, _):
        conn.wait_end()
        ended.set()

    origin = make.origin(waits)
    running = front(make, certificate, origin)
    made = client(make, running)
    made.request(1, method="POST", body=b"x" * 16384, end=False)
    origin.wait_requests(1)
    made.h2.reset_stream(1, 8)
    made.flush()
    made.request(3, method="POST", body=b"y", end=False)
    made.poll(0.5)
    assert not made.closed
    assert ended.wait(10)
    assert eventually(lambda: metrics(running)["holdfast_http2_client_resets_total"] == 1)


def test_an_early_answer_ends_the_upload_without_an_error(make, certificate):
    running = front(make, certificate, make.origin(), {"max_body_bytes": 1000})
    made = client(make, running)
    made.request(1, method="POST", body=b"x" * 5000, end=False)
    assert made.status(1) == 413
    assert made.wait(h2.events.StreamReset, 1)[0].error_code == 0
    made.request(3)
    assert made.status(3) == 200


def test_settings_are_announced_and_kept(make, certificate):
    limits = {"max_streams": 7, "max_header_bytes": 8192, "stream_window": 20000, "connection_window": 100000}
    release = threading.Event()

    def waits(conn, _):
        release.wait(20)
        conn.send(reply(b"late"))

    running = front(make, certificate, make.origin(waits), {"http2": limits}, timeout="20s")
    made = client(make, running)
    made.wait(h2.events.RemoteSettingsChanged)
    made.poll()
    assert (made.h2.remote_settings.max_concurrent_streams, made.h2.remote_settings.initial_window_size) == (7, 20000)
    assert made.h2.outbound_flow_control_window == 100000
    assert made.h2.remote_settings.max_header_list_size == 8192
    made.h2.remote_settings[3] = 100  # a client that counts badly
    made.h2.remote_settings.acknowledge()
    for stream in range(1, 17, 2):
        made.request(stream)
    told = made.wait(h2.events.ConnectionTerminated)[0]
    assert (told.error_code, told.last_stream_id, told.additional_data) == (1, 13, b"request HEADERS: max concurrent streams exceeded")
    release.set()


@pytest.mark.parametrize("refill,ends", [(0, True), (100000, False)])
def test_the_budget_for_odd_frames_fills_again(make, certificate, refill, ends):
    running = front(make, certificate, make.origin(), {"http2": {"glitch_budget": 50, "glitch_refill": refill}})
    made = client(make, running)
    made.poll()
    for _ in range(3):
        if not made.closed:
            made.sock.sendall(b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0" * 45)
            time.sleep(1.2)
            made.poll()
    if ends:
        made.wait(h2.events.ConnectionTerminated)
    else:
        made.request(1)
        assert made.status(1) == 200 and not made.of(h2.events.ConnectionTerminated)


def test_126_a_flood_ends_its_connection_only(make, certificate):
    running = front(make, certificate, make.origin(), {"http2": {"glitch_budget": 50}})
    made, other = client(make, running), client(make, running)
    made.sock.sendall(b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0" * 200)
    made.wait(h2.events.ConnectionTerminated)
    assert made.of(h2.events.ConnectionTerminated)[0].error_code == 11
    other.request(1)
    assert other.status(1) == 200
    numbers = metrics(running)
    assert numbers["holdfast_http2_exhausted_total"] == 1
    assert numbers['holdfast_http2_glitches_total{kind="ping"}'] >= 50
    assert numbers['holdfast_http2_goaways_total{code="ENHANCE_YOUR_CALM"}'] == 1
    assert eventually(lambda: metrics(running).get('holdfast_client_closes_total{reason="abuse",side="client",listener="127.0.0.1:0"}') == 1)


def test_164_a_drain_tells_silent_connections_and_lets_streams_finish(make, certificate):
    release = threading.Event()

    def waits(conn, _):
        release.wait(20)
        conn.send(reply(b"late"))

    origin = make.origin(waits)
    running = front(make, certificate, origin, {"drain_window": "1s"})
    silent, out = client(make, running), []
    silent.poll()
    busy = threading.Thread(target=lambda: out.append(curl("--http2", url(running, 1))))
    busy.start()
    origin.wait_requests(1)
    running.send_signal(15)
    first = silent.wait(h2.events.ConnectionTerminated)[0]
    assert (first.error_code, first.last_stream_id) == (0, 2**31 - 1)
    release.set()
    busy.join()
    assert out == ["2 200 4 "]


def test_164_silent_connections_are_told_one_after_the_other(make, certificate):
    """Not all in one moment: who comes back elsewhere comes over the window. None has to say anything for it."""
    running = front(make, certificate, make.origin(), {"drain_window": "4s", "drain_limit": "15s"})
    silent, told = [client(make, running) for _ in range(40)], {}
    for made in silent:
        made.poll()
    began = time.monotonic()
    running.send_signal(15)

    def all_are_told():
        for made in silent:
            if made not in told:
                made.poll(0.005)
                notices = made.of(h2.events.ConnectionTerminated)
                if notices:
                    told[made] = (time.monotonic() - began, notices[0].error_code, notices[0].last_stream_id)
        return len(told) == len(silent)

    eventually(all_are_told, 12, "each is told")
    assert {what[1:] for what in told.values()} == {(0, 2**31 - 1)}
    times = [what[0] for what in told.values()]
    assert max(times) - min(times) > 1, times
    for made in silent:
        made.sock.close()
    running.wait()


def test_idle_connections_are_told_and_closed(make, certificate):
    running = front(make, certificate, make.origin(), idle_timeout="1s")
    made = client(make, running)
    made.request(1)
    assert made.status(1) == 200
    assert made.wait(h2.events.ConnectionTerminated)[0].error_code == 0
