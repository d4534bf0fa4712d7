"""test_dead_paths.py: paths that drop what is sent without a word, local ports that run out, and what idle closes leave behind; all in
network namespaces of their own. Where this user may not make any, the file runs once more inside a user namespace.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
from admin import ADMIN, pool_of
from configs import backend, endpoint, forward_all, proxy, service
from crowd import Gate, at_once, in_threads
from foreign_sockets import tcp_options
from gateway import ROOT
from netlab import PacketFilter, Relay, may_unshare, namespace, write_sysctl
from origin import answers_ok, by_path
from rawhttp import Client, fetch
from waiting import Stopwatch, eventually

INSIDE = "HOLDFAST_TEST_INSIDE_NAMESPACE"


def test_in_a_user_namespace():
    if may_unshare() or os.environ.get(INSIDE):
        pytest.skip("not needed: network namespaces are to be had as we are")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are not permitted here")
    result = subprocess.run(["unshare", "-rn", sys.executable, "-m", "pytest", "-q", __file__], check=False, cwd=ROOT,
                            env={**os.environ, INSIDE: "1"}, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stdout[-4000:]


@pytest.fixture
def network():
    with namespace():
        yield


def sockets(*expression):
    return subprocess.run(["ss", "-Htano", *expression], check=True, capture_output=True, text=True).stdout.splitlines()


def test_tcp_keep_alive_is_set_and_idle_closes_leave_no_time_wait(network, make):
    if not shutil.which("ss"):
        pytest.skip("ss is missing")
    upstream = make.origin()
    gateway = make.gateway(proxy(upstream, idle_connection_timeout="2s", dialer_keep_alive="40s"))
    port = upstream.address[1]
    assert fetch(gateway.address).status == 200
    lines = sockets("state", "established", "dport", f"= :{port}")
    assert len(lines) == 1 and "timer:(keepalive,3" in lines[0] or "timer:(keepalive,40sec" in lines[0], lines
    upstream.wait_open(0)
    assert sockets("state", "time-wait", "dport", f"= :{port}") == []
    assert [conn.end_kind for conn in upstream.connections] == ["reset"]


def test_92_a_middlebox_that_forgets_idle_connections_has_one_victim(network, make, note):
    """The first victim is answered in under 1.5 s at 20 ms; later requests never meet the wall."""
    with Relay(round_trip=0.02, forget_after=1.5) as relay:
        upstream = make.origin(address=(Relay.NEAR, 0))
        url = f"http://{Relay.FAR}:{upstream.address[1]}"
        gateway = make.gateway(proxy(url, extra={**ADMIN, "holdfast/upstream": {"idle_timeout": "60s"}}))
        client = Client(gateway.address)
        assert client.request("GET", "/first").status == 200
        time.sleep(2.2)
        watch = Stopwatch()
        assert client.request("GET", "/victim").status == 200
        took = watch.awake
        assert relay.dropped > 0
        note("dead path", f"the first victim of a silent drop was answered after {took * 1000:.0f} ms at 20 ms round trip")
        assert took < 5  # what is promised is 1.5 s; the machine may be busy
        dropped = relay.dropped
        for _ in range(3):
            time.sleep(2.2)
            assert client.request("GET", "/later").status == 200
        assert relay.dropped == dropped, "a later request met the wall"
        told = pool_of(gateway)
        assert told["resends"] == 1
        assert told["closes"]["middlebox"]["ours"] >= 1
        assert gateway.wait_output("the path is silent")


def test_a_post_is_not_sent_again_for_a_silence(network, make):
    with Relay(round_trip=0.02, forget_after=1.0):
        upstream = make.origin(address=(Relay.NEAR, 0))
        url = f"http://{Relay.FAR}:{upstream.address[1]}"
        upstream_settings = {"idle_timeout": "60s"}
        gateway = make.gateway(proxy(url, extra={**ADMIN, "holdfast/upstream": upstream_settings}, timeout="3s"))
        assert fetch(gateway.address).status == 200
        time.sleep(1.7)
        assert fetch(gateway.address, "/x", "POST", body=b"x").status == 504
        assert [request.method for request in upstream.requests] == ["GET"]
        assert pool_of(gateway)["resends"] == 0


def ask_steadily(address, seconds, a_second):
    """An open loop of GETs; (status, time it took) of each, without the time in which the machine stood still."""
    results, threads = [], []

    def ask():
        watch = Stopwatch()
        try:
            status = fetch(address).status
        except (OSError, AssertionError) as error:
            status = repr(error)
        results.append((status, watch.awake))

    end, due = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
        due += 1 / a_second
        time.sleep(max(0, due - time.monotonic()))
    for thread in threads:
        thread.join()
    return results


@pytest.mark.heavy
def test_a_host_that_falls_silent_costs_no_request(network, make, note):
    packets = PacketFilter()
    origins = [make.origin() for _ in range(4)]
    hosts = {**backend(origins[0], "/", encoding="no-op"), "host": [origin.url for origin in origins]}
    config = service([endpoint("/", hosts, output_encoding="no-op")], {"error_status": "precise"}, ADMIN, timeout="4s")
    gateway = make.gateway(config)
    assert all(status == 200 for status, _ in ask_steadily(gateway.address, 1, 100))
    healer = threading.Timer(5, packets.heal)
    packets.silence(origins[0].address[1])
    healer.start()
    results = ask_steadily(gateway.address, 7, 100)
    healer.join()
    bad = [status for status, _ in results if status != 200]
    times = sorted(seconds for _, seconds in results)
    note("half-open host", f"{len(results)} GETs, {len(bad)} errors, p50 {times[len(times) // 2] * 1000:.0f} ms, "
         f"p99 {times[len(times) * 99 // 100] * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms")
    assert bad == []
    assert times[len(times) // 2] < 1
    assert sum(seconds > 0.9 for seconds in times) < len(times) / 20


def test_what_is_under_way_leaves_a_silent_host_together(network, make):
    """Requests on kept connections and on dials, in two workers: what may go elsewhere does, and nobody goes there later. A POST that
    has left is answered with an error, and never sent twice."""
    packets, gate = PacketFilter(), Gate(24)
    quiet, well = make.origin(by_path({"/gate": gate})), make.origin(by_path({"/gate": gate}))
    forward = forward_all(quiet)
    forward["backend"][0]["host"].append(well.url)
    config = service([forward], {"error_status": "precise", "workers": 2}, {**ADMIN, "holdfast/upstream": {"balance": "round_robin"}},
                     timeout="60s", response_header_timeout="3s")
    gateway = make.gateway(config)
    assert {response.status for response in at_once(gateway.address, 24, "/gate")} == {200}
    packets.silence(quiet.address[1])
    bad = []

    def ask(number):
        method, body = ("POST", b"x") if number % 4 == 0 else ("GET", None)
        response = fetch(gateway.address, f"/{number}", method, body=body)
        if response.status != 200:
            bad.append((method, response.status, f"/{number}"))

    in_threads(ask, range(40))
    assert all((method, status) == ("POST", 504) for method, status, _ in bad), bad
    before = pool_of(gateway)
    assert before["ejections"] >= 1
    for _ in range(40):
        assert fetch(gateway.address, "/later").status == 200
    told = pool_of(gateway)
    # Each rest ends with one probe, which costs no more than a failed dial.
    assert told["failovers"] - before["failovers"] == told["ejections"] - before["ejections"]
    packets.heal()
    eventually(lambda: fetch(gateway.address, "/after").status == 200 and quiet.requests[-1].target == "/after", 60, "the host back in use")
    posts = [request.target for origin in (quiet, well) for request in origin.requests if request.method == "POST"]
    assert len(set(posts)) == len(posts), "a POST was sent twice"
    assert not set(posts) & {target for _, _, target in bad}


def test_local_ports_that_run_out_are_shed_by_name(network, make):
    write_sysctl("net.ipv4.ip_local_port_range", "41000 41039")
    inside = threading.Semaphore(0)

    def waits(conn, request):
        inside.acquire(timeout=20)
        answers_ok(conn, request)

    upstream = make.origin(waits)
    # Clients of the same machine would use up the same ports: they come by a Unix socket.
    path = str(make.directory / "door")
    config = service([forward_all(upstream)], {"error_status": "precise", "listeners": [{"listen": "unix:" + path},
                                                                                      {"listen": "127.0.0.1:0"}]},
                     {**ADMIN, "holdfast/upstream": {"queue_timeout": "300ms"}}, timeout="20s")
    gateway = make.gateway(config)
    results = []

    def ask(_):
        results.append(fetch(path).status)
        if len(results) >= 60 - 40:  # those that were shed
            inside.release(60)

    in_threads(ask, range(60))
    assert len(results) == 60 and set(results) == {200, 503} and set(results[:20]) == {503}
    assert results.count(200) >= 30
    gateway.wait_output("local ports grow short")
    told = pool_of(gateway)
    assert told["shed_by_port"] == results.count(503)
    for _ in range(5):
        inside.release()
    assert fetch(path).status == 200


def test_two_origins_on_one_path_do_not_share_their_silence(network, make):
    packets = PacketFilter()
    quiet, well = make.origin(), make.origin()
    gateway = make.gateway(service([forward_all(quiet, "/q/*"), forward_all(well, "/w/*")], {"error_status": "precise"}, ADMIN,
                                   timeout="2s"))
    assert fetch(gateway.address, "/q/1").status == fetch(gateway.address, "/w/1").status == 200
    packets.silence(quiet.address[1])
    assert fetch(gateway.address, "/q/2").status == 504
    for _ in range(5):
        assert fetch(gateway.address, "/w/2").status == 200
    assert len(well.connections) == 1
    packets.heal()
    assert fetch(gateway.address, "/q/3").status == 200


def time_waits(port):
    return sockets("state", "time-wait", "dport", f"= :{port}")


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is missing")
@pytest.mark.parametrize("how", ["idle limit", "cap", "age", "requests", "flush", "drain"])
def test_idle_closes_of_each_kind_leave_no_time_wait(network, make, how):
    """The port is free at once, whichever reason of ours ended the connection."""
    upstream = make.origin(by_path({"/gate": Gate(8)}))
    keys = {"cap": {"max_idle_connections": 1}, "idle limit": {"idle_connection_timeout": "100ms"}}.get(how, {})
    settings = {"age": {"max_connection_age": "50ms"}, "requests": {"max_requests_per_connection": 2}}.get(how, {})
    gateway = make.gateway(proxy(upstream, extra={**ADMIN, "holdfast/upstream": settings}, **keys))
    assert [response.status for response in at_once(gateway.address, 8, "/gate")] == [200] * 8
    if how == "age":
        time.sleep(0.1)
    for _ in range(3):
        assert fetch(gateway.address).status == 200
    if how == "flush":
        assert fetch(gateway.addresses[-1], "/v1/pools:flush", "POST").status == 200
    if how == "drain":
        gateway.stop()
    kept = {"cap": 1, "age": 1, "requests": 5}.get(how, 0)
    upstream.wait_at_most(kept)
    assert len(upstream.open_connections()) < len(upstream.connections)
    assert time_waits(upstream.address[1]) == []


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is missing")
def test_time_waits_of_others_are_counted_by_host(network, make):
    """Somebody else on the machine closes his connections to the host first: each takes a port for a minute."""
    write_sysctl("net.ipv4.ip_local_port_range", "42000 42099")
    write_sysctl("net.ipv4.tcp_tw_reuse", "0")
    upstream, other = make.origin(), make.origin()
    # Clients over TCP would use up the same ports.
    path, admin = str(make.directory / "door"), str(make.directory / "admin")
    config = service([forward_all(upstream, "/a/*"), forward_all(other, "/b/*")],
                     {"error_status": "precise", "listeners": [{"listen": "unix:" + path}]},
                     {"holdfast/admin": {"listen": "unix:" + admin}})
    gateway = make.gateway(config)
    assert fetch(path, "/a/x").status == fetch(path, "/b/x").status == 200
    for _ in range(80):
        socket.create_connection(upstream.address).close()
    eventually(lambda: len(upstream.connections) == 81, what="all at the origin")
    for conn in upstream.connections[1:]:
        conn.sock.close()
    seen = eventually(lambda: len(time_waits(upstream.address[1])) // 70 and len(time_waits(upstream.address[1])), what="TIME_WAIT")
    assert fetch(admin, "/v1/pools:flush", "POST").status == 200
    assert fetch(path, "/a/x").status == 200  # while nobody dials they are counted once a minute

    def counted(index):
        return json.loads(fetch(admin, "/v1/pools").body)["hosts"][index]["time_wait"]

    eventually(lambda: counted(0) >= seen - 5, 20, "the count")
    assert counted(1) == 0
    assert f'holdfast_upstream_time_wait{{host="{upstream.url}"}} {counted(0)}' in fetch(admin, "/metrics").body.decode()
    assert fetch(admin, "/v1/pools:flush", "POST").status == 200
    assert fetch(path, "/a/x").status == 200  # the next dial looks
    gateway.wait_output(r"local ports grow short: \d connections and \d+ in TIME_WAIT of 100 ports")


def test_keep_alive_and_user_timeout_stand_on_each_socket(network, make):
    """Two backends with values of their own, beside those of the service."""
    plain, own = make.origin(), make.origin()
    extra = {"holdfast/upstream": {"tcp_user_timeout": "7s", "tcp_keep_alive_interval": "3s", "tcp_keep_alive_count": 5}}
    second = forward_all(own, "/own/*")
    second["backend"][0]["extra_config"] = extra
    gateway = make.gateway(service([forward_all(plain, "/plain/*"), second], dialer_keep_alive="40s"))
    assert fetch(gateway.address, "/plain/x").status == fetch(gateway.address, "/own/x").status == 200
    with open("/proc/sys/net/ipv4/tcp_keepalive_probes", encoding="ascii") as file:
        probes = int(file.read())
    assert tcp_options(gateway.pid, plain.address[1]) == [{"idle": 40, "interval": 40, "count": probes, "user_timeout_ms": 15000}]
    assert tcp_options(gateway.pid, own.address[1]) == [{"idle": 40, "interval": 3, "count": 5, "user_timeout_ms": 7000}]


@pytest.mark.parametrize("method, resend", [("POST", "idempotent"), ("GET", "off")])
def test_tcp_user_timeout_ends_what_the_detector_leaves(network, make, note, method, resend):
    """A request that may not be sent again is left to wait by the detector of dead paths. The kernel's own clock ends it, long before
    the endpoint's timeout."""
    packets = PacketFilter()
    upstream = make.origin()
    settings = {"tcp_user_timeout": "2s", "resend": resend}
    gateway = make.gateway(proxy(upstream, extra={**ADMIN, "holdfast/upstream": settings}, timeout="100s"))
    assert fetch(gateway.address, "/first").status == 200
    packets.silence(upstream.address[1])
    watch = Stopwatch()
    with Client(gateway.address, seconds=90) as client:
        response = client.request(method, "/victim", body=b"x" if method == "POST" else None)
    note("tcp_user_timeout", f"{method} on a silent path, 2s: given up after {watch.seconds:.1f} s")
    assert response.status == 502  # 504 is what the endpoint's timeout gives
    assert 1.9 < watch.seconds and watch.awake < 60
    assert [request.target for request in upstream.requests] == ["/first"]
    told = pool_of(gateway)
    assert (told["resends"], told["open"], told["dead_paths"]) == (0, 0, 1)  # the detector saw it, and could do nothing
    if shutil.which("ss"):
        assert sockets("state", "established", "dport", f"= :{upstream.address[1]}", "src", "127.0.0.1") == []
    packets.heal()
    assert fetch(gateway.address, "/after").status == 200


