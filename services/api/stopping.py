"""Knowing that the server is about to stop, for answers that take as long as their work.

The server waits for every answer that is under way before it tells anybody that it stops.
"""

from __future__ import annotations

import signal
import threading
from functools import partial
from types import FrameType
from typing import Any

from services.processes import ENDING

stopping = threading.Event()
"""Set once this process was told to end."""


def notice_signals() -> None:
    """Set `stopping` at a signal that ends the server, whose own handlers are called then.

    To be called when these are there already; elsewhere than in the main thread it does nothing.
    """
    stopping.clear()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in {signal.SIGINT, *ENDING}:
        handler = signal.getsignal(number)
        if callable(handler):
            signal.signal(number, partial(_noticed, handler))


def _noticed(handler: Any, number: int, frame: FrameType | None) -> None:
    stopping.set()
    handler(number, frame)
