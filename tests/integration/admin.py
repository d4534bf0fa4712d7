"""admin.py: what the admin listener tells of a gateway whose last address it is. SPDX-License-Identifier: Apache-2.0"""
import json
import re

from rawhttp import fetch

ADMIN = {"holdfast/admin": {"listen": "127.0.0.1:0"}}


def pools(running):
    """One for each host, in the order of the configuration."""
    return json.loads(fetch(running.addresses[-1], "/v1/pools").body)["hosts"]


def pool_of(running):
    """The first host's."""
    return pools(running)[0]


def connections(running, query=""):
    return json.loads(fetch(running.addresses[-1], "/v1/conns" + query).body)["connections"]


def closed_connections(running):
    """To hosts, the latest first."""
    return json.loads(fetch(running.addresses[-1], "/v1/conns?state=closed").body)["connections"]


def metrics_text(running):
    return fetch(running.addresses[-1], "/metrics").body.decode()


def metrics(running):
    """Samples of /metrics: {'name{labels}': number}."""
    return {name: float(number) for name, number in re.findall(r"^([^#\s]\S*(?: \S+=\S+)*) (\S+)$", metrics_text(running), re.M)}
