"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 240.0) -> None:
    """Return when `condition` holds; fail when it does not within so many seconds.

    Machines that run tests are slow at times, and a condition that holds costs no patience.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
