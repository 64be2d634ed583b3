"""The janitor: the one thread that removes workspaces, and only when nobody needs them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from services.errors import FileAccessError
from services.files import operations
from services.files.temp import SCRATCH
from services.files.workspace import Workspace, is_workspace

log = logging.getLogger(__name__)

HOUR = 3600.0


class Janitor:
    """Removes workspaces that no job leases and no session may still use.

    Args:
        root: The temp root; nothing outside it is ever touched.
        leased: Returns the workspaces that an unfinished or failed job needs.
        submitted: Returns the workspaces that were handed over with a batch.
        max_age: Age in seconds at which a workspace that was never submitted is removed.
        interval: Seconds between rounds; `wake` starts one at once.
    """

    def __init__(
        self,
        root: Path,
        leased: Callable[[], set[Path]],
        submitted: Callable[[], set[Path]],
        max_age: float = 24 * HOUR,
        interval: float = 60.0,
    ) -> None:
        self.root = root
        self._leased = leased
        self._submitted = submitted
        self._max_age = max_age
        self._interval = interval
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)
        self.waiting: dict[Path, str] = {}
        """What could not be removed yet, and why."""

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
        """Make the next round start now."""
        self._wake.set()

    def sweep(self, now: float) -> list[Path]:
        """Do one round at time `now` (seconds since the epoch); return what was removed."""
        removed = []
        # Read before the leases: a batch submitted in between is then in `leased`.
        candidates = self._workspaces()
        submitted, leased = _resolved(self._submitted()), _resolved(self._leased())
        for path in candidates:
            if path.resolve() in leased or not self._is_over(path, submitted, now):
                continue
            try:
                operations.remove_tree(path)
            except (FileAccessError, OSError) as error:
                self.waiting[path] = str(error)
                log.warning("workspace %s cannot be removed yet: %s", path.name, error)
            else:
                self.waiting.pop(path, None)
                removed.append(path)
                log.info("removed workspace %s", path.name)
        return removed

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.sweep(time.time())
            except Exception:
                log.exception("the janitor's round failed; the next one tries again")
            self._wake.wait(self._interval)
            self._wake.clear()

    def _workspaces(self) -> list[Path]:
        if not self.root.is_dir():
            return []
        return [path for path in self.root.iterdir() if is_workspace(path)]

    def _is_over(self, path: Path, submitted: set[Path], now: float) -> bool:
        if path.resolve() in submitted:
            return True
        try:
            return now - Workspace(path).created > self._max_age
        except (OSError, ValueError, KeyError, TypeError):
            return False  # a marker that cannot be read proves nothing

    def _clear_scratch(self) -> None:
        scratch = self.root / SCRATCH
        if not scratch.is_dir():
            return
        for path in scratch.iterdir():
            try:
                if path.is_dir() and not operations.is_link(path):
                    operations.remove_tree(path)
                else:
                    operations.unlink(path)
            except (FileAccessError, OSError) as error:
                log.warning("%s from an earlier run cannot be removed yet: %s", path.name, error)


def _resolved(paths: set[Path]) -> set[Path]:
    # The store keeps paths as they were spelled then; the root may be spelled otherwise now.
    return {path.resolve() for path in paths}
