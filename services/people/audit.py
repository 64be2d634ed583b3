"""The audit log: who did what that others may have to answer for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, func, select

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

    def lines(self, limit: int = 50, offset: int = 0, who: str | None = None) -> list[Line]:
        """Return lines, the newest first, all or somebody's."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit).offset(offset)
        if who is not None:
            query = query.where(AuditRow.who == who)
        with self._database.read() as session:
            return [
                Line(row.at, row.who, row.action, row.object, row.detail)
                for row in session.scalars(query)
            ]

    def count(self) -> int:
        """Return the number of lines."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(AuditRow)) or 0

    def forget(self, before: float) -> None:
        """Remove the lines before a time, in seconds since the epoch."""
        with self._database.write() as session:
            session.execute(delete(AuditRow).where(AuditRow.at < before))
