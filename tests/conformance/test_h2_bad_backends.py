"""test_h2_bad_backends.py: group E, hosts that break HTTP/2, end to end with clients of both versions: what the client gets, that
the next request is served, and how often the host was asked. SPDX-License-Identifier: Apache-2.0
"""
import pytest
from configs import forward_all, service
from gateway import Gateway
from h2_backend import BadBackend
from h2_driver import load_bad_backends
from h2_wire import END_HEADERS, END_STREAM, Client, block, frame
from rawhttp import BadAnswer, Cut
from rawhttp import Client as PlainClient

UPLOAD = 200_000
WINDOW = 65535  # may be used until the host's SETTINGS are read
STATUS = {"502": 502, "504": 504, "accept": 413, "retry": 200, "truncate": 200}


class Pair:
    def __init__(self, directory):
        self.directory, self.backend = directory, BadBackend()
        way = forward_all(self.backend.url)
        way["backend"][0]["extra_config"] = {"holdfast/upstream": {"protocol": "h2c"}}
        self.config = service([way], {"error_status": "precise"}, use_h2c=True, timeout="1500ms")
        self.gateway = Gateway(self.config, directory)

    def start_again(self):
        self.gateway.stop()
        self.gateway = Gateway(self.config, self.directory)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    made = Pair(tmp_path_factory.mktemp("bad_backends"))
    yield made
    made.gateway.stop()
    made.backend.close()


def ask_http1(address, upload):
    """(status, whole)"""
    with PlainClient(address) as client:
        client.send_request("POST", "/", body=b"x" * (upload or 1))
        answer = client.read_head("POST")
        try:
            client.read_body(answer)
        except (BadAnswer, Cut, OSError):
            return (answer.status, False)
        return (answer.status, True)


def ask_http2(address, upload):
    client = Client(address)
    fields = [[":method", "POST"], [":scheme", "http"], [":authority", "x"], [":path", "/"]]
    client.send(frame(1, END_HEADERS, 1, block({"fields": fields})))
    sent = min(upload or 1, 48_000)
    for at in range(0, sent, 16000):
        client.send(frame(0, 0 if upload or at + 16000 < sent else END_STREAM, 1, b"x" * min(16000, sent - at)))
    for _ in range(200):
        if 1 in client.ended or 1 in client.resets or client.closed:
            break
        client.poll(0.05)
    client.close()
    return (client.statuses.get(1), 1 in client.ended)


@pytest.mark.parametrize("version", ["http1", "http2"])
@pytest.mark.parametrize("case", load_bad_backends(), ids=lambda case: case["id"])
def test_bad_backend(case, version, pair):
    ask, action = {"http1": ask_http1, "http2": ask_http2}[version], case["expected"]["action"]
    pair.backend.misbehave(case["steps"])
    if case["steps"][1].get("on") is None:  # it is said at the start of a connection: there must be a new one
        pair.start_again()
    status, whole = ask(pair.gateway.address, UPLOAD if action == "504" else 0)
    assert whole == (action != "truncate"), case["title"]
    assert status == STATUS[action], case["title"]
    assert pair.backend.requests <= 3 and pair.backend.uploaded <= WINDOW
    pair.backend.misbehave([])
    if action == "504":  # its acknowledgement of SETTINGS was a sign of life, so the connection has one more chance
        ask_http1(pair.gateway.address, 0)
    assert ask_http1(pair.gateway.address, 0) == (200, True)
    assert ask_http2(pair.gateway.address, 0) == (200, True)
    assert pair.gateway.running()
