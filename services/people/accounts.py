"""The people of the team, and their passwords."""

from __future__ import annotations

import functools
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.errors import AccountError
from services.people.models import Role
from services.people.schema import SessionRow, ShareRow, TokenRow, UserRow
from services.people.shares import Audience
from services.store.database import Database

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
RESERVED = ("local", "team", "guest", "retention", "command-line", "watched-folder")
"""What the instance itself goes by, in the audit log and as an owner."""
SHORTEST = 10
"""Characters of a password. NIST SP 800-63B asks for 8 and no rules about kinds of characters."""
LONGEST = 200
TRIES = 5
"""Wrong passwords in a row after which an account is closed for a while."""
CLOSED = 60.0
"""Seconds for which it is closed the first time; each further wrong one doubles them."""
CLOSED_AT_MOST = 3600.0

_hasher = PasswordHasher()
CHECKS = 2
"""Passwords that are checked at once: each takes 64 MiB, and many must not fill the memory."""
_checks = threading.BoundedSemaphore(CHECKS)


@dataclass(frozen=True)
class User:
    """A person of the team. Times are seconds since the epoch.

    `subject` is set for somebody who signs in with an OpenID provider.
    """

    name: str
    role: Role
    subject: str | None
    created_at: float
    seen_at: float | None
    disabled: bool
    locked_until: float


