"""How often an address tried to sign in, so that nobody can try all passwords."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

TRIES = 20
PERIOD = 300.0
ADDRESSES = 10_000
"""Addresses that are remembered at most; the one that was quiet longest goes first."""


class Attempts:
    """Counts tries that failed, by address: at most 20 in five minutes. Any thread may call.

    A try counts from its beginning, or as many as begin at once would be one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Return for how many seconds an address has to wait; 0 when it may try."""
        now = self._clock()
        with self._lock:
            times = self._failed.get(address, deque())
            while times and times[0] <= now - PERIOD:
                times.popleft()
            return times[0] + PERIOD - now if len(times) >= TRIES else 0.0

    def begun(self, address: str) -> None:
        """Say that a try begins."""
        with self._lock:
            times = self._failed.pop(address, deque(maxlen=TRIES))
            times.append(self._clock())
            self._failed[address] = times
            while len(self._failed) > ADDRESSES:
                self._failed.pop(next(iter(self._failed)))

    def taken_back(self, address: str) -> None:
        """Say that the last try was right, or could not be judged."""
        with self._lock:
            if times := self._failed.get(address):
                times.pop()
