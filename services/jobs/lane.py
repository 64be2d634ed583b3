"""A lane: the thread that takes jobs of one kind from the store and has them worked on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from services.errors import DeviceLost
from services.jobs.claims import Claims
from services.jobs.models import Job, Kind
from services.jobs.results import Results
from services.jobs.store import JobStore

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
ROOM_SECONDS = 10.0
"""Pause after a disk was full, before the next job is taken."""


class Worker(Protocol):
    """What a lane does with a job. Everything in it runs in the lane's thread."""

    kind: Kind

    def run(self, job: Job, claims: Claims) -> None:
        """Work on `job`, and on more of its kind where that is faster.

        Every job is settled through `claims`; one that is not settled when this returns is put
        back if the server stops, and failed otherwise.
        """

    def idle(self) -> None:
        """Free what is not needed while there is no work; called every second or so."""

    def close(self) -> None:
        """Free models and processes."""


class Lane:
    """Runs one worker in one thread, from `start` to `stop`.

    Args:
        settled: Called after each job that ended, in the lane's thread.
        no_room: Returns why no job can be taken now, because a disk is full; None when one can.
    """

    def __init__(
        self,
        name: str,
        worker: Worker,
        store: JobStore,
        results: Results,
        settled: Callable[[], None] = lambda: None,
        no_room: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._no_room = no_room
        self.paused: str | None = None
        """Why the lane takes no jobs now; None when it does."""
        self.lost: str | None = None
        """Why it takes none for as long as this process lives: it has lost the GPU."""
        self._worker = worker
        self._store = store
        self._results = results
        self._settled = settled
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._claims: Claims | None = None
        self._name = name
        self._thread = self._new_thread()

    @property
    def kind(self) -> Kind:
        """The kind of jobs it takes."""
        return self._worker.kind

    @property
    def lives(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def renew(self) -> None:
        """Say in the store that the jobs at hand are worked on, if they are.

        A lane whose thread has died says nothing more of its jobs, and gets a new thread.
        """
        if self._stopping.is_set():
            return
        if not self._thread.is_alive():
            log.error("lane %s died and is started again", self._name)
            self._claims = None
            self._thread = self._new_thread()
            self._thread.start()
        elif self._claims is not None:
            self._store.renew(self._claims.held)

    def wake(self) -> None:
        """Look for a job now instead of at the next round."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Take no more jobs; the one at hand ends at its next step."""
        self._stopping.set()
        self._wake.set()

    def stop(self, timeout: float = 30.0) -> None:
        """Stop, and wait until the job at hand is settled, for `timeout` seconds at most."""
        self.ask_to_stop()
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.error("lane %s did not stop within %.0f s", self._name, timeout)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=self._name, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    worked = self._step()
                except Exception:  # the store itself failed: a lock, a full disk
                    log.exception("lane %s could not take a job", self._name)
                    worked = False
                if not worked:
                    self._wake.wait(ROOM_SECONDS if self.paused else IDLE_SECONDS)
                    self._wake.clear()
        finally:
            self._worker.close()

    def _step(self) -> bool:
        self.paused = self.lost or self._no_room()
        if self.paused:
            return False
        claims = Claims(self._store, self._results, self._stopping, self._settled)
        self._claims = claims
        job = claims.take(self._worker.kind)
        if job is None:
            self._worker.idle()
            return False
        error: BaseException | None = None
        try:
            self._worker.run(job, claims)
        except Exception as raised:
            error = raised
        if isinstance(error, DeviceLost):
            log.error("lane %s: %s", self._name, error)
            self.lost = str(error)
        self._settle(claims, error)
        self.paused = self.lost or claims.no_room
        return self.paused is None

    def _settle(self, claims: Claims, error: BaseException | None) -> None:
        """Settle what the worker left, however long the store refuses: no job may be forgotten.

        Only a stop ends the tries; the next start then frees the jobs.
        """
        while True:
            try:
                return claims.settle_rest(error)
            except Exception:
                log.exception("lane %s cannot reach the job store", self._name)
                if self._stopping.wait(IDLE_SECONDS):
                    return