class Accounts:
    """Adds, changes and recognises people. Each method is one transaction, from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[User]:
        """Return everybody, by name."""
        with self._database.read() as session:
            return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def get(self, name: str) -> User | None:
        """Return somebody, or None."""
        with self._database.read() as session:
            row = session.get(UserRow, name)
            return _user(row) if row else None

    def add(
        self,
        name: str,
        password: str,
        role: Role = Role.PERSON,
        taken: Callable[[str], bool] = lambda name: False,
    ) -> User:
        """Add somebody who signs in with a password.

        Args:
            taken: Whether a name belongs to work of somebody who is gone, or is not here yet.

        Raises:
            AccountError: the name or the password cannot be used.
        """
        name = name.strip().lower()
        if not NAME.fullmatch(name) or name in RESERVED:
            raise AccountError(
                f"“{name}” cannot be used as a name: up to 64 small letters, digits and . _ @ + -, "
                f"beginning with a letter or digit, but not {', '.join(RESERVED)}."
            )
        if taken(name):
            raise AccountError(
                f"There is work under the name “{name}” already, which its new owner would see. "
                f"Give it to somebody (python -m services users inherit {name} HEIR), or let "
                f"them have it (python -m services users add {name} --take-over)."
            )
        stored = _hash(password)
        with self._database.write() as session:
            if session.get(UserRow, name):
                raise AccountError(f"There is somebody with the name “{name}” already.")
            row = UserRow(name=name, role=role, password=stored, created_at=self._clock())
            row.disabled, row.failures, row.locked_until = False, 0, 0.0
            session.add(row)
            return _user(row)

    def set_password(self, name: str, password: str, keep_tokens: bool = False) -> None:
        """Give somebody a new password; every browser they signed in with is signed out.

        Args:
            keep_tokens: Let their tokens hold. Others end them: whoever resets a password cannot
                know who made them.

        Raises:
            AccountError: there is nobody of that name, or the password cannot be used.
        """
        stored = _hash(password)
        with self._database.write() as session:
            row = _require(session.get(UserRow, name), name)
            row.password, row.failures, row.locked_until = stored, 0, 0.0
            session.query(SessionRow).filter(SessionRow.user == name).delete()
            if not keep_tokens:
                session.query(TokenRow).filter(TokenRow.user == name).delete()

    def set_role(self, name: str, role: Role) -> None:
        """Make somebody an admin, or no admin any more; they are signed out everywhere.

        Raises:
            AccountError: there is nobody of that name, or nobody else would be an admin.
        """
        with self._database.write() as session:
            row = _require(session.get(UserRow, name), name)
            if row.role == Role.ADMIN and role is not Role.ADMIN:
                _require_another_admin(session, name)
            if row.role != role:
                session.query(SessionRow).filter(SessionRow.user == name).delete()
            row.role = role

    def disable(self, name: str, disabled: bool = True) -> None:
        """Close somebody's account, or open it again.

        That ends their sessions and the links that they made; their tokens do nothing until it is
        opened again.

        Raises:
            AccountError: there is nobody of that name, or no admin would be left.
        """
        with self._database.write() as session:
            row = _require(session.get(UserRow, name), name)
            if disabled and row.role == Role.ADMIN:
                _require_another_admin(session, name)
            row.disabled, row.failures, row.locked_until = disabled, 0, 0.0
            if disabled:
                session.query(SessionRow).filter(SessionRow.user == name).delete()
                _end_links(session, name)

    def remove(self, name: str) -> None:
        """Remove somebody, with their sessions, tokens and links; their batches stay.

        Raises:
            AccountError: there is nobody of that name, or no admin would be left.
        """
        with self._database.write() as session:
            row = _require(session.get(UserRow, name), name)
            if row.role == Role.ADMIN:
                _require_another_admin(session, name)
            session.query(ShareRow).filter(ShareRow.person == name).delete()
            _end_access(session, name)
            session.delete(row)

    def check(self, name: str, password: str) -> User | None:
        """Return who signs in with this name and password, or None.

        After five wrong passwords in a row the account is closed for a minute, and each further
        one doubles that, up to an hour; meanwhile the right one does not open it either. All this
        takes as long for a name that nobody has.
        """
        name = name.strip().lower()
        now = self._clock()
        with self._database.read() as session:
            row = session.get(UserRow, name)
            stored = row.password if row else None
            closed = row is None or row.disabled or row.locked_until > now
        with _checks:
            right = _verify(stored or _nobody(), password[:LONGEST])
        if stored is None or closed:
            return None
        with self._database.write() as session:
            row = session.get(UserRow, name)
            if row is None or row.disabled or row.locked_until > now:
                return None
            if not right:
                row.failures += 1
                over = row.failures - TRIES
                if over >= 0:
                    row.locked_until = now + min(CLOSED * 2 ** min(over, 20), CLOSED_AT_MOST)
                return None
            row.failures, row.locked_until, row.seen_at = 0, 0.0, now
            if _hasher.check_needs_rehash(stored):
                row.password = _hasher.hash(password)
            return _user(row)

    def enter(
        self,
        subject: str,
        wished: str,
        role: Role,
        taken: Callable[[str], bool] = lambda name: False,
    ) -> User | None:
        """Return whom an OpenID provider vouches for, added at their first time; None if closed.

        Args:
            subject: The provider's address and its id of the person.
            wished: The name they have there; taken ones get a number.
            role: What the provider's groups make them, now.
            taken: Whether a name belongs to work of somebody who is gone, or is not here yet.
        """
        now = self._clock()
        with self._database.write() as session:
            row = session.scalars(select(UserRow).where(UserRow.subject == subject)).one_or_none()
            if row is None:
                row = UserRow(name=_free(session, wished, taken), subject=subject, created_at=now)
                row.failures, row.locked_until, row.disabled = 0, 0.0, False
                session.add(row)
            if row.disabled:
                return None
            row.role, row.seen_at = role, now
            return _user(row)

    def turn_away(self, subject: str) -> None:
        """End what somebody has here whom their OpenID provider lets in no more.

        Their sessions, tokens and links end, and they are no admin; the account stays, for when
        they are let in again.

        Args:
            subject: The provider's address and its id of the person, who may never have been here.
        """
        with self._database.write() as session:
            row = session.scalars(select(UserRow).where(UserRow.subject == subject)).one_or_none()
            if row is not None:
                row.role = Role.PERSON
                _end_access(session, row.name)


def _hash(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"A password has {SHORTEST} to {LONGEST} characters; longer is better.")
    with _checks:
        return _hasher.hash(password)


@functools.cache
def _nobody() -> str:
    """Return the hash of a password that nobody has."""
    return _hasher.hash(secrets.token_hex())


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _require(row: UserRow | None, name: str) -> UserRow:
    if row is None:
        raise AccountError(f"There is nobody with the name “{name}”.")
    return row


def _end_access(session: Session, name: str) -> None:
    """End the sessions, tokens and links of somebody."""
    session.query(SessionRow).filter(SessionRow.user == name).delete()
    session.query(TokenRow).filter(TokenRow.user == name).delete()
    _end_links(session, name)


def _end_links(session: Session, name: str) -> None:
    """End the links of somebody: nobody else knows who has them."""
    theirs = (ShareRow.by == name, ShareRow.audience == Audience.LINK)
    session.query(ShareRow).filter(*theirs).delete()


def _require_another_admin(session: Session, name: str) -> None:
    others = (
        select(func.count())
        .select_from(UserRow)
        .where(UserRow.role == Role.ADMIN, ~UserRow.disabled, UserRow.name != name)
    )
    if not session.scalar(others):
        raise AccountError(f"“{name}” is the only admin. Make somebody else an admin first.")


def _free(session: Session, wished: str, taken: Callable[[str], bool]) -> str:
    """Return a name like the one wished for that nobody has, or had."""
    clean = re.sub(r"[^a-z0-9._@+-]", "-", wished.strip().lower()).lstrip("._@+-")[:60] or "person"
    name, number = clean, 1
    while name in RESERVED or session.get(UserRow, name) is not None or taken(name):
        number += 1
        name = f"{clean}-{number}"
    return name


def _user(row: UserRow) -> User:
    return User(
        name=row.name,
        role=Role(row.role),
        subject=row.subject,
        created_at=row.created_at,
        seen_at=row.seen_at,
        disabled=row.disabled,
        locked_until=row.locked_until,
    )
