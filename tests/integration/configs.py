"""configs.py: configurations as dictionaries, from the plain reverse proxy up. SPDX-License-Identifier: Apache-2.0"""
import copy


def service(endpoints, server=None, extra=None, **root):
    """A configuration on a free loopback port, one worker, drain without a window; `server` adds to holdfast/server.
    What is shared by tests (admin.ADMIN) is copied: a test may change what it got."""
    holdfast = {"listeners": [{"listen": "127.0.0.1:0"}], "workers": 1, "drain_window": "0s", "drain_limit": "3s",
                **(server or {})}
    return {"version": 3, **root, "endpoints": endpoints, "extra_config": {"holdfast/server": holdfast, **copy.deepcopy(extra or {})}}


def backend(origin, url_pattern="/", **keys):
    """One backend at an origin (anything with a `url`) or at a URL."""
    return {"host": [getattr(origin, "url", origin)], "url_pattern": url_pattern, **keys}


def endpoint(path, *backends, **keys):
    return {"endpoint": path, "backend": list(backends), **keys}


def forward_all(origin, path="/*", url_pattern="/*", **keys):
    """An endpoint that passes everything on: every method, header, query; bodies streamed."""
    return endpoint(path, backend(origin, url_pattern, encoding="no-op"),
                    **{"method": "*", "output_encoding": "no-op", "input_headers": ["*"], "input_query_strings": ["*"],
                       **keys})


def proxy(origin, server=None, extra=None, **root):
    """A plain reverse proxy that names upstream failures by cause."""
    return service([forward_all(origin)], {"error_status": "precise", **(server or {})}, extra, **root)
