"""The people of an instance, and what each of them can reach."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from services.errors import SignedOut
from services.people.accounts import Accounts
from services.people.audit import Audit
from services.people.lately import Lately
from services.people.models import Person, Proof, Reach, Scope
from services.people.secret import hashed
from services.people.sessions import LONGEST, Sessions
from services.people.shares import Shares
from services.people.terms import Terms
from services.people.tokens import PREFIX, Tokens
from services.store.database import Database


class People:
    """Accounts, sessions, tokens, shares, the audit log and the terms of one instance.

    Who somebody is and what they reach is looked up once a second at most, and at once after a
    change that is made here.

    Args:
        url: SQLAlchemy URL of the job store, whose tables are there already.
        idle: Seconds without a request after which a session ends.
        longest: Seconds after which somebody signs in again in any case.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        url: str,
        idle: float,
        clock: Callable[[], float] = time.time,
        longest: float = LONGEST,
    ) -> None:
        self._lately = Lately(clock)
        self._database = Database(url, written=self._lately.forget)
        self.accounts = Accounts(self._database, clock)
        self.sessions = Sessions(self._database, idle, clock, longest)
        self.tokens = Tokens(self._database, clock)
        self.shares = Shares(self._database, clock)
        self.audit = Audit(self._database, clock)
        self._terms = Terms(self._database)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def terms(self) -> tuple[str, ...]:
        """Return the names and terms that new batches listen for."""
        return self._lately.ask("terms", self._terms.all)

    def set_terms(self, terms: Iterable[str], seen: Sequence[str]) -> None:
        """Write another list of them in place of the one that was seen; see `Terms.replace`."""
        self._terms.replace(terms, seen)

    def identify(self, cookie: str | None, bearer: str | None, touch: bool = True) -> Person | None:
        """Return who comes with this session's secret, or this token; None for nobody.

        Args:
            touch: Whether the session is used now, and so lasts; see `Sessions.identify`.
        """
        if bearer is not None:
            if not bearer.startswith(PREFIX):
                return None
            return self._lately.ask(
                (Proof.TOKEN, hashed(bearer)), lambda: self.tokens.identify(bearer)
            )
        if not cookie:
            return None
        return self._lately.ask(
            (Proof.SESSION, hashed(cookie), touch), lambda: self.sessions.identify(cookie, touch)
        )

    def reach(self, person: Person, editing: bool = False) -> Reach | None:
        """Return whose work somebody can see now, or may correct; None for everybody's.

        Raises:
            SignedOut: their session or token has ended meanwhile.
        """
        if person.everything:
            return None
        return self._lately.ask((person, editing), lambda: self._reach(person, editing))

    def scopes(self, person: Person) -> frozenset[Scope]:
        """Return what somebody may do now: less than when they came, where that was taken away.

        Raises:
            SignedOut: their session or token has ended meanwhile.
        """
        if person.everything:
            return person.scopes
        return person.scopes & self._lately.ask(
            (person.proof, person.key, "scopes"), lambda: self._scopes(person)
        )

    def _scopes(self, person: Person) -> frozenset[Scope]:
        kept = self.tokens if person.proof is Proof.TOKEN else self.sessions
        scopes = kept.scopes(person.key)
        if scopes is None:
            raise _signed_out(person)
        return scopes

    def _reach(self, person: Person, editing: bool) -> Reach:
        person = replace(person, scopes=self.scopes(person))
        if person.proof is Proof.TOKEN:
            return self.shares.reach(person, (), editing)
        links = self.sessions.links(person.key)
        if links is None:
            raise _signed_out(person)
        return self.shares.reach(person, links, editing)


def _signed_out(person: Person) -> SignedOut:
    if person.proof is Proof.TOKEN:
        return SignedOut("This token has expired or was revoked.")
    return SignedOut("You are signed out. Reload the page to sign in again.")
