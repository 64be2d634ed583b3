"""What somebody may see and change, and what the team shares."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Self

from services.account import Account
from services.admin import Admin
from services.config import Settings
from services.errors import AccountError, NotAllowed, in_words
from services.jobs.models import Batch, Job, JobFilter
from services.jobs.store import JobStore
from services.people.accounts import User
from services.people.models import LOCAL, Person, Reach, Role, Scope
from services.people.people import People
from services.people.sessions import LONGEST
from services.people.shares import Audience, Share


class Team:
    """The store as one person may see and change it.

    Made without a person it stands for the services themselves, which need no permission. Pages
    and routes ask `seen_by` for the view of whoever is in front of them; every method that takes
    an id or a filter goes through the checks here.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store = JobStore(
            settings.store_url,
            crash_limit=settings.attempts,
            retry_waits=settings.job_retry_waits,
            owner_limit=settings.owner_limit,
        )
        longest = settings.oidc_hours * 3600 if settings.mode == "oidc" else LONGEST
        idle = settings.session_hours * 3600
        self.people = People(settings.store_url, idle, longest=longest)
        self.person: Person = LOCAL

    def close(self) -> None:
        """Close the store."""
        self.people.close()
        self._store.close()

    def seen_by(self, person: Person) -> Self:
        """Return the same for somebody: nothing beyond what they may reach."""
        theirs = copy.copy(self)
        theirs.person = person
        return theirs

    def vouched_for(self, subject: str, wished: str, role: Role | None) -> User | None:
        """Return whom an OpenID provider vouches for; see `Accounts.enter`.

        Without a role they may not come in, nor have anything here that lets them: see
        `Accounts.turn_away`.

        Who comes for the first time gets no name under which there is work already: a provider
        may give the name of somebody who left to another.
        """
        if role is None:
            self.people.accounts.turn_away(subject)
            return None
        return self.people.accounts.enter(
            subject, wished, role, lambda name: bool(self._store.count(JobFilter(owner=name)))
        )

    def said(self, sentence: object) -> str:
        """Return a sentence, an error's perhaps, as this person may read it.

        Where the server keeps its files is for its admins: others read which disk it is.
        """
        if self.person.everything or self.person.may(Scope.ADMIN):
            return str(sentence)
        return in_words(str(sentence), self.settings.places)

    def _told(self, job: Job) -> Job:
        """Return a job with its error as this person may read it."""
        return replace(job, error=self.said(job.error)) if job.error else job

    # --- the checks -----------------------------------------------------------------------

    def may(self, scope: Scope) -> bool:
        """Whether somebody may do this at all, now: a page may stay open for longer than a role.

        Raises:
            SignedOut: their session or token has ended.
        """
        return self.person.may(scope) and scope in self.people.scopes(self.person)

    def require(self, scope: Scope) -> None:
        """Go on only for somebody who may do this, now.

        Raises:
            NotAllowed: they may not.
            SignedOut: their session or token has ended.
        """
        if scope not in self.people.scopes(self.person):
            raise NotAllowed(
                "Only an admin of this instance may do that."
                if scope is Scope.ADMIN
                else f"This needs the permission “{scope}”, which you do not have here."
            )

    def may_change(self, thing: Batch | Job) -> bool:
        """Whether somebody may run, cancel, share or delete a batch or a job: their own."""
        mine = self.person.everything or thing.owner == self.person.name
        return mine and self.may(Scope.SUBMIT)

    def may_correct(self, job: Job) -> bool:
        """Whether somebody may correct a job's text, and change its name and tags."""
        if not self.may(Scope.SUBMIT):
            return False
        return self.may_change(job) or _covers(self.people.reach(self.person, True), job)

    def batch(self, batch_id: str) -> Batch | None:
        """Return a batch, or None."""
        reach = self._seen()
        batch = self._store.batch(batch_id)
        return batch if batch and _covers(reach, batch) else None

    def job(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        reach = self._seen()
        job = self._store.job(job_id)
        return self._told(job) if job and _covers(reach, job) else None

    def _seen(self) -> Reach | None:
        """Return whose work is seen; None for everybody's."""
        if not self.may(Scope.READ):
            raise NotAllowed("This needs the permission “read”, which you do not have here.")
        return self.people.reach(self.person)

    def _visible(self, wanted: JobFilter) -> JobFilter:
        """Narrow a filter to what is seen."""
        return replace(wanted, reach=self._seen())

    def _changeable(self, wanted: JobFilter) -> JobFilter:
        """Narrow a filter to what may be changed."""
        self.require(Scope.SUBMIT)
        own = None if self.person.everything else Reach(self.person.name)
        return replace(wanted, reach=own)

    def _changeable_ids(self, job_ids: Iterable[str]) -> list[str]:
        wanted = self._changeable(JobFilter(ids=tuple(job_ids)))
        return list(wanted.ids or ()) if wanted.reach is None else self._store.ids(wanted)

    def own_job(self, job_id: str) -> Job | None:
        """Return a job that may be changed; None where there is none to be seen.

        Raises:
            NotAllowed: it was only shared with them.
        """
        job = self.job(job_id)
        if job is not None and not self.may_change(job):
            raise NotAllowed(f"“{job.name}” was shared with you; only {job.owner} can change it.")
        return job

    def own_batch(self, batch_id: str) -> Batch | None:
        """Return a batch that may be changed; None where there is none to be seen.

        Raises:
            NotAllowed: it was only shared with them.
        """
        batch = self.batch(batch_id)
        if batch is not None and not self.may_change(batch):
            raise NotAllowed(f"This batch was shared with you; only {batch.owner} can change it.")
        return batch

    # --- sharing --------------------------------------------------------------------------

    def share(
        self,
        batch_id: str,
        job_id: str | None = None,
        audience: Audience = Audience.TEAM,
        person: str | None = None,
        editing: bool = False,
        days: float | None = None,
    ) -> tuple[Share, str | None]:
        """Show a batch, or one job of it, to others; return the share, and a link's secret.

        Args:
            batch_id: One's own batch.
            job_id: One job of it, all when not given.
            audience: The team, one person, or whoever has a link.
            person: Who, for the audience of one.
            editing: Whether they may correct it too; never by a link.
            days: After which it ends.

        Raises:
            NotAllowed: it is somebody else's.
            AccountError: there is no such batch, job or person.
        """
        self.require(Scope.SUBMIT)
        if audience is Audience.ADMIN:
            raise AccountError("An admin opens content by saying why.")
        if self.own_batch(batch_id) is None:
            raise AccountError("There is no such batch any more.")
        job = self.own_job(job_id) if job_id else None
        if job_id and (job is None or job.batch_id != batch_id):
            raise AccountError("There is no such file any more.")
        if audience is Audience.PERSON:
            user = self.people.accounts.get((person or "").strip().lower())
            if user is None or user.disabled:
                raise AccountError(f"There is nobody with the name “{person}” here.")
            person = user.name
        else:
            person = None
        seconds = None if days is None else days * 86400
        made, secret = self.people.shares.create(
            self.person.name, batch_id, job_id, audience, person, editing, seconds
        )
        self.log_action("share", job_id or batch_id, f"with {person or audience}")
        return made, secret

    def shares(self, batch_id: str, job_id: str | None = None) -> list[Share]:
        """Return with whom one's own batch, or a job of it, is shared."""
        return self.people.shares.of(batch_id, job_id) if self.own_batch(batch_id) else []

    def unshare(self, id: str) -> bool:
        """End a share that one made, or of one's own work; return whether there was one."""
        self.require(Scope.SUBMIT)
        share = self.people.shares.get(id)
        if share is None:
            return False
        if share.by != self.person.name:
            batch = self.batch(share.batch_id)
            if batch is None or not self.may_change(batch):
                return False
        self.log_action(
            "unshare", share.job_id or share.batch_id, f"with {share.person or share.audience}"
        )
        return self.people.shares.revoke(id)

    # --- other parts ----------------------------------------------------------------------

    @property
    def admin(self) -> Admin:
        """What admins do.

        Raises:
            NotAllowed: they are no admin.
        """
        return Admin(self)

    @property
    def account(self) -> Account:
        """Their own account.

        Raises:
            NotAllowed: nobody of the team is signed in.
        """
        return Account(self)

    @property
    def store(self) -> JobStore:
        """Everybody's batches and jobs.

        Raises:
            NotAllowed: they are no admin.
        """
        self.require(Scope.ADMIN)
        return self._store

    def log_action(self, action: str, object: str = "", detail: str = "") -> None:
        """Add a line to the audit log of a shared instance."""
        if not self.person.everything:
            self.people.audit.record(self.person.name or "guest", action, object, detail)


def _covers(reach: Reach | None, thing: Batch | Job) -> bool:
    if reach is None:
        return True
    if isinstance(thing, Batch):
        return reach.covers(thing.owner, thing.id)
    return reach.covers(thing.owner, thing.batch_id, thing.id)
