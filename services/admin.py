"""What admins do: the people, everybody's batches, the audit log, the team's terms."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.cells import as_text
from services.errors import AccountError
from services.files.names import one_line
from services.jobs.models import BatchSummary, JobFilter
from services.people.accounts import User
from services.people.audit import EVERY_LINE, Line, Wanted
from services.people.models import Role, Scope
from services.people.people import People
from services.people.shares import Audience, Share

if TYPE_CHECKING:
    from services.team import Team

OPENED_FOR = 3600.0
"""Seconds for which an admin sees a batch of somebody else's after opening it."""


class Admin:
    """What only admins may do; every change is in the audit log.

    Each call asks anew whether they are an admin: a dialog may stay open for longer than that.

    Args:
        team: The store as the admin sees it.

    Raises:
        NotAllowed: they are no admin.
    """

    def __init__(self, team: Team) -> None:
        team.require(Scope.ADMIN)
        self._team = team

    @property
    def _people(self) -> People:
        self._team.require(Scope.ADMIN)
        return self._team.people

    def users(self) -> list[User]:
        """Return everybody, by name."""
        return self._people.accounts.all()

    def add_user(self, name: str, password: str, role: Role, take_over: bool = False) -> User:
        """Add somebody who signs in with a password; see `Accounts.add`.

        Args:
            take_over: Let them have the work that is there under their name.
        """

        def taken(name: str) -> bool:
            return not take_over and bool(self._team.store.count(JobFilter(owner=name)))

        user = self._people.accounts.add(name, password, role, taken)
        self._team.log_action("add user", user.name, role)
        return user

    def set_password(self, name: str, password: str) -> None:
        """Give somebody a new password; see `Accounts.set_password`."""
        self._people.accounts.set_password(name, password)
        self._team.log_action("set password", name)

    def set_role(self, name: str, role: Role) -> None:
        """Make somebody an admin, or no admin any more; see `Accounts.set_role`."""
        self._people.accounts.set_role(name, role)
        self._team.log_action("set role", name, role)

    def disable(self, name: str, disabled: bool = True) -> None:
        """Close somebody's account, or open it again; see `Accounts.disable`."""
        self._people.accounts.disable(name, disabled)
        self._team.log_action("disable user" if disabled else "enable user", name)

    def terms(self) -> tuple[str, ...]:
        """Return the names and terms that every new batch listens for."""
        return self._people.terms()

    def set_terms(self, terms: Sequence[str], seen: Sequence[str]) -> None:
        """Change them, from the list that was seen; see `Terms.replace`."""
        self._people.set_terms(terms, seen)
        self._team.log_action("set terms", detail=f"{len(terms)} names and terms")

    def batches(self, limit: int = 50, offset: int = 0) -> list[BatchSummary]:
        """Return everybody's batches, the newest first, without the names of their files."""
        found = self._team.store.batches(limit, offset)
        return [replace(summary, first_name="") for summary in found]

    def count_batches(self) -> int:
        """Return the number of everybody's batches."""
        return self._team.store.count_batches()

    def open_batch(self, batch_id: str, reason: str) -> None:
        """Let the admin see somebody's batch for an hour, or until they are none any more.

        The audit log says that they did, and why.

        Raises:
            AccountError: no reason was given, or there is no such batch.
        """
        batch, why = self._team.store.batch(batch_id), one_line(reason)
        if batch is None or not why:
            raise AccountError("Say why you open it." if batch else "There is no such batch.")
        self._team.log_action("open content", batch_id, f"of {batch.owner}: {why}")
        name = self._team.person.name
        self._people.shares.create(
            name, batch_id, audience=Audience.ADMIN, person=name, seconds=OPENED_FOR
        )

    def links(self, limit: int = 50, offset: int = 0) -> list[Share]:
        """Return everybody's links that have not ended, the newest first."""
        return self._people.shares.links(limit, offset)

    def count_links(self) -> int:
        """Return their number."""
        return self._people.shares.count_links()

    def end_link(self, id: str) -> bool:
        """End somebody's link; return whether there was one."""
        share = self._people.shares.get(id)
        if share is None or share.audience is not Audience.LINK:
            return False
        self._team.log_action("end link", share.job_id or share.batch_id, f"of {share.by}")
        return self._people.shares.revoke(id)

    def audit(self, limit: int = 50, offset: int = 0, wanted: Wanted = EVERY_LINE) -> list[Line]:
        """Return the audit log, the newest line first."""
        return self._people.audit.lines(limit, offset, wanted)

    def count_audit(self, wanted: Wanted = EVERY_LINE) -> int:
        """Return the number of its lines."""
        return self._people.audit.count(wanted)

    def audit_actions(self) -> list[str]:
        """Return what its lines say was done, by name."""
        return self._people.audit.actions()

    def audit_csv(self, wanted: Wanted = EVERY_LINE) -> bytes:
        """Return it as a CSV file in UTF-8, the newest line first; times are UTC."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["when", "who", "what", "of", "detail"])
        for line in self._people.audit.lines(None, 0, wanted):
            when = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="seconds")
            texts = (line.who, line.action, line.object, line.detail)
            writer.writerow([when, *map(as_text, texts)])
        return out.getvalue().encode()
