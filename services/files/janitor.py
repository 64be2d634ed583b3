"""The janitor: the one thread that removes workspaces, and only when nobody needs them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.errors import FileAccessError
from services.files import operations
from services.files.temp import SCRATCH
from services.files.uploads import last_activity
from services.files.workspace import (
    is_remainder,
    is_workspace,
    released_at,
    remove_workspace,
)

log = logging.getLogger(__name__)

HOUR = 3600.0
GRACE = 900.0
"""Seconds after the end of its session that a workspace stays: people reload and come back."""

FIRST_PAUSE, LONGEST_PAUSE = 30.0, HOUR
"""Seconds until a locked tree is tried again; the pause doubles with each try."""


LEAST_SECONDS = 1.0
"""Pause after a round: many jobs may end within a second, and each of them wakes the janitor."""


@dataclass(frozen=True)
class Waiting:
    """A directory that could not be removed yet: why, how often, and when it is tried again."""

    reason: str
    tries: int
    again_at: float


class Janitor:
    """Removes workspaces that no job leases and no session may still use.

    Args:
        root: The temp root; nothing outside it is ever touched.
        leased: Returns the workspaces that an unfinished or failed job needs.
        submitted: Returns the workspaces that were handed over with a batch.
        max_age: Seconds after which a workspace that was never submitted is removed; they begin
            with its creation, and again with each piece of an upload that arrives.
        unwanted: Returns directories of what was deleted, workspaces or below `results`.
        removed: Called with each of those when it is gone.
        results: The directory that holds a directory per result.
        interval: Seconds between rounds; `wake` starts one at once, or a second after the last.
    """

    def __init__(
        self,
        root: Path,
        leased: Callable[[], set[Path]],
        submitted: Callable[[], set[Path]],
        max_age: float = 24 * HOUR,
        interval: float = 60.0,
        unwanted: Callable[[], set[Path]] = set,
        removed: Callable[[Path], None] = lambda _: None,
        results: Path | None = None,
    ) -> None:
        self.root = root
        self._unwanted = unwanted
        self._removed = removed
        self._results = results
        self._leased = leased
        self._submitted = submitted
        self._max_age = max_age
        self._interval = interval
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)
        self.waiting: dict[Path, Waiting] = {}
        """What could not be removed yet."""

    def start(self) -> None:
        """Empty the scratch directory of the last run, then begin the rounds."""
        self._clear_scratch()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a round that is under way is finished first."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Make the next round start now, or a second after the last one."""
        self._wake.set()

    def sweep(self, now: float) -> list[Path]:
        """Do one round at time `now` (seconds since the epoch); return what was removed."""
        # Read before the leases: a batch submitted in between is then among them.
        candidates = self._workspaces()
        submitted, leased = _resolved(self._submitted()), _resolved(self._leased())
        over = [
            path
            for path in candidates
            if path.resolve() not in leased and self._is_over(path, submitted, now)
        ]
        deleted = self._unwanted()
        over = [path for path in over if path not in deleted]
        for gone in set(self.waiting) - {*over, *deleted}:
            del self.waiting[gone]
        swept = [path for path in over if self._remove(path, now)]
        return swept + [path for path in sorted(deleted) if self._remove_deleted(path, now)]

    def _remove_deleted(self, path: Path, now: float) -> bool:
        """Remove what a person deleted, if it is one of ours, and say so."""
        in_root = path.parent == self.root and (is_workspace(path) or is_remainder(path))
        there = path.is_dir() and (in_root or path.parent == self._results)
        if there and not self._remove(path, now):
            return False
        self._removed(path)
        return there

    def _remove(self, path: Path, now: float) -> bool:
        before = self.waiting.get(path, Waiting("", 0, now))
        if now < before.again_at:
            return False
        try:
            if path.parent == self._results:
                operations.remove_tree(path)
            else:
                remove_workspace(path)
        except (FileAccessError, OSError) as error:
            pause = min(FIRST_PAUSE * 2**before.tries, LONGEST_PAUSE)
            self.waiting[path] = Waiting(str(error), before.tries + 1, now + pause)
            log.warning("%s cannot be removed yet: %s", path.name, error)
            return False
        self.waiting.pop(path, None)
        log.info("removed %s", path.name)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.sweep(time.time())
            except Exception:
                log.exception("the janitor's round failed; the next one tries again")
            self._stop.wait(LEAST_SECONDS)
            self._wake.wait(self._interval)
            self._wake.clear()

    def _workspaces(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return [path for path in self.root.iterdir() if is_workspace(path) or is_remainder(path)]

    def _is_over(self, path: Path, submitted: set[Path], now: float) -> bool:
        if path.resolve() in submitted or (path in self.waiting and is_remainder(path)):
            return True
        try:
            if not is_workspace(path):  # empty: all but the directory itself was removed
                return now - path.stat().st_mtime > self._max_age
            latest, unfinished = last_activity(path)
            released = released_at(path)
            # Who lost the connection, or closed the lid, may go on with an upload tomorrow.
            if released is not None and now - released > GRACE and not unfinished:
                return True
            return now - latest > self._max_age
        except (OSError, ValueError, KeyError, TypeError):
            return False  # a marker that cannot be read proves nothing

    def _clear_scratch(self) -> None:
        scratch = self.root / SCRATCH
        if not scratch.is_dir():
            return
        for path in scratch.iterdir():
            try:
                operations.remove(path)
            except (FileAccessError, OSError) as error:
                log.warning("%s from an earlier run cannot be removed yet: %s", path.name, error)


def _resolved(paths: set[Path]) -> set[Path]:
    # The store keeps paths as they were spelled then; the root may be spelled otherwise now.
    return {path.resolve() for path in paths}
