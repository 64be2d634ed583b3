"""Who somebody is, and whose work they can reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person of the team is."""

    PERSON = "person"
    ADMIN = "admin"


class Scope(StrEnum):
    """What may be done: look, give work and change one's own, or run the instance."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


SCOPES = {
    Role.PERSON: frozenset({Scope.READ, Scope.SUBMIT}),
    Role.ADMIN: frozenset(Scope),
}


class Proof(StrEnum):
    """By what somebody showed who they are."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True)
class Person:
    """Somebody in front of this instance.

    `name` owns what they submit; it is empty for a guest, who came by a link and sees what that
    shows. `proof` and `key` name the session or token they came with, which may end any time.
    `everything` is for who needs no permission: the one person of a local instance, and the
    services themselves.
    """

    name: str
    scopes: frozenset[Scope] = frozenset()
    proof: Proof | None = None
    key: str = ""
    everything: bool = False

    @property
    def is_guest(self) -> bool:
        """Whether this is nobody of the team."""
        return not self.name

    def may(self, scope: Scope) -> bool:
        """Whether they may do this at all."""
        return scope in self.scopes


LOCAL = Person("local", frozenset(Scope), everything=True)
"""The one person of a local instance, who is also its admin."""


@dataclass(frozen=True)
class Reach:
    """Whose work somebody can reach: their own, and batches and jobs that were shared."""

    owner: str
    batches: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()

    def covers(self, owner: str, batch_id: str, job_id: str | None = None) -> bool:
        """Whether a batch, or one job of it, is within reach."""
        return owner == self.owner or batch_id in self.batches or job_id in self.jobs
