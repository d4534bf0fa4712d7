"""waiting.py: waiting for something to become true, and measuring how long it took. SPDX-License-Identifier: Apache-2.0"""
import time

# Waits end as soon as what they wait for happens; the limit only bounds a failing test, so it is wide.
PATIENCE_SECONDS = 8.0


def eventually(condition, seconds=PATIENCE_SECONDS, what=""):
    """Polls until condition() is true and returns its value; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.01)


class Stopwatch:
    def __init__(self):
        self.started = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.started
