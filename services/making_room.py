"""What goes first when the data come near their limit: as far as the settings allow, and no more.

The steps are taken in the order of the settings, each as far as it has to go, what was done first
before the rest. Nothing is touched while the data are below `NEARLY` of their limit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice

from services import system
from services.config import Settings
from services.files import disk, operations
from services.jobs import keeping
from services.jobs.store import JobStore
from services.people.audit import Audit
from services.retention import NEARLY, PAUSE

log = logging.getLogger(__name__)

TEXTS = {
    "images": "images of pages and sound for browsers, which can be made again",
    "earlier": "earlier results of files that were done again",
    "failed": "originals of what failed or was cancelled",
    "originals": "originals of what is done; the results stay",
    "results": "whole files with their results",
}
"""What each step removes, for people."""


AT_ONCE = 200
"""Files or jobs that a step removes in one round: the pulse has other things to do."""


class MakingRoom:
    """Carries out the plan.

    Args:
        settings: The limit, and the plan.
        store: Whose jobs.
        delete: Deletes jobs by id with all that belongs to them; returns how many.
        audit: Gets a line for each step that was taken.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        delete: Callable[[list[str]], int],
        audit: Audit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._delete = delete
        self._audit = audit
        self._clock = clock
        self._last = -PAUSE
        self._steps: dict[str, Callable[[], Iterator[int]]] = {
            "images": lambda: self._files("pages", "sound*.m4a"),
            "earlier": lambda: self._files("previous.json"),
            "failed": self._failed,
            "originals": lambda: self._files("original*", "sound*.m4a"),
            "results": self._results,
        }

    def round(self) -> None:
        """Remove what has to go, in the order of the plan, if the last round is a minute ago."""
        limit, now = self._settings.data_limit_gb, self._clock()
        if limit is None or now - self._last < PAUSE:
            return
        self._last = now
        used = system.data_used(self._settings.data_dir, self._settings.temp_root)
        wanted = used - NEARLY * limit * 1e9
        for step in self._settings.make_room:
            if wanted <= 0:
                return
            freed = 0
            for size in islice(self._steps[step](), AT_ONCE):
                freed += size
                if freed >= wanted:
                    break
            if freed:
                wanted -= freed
                said = f"{TEXTS[step]}: {freed / 1e6:,.0f} MB"
                log.warning("the data are near their limit; removed %s", said)
                self._audit.record("retention", "make room", "", said)
                system.forget_used()

    def _files(self, *patterns: str) -> Iterator[int]:
        """Remove these of the jobs that are done, and yield the bytes of each."""
        for job_id in keeping.done_first(self._store):
            for pattern in patterns:
                for path in (self._settings.results_dir / job_id).glob(pattern):
                    size = disk.used(path) if path.is_dir() else path.stat().st_size
                    operations.discard(path)
                    yield size

    def _failed(self) -> Iterator[int]:
        """Give up the originals of what failed, batch by batch, and yield their bytes."""
        for batch_id in keeping.fell_short_first(self._store):
            _, size = self._store.kept(batch_id)
            if self._store.discard(batch_id):
                yield size

    def _results(self) -> Iterator[int]:
        """Delete the jobs that are done, and yield their bytes."""
        for job_id in keeping.done_first(self._store):
            size = disk.used(self._settings.results_dir / job_id)
            self._delete([job_id])
            yield size
