"""test_grpc_pings.py: servers of gRPC, with the limits on PINGs that they have by default, keep the connection over which one call is
silent for long, whatever ping_after and ping_interval say. SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest
from admin import ADMIN, pools
from configs import backend, endpoint, service
from test_multiplexed_clients import begin, build_go

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")

from test_grpc_clients import Echo  # noqa: E402

SILENT_SECONDS, SECONDS = 50, 120  # four PINGs of the lowest settings, the last of which was too many
SETTINGS = {"preset": {}, "lowest": {"ping_after": "10s", "ping_interval": "10s", "ping_timeout": "1s"}}


def hosts_of(make, folder, note):
    """{name of a way: (URL, path, settings)}: each kind of server once for each settings."""
    kinds = {"python": "/a.Echo/*", "go": "/a.Go/*"}
    try:
        program = build_go(folder, "grpc", "google.golang.org/grpc")
    except pytest.skip.Exception as why:
        note("servers of gRPC that are PINGed", f"Go's is {why.msg}")
        del kinds["go"]
    hosts = {}
    for kind, path in kinds.items():
        for name, settings in SETTINGS.items():
            if kind == "python":
                url = make.stack.enter_context(Echo(seconds=SECONDS)).url
            else:
                url = f"http://127.0.0.1:{begin(make, program, 'server')}"
            hosts[f"{kind}-{name}"] = url, path, settings
    return hosts


def way(name, url, path, settings):
    upstream = {"class": "stream", "protocol": "h2c", **settings}
    return endpoint(f"/{name}/*", backend(url, path, encoding="no-op", extra_config={"holdfast/upstream": upstream}),
                    method="POST", output_encoding="no-op", timeout=f"{SECONDS}s", input_headers=["*"])


@pytest.mark.heavy
def test_a_silent_call_is_no_reason_to_end_the_connection(make, tmp_path, note):
    names = hosts_of(make, tmp_path, note)
    running = make.gateway(service([way(name, *host) for name, host in names.items()], None, ADMIN, use_h2c=True))
    channel = make.stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{running.addresses[0][1]}"))
    calls = {name: channel.unary_unary(f"/{name}/Hang").future(b"", timeout=SECONDS) for name in names}
    end = time.monotonic() + SILENT_SECONDS
    while time.monotonic() < end:
        ended = {name: call.code() for name, call in calls.items() if call.done()}
        assert not ended
        time.sleep(0.5)
    sent = {name: host["pings"] for name, host in zip(names, pools(running))}
    assert sent == {name: 2 if name.endswith("lowest") else 1 for name in names}
    for name, call in calls.items():
        assert channel.unary_unary(f"/{name}/Up").future(b"more", timeout=10).exception(10) is None
        call.cancel()
    for host in pools(running):
        assert (host["new"], host["closes"], host["ping_timeouts"]) == (1, {}, 0)
