"""test_discovery.py: hosts by SRV records (`sd: dns`) and addresses that change, with dnsmasq as the DNS server.

SPDX-License-Identifier: Apache-2.0
"""
import collections
import concurrent.futures
import json
import time

import pytest
from configs import forward_all, service
from forward_proxy import ForwardProxy, TlsForwardProxy
from gateway import run_to_end
from nameserver import NameServer, find_dnsmasq
from origin import answers, reply
from rawhttp import fetch
from servers import free_port
from test_reload import reload
from waiting import eventually

NAME = "_http._tcp.users.test"


def named(name):
    def handler(conn, _):
        conn.body()
        conn.send(reply(name))
    return handler


def config(nameserver, host, upstream=None, server=None, backend=None, **root):
    everything = forward_all("http://unused")
    everything["backend"][0].update(host=[host], **(backend or {}))
    return service([everything], {"error_status": "precise", "resolver": nameserver.address, **(server or {})},
                   {"holdfast/upstream": upstream or {}, "holdfast/admin": {"listen": "127.0.0.1:0"}}, **root)


def discovered(nameserver, upstream=None, server=None, backend=None, **root):
    return config(nameserver, NAME, upstream, server, {"sd": "dns", "disable_host_sanitize": True, **(backend or {})},
                  dns_cache_ttl="1s", **root)


def srv(origin, target, priority=0, weight=1):
    return [f"srv-host={NAME},{target},{origin.address[1]},{priority},{weight}", f"host-record={target},127.0.0.1"]


def tally(gateway, count):
    return collections.Counter(bytes(fetch(gateway.address).body).decode() for _ in range(count))


def closes_of(gateway, reason):
    pools = json.loads(fetch(gateway.addresses[1], "/v1/pools").body)["hosts"]
    return sum(pool["closes"].get(reason, {"ours": 0})["ours"] for pool in pools)


