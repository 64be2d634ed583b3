"""The thread that tells the webhooks' receivers, and keeps at it over failures and restarts."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from services.config import Settings
from services.jobs.endings import Ending
from services.jobs.models import State
from services.jobs.store import JobStore
from services.webhooks.post import NotDelivered, NotReached, post, sign

log = logging.getLogger(__name__)

VERSION = 1
"""Of the summary's form. Receivers may rely on its names; more may come."""

WAITS = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0)
"""Pauses after which a receiver that failed is asked again, in seconds: nine hours in all."""

REST_SECONDS = 10.0
"""Pause in which one that did not answer is asked nothing: what is due fails with the same reason.

Else its timeouts add up, one for each batch, and the others wait for all of them.
"""

IDLE_SECONDS = 1.0

LAST_SECONDS = 3.0
"""Time after the order to stop in which deliveries may still begin and be answered.

A container is killed ten seconds after it was told to stop, and the lanes need some of them.
"""

SAVING_SECONDS = 0.5
"""Time that what came of the last one has to be stored."""


@dataclass(frozen=True)
class Trouble:
    """A delivery that failed; `again_at` in seconds since the epoch, None when given up."""

    url: str
    batch_id: str
    error: str
    tries: int
    again_at: float | None


class Notifier:
    """Tells each URL of the settings of each end of a batch, at least once.

    A receiver knows a repetition by its id. What is to be told, and to whom it was told, is in
    the store, so a stop loses nothing; a kill between an answer and its storing repeats one, and
    so does a stop for which the answer comes too late.

    Args:
        clock: Returns the time in seconds since the epoch.
        send: Delivers one body; see `post`.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        clock: Callable[[], float] = time.time,
        send: Callable[..., None] = post,
    ) -> None:
        self._urls = settings.webhook_urls
        self._secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
        self._local = settings.webhook_local
        self._store = store
        self._clock = clock
        self._send = send
        self._stopping = threading.Event()
        self._stop_by = math.inf
        self._resting: dict[str, tuple[float, str]] = {}
        """Until when, and why, one that did not answer is asked nothing."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self.trouble: Trouble | None = None
        """The last delivery that failed, until one to the same URL succeeds."""
        self.delivered = 0
        """Deliveries that succeeded since the start."""

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Have the thread tell of what has ended by now, and end."""
        self._stop_by = time.monotonic() + LAST_SECONDS
        self._stopping.set()

    def stop(self) -> None:
        """Wait until the thread has ended, or waits for an answer only: that goes unheard then.

        Nothing is stored of it, as if it had not been sent: the next start tells it.
        """
        if not self._stopping.is_set():
            self.ask_to_stop()
        self._thread.join(max(0.0, self._stop_by - time.monotonic()) + SAVING_SECONDS)

    def round(self) -> None:
        """Tell whom it is time to tell."""
        for ending in self._store.due_endings(self._clock()):
            if self._too_late():
                return
            self._tell(ending)

    def _too_late(self) -> bool:
        return time.monotonic() > self._stop_by

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(IDLE_SECONDS)  # one more round: a command ends at once
            try:
                self.round()
            except Exception:  # the store: a lock, a full disk
                log.exception("the webhooks could not be told")

    def _tell(self, ending: Ending) -> None:
        body = (ending.body or self._summary(ending)) if self._urls else None
        if body is None:  # nobody to tell, or nothing to tell of
            self._store.save_ending(replace(ending, due_at=None))
            return
        if not ending.body:  # before the first word: a repetition must say the same
            self._store.save_ending(replace(ending, body=body))
        first = {"tries": 0, "due_at": ending.at}
        told = {url: ending.told.get(url, first) for url in self._urls}
        for url, known in list(told.items()):
            if known["due_at"] is not None and known["due_at"] <= self._clock():
                told[url] = self._deliver(url, ending, body, known["tries"])
                if self._too_late():  # the store is another's by now
                    return
            due_at = min((t["due_at"] for t in told.values() if t["due_at"]), default=None)
            kept = None if due_at is None else body
            self._store.save_ending(replace(ending, due_at=due_at, body=kept, told=told))

    def _deliver(self, url: str, ending: Ending, body: str, tries: int) -> dict[str, Any]:
        """Tell one receiver, and return what came of it."""
        data = body.encode()
        now = self._clock()
        rests_until, reason = self._resting.get(url, (0.0, ""))
        try:
            if now < rests_until:
                raise NotDelivered(reason)
            self._send(url, data, sign(self._secret, ending.id, int(now), data), local=self._local)
        except NotDelivered as error:
            if isinstance(error, NotReached):
                self._resting[url] = (self._clock() + REST_SECONDS, str(error))
            again_at = now + WAITS[tries] if tries < len(WAITS) else None
            self.trouble = Trouble(url, ending.batch_id, str(error), tries + 1, again_at)
            log.warning("webhook: %s (batch %s, try %d)", error, ending.batch_id, tries + 1)
            return {"tries": tries + 1, "due_at": again_at, "error": str(error)}
        self.delivered += 1
        if self.trouble and self.trouble.url == url:
            self.trouble = None
        return {"tries": tries + 1, "due_at": None, "delivered_at": now}

    def _summary(self, ending: Ending) -> str | None:
        """Return what is told of an ending; None when its batch is gone."""
        batch = self._store.batch(ending.batch_id)
        if batch is None:
            return None
        jobs = self._store.jobs(batch.id)
        counts = Counter(job.state for job in jobs)
        return json.dumps(
            {
                "version": VERSION,
                "type": "batch.ended",
                "id": ending.id,
                "batch": batch.id,
                "owner": batch.owner,
                "submitted_at": batch.created_at,
                "ended_at": ending.at,
                "counts": {state: counts[state] for state in State},
                "jobs": [
                    {
                        "id": job.id,
                        "name": job.name,
                        "kind": job.kind,
                        "state": job.state,
                        "error": job.error,
                        "started_at": job.started_at,
                        "finished_at": job.finished_at,
                    }
                    for job in jobs
                ],
            },
            ensure_ascii=False,
        )
