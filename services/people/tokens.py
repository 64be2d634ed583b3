"""Tokens, with which programs act for a person."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import select

from services.errors import AccountError
from services.files.names import one_line
from services.people.models import SCOPES, Person, Proof, Role, Scope
from services.people.schema import TokenRow, UserRow
from services.people.secret import hashed, new_secret
from services.store.database import Database

PREFIX = "scr_"
"""What every token begins with, so that scanners for leaked secrets can tell them."""
TOUCH = 60.0


@dataclass(frozen=True)
class Token:
    """A token; its secret was shown once and is not kept. Times are seconds since the epoch."""

    id: str
    user: str
    label: str
    scopes: frozenset[Scope]
    created_at: float
    seen_at: float | None
    expires_at: float | None


class Tokens:
    """Makes, recognises and revokes tokens. Each method is one transaction, from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, user: str, label: str, scopes: Iterable[Scope], days: float | None = None
    ) -> tuple[str, Token]:
        """Make a token for somebody; return its secret, which is not kept, and what is known.

        Raises:
            AccountError: it would allow more than they may do, or nothing; or their account is
                closed.
        """
        wanted, now = frozenset(scopes), self._clock()
        secret = PREFIX + new_secret()
        with self._database.write() as session:
            row = session.get(UserRow, user)
            if row is not None and row.disabled:
                raise AccountError(f"The account of “{user}” is closed: it gets no tokens.")
            if row is None or not wanted or not wanted <= SCOPES[Role(row.role)]:
                raise AccountError("A token may do some of what you may do yourself, not more.")
            made = TokenRow(
                id=secrets.token_hex(16),
                hash=hashed(secret),
                user=user,
                label=one_line(label)[:200] or "unnamed",
                scopes=sorted(wanted),
                created_at=now,
                expires_at=None if days is None else now + days * 86400,
            )
            session.add(made)
            return secret, _token(made)

    def of(self, user: str) -> list[Token]:
        """Return somebody's tokens, the newest first."""
        query = select(TokenRow).where(TokenRow.user == user).order_by(TokenRow.created_at.desc())
        with self._database.read() as session:
            return [_token(row) for row in session.scalars(query)]

    def revoke(self, id: str, user: str) -> bool:
        """Revoke a token of somebody; return whether there was one."""
        with self._database.write() as session:
            row = session.get(TokenRow, id)
            if row is None or row.user != user:
                return False
            session.delete(row)
            return True

    def identify(self, secret: str) -> Person | None:
        """Return for whom a token acts, within its scopes; None when it is no valid one."""
        now = self._clock()
        with self._database.read() as session:
            row = session.scalars(
                select(TokenRow).where(TokenRow.hash == hashed(secret))
            ).one_or_none()
            person = _person(row, session.get(UserRow, row.user), now) if row else None
        if row is not None and person and now - (row.seen_at or 0.0) > TOUCH:
            with self._database.write() as session:
                if again := session.get(TokenRow, row.id):
                    again.seen_at = now
        return person

    def scopes(self, id: str) -> frozenset[Scope] | None:
        """Return what a token allows by now; None when it has ended."""
        with self._database.read() as session:
            row = session.get(TokenRow, id)
            user = session.get(UserRow, row.user) if row else None
            person = _person(row, user, self._clock()) if row else None
            return person.scopes if person else None


def _person(row: TokenRow, user: UserRow | None, now: float) -> Person | None:
    if user is None or user.disabled or (row.expires_at is not None and row.expires_at <= now):
        return None
    # Somebody who is no admin any more has no token of an admin either.
    scopes = frozenset(Scope(one) for one in row.scopes) & SCOPES[Role(user.role)]
    return Person(user.name, scopes, Proof.TOKEN, row.id)


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        user=row.user,
        label=row.label,
        scopes=frozenset(Scope(one) for one in row.scopes),
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )
