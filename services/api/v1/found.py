"""The batch or job that a path names, for who may see it, or may change it."""

from __future__ import annotations

from typing import TypeVar

from starlette.exceptions import HTTPException

from services.api.v1.models import BatchOutput, JobOutput, Page, Paging
from services.jobs.models import Batch, Job, JobFilter
from services.runtime import Runtime

T = TypeVar("T")


def require_batch(front: Runtime, batch_id: str) -> Batch:
    """Return a batch that somebody sees.

    Raises:
        HTTPException: there is none.
    """
    return _there(front.batch(batch_id), "batch")


def require_own_batch(front: Runtime, batch_id: str) -> Batch:
    """Return a batch that somebody may change.

    Raises:
        HTTPException: there is none that they see.
        NotAllowed: it was only shared with them.
    """
    return _there(front.own_batch(batch_id), "batch")


def require_job(front: Runtime, job_id: str) -> Job:
    """Return a job that somebody sees.

    Raises:
        HTTPException: there is none.
    """
    return _there(front.job(job_id), "job")


def require_own_job(front: Runtime, job_id: str) -> Job:
    """Return a job that somebody may change.

    Raises:
        HTTPException: there is none that they see.
        NotAllowed: it was only shared with them.
    """
    return _there(front.own_job(job_id), "job")


def _there(found: T | None, what: str) -> T:
    if found is None:
        raise HTTPException(404, f"There is no such {what}.")
    return found


def shown(front: Runtime, batch: Batch) -> BatchOutput:
    """Return a batch with what has become of its files."""
    wanted = JobFilter(batch.id)
    first = front.find(wanted, limit=1)
    name, guest = first[0].name if first else "", front.person.is_guest
    return BatchOutput.of(batch, name, front.count(wanted), guest)


def page_of(front: Runtime, wanted: JobFilter, paging: Paging) -> Page[JobOutput]:
    """Return a part of the jobs that a filter means and somebody sees."""
    guest = front.person.is_guest
    items = [JobOutput.of(job, guest) for job in front.find(wanted, paging.limit, paging.offset)]
    return Page[JobOutput](items=items, total=sum(front.count(wanted).values()))
