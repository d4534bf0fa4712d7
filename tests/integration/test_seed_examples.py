"""test_seed_examples.py: the examples that KrakenD's documentation gives for its transport settings, run as they stand there: a file with
version 3 and max_idle_connections 150, and KRAKEND_MAX_IDLE_CONNECTIONS_PER_HOST=200 before `run -c krakend.json`.

SPDX-License-Identifier: Apache-2.0
"""
import json

from configs import forward_all, service
from crowd import Gate, at_once
from gateway import run_to_end


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
