"""crowd.py: many clients at once: requests that are under way together, and keep-alive clients in one event loop, each noting what it
was told and how it ended.

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import collections
import concurrent.futures
import random
import re
import selectors
import threading

from origin import answers_ok
from rawhttp import fetch

REQUEST = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
CLOSE = re.compile(rb"^connection: *close\r$", re.I | re.M)


def in_threads(job, items):
    """job(item) for each of them, in a thread of its own; the results in order. What one of them raises is raised here."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(len(items)) as threads:
        return list(threads.map(job, items))


def at_once(address, count, target="/", method="GET", body=None):
    """So many requests in flight at the same time, each on a connection of its own; their responses."""
    return in_threads(lambda _: fetch(address, target, method, body=body), range(count))


def answered(waiting):
    """Those of `waiting` in the order in which they are answered."""
    order = []
    with selectors.DefaultSelector() as selector:
        for one in waiting:
            selector.register(one, selectors.EVENT_READ)
        while len(order) < len(waiting):
            ready = selector.select(timeout=60)
            assert ready, "somebody waits in vain"
            for key, _ in ready:
                selector.unregister(key.fileobj)
                order.append(key.fileobj)
    return order


class Gate:
    """A handler that answers only when `count` requests are inside: so many connections are needed."""

    def __init__(self, count, handler=answers_ok):
        self.barrier, self.handler = threading.Barrier(count, timeout=20), handler

    def __call__(self, conn, request):
        self.barrier.wait()
        self.handler(conn, request)


class Crowd:
    """`count` clients that ask again and again, with a pause between, until they are told that an answer is the last.

    `ends`: how each ended: "told" (an answer said close, then FIN), "late", or what went wrong. `announcements`: answers that
    said close. `told_at`: when, in seconds since `begin()`. `window`: in so many seconds everybody is told who asks; who could not be,
    as this machine let it ask nothing in the last tenth of them, and met the end, is late."""

    def __init__(self, address, count, pause=(0.1, 0.5), target=b"/", seconds=40, window=None):
        self.address, self.count, self.pause, self.target, self.seconds = address, count, pause, target, seconds
        self.window = window
        self.ends, self.answers, self.announcements, self.told_at = collections.Counter(), 0, 0, []
        self.statuses = collections.Counter()
        self.began = None

    def begin(self):
        self.began = asyncio.get_running_loop().time()

    async def run(self, when_all_are_open):
        """Calls when_all_are_open() once each client has had an answer; returns when all have ended."""
        self.open = asyncio.Semaphore(0)
        tasks = [asyncio.create_task(self._client(random.Random(i))) for i in range(self.count)]
        for _ in range(self.count):
            await asyncio.wait_for(self.open.acquire(), self.seconds)
        self.begin()
        when_all_are_open()
        for end in await asyncio.wait_for(asyncio.gather(*tasks), self.seconds):
            self.ends[end] += 1

    async def _client(self, rng):
        await asyncio.sleep(rng.uniform(0, 1))
        try:
            reader, writer = await asyncio.open_connection(*self.address)
        except OSError as error:
            self.open.release()
            return f"connect: {error}"
        first, asked = True, [0, 0]
        try:
            while True:
                asked = [asked[1], self._now()]
                writer.write(REQUEST % self.target)
                close = await self._answer(reader)
                if first:
                    self.open.release()
                first = False
                if close:
                    return "told" if await reader.read(1) == b"" else "bytes behind the last answer"
                await asyncio.sleep(rng.uniform(*self.pause))
        except (OSError, asyncio.IncompleteReadError) as error:
            if first:
                self.open.release()
            return "late" if self._is_late(*asked) else f"failed: {type(error).__name__}"
        finally:
            writer.close()

    def _now(self):
        return asyncio.get_running_loop().time() - self.began if self.began else 0

    def _is_late(self, before, asked):
        return self.window is not None and asked >= self.window and before < 0.9 * self.window

    async def _answer(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(LENGTH.search(head)[1]))
        self.answers += 1
        self.statuses[head[9:12].decode()] += 1
        if not CLOSE.search(head):
            return False
        self.announcements += 1
        self.told_at.append(self._now())
        return True
