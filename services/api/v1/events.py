"""What happens to a batch, as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from services.api.stopping import stopping
from services.api.v1.endpoint import Endpoint, as_json
from services.api.v1.found import require_batch
from services.api.v1.models import Id, Output
from services.api.v1.sse import HEARTBEAT, MEDIA, STILL_HERE, event, streamed
from services.errors import NotAllowed, StoreUnavailable
from services.jobs.models import Job, State
from services.runtime import Runtime

PAUSE = 0.5
"""Seconds between two looks; longer where a look takes long: at most a tenth of the time."""
END = "end"
"""The id of the last event: who comes back after it is told not to."""


class JobEvent(Output):
    """How a job goes on: the data of an event `job`."""

    id: Id
    name: str
    state: State
    stage: str
    progress: float
    error: str | None
    has_result: bool

    @classmethod
    def of(cls, job: Job) -> JobEvent:
        """Return it of a job."""
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,
            stage=job.stage,
            progress=round(job.progress, 3),
            error=job.error,
            has_result=job.result_at is not None,
        )


class BatchEvent(Output):
    """How many jobs of the batch are in which state: the data of `batch` and of `end`."""

    counts: dict[str, int]
    total: int


class Told:
    """What a listener knows of a batch; `news` is what they do not know yet."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobEvent] = {}
        self._batch: BatchEvent | None = None

    def news(self, jobs: list[Job]) -> Iterator[str]:
        """Yield the events since the last call; the last one is `end` when all jobs have ended."""
        now = {job.id: JobEvent.of(job) for job in jobs}
        for id, job_event in now.items():
            if self._jobs.get(id) != job_event:
                yield event(as_json(job_event), "job")
        counts = {str(state): 0 for state in State}
        for job in jobs:
            counts[job.state] += 1
        batch = BatchEvent(counts=counts, total=len(jobs))
        if batch != self._batch:
            yield event(as_json(batch), "batch")
        self._jobs, self._batch = now, batch
        if all(job.state.over for job in jobs):
            yield event(as_json(batch), END, END)


async def events(front: Runtime, request: Request, batch_id: Id) -> Response:
    """Follow a batch until it has ended.

    At first every job comes as it is now, in an event `job`, then each change; `batch` has the
    counts. The last event is `end`; who was cut off before that just asks again, and is told when
    the batch is not there any more.
    """
    await run_in_threadpool(require_batch, front, batch_id)
    if request.headers.get("last-event-id") == END:
        jobs = await run_in_threadpool(front.jobs, batch_id)
        if all(job.state.over for job in jobs):
            return Response(status_code=204)  # a browser does not ask again then
    if request.method == "HEAD":
        return Response(media_type=MEDIA)
    return streamed(follow(front, batch_id))


async def follow(front: Runtime, batch_id: str) -> AsyncIterator[str]:
    """Yield the events of a batch until it has ended, is not to be seen any more, or we stop."""
    told, quiet_since = Told(), time.monotonic()
    while not stopping.is_set():
        began = time.monotonic()
        try:
            jobs = await run_in_threadpool(front.jobs, batch_id)
        except (NotAllowed, StoreUnavailable):  # the session or the token has ended
            return
        if not jobs:  # deleted, or not shared any more: that is no end of the work
            return
        took = time.monotonic() - began
        for news in told.news(jobs):
            quiet_since = time.monotonic()
            yield news
        if all(job.state.over for job in jobs):
            return
        if time.monotonic() - quiet_since > HEARTBEAT:
            quiet_since = time.monotonic()
            yield STILL_HERE
        await asyncio.sleep(max(PAUSE, 9 * took))


ENDPOINTS = [
    Endpoint(
        "GET",
        "/batches/{batch_id}/events",
        events,
        media=(MEDIA,),
        statuses=(204,),
    ),
]
