"""test_seed_examples.py: the examples that KrakenD's documentation gives for its transport settings, run as they stand there: a file with
version 3 and max_idle_connections 150, and KRAKEND_MAX_IDLE_CONNECTIONS_PER_HOST=200 before `run -c krakend.json`; and our presets for
the limits of two guides (examples/), which do what they promise.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib

import pytest
from admin import metrics
from configs import forward_all, service
from crowd import Gate, at_once
from gateway import run_to_end
from rawhttp import Client, Cut
from tls_front import TlsClient, connect, context_of


def test_seed_001_the_file_is_valid_as_it_stands(tmp_path):
    path = tmp_path / "krakend.json"
    path.write_text('{\n"version": 3,\n"max_idle_connections": 150\n}\n')
    code, out, err = run_to_end(["check", "-c", path])
    assert code == 0 and "Syntax OK!" in out + err


def test_seed_001_max_idle_connections_150(make):
    """160 connections were needed at once; 150 of them stay."""
    origin = make.origin(Gate(160))
    running = make.gateway(service([forward_all(origin)], max_idle_connections=150))
    assert [response.status for response in at_once(running.address, 160)] == [200] * 160
    origin.wait_open(150)


def test_seed_001_the_environment_sets_what_the_file_does_not(make):
    """Without the variable it would be 250 for each host."""
    origin = make.origin(Gate(210))
    running = make.gateway(service([forward_all(origin)]), environment={"KRAKEND_MAX_IDLE_CONNECTIONS_PER_HOST": "200"})
    assert [response.status for response in at_once(running.address, 210)] == [200] * 210
    origin.wait_open(200)


def test_seed_001_an_interval_where_a_number_belongs_is_an_error_with_its_place(tmp_path):
    """The text calls the cap an interval in one place: "150s" is no number of connections."""
    path = tmp_path / "krakend.json"
    path.write_text(json.dumps({"version": 3, "max_idle_connections": "150s"}))
    code, out, err = run_to_end(["check", "-c", path])
    assert code == 1 and "krakend.json:1:" in out + err and "max_idle_connections" in out + err


def preset(name, origin, certificate=None):
    """The example as it stands, but for addresses and files of this test."""
    config = json.loads((pathlib.Path(__file__).resolve().parents[2] / "examples" / name).read_text(encoding="utf-8"))
    config["endpoints"][0]["backend"][0]["host"] = [origin.url]
    config["extra_config"]["holdfast/admin"]["listen"] = "127.0.0.1:0"
    config["extra_config"]["holdfast/server"].update(listeners=[{"listen": "127.0.0.1:0"}], drain_window="0s", drain_limit="3s")
    if certificate:
        config["tls"]["keys"] = [{"public_key": certificate.certificate, "private_key": certificate.key}]
    return config


def crowded(running):
    return metrics(running).get('holdfast_client_closes_total{reason="crowd",side="ours",listener="127.0.0.1:0"}', 0)


def test_seed_003_ten_connections_for_each_address(make):
    """30 s, 100 requests, 10 connections; the eleventh is told."""
    config = preset("crowd-limits-003.json", make.origin())
    running = make.gateway(config)
    inside = [make.client(running) for _ in range(10)]
    assert {(each.get().status, each.get().get("keep-alive")) for each in inside} == {(200, "timeout=30, max=98")}
    with Client(running.address) as outside:
        response = outside.get()
        assert (response.status, response.says_close) == (503, True)
    for _ in range(97):
        assert not inside[0].get().says_close
    last = inside[0].get()
    assert (last.status, last.says_close) == (200, True)
    assert inside[0].ended()
    assert {each.get().status for each in inside[1:]} == {200}
    assert crowded(running) == 1


@pytest.mark.parametrize("name,promise", [("browser", "timeout=5, max=99"), ("gateway", "timeout=60, max=999"),
                                          ("web", "timeout=15, max=499"), ("internal", "timeout=30, max=1999")])
def test_seed_003_presets_promise_their_numbers(make, name, promise):
    running = make.gateway(service([forward_all(make.origin())], {"preset": name}))
    assert make.client(running).get().get("keep-alive") == promise


def test_seed_004_fifty_connections_for_each_address(make, authority, certificate):
    """Over TLS; the fifty-first is reset, the others are unharmed; no part of a request may take more than ten seconds."""
    config = preset("edge-004.json", make.origin(), certificate)
    assert config["port"] == 443 and config["extra_config"]["holdfast/server"]["max_connection_age_hard"] == "12h"
    assert config["read_header_timeout"] == config["extra_config"]["holdfast/server"]["body_gap_timeout"] == "10s"
    running, context = make.gateway(config), context_of(authority)
    inside = [connect(make, running, context) for _ in range(50)]
    assert {each.get().status for each in inside} == {200}
    with pytest.raises((Cut, OSError)), TlsClient(running.address, context) as outside:
        outside.get()
    assert {each.get().status for each in inside} == {200}
    assert crowded(running) == 1
