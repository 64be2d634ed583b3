"""The audit log: who did what that others may have to answer for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select

from services.files.names import one_line
from services.people.schema import AuditRow
from services.store.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """Who did what to what, and when, in seconds since the epoch."""

    at: float
    who: str
    action: str
    object: str
    detail: str


@dataclass(frozen=True)
class Wanted:
    """Which lines are meant; what is not given does not matter.

    `who` is part of a name, whatever the case; `since` is in seconds since the epoch.
    """

    who: str = ""
    action: str = ""
    since: float | None = None


EVERY_LINE = Wanted()


class Audit:
    """Writes and reads the audit log. Each method is one transaction, from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def record(self, who: str, action: str, object: str = "", detail: str = "") -> None:
        """Add a line, here and to the server's log, of characters that show what they are."""
        who, object, detail = one_line(who) or "?", one_line(object), one_line(detail)
        with self._database.write() as session:
            session.add(
                AuditRow(
                    at=self._clock(),
                    who=who[:200],
                    action=action[:40],
                    object=object[:2000],
                    detail=detail[:2000],
                )
            )
        log.info("audit: %r %s %r %r", who, action, object, detail)

    def lines(
        self, limit: int | None = 50, offset: int = 0, wanted: Wanted = EVERY_LINE
    ) -> list[Line]:
        """Return lines, the newest first; all of them without a limit."""
        query = select(AuditRow).where(*_meant(wanted)).order_by(AuditRow.id.desc())
        query = query.limit(limit).offset(offset)
        with self._database.read() as session:
            return [
                Line(row.at, row.who, row.action, row.object, row.detail)
                for row in session.scalars(query)
            ]

    def count(self, wanted: Wanted = EVERY_LINE) -> int:
        """Return the number of lines."""
        query = select(func.count()).select_from(AuditRow).where(*_meant(wanted))
        with self._database.read() as session:
            return session.scalar(query) or 0

    def actions(self) -> list[str]:
        """Return what was done at all, by name."""
        query = select(AuditRow.action).distinct().order_by(AuditRow.action)
        with self._database.read() as session:
            return list(session.scalars(query))

    def forget(self, before: float) -> None:
        """Remove the lines before a time, in seconds since the epoch."""
        with self._database.write() as session:
            session.execute(delete(AuditRow).where(AuditRow.at < before))


def _meant(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.who:
        conditions.append(AuditRow.who.icontains(wanted.who, autoescape=True))
    if wanted.action:
        conditions.append(AuditRow.action == wanted.action)
    if wanted.since is not None:
        conditions.append(AuditRow.at >= wanted.since)
    return conditions
