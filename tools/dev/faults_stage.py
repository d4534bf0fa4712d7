"""faults_stage.py: what stands around a gateway in ./dev faults: four origins that fall ill on command, and clients that send
numbered requests in an open loop (each at its time, however late the answers are). One event loop runs both, so that what the
clients saw can be compared with what the origins did. Start with Stage.run.

SPDX-License-Identifier: Apache-2.0"""

import asyncio
import collections
import hashlib
import math
import random
import re
import socket
import struct
import time

FAULT_BEGINS_S = 1.0
SEQ = re.compile(rb"(?i)x-seq: (\d+)")
LENGTH = re.compile(rb"(?i)content-length: (\d+)")
CHUNKED = re.compile(rb"(?i)transfer-encoding: chunked")


def content_of(number):
    """The only right body for a request: bytes of another answer never pass for it."""
    return hashlib.sha256(str(number).encode()).hexdigest().encode() * 8


def reset(writer):
    """Ends a connection by RST."""
    raw = writer.get_extra_info("socket")
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    writer.transport.abort()


async def read_chunks(reader):
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        piece = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += piece[:-2]


async def read_message(reader, first=b"", until_close=False):
    """Head and body of a message."""
    head = first + await reader.readuntil(b"\r\n\r\n")
    length = LENGTH.search(head)
    if length:
        return head, await reader.readexactly(int(length[1]))
    if CHUNKED.search(head):
        return head, await read_chunks(reader)
    return head, await reader.read() if until_close else b""


class Origins:
    """Answers every numbered request, unless the fault forbids it. `executed`: number to methods, once for each time."""

    def __init__(self, ports, fault, seed):
        self.ports, self.fault, self.random = ports, fault, random.Random(seed)
        self.executed, self.cut = collections.defaultdict(list), set()
        self.stalled, self.servers = set(), {}
        self.connections = {port: set() for port in ports}
        self.accepted = 0

    async def open(self, port):
        self.servers[port] = await asyncio.start_server(lambda reader, writer: self.serve(port, reader, writer), "127.0.0.1", port,
                                                        reuse_address=True, backlog=512)

    def shut(self, port):
        """Resets all connections and opens the port again a second later."""
        self.servers[port].close()
        for writer in list(self.connections[port]):
            reset(writer)
        asyncio.get_running_loop().call_later(1, lambda: asyncio.ensure_future(self.open(port)))

    def patience(self):
        return self.random.uniform(0.005, 0.03) if self.fault == "idle_close" else 30

    async def answer(self, port, writer, number):
        """False: the connection is not to be used again."""
        body = content_of(number)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Seq: %d\r\n\r\n" % (len(body), number)
        if port in self.stalled:
            await asyncio.sleep(60)
        if self.fault == "cut" and self.random.random() < 0.02:
            self.cut.add(number)
            writer.write(head + body[:100])
            await writer.drain()
            await asyncio.sleep(0.005)
            reset(writer)
            return False
        writer.write(head + body)
        await writer.drain()
        return True

    async def serve(self, port, reader, writer):
        self.connections[port].add(writer)
        self.accepted += 1
        try:
            good = True
            while good:
                first = await asyncio.wait_for(reader.readexactly(1), self.patience())
                head, _ = await read_message(reader, first)
                number = int(SEQ.search(head)[1])
                self.executed[number].append(head.split(b" ")[0].decode())
                good = await self.answer(port, writer, number)
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError):
            pass
        finally:
            self.connections[port].discard(writer)
            writer.close()


