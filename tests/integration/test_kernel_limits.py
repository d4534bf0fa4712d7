"""test_kernel_limits.py: what the kernel gives less of than was asked for: a start-up line for each thing, the raised limit of
descriptors, and the overflows of accept queues. In network namespaces of their own, where the kernel's settings are ours.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import errno
import re
import resource
import socket

import pytest
from admin import ADMIN
from configs import proxy, service
from netlab import namespace, write_sysctl
from rawhttp import fetch
from refusals import ANYTHING_BUT_0, SETSOCKOPT
from waiting import eventually


@contextlib.contextmanager
def network(make, **settings):
    """Makers whose things live in a namespace with these settings of net.*; they end before it does."""
    with namespace(), contextlib.ExitStack() as inside:
        for name, value in settings.items():
            try:
                write_sysctl("net." + name.replace("__", "."), str(value))
            except OSError as error:
                pytest.skip(f"net.{name}: {error.strerror}")
        yield type(make)(inside, make.directory)


def test_a_short_accept_queue_is_told(make):
    with network(make, core__somaxconn=77) as local:
        running = local.gateway(proxy(local.origin()))
        assert running.wait_output(r"accept queues hold 77 connections each \(net.core.somaxconn\), \d+ were asked for")


def test_a_short_queue_of_half_open_connections_is_told(make):
    with network(make, ipv4__tcp_max_syn_backlog=64) as local:
        running = local.gateway(proxy(local.origin()))
        assert running.wait_output(r"64 half-open connections \(net.ipv4.tcp_max_syn_backlog\) are fewer than an accept queue holds")


def test_overflows_of_accept_queues_are_counted(make):
    """The gateway sleeps while a crowd comes: its queue holds a few of them."""
    with network(make, core__somaxconn=4) as local:
        running = local.gateway(proxy(local.origin(), {"workers": 1}, ADMIN))

        def overflows():
            text = fetch(running.addresses[-1], "/metrics").body.decode()
            return int(re.search(r"^holdfast_accept_queue_overflows_total (\d+)", text, re.M)[1])

        assert overflows() == 0
        crowd = [socket.socket() for _ in range(40)]
        with running.frozen():
            for sock in crowd:
                sock.setblocking(False)
                sock.connect_ex(running.address)
        assert eventually(overflows) > 0
        for sock in crowd:
            sock.close()
        assert fetch(running.address).status == 200


@contextlib.contextmanager
def descriptors(soft):
    """What is started inside has this soft limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one(make):
    upstream = make.origin()
    with descriptors(300):
        running = make.gateway(proxy(upstream))
    limit = re.search(r"^Max open files +(\d+) +(\d+)", open(f"/proc/{running.pid}/limits", encoding="ascii").read(), re.M)
    assert limit[1] == limit[2] and int(limit[1]) > 300


@pytest.mark.parametrize("server,text", [
    ({}, r"1000 descriptors \(ulimit -n, the hard limit\) serve about 500 clients at once"),
    ({"max_connections": 800}, r"max_connections is 800, but 1000 descriptors \(ulimit -n, the hard limit\) serve about 500 clients")])
def test_a_low_hard_limit_is_told(make, server, text):
    assert make.gateway(proxy(make.origin(), server), open_files=1000).wait_output(text)


REFUSED = {
    "TCP_NODELAY": ((socket.IPPROTO_TCP, socket.TCP_NODELAY), "TCP_NODELAY was refused: small answers may wait for an acknowledgement"),
    "TCP_DEFER_ACCEPT": ((socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT), "TCP_DEFER_ACCEPT was refused: tcp_defer_accept has no effect"),
    "SO_REUSEPORT": ((socket.SOL_SOCKET, socket.SO_REUSEPORT), "SO_REUSEPORT was refused: one worker accepts for all"),
}


@pytest.mark.skipif(SETSOCKOPT is None, reason="the number of setsockopt is not known here")
@pytest.mark.parametrize("name", [*REFUSED, "nothing"])
def test_a_refused_option_is_told_and_done_without(make, name):
    option, line = REFUSED.get(name, ((0xffff, 0xffff), "was refused"))
    own = {"endpoint": "/", "extra_config": {"holdfast/answer": {"body": "fixed"}}}
    running = make.gateway(service([own], {"workers": 2, "tcp_defer_accept": "1s"}), refused_options=[option])
    assert [fetch(running.address).status for _ in range(8)] == [200] * 8
    assert (line in running.all_output()) == (name in REFUSED)


