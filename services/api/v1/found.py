"""The batch or job that a path names, for who may see it, or may change it."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from services.api.v1.models import BatchOutput
from services.errors import NotAllowed
from services.jobs.models import Batch, Job, JobFilter
from services.runtime import Runtime


def require_batch(front: Runtime, batch_id: str) -> Batch:
    """Return a batch that somebody sees.

    Raises:
        HTTPException: there is none.
    """
    batch = front.batch(batch_id)
    if batch is None:
        raise HTTPException(404, "There is no such batch.")
    return batch


def require_own_batch(front: Runtime, batch_id: str) -> Batch:
    """Return a batch that somebody may change.

    Raises:
        HTTPException: there is none that they see.
        NotAllowed: it was only shared with them.
    """
    batch = require_batch(front, batch_id)
    if not front.may_change(batch):
        raise NotAllowed(f"This batch was shared with you; only {batch.owner} can change it.")
    return batch


def require_job(front: Runtime, job_id: str) -> Job:
    """Return a job that somebody sees.

    Raises:
        HTTPException: there is none.
    """
    job = front.job(job_id)
    if job is None:
        raise HTTPException(404, "There is no such job.")
    return job


def require_own_job(front: Runtime, job_id: str) -> Job:
    """Return a job that somebody may change.

    Raises:
        HTTPException: there is none that they see.
        NotAllowed: it was only shared with them.
    """
    job = require_job(front, job_id)
    if not front.may_change(job):
        raise NotAllowed(f"“{job.name}” was shared with you; only {job.owner} can change it.")
    return job


def shown(front: Runtime, batch: Batch) -> BatchOutput:
    """Return a batch with what has become of its files."""
    wanted = JobFilter(batch.id)
    first = front.find(wanted, limit=1)
    return BatchOutput.of(batch, first[0].name if first else "", front.count(wanted))
