"""The pulse: shows that the lanes live, and frees what nothing works on any more."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from services.jobs.lane import Lane
from services.jobs.store import JobStore

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
LOST_SECONDS = 60.0
"""Time without a sign of life after which a running job is freed."""
DAY = 86_400.0


class Pulse:
    """A thread that renews the claims of living lanes and frees those of dead ones.

    Args:
        store: Where jobs are claimed.
        lanes: The lanes of this process.
        keep_days: Days that originals of what failed are kept; None for ever.
        upkeep: Called at each beat, for whatever else has to be looked after.
        interval: Seconds between two beats.
        lost: Seconds without a beat after which a job is freed.
    """

    def __init__(
        self,
        store: JobStore,
        lanes: Sequence[Lane],
        keep_days: float | None = None,
        upkeep: Callable[[], None] = lambda: None,
        interval: float = BEAT_SECONDS,
        lost: float = LOST_SECONDS,
    ) -> None:
        self._store = store
        self._lanes = lanes
        self._keep_days = keep_days
        self._upkeep = upkeep
        self._interval = interval
        self._lost = lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    @property
    def lives(self) -> bool:
        """Whether its thread runs, and with it every lane."""
        return self._thread.is_alive() and all(lane.lives for lane in self._lanes)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def beat(self) -> None:
        """Do one round."""
        for lane in self._lanes:  # first of all: the machine may have slept, and all is old
            lane.renew()
        if freed := self._store.recover(time.time() - self._lost):
            log.error("%d jobs had no sign of life and were queued again", freed)
        if self._keep_days is not None:
            self._store.expire(time.time() - self._keep_days * DAY)
        self._upkeep()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self.beat()
            except Exception:  # a lock, a full disk
                log.exception("the pulse missed a beat; the next one tries again")
