"""What people share: with somebody, with the team, or by a link."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from services.people.models import Person, Reach, Scope
from services.people.schema import ShareRow
from services.people.secret import hashed, new_secret
from services.store.database import Database


class Audience(StrEnum):
    """With whom something is shared."""

    PERSON = "person"
    TEAM = "team"
    LINK = "link"
    ADMIN = "admin"
    """An admin who opened somebody's content and said why; `person` is who."""


@dataclass(frozen=True)
class Share:
    """That others may see a batch, or one job of it, and with `editing` correct it.

    `person` is set for an audience of one. Times are seconds since the epoch.
    """

    id: str
    batch_id: str
    job_id: str | None
    audience: Audience
    person: str | None
    editing: bool
    by: str
    created_at: float
    expires_at: float | None


class Shares:
    """Makes, reads and revokes shares. Each method is one transaction, from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        by: str,
        batch_id: str,
        job_id: str | None = None,
        audience: Audience = Audience.TEAM,
        person: str | None = None,
        editing: bool = False,
        seconds: float | None = None,
    ) -> tuple[Share, str | None]:
        """Share a batch, or one job of it; return the share, and the secret of a link.

        Args:
            by: Who shares it.
            batch_id: What is shared, all of it when no job is given.
            job_id: One job of the batch.
            audience: With whom; a link's secret is not kept.
            person: Who, for the audience of one.
            editing: Whether they may correct it too.
            seconds: After which the share ends; never when not given.
        """
        secret = new_secret() if audience is Audience.LINK else None
        now = self._clock()
        row = ShareRow(
            id=secrets.token_hex(16),
            batch_id=batch_id,
            job_id=job_id,
            audience=audience,
            person=person,
            link_hash=hashed(secret) if secret else None,
            editing=editing and audience is not Audience.LINK,
            by=by,
            created_at=now,
            expires_at=None if seconds is None else now + seconds,
        )
        with self._database.write() as session:
            session.execute(delete(ShareRow).where(ShareRow.expires_at <= now))
            if audience is not Audience.LINK:  # the newest word on the same thing counts
                same = (ShareRow.batch_id == batch_id, ShareRow.job_id.is_not_distinct_from(job_id))
                who = ShareRow.person.is_not_distinct_from(person)
                session.execute(delete(ShareRow).where(*same, ShareRow.audience == audience, who))
            session.add(row)
            return _share(row), secret

    def of(self, batch_id: str, job_id: str | None = None) -> list[Share]:
        """Return the shares of a batch, or those that show one job of it, the newest first."""
        query = select(ShareRow).where(ShareRow.batch_id == batch_id, self._holds())
        if job_id is not None:
            query = query.where(or_(ShareRow.job_id.is_(None), ShareRow.job_id == job_id))
        with self._database.read() as session:
            rows = session.scalars(query.order_by(ShareRow.created_at.desc()))
            return [_share(row) for row in rows]

    def links(self, limit: int = 50, offset: int = 0) -> list[Share]:
        """Return everybody's links that have not ended, the newest first."""
        query = select(ShareRow).where(ShareRow.audience == Audience.LINK, self._holds())
        query = query.order_by(ShareRow.created_at.desc(), ShareRow.id)
        with self._database.read() as session:
            return [_share(row) for row in session.scalars(query.limit(limit).offset(offset))]

    def count_links(self) -> int:
        """Return the number of everybody's links that have not ended."""
        query = select(func.count()).select_from(ShareRow)
        with self._database.read() as session:
            held = query.where(ShareRow.audience == Audience.LINK, self._holds())
            return session.scalar(held) or 0

    def get(self, id: str) -> Share | None:
        """Return a share, or None."""
        with self._database.read() as session:
            row = session.get(ShareRow, id)
            return _share(row) if row else None

    def revoke(self, id: str) -> bool:
        """End a share; return whether there was one."""
        with self._database.write() as session:
            row = session.get(ShareRow, id)
            if row is not None:
                session.delete(row)
            return row is not None

    def reach(self, person: Person, links: Iterable[str] = (), editing: bool = False) -> Reach:
        """Return whose work somebody can see, or with `editing` may correct.

        Args:
            person: Who, with what they may do now; a guest sees what the links show and nothing
                else, and only an admin what one opened.
            links: The ids of the links that they opened.
            editing: Whether only what they may also change counts.
        """
        mine: list[ColumnElement[bool]] = [ShareRow.id.in_(list(links))]
        if not person.is_guest:
            to_me = and_(ShareRow.audience == Audience.PERSON, ShareRow.person == person.name)
            mine += [ShareRow.audience == Audience.TEAM, to_me]
        if person.may(Scope.ADMIN):
            mine += [and_(ShareRow.audience == Audience.ADMIN, ShareRow.person == person.name)]
        query = select(ShareRow.batch_id, ShareRow.job_id).where(or_(*mine), self._holds())
        if editing:
            query = query.where(ShareRow.editing)
        with self._database.read() as session:
            found = session.execute(query).tuples().all()
        return Reach(
            person.name,
            frozenset(batch_id for batch_id, job_id in found if job_id is None),
            frozenset(job_id for _, job_id in found if job_id is not None),
        )

    def forget(self, batch_ids: Iterable[str] = (), job_ids: Iterable[str] = ()) -> None:
        """Remove the shares of what was deleted."""
        with self._database.write() as session:
            gone = or_(ShareRow.batch_id.in_(list(batch_ids)), ShareRow.job_id.in_(list(job_ids)))
            session.execute(delete(ShareRow).where(gone))

    def forget_by(self, person: str) -> None:
        """Remove everything that somebody shared."""
        with self._database.write() as session:
            session.execute(delete(ShareRow).where(ShareRow.by == person))

    def inherit(self, owner: str, heir: str) -> None:
        """Let somebody have shared what another did: they keep it, or end it."""
        with self._database.write() as session:
            session.execute(update(ShareRow).where(ShareRow.by == owner).values(by=heir))

    def _holds(self) -> ColumnElement[bool]:
        return or_(ShareRow.expires_at.is_(None), ShareRow.expires_at > self._clock())


def _share(row: ShareRow) -> Share:
    values = {name: getattr(row, name) for name in Share.__dataclass_fields__}
    return Share(**{**values, "audience": Audience(row.audience)})