@pytest.fixture
def dns():
    if not find_dnsmasq():
        pytest.skip("dnsmasq is not installed")
    servers = []

    def make(*records, **options):
        servers.append(NameServer(*records, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def test_hosts_of_the_best_priority_are_used_by_their_weight(make, dns):
    a, b, spare = (make.origin(named(name)) for name in ("a", "b", "spare"))
    server = dns(*srv(a, "a.test", 10, 20), *srv(b, "b.test", 10, 10), *srv(spare, "spare.test", 20, 100))
    gateway = make.gateway(discovered(server, {"balance": "round_robin"}))
    assert tally(gateway, 30) == {"a": 20, "b": 10}
    assert a.last.get("host") == f"a.test.:{a.address[1]}"  # with the dot, as KrakenD sends it


def test_a_record_that_makes_no_host_lends_its_weight_to_nobody(make, dns):
    a, b = (make.origin(named(name)) for name in "ab")
    records = [*srv(a, "a.test", 10, 30), f"srv-host={NAME},c+d.test,80,10,20", *srv(b, "b.test", 10, 10)]
    gateway = make.gateway(discovered(dns(*records), {"balance": "round_robin"}))
    assert tally(gateway, 40) == {"a": 30, "b": 10}


def test_hosts_behind_a_forward_proxy(make, dns):
    upstream, between = make.origin(named("a")), make.stack.enter_context(ForwardProxy())
    server = dns(*srv(upstream, "a.test"))
    gateway = make.gateway(discovered(server), environment={"HTTP_PROXY": between.url})
    assert tally(gateway, 3) == {"a": 3}
    assert between.lines == [f"GET http://a.test.:{upstream.address[1]}/"] * 3


def test_hosts_behind_a_forward_proxy_over_tls(make, dns, authority):
    between = make.stack.enter_context(TlsForwardProxy(authority.issue("proxy", "IP:127.0.0.1")))
    upstream = make.origin(named("a"))
    running = make.gateway(discovered(dns(*srv(upstream, "a.test")), client_tls={"ca_certs": [str(authority.certificate)]}),
                           environment={"HTTP_PROXY": between.url})
    assert tally(running, 3) == {"a": 3}
    assert between.lines == [f"GET http://a.test.:{upstream.address[1]}/"] * 3 and len(between.connections) == 1


def test_weights_of_zero_serve_nobody(make, dns):
    a = make.origin(named("a"))
    gateway = make.gateway(discovered(dns(*srv(a, "a.test", 0, 0))))
    assert fetch(gateway.address).status in (500, 502, 503)
    assert not a.requests


def test_an_unknown_name_is_an_error_and_not_a_hang(make, dns):
    gateway = make.gateway(discovered(dns()))
    assert fetch(gateway.address).status in (500, 502, 503)


def test_new_hosts_join_and_removed_ones_are_left(make, dns):
    a, b = make.origin(named("a")), make.origin(named("b"))
    server = dns(*srv(a, "a.test"))
    gateway = make.gateway(discovered(server))
    assert tally(gateway, 5) == {"a": 5}
    assert len(a.open_connections()) == 1
    server.start(*srv(a, "a.test"), *srv(b, "b.test"))
    eventually(lambda: tally(gateway, 6).keys() == {"a", "b"}, 15, "b joins")
    server.start(*srv(b, "b.test"))
    a.wait_open(0, 15)
    assert tally(gateway, 6) == {"b": 6}
    assert closes_of(gateway, "address_gone") == 1


def test_hosts_stay_while_dns_fails(make, dns):
    a = make.origin(named("a"))
    server = dns(*srv(a, "a.test"))
    gateway = make.gateway(discovered(server))
    assert tally(gateway, 3) == {"a": 3}
    server.start()  # the name is unknown now
    eventually(lambda: "hosts stay as they were" in gateway.output, 20, "DNS fails")
    assert tally(gateway, 3) == {"a": 3}
    server.stop()
    time.sleep(1.5)  # a question is under way, and nobody answers
    assert tally(gateway, 3) == {"a": 3}


def test_every_worker_finds_the_hosts(make, dns):
    a = make.origin(named("a"))
    gateway = make.gateway(discovered(dns(*srv(a, "a.test")), server={"workers": 2}))
    assert tally(gateway, 30) == {"a": 30}


def test_an_answer_larger_than_a_datagram(make, dns):
    origins = [make.origin(named(str(i))) for i in range(2)]
    targets = [f"a-target-with-quite-a-long-name-number-{i}.test" for i in range(40)]
    records = [record for i, target in enumerate(targets) for record in srv(origins[i % 2], target)]
    gateway = make.gateway(discovered(dns(*records), {"balance": "round_robin"}))
    assert tally(gateway, 40) == {"0": 20, "1": 20}


def test_171_an_address_that_changes_is_left(make, dns):
    a = make.origin(named("a"), address=("127.0.0.2", free_port()))
    b = make.origin(named("b"), address=("127.0.0.3", a.address[1]))
    server = dns("host-record=moving.test,127.0.0.2")
    gateway = make.gateway(config(server, f"http://moving.test:{a.address[1]}"))
    assert tally(gateway, 5) == {"a": 5}
    server.start("host-record=moving.test,127.0.0.3")
    a.wait_open(0, 20)
    eventually(lambda: tally(gateway, 1) == {"b": 1}, 15, "the new address is used")
    assert closes_of(gateway, "address_gone") == 1


def test_a_connection_in_use_finishes_before_it_is_left(make, dns):
    def slow(conn, request):
        conn.body()
        if request.path == "/slow":
            while not b_is_used:
                conn.ended.wait(0.05)
        conn.send(reply("a"))

    b_is_used = []
    a = make.origin(slow, address=("127.0.0.2", free_port()))
    b = make.origin(named("b"), address=("127.0.0.3", a.address[1]))
    server = dns("host-record=moving.test,127.0.0.2")
    gateway = make.gateway(config(server, f"http://moving.test:{a.address[1]}", timeout="40s"))
    assert tally(gateway, 1) == {"a": 1}
    client = make.client(gateway, seconds=40)
    client.send_request("GET", "/slow")
    a.wait_requests(2)
    server.start("host-record=moving.test,127.0.0.3")
    eventually(lambda: tally(gateway, 1) == {"b": 1}, 15, "the new address is used")
    b_is_used.append(True)
    assert client.read_final().body == b"a"
    a.wait_open(0, 20)
    assert len(b.connections) >= 1


def test_addresses_stay_while_dns_fails(make, dns):
    a = make.origin(answers(reply("a", fields=[("Connection", "close")])), address=("127.0.0.2", free_port()))  # each request dials
    server = dns("host-record=steady.test,127.0.0.2")
    gateway = make.gateway(config(server, f"http://steady.test:{a.address[1]}"))
    assert tally(gateway, 3) == {"a": 3}
    server.stop()
    time.sleep(1.5)  # the answer's time is over
    assert tally(gateway, 3) == {"a": 3}
    assert closes_of(gateway, "address_gone") == 0


def test_how_long_an_old_address_is_used_is_a_setting(make, dns):
    """Also of a gateway that runs."""
    a = make.origin(answers(reply("a", fields=[("Connection", "close")])), address=("127.0.0.2", free_port()))  # each request dials
    server = dns("host-record=brief.test,127.0.0.2")
    url = f"http://brief.test:{a.address[1]}"
    gateway = make.gateway(config(server, url))
    assert tally(gateway, 3) == {"a": 3}
    server.start()  # the name is unknown now
    time.sleep(1.5)  # the answer's time is over
    assert tally(gateway, 3) == {"a": 3}
    assert reload(gateway, config(server, url, server={"resolve_stale_max": "0s"})) == []
    eventually(lambda: fetch(gateway.address).status == 502, what="an old address that is used no more")


@pytest.mark.parametrize("backend, text", [
    ({"sd": "dns"}, "is no name of SRV records"),
    ({"sd": "dns", "disable_host_sanitize": True, "host": ["http://a:80"]}, "is no name of SRV records"),
    ({"sd": "dns", "disable_host_sanitize": True, "host": ["a"], "sd_scheme": "ftp"}, "sd_scheme"),
])
def test_bad_discovery_is_refused(tmp_path, backend, text):
    path = tmp_path / "gateway.json"
    document = service([forward_all("http://a:80", **{})])
    document["endpoints"][0]["backend"][0].update(backend)
    path.write_text(json.dumps(document), encoding="utf-8")
    code, out, err = run_to_end(["check", "-c", path])
    assert code == 1 and text in out + err, out + err


def test_a_bad_resolver_is_refused(tmp_path):
    path = tmp_path / "gateway.json"
    path.write_text(json.dumps(service([forward_all("http://a:80")], {"resolver": "127.0.0.1:53,dns.example"})), encoding="utf-8")
    code, out, err = run_to_end(["check", "-c", path])
    assert code == 1 and "dns.example" in out + err


def test_an_address_that_joins_gets_its_share(make, dns):
    """A warm pool dials nobody: connections to the old address are let go, one each second, until both have as many (F-11)."""
    def slow(name):
        def handler(conn, _):
            conn.body()
            time.sleep(0.03)
            conn.send(reply(name))
        return handler

    a = make.origin(slow("a"), address=("127.0.0.2", free_port()))
    b = make.origin(slow("b"), address=("127.0.0.3", a.address[1]))
    server = dns("host-record=wide.test,127.0.0.2")
    gateway = make.gateway(config(server, f"http://wide.test:{a.address[1]}"))

    def crowd():
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers_ = [bytes(each.body).decode() for each in threads.map(lambda _: fetch(gateway.address), range(40))]
        return collections.Counter(answers_)

    assert crowd() == {"a": 40}
    server.start("host-record=wide.test,127.0.0.2", "host-record=wide.test,127.0.0.3")
    eventually(lambda: 10 <= crowd()["b"] <= 30 and abs(len(a.open_connections()) - len(b.open_connections())) <= 1, 40, "an even load")
    assert closes_of(gateway, "rebalanced") >= 3
    assert closes_of(gateway, "address_gone") == 0


def test_dials_take_addresses_in_turn(make, dns):
    a = make.origin(answers(reply("a", fields=[("Connection", "close")])), address=("127.0.0.2", free_port()))  # each request dials
    make.origin(answers(reply("b", fields=[("Connection", "close")])), address=("127.0.0.3", a.address[1]))
    server = dns("host-record=two.test,127.0.0.2", "host-record=two.test,127.0.0.3", ttl=60)
    gateway = make.gateway(config(server, f"http://two.test:{a.address[1]}"))
    assert tally(gateway, 10) == {"a": 5, "b": 5}
