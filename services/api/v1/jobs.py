"""Jobs: one file each."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.api.v1.batches import Again, JobsQuery
from services.api.v1.endpoint import CHANGE, Endpoint
from services.api.v1.found import page_of, require_job, require_own_job
from services.api.v1.models import EventOutput, Id, JobOutput, Output, Page, Text, Time, model_id
from services.api.v1.options import chosen
from services.jobs.models import JobFilter
from services.runtime import Runtime


class FindQuery(JobsQuery):
    """Which of all jobs."""

    name: Text = ""
    """Whose name holds this, whatever the case."""
    model: Text | None = None
    """Whose result this speech model made."""
    since: Time | None = None
    """Submitted at this time or later."""
    until: Time | None = None
    """Submitted before this time."""


class History(Output):
    """The changes of a job's state, the first one first."""

    items: list[EventOutput]


def jobs(front: Runtime, query: FindQuery) -> Page[JobOutput]:
    """List the jobs that you see, the newest first."""
    wanted = JobFilter(
        states=tuple(query.state),
        kinds=tuple(query.kind),
        model=_made_by(front, query.model),
        text=query.name,
        since=query.since,
        until=query.until,
    )
    return page_of(front, wanted, query)


def job(front: Runtime, job_id: Id) -> JobOutput:
    """Return a job."""
    return JobOutput.of(require_job(front, job_id), front.person.is_guest)


def history(front: Runtime, job_id: Id) -> History:
    """Return the changes of a job's state, the first one first."""
    require_job(front, job_id)
    items = [
        EventOutput(at=one.at, state=one.state, attempt=one.attempt, reason=one.reason)
        for one in front.history(job_id)
    ]
    return History(items=items)


def cancel_job(front: Runtime, job_id: Id) -> JobOutput:
    """Cancel a job that has not ended; one that has stays as it is."""
    require_own_job(front, job_id)
    front.cancel(job_id)
    return job(front, job_id)


def retry_job(front: Runtime, job_id: Id, body: Again) -> JobOutput:
    """Process a file again whose job has ended, with the same settings or others.

    The result that there is stays until the new one is whole.
    """
    own = require_own_job(front, job_id)
    options = chosen(front, body.options, own.options) if body.options is not None else None
    if not front.retry_job(job_id, options):
        raise HTTPException(
            409, f"“{own.name}” is {own.state}, or its original is not kept: it cannot run again."
        )
    return job(front, job_id)


def _made_by(front: Runtime, id: str | None) -> str | None:
    """Return the name that results know a model by."""
    return next((name for name in front.models() if model_id(name) == id), id)


def delete_job(front: Runtime, job_id: Id) -> Response:
    """Delete a job in whatever state, with its result and its original."""
    require_own_job(front, job_id)
    front.delete([job_id])
    return Response(status_code=204)


ENDPOINTS = [
    Endpoint("GET", "/jobs", jobs),
    Endpoint("GET", "/jobs/{job_id}", job),
    Endpoint("DELETE", "/jobs/{job_id}", delete_job, CHANGE, 204),
    Endpoint("GET", "/jobs/{job_id}/history", history),
    Endpoint("POST", "/jobs/{job_id}/cancel", cancel_job, CHANGE),
    Endpoint("POST", "/jobs/{job_id}/retry", retry_job, CHANGE, statuses=(409,)),
]
