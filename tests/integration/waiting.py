"""waiting.py: waiting for something to become true, and measuring how long it took. SPDX-License-Identifier: Apache-2.0"""
import threading
import time

# Waits end as soon as what they wait for happens; the limit only bounds a failing test, so it is wide.
PATIENCE_SECONDS = 8.0
TICK_SECONDS, STALL_SECONDS = 0.01, 0.05


class Ticker(threading.Thread):
    """Time in which this machine lets us run: of a tick that takes too long, only the beginning counts."""

    def __init__(self):
        super().__init__(daemon=True)
        self.awake = 0.0
        self.start()

    def run(self):
        last = time.monotonic()
        while True:
            time.sleep(TICK_SECONDS)
            now = time.monotonic()
            self.awake += min(now - last, STALL_SECONDS)
            last = now


TICKER = Ticker()


class Stopwatch:
    """`seconds`: how long ago it was made, for what must not happen too early; `awake`: without the time in which the machine stood
    still, for what must not take too long."""

    def __init__(self):
        self.started, self.ticked = time.monotonic(), TICKER.awake

    def __repr__(self):
        return f"<{self.seconds:.2f} s, {self.awake:.2f} of them awake>"

    @property
    def seconds(self):
        return time.monotonic() - self.started

    @property
    def awake(self):
        return TICKER.awake - self.ticked

    @property
    def stalled(self):
        return self.seconds - self.awake

    def between(self, least, most):
        return least < self.seconds and self.awake < most


def eventually(condition, seconds=PATIENCE_SECONDS, what=""):
    """Polls until condition() is true and returns its value; fails the test after `seconds` in which the machine ran."""
    watch = Stopwatch()
    while True:
        value = condition()
        if value:
            return value
        if watch.awake > seconds:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.01)


def standstill(read, seconds=0.5):
    """The value, if it is something and does not change for so long: what `eventually` may wait for."""
    value = read()
    if not value:
        return None
    time.sleep(seconds)
    return value if read() == value else None
