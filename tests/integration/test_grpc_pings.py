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


def python_server(make, _folder):
    return make.stack.enter_context(Echo(seconds=SECONDS)).url, "/a.Echo/*"


def go_server(make, folder):
    return f"http://127.0.0.1:{begin(make, build_go(folder, 'grpc', 'google.golang.org/grpc'), 'server')}", "/a.Go/*"


@pytest.mark.heavy
@pytest.mark.parametrize("server", [python_server, go_server], ids=["python", "go"])
def test_a_silent_call_is_no_reason_to_end_the_connection(make, tmp_path, server):
    ways = []
    for name, settings in SETTINGS.items():
        url, path = server(make, tmp_path)
        upstream = {"class": "stream", "protocol": "h2c", **settings}
        ways.append(endpoint(f"/{name}/*", backend(url, path, encoding="no-op", extra_config={"holdfast/upstream": upstream}),
                             method="POST", output_encoding="no-op", timeout=f"{SECONDS}s", input_headers=["*"]))
    running = make.gateway(service(ways, None, ADMIN, use_h2c=True))
    channel = make.stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{running.addresses[0][1]}"))
    calls = {name: channel.unary_unary(f"/{name}/Hang").future(b"", timeout=SECONDS) for name in SETTINGS}
    end = time.monotonic() + SILENT_SECONDS
    while time.monotonic() < end:
        assert not any(call.done() for call in calls.values()), {name: call.code() for name, call in calls.items() if call.done()}
        time.sleep(0.5)
    hosts = dict(zip(SETTINGS, pools(running)))
    assert {name: host["pings"] for name, host in hosts.items()} == {"preset": 1, "lowest": 2}
    for name, call in calls.items():
        assert channel.unary_unary(f"/{name}/Up").future(b"more", timeout=10).exception(10) is None
        call.cancel()
    for host in pools(running):
        assert (host["new"], host["closes"], host["ping_timeouts"]) == (1, {}, 0)