@pytest.mark.skipif(SETSOCKOPT is None, reason="the number of setsockopt is not known here")
def test_without_so_reuseport_both_workers_have_connections(make):
    own = {"endpoint": "/", "extra_config": {"holdfast/answer": {"body": "fixed"}}}
    running = make.gateway(service([own], {"workers": 2}, ADMIN), refused_options=[REFUSED["SO_REUSEPORT"][0]])
    clients = [make.client(running) for _ in range(80)]
    assert {client.get().status for client in clients} == {200}
    text = fetch(running.addresses[-1], "/metrics").body.decode()
    assert 20 <= int(re.search(r"^holdfast_client_passed_total (\d+)", text, re.M)[1]) <= 40


KEEP_IDLE = (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
USER_TIMEOUT = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
NO_PORT = (socket.IPPROTO_IP, 24)  # IP_BIND_ADDRESS_NO_PORT
WISHES = {
    "F_SETPIPE_SZ was refused": {"calls": [("fcntl", {1: 1031}, errno.EPERM)]},
    "epoll_pwait2 was refused": {"calls": [("epoll_pwait2", {}, errno.ENOSYS)]},
    "sched_setaffinity was refused": {"calls": [("sched_setaffinity", {}, errno.EPERM)]},
    "TCP keep-alive was refused": {"options": [KEEP_IDLE]},
    "TCP_USER_TIMEOUT was refused": {"options": [USER_TIMEOUT]},
    "IP_BIND_ADDRESS_NO_PORT was refused": {"options": [NO_PORT]},
    "TCP_INFO was refused": {"calls": [("getsockopt", {1: socket.IPPROTO_TCP, 2: socket.TCP_INFO}, errno.ENOPROTOOPT)]},
    "NETLINK_SOCK_DIAG was refused": {"calls": [("socket", {0: socket.AF_NETLINK}, errno.EPERM)]},
}


@pytest.mark.skipif(SETSOCKOPT is None, reason="the numbers of system calls are not known here")
@pytest.mark.parametrize("line", WISHES)
def test_a_refused_wish_is_told_and_done_without(make, line):
    """Requests are served over new and kept connections to a host, as if nothing had been refused; nothing else is told."""
    rules = WISHES[line]
    upstream = make.origin()
    config = proxy(upstream, {"workers": 2}, {"holdfast/upstream": {"source_address": "127.0.0.1"}})
    running = make.gateway(config, refused_options=rules.get("options", ()), refused_calls=rules.get("calls", ()))
    assert [fetch(running.address).status for _ in range(8)] == [200] * 8
    assert upstream.requests
    output = running.all_output()
    assert [told for told in WISHES if told in output] == [line]


@pytest.mark.skipif(SETSOCKOPT is None, reason="the numbers of system calls are not known here")
def test_a_limit_of_descriptors_that_cannot_be_raised_is_told(make):
    upstream = make.origin()
    with descriptors(300):
        running = make.gateway(proxy(upstream), refused_calls=[("prlimit64", {1: resource.RLIMIT_NOFILE, 2: ANYTHING_BUT_0}, errno.EPERM)])
    assert running.wait_output(r"the soft limit of 300 descriptors could not be raised to the hard one of \d+")
    assert fetch(running.address).status == 200


@pytest.mark.skipif(SETSOCKOPT is None, reason="the numbers of system calls are not known here")
def test_a_kernel_without_ipv6_is_told(make):
    """All addresses are those of IPv4 then."""
    with network(make) as local:
        running = local.gateway(proxy(local.origin(), {"listeners": [{"listen": ":0"}]}),
                                refused_calls=[("socket", {0: socket.AF_INET6}, errno.EAFNOSUPPORT)])
        assert running.wait_output("IPv6 was refused: all addresses are those of IPv4")
        assert fetch(("127.0.0.1", running.address[1])).status == 200
