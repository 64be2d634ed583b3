"""What people do with their own account: password, tokens, sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from services.errors import AccountError, NotAllowed
from services.people.accounts import User
from services.people.models import Proof, Scope
from services.people.people import People
from services.people.tokens import Token

if TYPE_CHECKING:
    from services.team import Team


class Account:
    """Somebody's own account, for whoever signed in: a token does not reach it.

    Each call asks anew whether they are still signed in.

    Args:
        team: The store as they see it.

    Raises:
        NotAllowed: nobody of the team is signed in.
    """

    def __init__(self, team: Team) -> None:
        team.require(Scope.READ)
        person = team.person
        if person.proof is not Proof.SESSION or person.is_guest:
            raise NotAllowed("Sign in to change your account.")
        self._name = person.name
        self._team = team

    @property
    def _people(self) -> People:
        self._team.require(Scope.READ)
        return self._team.people

    def user(self) -> User:
        """Return what is known of them."""
        user = self._people.accounts.get(self._name)
        if user is None:
            raise NotAllowed("This account was removed.")
        return user

    def set_password(self, old: str, new: str) -> None:
        """Change their password; they are signed out everywhere, here too. Their tokens hold.

        Raises:
            AccountError: the old one is wrong, or the new one cannot be used.
        """
        if self._people.accounts.check(self._name, old) is None:
            raise AccountError("The old password is wrong.")
        self._people.accounts.set_password(self._name, new, keep_tokens=True)
        self._team.log_action("set password", self._name)

    def tokens(self) -> list[Token]:
        """Return their tokens, the newest first."""
        return self._people.tokens.of(self._name)

    def create_token(
        self, label: str, scopes: Iterable[Scope], days: float | None = None
    ) -> tuple[str, Token]:
        """Make a token; return its secret, which is shown once, and what is known of it."""
        secret, token = self._people.tokens.create(self._name, label, scopes, days)
        self._team.log_action("create token", token.label, ", ".join(sorted(token.scopes)))
        return secret, token

    def revoke_token(self, id: str) -> bool:
        """Revoke one of their tokens; return whether there was one."""
        revoked = self._people.tokens.revoke(id, self._name)
        if revoked:
            self._team.log_action("revoke token", id)
        return revoked

    def sign_out_everywhere(self) -> None:
        """End all their sessions, this one too."""
        self._people.sessions.end_all(self._name)
        self._team.log_action("sign out everywhere")
