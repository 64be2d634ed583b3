"""What is kept and for how long, where somebody said that something goes by itself.

Nothing goes otherwise. Where the data come near their limit, `making_room` follows its plan.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services import system
from services.config import Settings
from services.jobs import keeping
from services.jobs.keeping import DAY
from services.jobs.models import Kind
from services.jobs.store import JobStore
from services.people.people import People

log = logging.getLogger(__name__)

WEEK = 7 * DAY
PAUSE = 60.0
"""Seconds between two rounds."""
AT_ONCE = 200
"""Jobs deleted in one round: the next ones follow a minute later."""
NEARLY = 0.9
"""Share of the limit from which on people are warned."""


@dataclass(frozen=True)
class Kept:
    """How long the jobs of a kind are kept, in days, and how many go within a week."""

    kind: Kind
    days: float | None
    soon: int


class Retention:
    """Deletes what is older than the settings allow, a portion each minute.

    Args:
        settings: How long each kind is kept.
        store: Whose jobs.
        people: Whose audit log and sessions.
        delete: Deletes jobs by id with all that belongs to them; returns how many.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        people: People,
        delete: Callable[[list[str]], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._people = people
        self._delete = delete
        self._clock = clock
        self._last = -PAUSE
        self._warned = False
        self._days = {
            Kind.AUDIO: settings.keep_audio_days,
            Kind.DOCUMENT: settings.keep_document_days,
        }

    def round(self) -> None:
        """Delete what is due, if the last round is a minute ago."""
        now = self._clock()
        if now - self._last < PAUSE:
            return
        self._last = now
        self._expire(now)
        if self._settings.audit_days is not None:
            self._people.audit.forget(now - self._settings.audit_days * DAY)
        self._people.sessions.tidy()
        self._warn()

    def kept(self) -> list[Kept]:
        """Return how long each kind is kept."""
        soon = keeping.count_due(self._store, self._days, self._clock() + WEEK)
        return [Kept(kind, days, soon.get(kind, 0)) for kind, days in self._days.items()]

    def _expire(self, now: float) -> None:
        if due := keeping.due(self._store, self._days, now, AT_ONCE):
            count = self._delete(due)
            self._people.audit.record(
                "retention", "delete", "", f"{count} jobs that were kept as long as was said"
            )

    def _warn(self) -> None:
        problem = data_problem(self._settings)
        if problem and not self._warned:
            log.warning(problem)
        self._warned = bool(problem)


def shortest_limit(settings: Settings) -> float | None:
    """Return the fewest days that files of some kind are kept; None where all stay."""
    limits = (settings.keep_audio_days, settings.keep_document_days)
    return min((days for days in limits if days is not None), default=None)


def data_problem(settings: Settings, share: float = NEARLY) -> str | None:
    """Return the sentence that says that the data take nearly all of their room, or too much.

    Args:
        share: Of the limit; from there on it is said.
    """
    if settings.data_limit_gb is None:
        return None
    used = system.data_used(settings.data_dir, settings.temp_root) / 1e9
    if used < share * settings.data_limit_gb:
        return None
    full = used >= settings.data_limit_gb
    return (
        f"The data take {used:,.1f} of {settings.data_limit_gb:g} GB (setting data_limit_gb)"
        + (", and no more uploads are taken. " if full else ". ")
        + "To make room: discard the originals of failed files, delete old batches, or let them "
        "go by themselves (keep_failed_days, keep_audio_days, keep_document_days, make_room); or "
        "raise the limit."
    )


def kept_text(kept: Sequence[Kept], kind: Kind) -> str:
    """Return in words how long a kind is kept."""
    found = next(one for one in kept if one.kind is kind)
    days = found.days
    how = "until somebody deletes them" if days is None else f"for {days:g} days after they ended"
    return f"{how}; {found.soon} go within a week" if days is not None or found.soon else how
