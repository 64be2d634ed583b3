"""Browsers that somebody signed in with, or opened a shared link in."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from services.people.models import SCOPES, Person, Proof, Role, Scope
from services.people.schema import SessionRow, ShareRow, UserRow
from services.people.secret import hashed, new_secret
from services.store.database import Database

LONGEST = 30 * 86400.0
"""Seconds that a session lasts at most."""
TOUCH = 300.0
"""Seconds between two notes that a session is in use, at most: not every request writes."""

_WHOSE = (
    select(SessionRow, UserRow)
    .outerjoin(UserRow, UserRow.name == SessionRow.user)
    .where(SessionRow.hash == bindparam("key"))
)


class Sessions:
    """Begins, recognises and ends sessions. Each method is one transaction, from any thread.

    Args:
        database: Where they are kept; of their secrets only the hash.
        idle: Seconds without a request after which one ends.
        longest: Seconds after which somebody signs in again, whatever they do.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        idle: float,
        clock: Callable[[], float] = time.time,
        longest: float = LONGEST,
    ) -> None:
        self._database = database
        self._idle = idle
        self._touch = min(TOUCH, idle / 4)
        self._longest = longest
        self._clock = clock

    def begin(self, user: str) -> str:
        """Begin a session of somebody who showed who they are; return its secret."""
        return self._begin(user, [])

    def open_link(self, link: str, current: str | None) -> tuple[str, str, str | None] | None:
        """Add a shared link to a session, a guest's new one where there is none.

        Args:
            link: The link's secret.
            current: The secret of the browser's session, if it has one.

        Returns:
            The session's secret, and the ids of the batch and the job that the link shows; None
            when the link has expired or was revoked.
        """
        now = self._clock()
        with self._database.write() as session:
            share = session.scalars(
                select(ShareRow).where(ShareRow.link_hash == hashed(link))
            ).one_or_none()
            if share is None or (share.expires_at is not None and share.expires_at <= now):
                return None
            # One of whom an account was closed or removed lets nobody in any more: a guest's then.
            found = self._find(session, hashed(current), now) if current else None
            if found is not None:
                row = found[0]
                if share.id not in row.links:
                    row.links = [*row.links, share.id]
                return current or "", share.batch_id, share.job_id
            share_id, batch_id, job_id = share.id, share.batch_id, share.job_id
        return self._begin(None, [share_id]), batch_id, job_id

    def identify(self, secret: str, touch: bool = True) -> Person | None:
        """Return whose session this is; None when it has ended.

        Args:
            touch: Whether it is used now, and so lasts; not where a page asks by itself.
        """
        now = self._clock()
        key = hashed(secret)
        with self._database.read() as session:
            found = self._find(session, key, now)
        if found is None:
            return None
        row, user = found
        if touch and now - row.seen_at > self._touch:
            with self._database.write() as session:
                if again := session.get(SessionRow, key):
                    again.seen_at = now
                    again.expires_at = self._expiry(again.user, again.created_at, now)
                if row.user and (seen := session.get(UserRow, row.user)):
                    seen.seen_at = now
        return Person(user.name if user else "", _scopes(user), Proof.SESSION, key)

    def links(self, key: str) -> list[str] | None:
        """Return the ids of the links that a session opened; None when it has ended."""
        with self._database.read() as session:
            found = self._find(session, key, self._clock())
            return list(found[0].links) if found else None

    def scopes(self, key: str) -> frozenset[Scope] | None:
        """Return what whoever has a session may do by now; None when it has ended."""
        with self._database.read() as session:
            found = self._find(session, key, self._clock())
            return _scopes(found[1]) if found else None

    def active(self) -> int:
        """Return the number of sessions that have not ended."""
        query = select(func.count()).where(SessionRow.expires_at > self._clock())
        with self._database.read() as session:
            return session.scalar(query) or 0

    def tidy(self) -> None:
        """Remove the sessions that have ended."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at <= self._clock()))

    def end(self, secret: str) -> None:
        """End a session."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.hash == hashed(secret)))

    def end_all(self, user: str) -> int:
        """End every session of somebody; return how many."""
        with self._database.write() as session:
            return session.query(SessionRow).filter(SessionRow.user == user).delete()

    def _find(
        self, session: Session, key: str, now: float
    ) -> tuple[SessionRow, UserRow | None] | None:
        """Return a session that holds, and whose it is."""
        found = session.execute(_WHOSE, {"key": key}).tuples().one_or_none()
        if found is None or found[0].expires_at <= now:
            return None
        row, user = found
        if row.user is None:
            return row, None
        return (row, user) if user is not None and not user.disabled else None

    def _expiry(self, user: str | None, begun: float, now: float) -> float:
        """Return when a session ends that is used no more; guests do not sign in again."""
        return min(now + self._idle, begun + (self._longest if user else LONGEST))

    def _begin(self, user: str | None, links: list[str]) -> str:
        secret, now = new_secret(), self._clock()
        with self._database.write() as session:
            session.add(
                SessionRow(
                    hash=hashed(secret),
                    user=user,
                    links=links,
                    created_at=now,
                    seen_at=now,
                    expires_at=self._expiry(user, now, now),
                )
            )
        return secret


def _scopes(user: UserRow | None) -> frozenset[Scope]:
    """Return what somebody may do; a guest looks at what links show."""
    return frozenset({Scope.READ}) if user is None else SCOPES[Role(user.role)]
