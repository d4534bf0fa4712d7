"""test_worker_spread.py: many connections on several workers, and how short memory shows. SPDX-License-Identifier: Apache-2.0"""
import json
import re
import socket

from admin import ADMIN
from configs import proxy, service
from rawhttp import fetch
from waiting import eventually

REQUEST = b"GET /__health HTTP/1.1\r\nHost: a\r\n\r\n"


def metrics(running):
    text = fetch(running.addresses[-1], "/metrics").body.decode()
    return {name: float(number) for name, number in re.findall(r"^(holdfast_\S+) (\S+)$", text, re.MULTILINE)}


def ask(sock):
    sock.sendall(REQUEST)
    got = b""
    while b'"ok"' not in got:
        piece = sock.recv(4096)
        assert piece, got
        got += piece


def test_what_one_worker_accepts_is_spread_over_all(make, tmp_path):
    """Only the first worker can listen on a Unix socket, which is as uneven as it gets."""
    path = str(tmp_path / "front.sock")
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": f"unix:{path}"}]
    running = make.gateway(service([], {"listeners": listeners, "workers": 2, "drain_window": "100ms"}, ADMIN))
    clients = []
    for _ in range(80):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(path)
        clients.append(client)
        ask(client)
    for client in clients:
        ask(client)
    seen = metrics(running)
    assert seen["holdfast_client_connections_opened_total"] >= 80
    assert 20 <= seen["holdfast_client_passed_total"] <= 40  # half of them, less what counts as chance
    for client in clients:
        client.close()
    closed = f'holdfast_client_closes_total{{reason="closed",side="client",listener="unix:{path}"}}'
    eventually(lambda: metrics(running).get(closed) == 80, what="closes at the listener where they came in")
    running.stop()


def workers_of(running):
    """The clients' connections by worker: {worker: {port, ...}}."""
    rows = json.loads(fetch(running.addresses[-1], "/v1/conns?side=client&limit=1000").body)["connections"]
    found = {0: set(), 1: set()}
    for row in rows:
        found[row["worker"]].add(int(row["peer"].rsplit(":", 1)[1]))
    return found


def test_tcp_connections_of_one_address_are_evened_out(make):
    """The kernel chooses by a hash and does not count. When those of one worker have left, it goes on giving the other one
    half of what comes; what is too much there goes to the worker with fewest."""
    running = make.gateway(service([], {"workers": 2, "drain_window": "100ms"}, ADMIN), open_files=4096)
    clients = [make.client(running) for _ in range(160)]
    for client in clients:
        assert client.get("/__health").status == 200
    before = workers_of(running)
    assert sum(map(len, before.values())) == 160
    leaving = [client for client in clients if client.sock.getsockname()[1] in before[1]]
    staying = [client for client in clients if client not in leaving]
    for client in leaving:
        client.close()
    eventually(lambda: not workers_of(running)[1], what="a worker without a connection")
    passed = metrics(running)["holdfast_client_passed_total"]
    more = [make.client(running) for _ in range(120)]
    for client in staying + more:
        assert client.get("/__health").status == 200
    after = {worker: len(ports) for worker, ports in workers_of(running).items()}
    assert sum(after.values()) == len(staying) + len(more)
    assert abs(after[0] - after[1]) <= 18 + min(after.values()) / 8, f"{after}: 16 and an eighth count as chance"
    assert metrics(running)["holdfast_client_passed_total"] > passed


def test_chance_moves_nothing(make):
    """The kernel spreads by addresses: a little more here than there is no reason to move anything."""
    running = make.gateway(service([], {"workers": 2}, ADMIN))
    clients = [make.client(running) for _ in range(12)]
    for client in clients:
        assert client.get("/__health").status == 200
    assert metrics(running)["holdfast_client_passed_total"] == 0


def test_promises_shrink_when_memory_is_short(make):
    running = make.gateway(proxy(make.origin(), {"memory_limit": 1000000, "idle_timeout_min": "7s"}, ADMIN))
    client = make.client(running)
    client.get()
    eventually(lambda: client.get().get("keep-alive") == "timeout=7", what="the short promise")
    running.wait_output("memory is short")
    assert metrics(running)["holdfast_memory_used_ratio"] == 1


def test_memory_that_is_there_changes_nothing(make):
    client = make.client(make.gateway(proxy(make.origin(), {"memory_limit": 64 << 30})))
    assert client.get().get("keep-alive") == "timeout=75"
