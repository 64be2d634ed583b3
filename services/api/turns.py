"""One request at a time works on an upload, and the newest one wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Message, Receive

from services.api.stopping import stopping

IDLE_SECONDS = 60.0
"""Time without a byte after which a request's body is given up."""


LOOK_SECONDS = 1.0
"""Pause between two looks whether the server is about to stop."""


class Interrupted(Exception):
    """A newer request works on the same upload, the sender is silent, or the server stops."""


class Turn:
    """A request's turn on an upload: it lasts until it ends, or a newer one asks for it."""

    def __init__(self) -> None:
        self._asked = False
        self._waiting: asyncio.Timeout | None = None
        self.over = asyncio.Event()

    async def next(self, receive: Receive) -> Message:
        """Return the next part of the request.

        Raises:
            Interrupted: there was none in time, this turn is asked for, or the server stops.
        """
        now = asyncio.get_running_loop().time
        given_up = now() + IDLE_SECONDS
        while not self._asked and not stopping.is_set() and now() < given_up:
            try:
                async with asyncio.timeout(min(LOOK_SECONDS, given_up - now())) as self._waiting:
                    return await receive()
            except TimeoutError:
                continue
            finally:
                self._waiting = None
        raise Interrupted

    def ask(self) -> None:
        """Have this turn end as soon as it can."""
        self._asked = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())


class Turns:
    """The turns on all uploads, of one event loop.

    A connection that was lost may look alive to the server for minutes. Who comes back meanwhile
    is the same person, so the old request is ended rather than the new one refused.
    """

    def __init__(self) -> None:
        self._last: dict[str, Turn] = {}

    @asynccontextmanager
    async def take(self, upload_id: str) -> AsyncIterator[Turn]:
        """Wait for the turns before, which are asked to end, and yield one's own."""
        turn, before = Turn(), self._last.get(upload_id)
        self._last[upload_id] = turn
        try:
            if before is not None:
                before.ask()
                await before.over.wait()
            yield turn
        finally:
            turn.over.set()
            if self._last[upload_id] is turn:
                del self._last[upload_id]