@pytest.mark.parametrize("settings", [
    pytest.param({"tcp_user_timeout": "0s", "tcp_keep_alive_count": 2}, id="count"),
    pytest.param({"tcp_user_timeout": "2s", "tcp_keep_alive_count": 100}, id="user_timeout")])
def test_probes_of_tcp_find_a_silent_path_while_nobody_asks(network, make, settings):
    packets = PacketFilter()
    upstream = make.origin()
    settings = {"idle_timeout": "1h", "tcp_keep_alive_interval": "1s", **settings}
    gateway = make.gateway(proxy(upstream, extra={**ADMIN, "holdfast/upstream": settings}, dialer_keep_alive="1s"))
    assert fetch(gateway.address).status == 200
    time.sleep(3.2)
    assert pool_of(gateway)["idle"] == 1  # its probes are answered
    packets.silence(upstream.address[1])
    watch = Stopwatch()
    eventually(lambda: pool_of(gateway)["open"] == 0, 40, "the end of the connection")
    assert watch.seconds > 0.9
    told = pool_of(gateway)
    assert told["closed_idle"] == 1 and sum(closes["peer"] for closes in told["closes"].values()) == 1, told["closes"]
    packets.heal()
    assert fetch(gateway.address).status == 200
    assert len(upstream.connections) == 2
