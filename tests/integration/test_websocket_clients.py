"""test_websocket_clients.py: WebSockets through the gateway with clients and servers that people use: Python's websockets and
Node's ws, with fragmented, large and compressed messages; and what idle ones cost. SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import contextlib
import os
import shutil
import subprocess
import threading

import pytest
from gateway import binary_path, release_binary_path
from rawhttp import fetch
from test_websocket import tunnel_config
from waiting import eventually
from wsraw import CLOSE, TEXT, WebSocket, close, echoes

try:
    import websockets
except ImportError:
    websockets = None

LARGE = 16 << 20
MODULES = "/usr/share/nodejs"
needs_python = pytest.mark.skipif(not websockets, reason="Debian's python3-websockets is not there for this interpreter")
needs_node = pytest.mark.skipif(not shutil.which("node") or not os.path.isdir(f"{MODULES}/ws"),
                                reason="nodejs or Debian's node-ws is not installed")


@contextlib.contextmanager
def python_server(**options):
    """Echoes whole messages, with permessage-deflate when it is asked for; gives the port."""
    loop, ports, stop = asyncio.new_event_loop(), [], asyncio.Event()

    async def echo(ws, _path=None):
        async for message in ws:
            await ws.send(message)

    async def serve():
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=LARGE * 2, **options) as server:
            ports.append(server.sockets[0].getsockname()[1])
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        eventually(lambda: ports)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def pattern(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


@needs_python
@pytest.mark.parametrize("compression", ["deflate", None])
def test_python_websockets_on_both_sides(make, compression):
    async def talk(url):
        async with websockets.connect(url, compression=compression, max_size=LARGE * 2, subprotocols=["chat"]) as ws:
            assert ws.subprotocol == "chat"
            extensions = ws.extensions if hasattr(ws, "extensions") else ws.protocol.extensions  # websockets 13 and later
            assert bool(extensions) == (compression is not None)
            for message in ["hello", "", "x" * 70000, b"", pattern(1 << 20), pattern(LARGE)]:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "three ", "parts"])
            assert await ws.recv() == "in three parts"
            await asyncio.wait_for(await ws.ping(), 5)
            await ws.close(4001, "enough")
            assert ws.close_code == 4001

    with python_server(compression=compression, subprotocols=["chat"]) as port:
        gateway = make.gateway(tunnel_config(f"http://127.0.0.1:{port}"))
        asyncio.run(talk(f"ws://127.0.0.1:{gateway.address[1]}/x"))
        eventually(lambda: 'holdfast_tunnel_closes_total{by="client",code="4xxx"} 1' in
                   fetch(gateway.addresses[-1], "/metrics").body.decode())


@needs_python
def test_many_python_clients_at_once(make):
    async def one(url, number):
        async with websockets.connect(url) as ws:
            for i in range(20):
                await ws.send(f"{number} {i}")
                assert await ws.recv() == f"{number} {i}"

    async def all_of_them(url):
        await asyncio.gather(*(one(url, number) for number in range(50)))

    with python_server() as port:
        gateway = make.gateway(tunnel_config(f"http://127.0.0.1:{port}", server={"workers": 2}))
        asyncio.run(all_of_them(f"ws://127.0.0.1:{gateway.address[1]}/x"))


SERVER = """
const { WebSocketServer } = require('ws')
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 1 << 26,
  perMessageDeflate: process.argv[1] === 'deflate' })
server.on('connection', ws => ws.on('message', (data, binary) => ws.send(data, { binary })))
server.on('listening', () => console.log(server.address().port))
"""
CLIENT = """
const WebSocket = require('ws')
const deflate = process.argv[2] === 'deflate'
const ws = new WebSocket(process.argv[1], { perMessageDeflate: deflate, maxPayload: 1 << 26 })
const messages = ['hello', '', 'y'.repeat(70000), Buffer.alloc(1 << 20, 7), Buffer.alloc(16 << 20, 'abcdef')]
let at = 0
const fail = why => { console.log('FAILED ' + why); process.exit(1) }
ws.on('open', () => {
  if (!!ws.extensions !== deflate) fail('extensions ' + ws.extensions)
  ws.send(messages[0])
})
ws.on('message', (data, binary) => {
  const want = messages[at]
  if (at < messages.length) {
    if (Buffer.compare(Buffer.from(want), data) || binary !== Buffer.isBuffer(want)) fail('message ' + at)
  } else if (data.toString() !== 'in parts') fail('fragments: ' + data)
  at++
  if (at < messages.length) ws.send(messages[at])
  else if (at === messages.length) { ws.send('in ', { fin: false }); ws.send('parts', { fin: true }) }
  else ws.ping('x')
})
ws.on('pong', () => ws.close(1000, 'done'))
ws.on('close', (code, reason) => console.log('closed ' + code + ' ' + reason))
ws.on('error', error => fail(error.message))
"""


@needs_node
@pytest.mark.parametrize("compression", ["deflate", "plain"])
def test_node_ws_on_both_sides(make, compression):
    environment = {**os.environ, "NODE_PATH": MODULES}
    server = subprocess.Popen(["node", "-e", SERVER, compression], stdout=subprocess.PIPE, env=environment, text=True)
    try:
        port = int(server.stdout.readline())
        gateway = make.gateway(tunnel_config(f"http://127.0.0.1:{port}"))
        client = subprocess.run(["node", "-e", CLIENT, f"ws://127.0.0.1:{gateway.address[1]}/x", compression],
                                stdout=subprocess.PIPE, env=environment, text=True, timeout=50)
        assert client.stdout == "closed 1000 done\n"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


FEW, MANY = 50, 450
GOAL_BYTES = 1024 * 2  # for both sides of a tunnel, without TLS


@pytest.mark.skipif(release_binary_path() == binary_path(), reason="sanitizers cost more than what is measured")
def test_what_idle_websockets_cost(make):
    """User memory of the gateway for each tunnel, both sides together: what many cost more than a few."""
    origin = make.origin(echoes)
    gateway = make.gateway(tunnel_config(origin), binary=release_binary_path())

    def crowd(count):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(WebSocket(gateway.address)) for _ in range(count)]
            for ws in clients:
                ws.say(TEXT, "x")
                assert ws.next() == (TEXT, b"x")
            private = gateway.memory_kib("RssAnon")
            for ws in clients:
                ws.say(CLOSE, close(1000))
                ws.next()
        return private

    few = crowd(FEW)
    each = (crowd(MANY) - few) * 1024 / (MANY - FEW)
    print(f"{each:.0f} bytes for an idle WebSocket, both sides")
    assert each < GOAL_BYTES * 1.25