class Clients:
    """Requests at fixed times. Some keep to a connection that was used before, some make a new one."""

    def __init__(self, port, origins, options):
        self.port, self.origins, self.options = port, origins, options
        self.random = random.Random(options.seed)
        self.pool, self.outcomes, self.latencies = [], {}, []

    async def connect(self):
        """A connection and whether it was used before."""
        if self.random.random() * 100 >= self.options.fresh:
            while self.pool:
                reader, writer = self.pool.pop()
                if not reader.at_eof() and not writer.is_closing():
                    return reader, writer
                writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    def judge(self, number, head, body):
        status = int(head.split()[1])
        if status != 200:
            return f"status {status}"
        return "ok" if body == content_of(number) and number not in self.origins.cut else "torn"

    async def exchange(self, number, method):
        writer = None
        try:
            reader, writer = await self.connect()
            fields = b"Content-Length: 4\r\n\r\nbody" if method == "POST" else b"\r\n"
            writer.write(b"%s /x HTTP/1.1\r\nHost: example.test\r\nX-Seq: %d\r\n%s" % (method.encode(), number, fields))
            head, body = await read_message(reader, until_close=True)
        except (asyncio.IncompleteReadError, OSError, ValueError):
            if writer:
                writer.close()
            if not writer:
                return "no connection"
            return "cut" if number in self.origins.cut else "lost"
        except asyncio.CancelledError:
            if writer:
                writer.close()
            raise
        if b"connection: close" in head.lower() or len(self.pool) >= self.options.connections:
            writer.close()
        else:
            self.pool.append((reader, writer))
        return self.judge(number, head, body)

    async def request(self, number, method):
        began = time.perf_counter()
        try:
            outcome = await asyncio.wait_for(self.exchange(number, method), self.options.patience)
        except asyncio.TimeoutError:
            outcome = "timeout"
        self.outcomes[number] = (method, outcome)
        if outcome == "ok" or outcome.startswith("status"):
            self.latencies.append((time.perf_counter() - began) * 1000)


class Stage:
    """One run: a fault, a gateway that listens on `port` and asks the origins at `ports`."""

    def __init__(self, fault, port, ports, options, silence=None):
        self.fault, self.options, self.silence = fault, options, silence
        self.origins = Origins(ports, fault, options.seed)
        self.clients = Clients(port, self.origins, options)
        self.tasks = set()

    def break_something(self, turn):
        """What the fault does at its beginning (turn 0), and every two seconds then."""
        ports = self.origins.ports
        if self.fault == "reset":
            self.origins.shut(ports[turn % len(ports)])
        elif self.fault == "stall":
            self.origins.stalled.add(ports[0])
        elif self.fault == "half_open" and turn == 0:
            self.silence(ports[0])
            asyncio.get_running_loop().call_later(5, self.silence, None)

    def send_due(self, sent, elapsed):
        due = math.ceil(elapsed * self.options.rate)
        for number in range(sent + 1, due + 1):
            method = "POST" if self.clients.random.random() * 100 < self.options.post else "GET"
            task = asyncio.create_task(self.clients.request(number, method))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return max(sent, due)

    async def load(self):
        sent, turn, began = 0, 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < self.options.seconds:
            sent = self.send_due(sent, elapsed)
            if elapsed > FAULT_BEGINS_S + 2 * turn:
                self.break_something(turn)
                turn += 1
            await asyncio.sleep(0.001)
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=self.options.patience + 1)

    async def run(self, gateway):
        """`gateway`: a context manager that starts it, once the origins listen. Returns one row of figures."""
        for port in self.origins.ports:
            await self.origins.open(port)
        with gateway:
            await asyncio.sleep(0.3)
            await self.load()
            row = self.figures()
            row["ledger"] = await asyncio.get_running_loop().run_in_executor(None, gateway.ledger)
        for server in self.origins.servers.values():
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return row

    def errors_of(self, method):
        return collections.Counter(outcome for each, outcome in self.clients.outcomes.values()
                                   if each == method and outcome not in ("ok", "cut"))

    def not_begun(self, method):
        """Errors of requests that no origin had read."""
        return sum(1 for number, (each, outcome) in self.clients.outcomes.items()
                   if each == method and outcome not in ("ok", "cut") and number not in self.origins.executed)

    def figures(self):
        outcomes = collections.Counter(outcome for _, outcome in self.clients.outcomes.values())
        latencies = sorted(self.clients.latencies) or [0.0]
        twice = [methods for methods in self.origins.executed.values() if len(methods) > 1]
        return {
            "sent": len(self.clients.outcomes), "ok": outcomes["ok"], "torn": outcomes["torn"],
            "cuts": len(self.origins.cut), "cuts_seen": outcomes["cut"],
            "errors": {method: dict(self.errors_of(method)) for method in ("GET", "POST")},
            "unread": {method: self.not_begun(method) for method in ("GET", "POST")},
            "twice": {"GET": sum(1 for methods in twice if "POST" not in methods),
                      "POST": sum(1 for methods in twice if "POST" in methods)},
            "origin_connections": self.origins.accepted,
            **{f"p{name}_ms": round(latencies[min(len(latencies) - 1, int(len(latencies) * share))], 2)
               for name, share in (("50", 0.5), ("99", 0.99), ("999", 0.999), ("100", 1))},
        }
