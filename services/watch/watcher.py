"""The watcher: one thread for each watched folder, so that a share that hangs holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.watch.folder import WatchedFolder
from services.watch.memory import Memory
from services.watch.root import Root, RootStatus
from services.watch.wakeups import POLL_SECONDS, Wakeups

if TYPE_CHECKING:
    from services.front import Front

log = logging.getLogger(__name__)

CONCLUDE_SECONDS = 2.0
"""Pause between two questions to the store which jobs have ended."""

GAP_SECONDS = 1.0
"""Shortest pause between two looks, however much changes."""

REST, MOST_REST_SECONDS = 4, 30.0
"""After each look a pause so many times as long as the listing of the root took, up to a limit."""

ROOT_SECONDS = 10.0
"""Pause between two looks whether the root itself is there and the same."""


class Watcher:
    """Submits what appears in the watched folders and draws the consequences of each job's end.

    Args:
        folders: The roots.
        front: Takes the work.
        url: SQLAlchemy URL of the job store, which keeps the memory too.
        still_seconds: How long a file must not change before it is taken.
        rescan_seconds: Longest pause between two looks at a root.
        poll_seconds: Pause of the observers where the system tells of no changes.
    """

    def __init__(
        self,
        folders: Sequence[WatchedFolder],
        front: Front,
        url: str,
        still_seconds: float = 5.0,
        rescan_seconds: float = 300.0,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._memory = Memory(url)
        self._rounds = [
            _Rounds(folder, front, self._memory, still_seconds, rescan_seconds, poll_seconds)
            for folder in folders
        ]

    def start(self) -> None:
        """Begin to watch."""
        if self._rounds:
            self._memory.find_jobs()
        for rounds in self._rounds:
            rounds.start()

    def stop(self, timeout: float = 30.0) -> None:
        """End the threads; a file at hand is finished or given back first."""
        for rounds in self._rounds:
            rounds.ask_to_stop()
        for rounds in self._rounds:
            rounds.stop(timeout)
        self._memory.close()

    def scan_now(self) -> None:
        """Look through every root now."""
        for rounds in self._rounds:
            rounds.wake()

    def status(self) -> list[RootStatus]:
        """Return the status of each root, in the order of the settings."""
        return [rounds.status() for rounds in self._rounds]


class _Rounds:
    """The thread of one root."""

    def __init__(
        self,
        folder: WatchedFolder,
        front: Front,
        memory: Memory,
        still_seconds: float,
        rescan_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._root = Root(folder, front, memory, still_seconds, self._stopping.is_set)
        self._wakeups = Wakeups(folder, self.wake, poll_seconds)
        self._rescan_seconds = rescan_seconds
        self._gap = min(GAP_SECONDS, still_seconds / 2)
        self._failure: str | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"watch {folder.path.name}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def ask_to_stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def stop(self, timeout: float) -> None:
        if self._thread.ident is None:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.error("%s did not stop within %.0f s", self._thread.name, timeout)

    def status(self) -> RootStatus:
        return self._root.status(self._wakeups.polling, self._failure or self._wakeups.notice)

    def _run(self) -> None:
        next_look = next_rescan = next_check = rested = time.monotonic()
        while not self._stopping.is_set():
            tick = time.monotonic()
            try:
                if tick >= next_check:
                    next_check = tick + ROOT_SECONDS
                    if not self._wakeups.is_up():
                        next_look = tick
                if tick >= next_look:
                    rescan = tick >= next_rescan
                    next_rescan = tick + self._rescan_seconds if rescan else next_rescan
                    # Should this look fail, the next one comes after a pause.
                    next_look = tick + ROOT_SECONDS
                    due = self._look(tick)
                    # A recording under way wakes us all the time; a big share is not to be kept
                    # busy by that.
                    rest = min(REST * self._root.listing_seconds, MOST_REST_SECONDS)
                    rested = time.monotonic() + rest
                    next_look = min(next_rescan, next_rescan if due is None else due)
                    next_look = max(next_look, tick + self._gap)
                    self._root.conclude(thorough=rescan)
                else:
                    self._root.conclude()
                self._failure = None
            except Exception as error:  # the store, most likely: a lock, a full disk
                log.exception("a round of %s failed; the next one tries again", self._thread.name)
                self._failure = f"The last round failed and is tried again: {error}"
            pause = max(0.0, min(next_look - time.monotonic(), CONCLUDE_SECONDS))
            if self._wake.wait(pause):
                self._wake.clear()
                self._stopping.wait(self._gap)  # what changes much is not looked at all the time
                next_look = max(time.monotonic(), rested)
        self._wakeups.stop()

    def _look(self, tick: float) -> float | None:
        """Look through the root, told of all that changes from before that look on."""
        try:
            self._wakeups.keep_up()
        except Exception as error:
            # The look itself says what is wrong, if it is more than that nobody tells us.
            log.info("%s is told of no changes: %s", self._thread.name, error)
            self._wakeups.stop()
        return self._root.look(tick)
