"""What is kept and for how long, where the settings say that something goes by itself.

Nothing goes without such a setting. Where the data outgrow their limit, people are told what to
do, in this order, which loses least: temporary files, originals of what failed, old results.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services import system
from services.config import Settings
from services.jobs.models import JobFilter, Kind, State
from services.jobs.store import JobStore
from services.people.people import People

log = logging.getLogger(__name__)

DAY = 86_400.0
WEEK = 7 * DAY
PAUSE = 60.0
"""Seconds between two rounds."""
AT_ONCE = 200
"""Jobs deleted in one round: the next ones follow a minute later."""
NEARLY = 0.9
"""Share of the limit from which on people are warned."""

_OVER = tuple(state for state in State if state.over)


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
        for kind, days in self._days.items():
            if days is not None:
                self._expire(kind, days, now)
        if self._settings.audit_days is not None:
            self._people.audit.forget(now - self._settings.audit_days * DAY)
        self._people.sessions.tidy()
        self._warn()

    def kept(self) -> list[Kept]:
        """Return how long each kind is kept."""
        return [
            Kept(kind, days, 0 if days is None else self._count(kind, days))
            for kind, days in self._days.items()
        ]

    def _expire(self, kind: Kind, days: float, now: float) -> None:
        due = self._store.ids(_ended(kind, now - days * DAY))[:AT_ONCE]
        if due:
            count = self._delete(due)
            said = f"{count} jobs of the kind {kind} that ended more than {days:g} days ago"
            self._people.audit.record("retention", "delete", "", said)

    def _count(self, kind: Kind, days: float) -> int:
        counts = self._store.count(_ended(kind, self._clock() - days * DAY + WEEK))
        return sum(counts.values())

    def _warn(self) -> None:
        problem = data_problem(self._settings)
        if problem and not self._warned:
            log.warning(problem)
        self._warned = bool(problem)


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
        + "Nothing is deleted for that. To make room: discard the originals of failed files, "
        "delete old batches, or let them go by themselves with keep_failed_days, keep_audio_days "
        "and keep_document_days; or raise the limit."
    )


def _ended(kind: Kind, before: float) -> JobFilter:
    return JobFilter(kinds=(kind,), states=_OVER, ended_before=before)


def kept_text(kept: Sequence[Kept], kind: Kind) -> str:
    """Return in words how long a kind is kept."""
    found = next(one for one in kept if one.kind is kind)
    if found.days is None:
        return "until somebody deletes them"
    return f"for {found.days:g} days after they ended; {found.soon} go within a week"
