"""test_connection_metrics.py: connections in the metrics as a dashboard reads them: clients by listener and state, and TCP
connections of both sides as the kernel has them. SPDX-License-Identifier: Apache-2.0"""
import socket
import threading

from admin import ADMIN, metrics
from configs import proxy
from origin import by_path, reply
from waiting import eventually


class Held:
    """A handler that answers when it is told to."""

    def __init__(self):
        self.go = threading.Event()

    def __call__(self, conn, _):
        self.go.wait(20)
        conn.send(reply())


def states(running, listener):
    seen = metrics(running)
    return tuple(seen[f'holdfast_client_connections{{listener="{listener}",state="{state}"}}'] for state in ("idle", "active"))


def test_client_connections_by_listener_and_state(make, tmp_path):
    path = str(tmp_path / "front.sock")
    held = Held()
    upstream = make.origin(by_path({"/held": held}))
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": f"unix:{path}"}]
    running = make.gateway(proxy(upstream, {"listeners": listeners, "workers": 2}, ADMIN))
    clients = [make.client(running) for _ in range(5)]
    assert {each.get().status for each in clients} == {200}
    for each in clients[:2]:
        each.send_request("GET", "/held")
    with socket.socket(socket.AF_UNIX) as local:
        local.connect(path)
        eventually(lambda: states(running, "127.0.0.1:0") == (3, 2), what="two that are in use")
        eventually(lambda: states(running, f"unix:{path}") == (1, 0), what="one that has said nothing")
        held.go.set()
        assert {each.read_response().status for each in clients[:2]} == {200}
        eventually(lambda: states(running, "127.0.0.1:0") == (5, 0), what="all idle")
    eventually(lambda: states(running, f"unix:{path}") == (0, 0), what="its end")
    seen = metrics(running)
    assert seen["holdfast_client_connections_opened_total"] - seen["holdfast_client_connections_closed_total"] == 5


def sockets(running, side):
    seen = metrics(running)
    return {state: seen[f'holdfast_tcp_sockets{{state="{state}",side="{side}"}}']
            for state in ("established", "fin_wait2", "time_wait", "close_wait")}


def test_tcp_connections_by_state_and_side(make):
    held = Held()
    upstream = make.origin(by_path({"/held": held}))
    running = make.gateway(proxy(upstream, {"workers": 1}, ADMIN))
    clients = [make.client(running) for _ in range(3)]
    assert {each.get().status for each in clients} == {200}
    eventually(lambda: sockets(running, "client")["established"] == 3, what="three clients")
    assert 1 <= sockets(running, "host")["established"] <= 3
    clients[0].send_request("GET", "/held")
    upstream.wait_requests(4)
    clients[0].half_close()
    eventually(lambda: sockets(running, "client")["close_wait"] == 1, what="a client that has said its last word")
    assert sockets(running, "client")["established"] == 2
    held.go.set()
    assert clients[0].read_response().status == 200
    assert clients[1].get(fields=[("Connection", "close")]).says_close
    assert clients[1].ended(), "we are the first to close"
    clients[1].close()
    eventually(lambda: sockets(running, "client")["time_wait"] >= 1, what="whom we closed first waits")
    eventually(lambda: sockets(running, "client")["close_wait"] == 0, what="its end")


def test_what_the_kernel_holds_for_connections(make):
    """Somebody on the machine does not read what he is sent: that lies in the kernel."""
    running = make.gateway(proxy(make.origin(), {"workers": 1}, ADMIN))
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as sender:
        sender.setblocking(False)
        reader, _ = door.accept()
        lies = 0
        try:
            while True:
                lies += sender.send(b"x" * 65536)
        except BlockingIOError:
            pass
        with reader:
            assert lies > 100_000 and metrics(running)["holdfast_tcp_memory_bytes"] >= lies // 2
