"""test_just_booted.py: what depends on time, at a gateway whose clocks begin with it: tests of other files, in a time namespace.

A moment before the beginning is none, and one at 0 is easily taken for never. SPDX-License-Identifier: Apache-2.0
"""
import subprocess

import pytest
import test_client_limits
import test_discovery
import test_drain
import test_keepalive_g4
import test_upstream_hosts
import test_upstream_pool
from admin import ADMIN, connections
from configs import proxy
from gateway import JUST_BOOTED
from test_discovery import dns  # noqa: F401

TESTS = [
    test_upstream_pool.test_one_connection_serves_many_clients_one_after_another,
    test_upstream_pool.test_idle_connections_expire,
    test_upstream_pool.test_use_restarts_the_idle_clock,
    test_upstream_pool.test_an_old_connection_is_not_used_again,
    test_upstream_pool.test_the_queue_has_a_deadline,
    test_upstream_hosts.test_a_refusing_host_costs_no_request_and_rests,
    test_upstream_hosts.test_a_host_is_back_after_its_rest,
    test_upstream_hosts.test_failovers_of_what_was_sent_have_a_budget,
    test_keepalive_g4.test_a_host_that_breaks_every_connection_has_little_sent_to_it_again,
    test_keepalive_g4.test_93_a_reset_at_one_age_is_learned_as_the_limit,
    test_client_limits.test_an_idle_connection_is_closed_without_a_word,
    test_client_limits.test_a_new_connection_without_a_byte_is_closed,
    test_client_limits.test_age_is_announced,
    test_drain.test_health_says_it,
    test_drain.test_idle_connections_stay_until_the_window_ends,
]
TESTS_WITH_DNS = [
    test_discovery.test_new_hosts_join_and_removed_ones_are_left,
    test_discovery.test_171_an_address_that_changes_is_left,
    test_discovery.test_how_long_an_old_address_is_used_is_a_setting,
]


@pytest.fixture(autouse=True)
def just_booted(make):
    done = subprocess.run([*JUST_BOOTED, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())
    make.just_booted = True


def name_of(test):
    return test.__name__.removeprefix("test_")


def test_the_time_is_the_gateways_own(make):
    """Else nothing here would say anything. Clients are named by the moment when they came."""
    running = make.gateway(proxy(make.origin(), extra=ADMIN))
    client = make.client(running)
    assert client.get().status == 200
    [row] = connections(running, "?side=client")
    assert row["id"] < 60e9, row


@pytest.mark.parametrize("test", TESTS, ids=name_of)
def test_it_holds(make, test):
    test(make)


@pytest.mark.parametrize("test", TESTS_WITH_DNS, ids=name_of)
def test_it_holds_with_dns(make, dns, test):  # noqa: F811
    test(make, dns)
