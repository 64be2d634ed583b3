"""One root: its rounds, which do all the work, and its status. No thread of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import ScriptoriumError
from services.watch.conclusion import Conclusion
from services.watch.folder import WatchedFolder
from services.watch.intake import MOST_FILES, Intake
from services.watch.memory import Due, Memory
from services.watch.scan import Found, look_at, scan
from services.watch.stillness import Stillness

if TYPE_CHECKING:
    from services.front import Front

log = logging.getLogger(__name__)

PROBLEM_PAUSE = 60.0
"""Seconds until a file that could not be read is tried again, or a full disk looked at."""

_SAVED_AT_ONCE = 50


class RootState(StrEnum):
    """Whether a root is looked through."""

    STARTING = "starting"
    WATCHING = "watching"
    MISSING = "missing"


@dataclass(frozen=True)
class RootStatus:
    """What a person wants to know of a root. Times are seconds since the epoch."""

    path: Path
    state: RootState
    since: float
    """When it came into this state."""
    polling: bool
    waiting: int
    """Files that are seen and not taken yet."""
    in_work: int
    """Files that are taken and of which something is still to do."""
    taken: int
    """Files that were taken since the start."""
    last_taken: float | None
    problems: tuple[str, ...]
    """Sentences; empty when all is well."""


class Root:
    """Finds, takes and concludes the files of one watched folder."""

    def __init__(
        self,
        folder: WatchedFolder,
        front: Front,
        memory: Memory,
        still_seconds: float,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._root = str(folder.path)
        self._memory = memory
        self._intake = Intake(folder, front, memory)
        self._conclusion = Conclusion(folder, front, memory)
        self._still = Stillness(still_seconds)
        self._stopping = stopping
        self._clock = clock
        self._known: dict[str, tuple[int, int]] | None = None
        self._state, self._since = RootState.STARTING, clock()
        self._waiting = self._taken = 0
        self._last_taken: float | None = None
        self._problems: dict[str, str] = {}
        self._missing = ""
        self.listing_seconds = 0.0
        """How long the last listing of the root took."""
        self._no_room: str | None = None

    def look(self, tick: float) -> float | None:
        """Look through the root once and take what is whole.

        Args:
            tick: Seconds on a clock that never jumps.

        Returns:
            The tick at which the next look is worth while; None when nothing is waited for.
        """
        if self._known is None:
            self._known = self._memory.known(self._root)
        problems: dict[str, str] = {}
        begun = time.monotonic()
        try:
            files = self._unknown_files(problems)
        except OSError as error:
            self._gone(error)
            return None
        self.listing_seconds = time.monotonic() - begun
        self._enter(RootState.WATCHING)
        still = self._still.observe(files, tick)
        taken = self._intake.take(still, self._stopping)
        for found in taken.files:
            self._known[found.path] = (found.size, found.mtime_ns)
            self._still.drop(found.path)
        for found in taken.busy:
            self._still.restart(found.path, tick)
        for path, problem in taken.problems.items():
            self._still.restart(path, tick, PROBLEM_PAUSE)
            problems[path] = problem
        if taken.files:
            self._taken += len(taken.files)
            self._last_taken = self._clock()
        self._waiting = len(self._still)
        self._problems = problems
        self._no_room = taken.no_room
        if taken.no_room:
            return tick + PROBLEM_PAUSE
        return tick if len(still) > MOST_FILES else self._still.next_due()

    def conclude(self, thorough: bool = False) -> None:
        """Draw the consequences for the files whose jobs have ended.

        Args:
            thorough: Also look among all files whose consequences were drawn for jobs that were
                run again meanwhile.
        """
        if self._state is not RootState.WATCHING:
            return
        self._memory.reopen(self._root)
        if thorough:
            self._memory.reopen(self._root, thorough=True)
        done: list[tuple[Due, str | None]] = []
        for due in self._memory.due(self._root, self._clock()):
            if self._stopping():
                break
            try:
                done.append((due, self._conclusion.draw(due)))
            except Exception as error:
                known = isinstance(error, (OSError, ScriptoriumError))
                log.warning("%s in %s: %s", due.path, self._root, error, exc_info=not known)
                self._memory.put_off(due, _sentence(due, error), self._clock())
            if len(done) >= _SAVED_AT_ONCE:
                self._settle(done)
                done = []
        self._settle(done)

    def status(self, polling: bool, notice: str | None) -> RootStatus:
        """Return the root's status; any thread may ask."""
        in_work, errors = self._memory.unsettled(self._root)
        sentences = [self._missing, notice, self._no_room, *self._problems.values(), *errors]
        return RootStatus(
            path=self.folder.path,
            state=self._state,
            since=self._since,
            polling=polling,
            waiting=self._waiting,
            in_work=in_work,
            taken=self._taken,
            last_taken=self._last_taken,
            problems=tuple(s for s in sentences if s),
        )

    # --- inside -----------------------------------------------------------------------

    def _unknown_files(self, problems: dict[str, str]) -> list[Found]:
        """Return the files that were not taken as they are now."""
        assert self._known is not None

        def problem(path: str, error: OSError) -> None:
            problems[path] = f"“{path}” cannot be read: {error.strerror or error}."

        unknown = []
        for listed in scan(self.folder, problem):
            if self._known.get(listed.path) == (listed.size, listed.mtime_ns):
                continue
            found = look_at(self.folder, listed.path)
            if found and self._known.get(found.path) != (found.size, found.mtime_ns):
                unknown.append(found)
        return unknown

    def _settle(self, done: list[tuple[Due, str | None]]) -> None:
        assert self._known is not None
        if done:
            self._memory.settle(done)
        for due, place in done:
            if place != due.path and self._known.get(due.path) == (due.size, due.mtime_ns):
                del self._known[due.path]  # should it come back, it is a new arrival

    def _gone(self, error: OSError) -> None:
        self._enter(RootState.MISSING)
        self._still.observe([], 0.0)  # what comes back has to be still anew
        self._missing = (
            f"{self.folder.path} is not there ({error.strerror}). It is taken up again by itself "
            "when it is back."
        )

    def _enter(self, state: RootState) -> None:
        if state is not self._state:
            log.info("watched folder %s: %s", self._root, state)
            self._state, self._since, self._missing = state, self._clock(), ""


def _sentence(due: Due, error: Exception) -> str:
    if isinstance(error, ScriptoriumError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else error
    return f"“{due.path}”: its results could not be written or it could not be moved: {reason}."
