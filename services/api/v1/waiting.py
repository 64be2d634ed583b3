"""A request that waits for the result of what it sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from services.api.stopping import stopping
from services.jobs.models import Job, JobFilter, State
from services.runtime import Runtime

PAUSE = 0.2
"""Seconds between two looks at the job."""


@dataclass(frozen=True)
class Waiting:
    """Somebody who waits for a batch of one file; `keyed` if they sent it with a key."""

    front: Runtime
    batch_id: str
    name: str
    keyed: bool

    async def job(self, request: Request) -> Job:
        """Return the job when it is done.

        Raises:
            HTTPException: see `done`.
            ClientDisconnect: who asked went away.
        """
        while (job := await self.done()) is None:
            if await request.is_disconnected():
                await self.given_up()
                raise ClientDisconnect
            await asyncio.sleep(PAUSE)
        return job

    async def done(self) -> Job | None:
        """Return the job if it is done, and None while it may still be.

        Raises:
            HTTPException: it will not be done, or not while somebody waits.
        """
        jobs = await run_in_threadpool(self.front.find, JobFilter(self.batch_id), 1)
        if not jobs:
            raise HTTPException(404, f"“{self.name}” was deleted meanwhile.")
        job = jobs[0]
        if job.state is State.DONE:
            return job
        if job.state is State.CANCELLED:
            raise HTTPException(400, f"“{self.name}” was cancelled.")
        if job.state is State.FAILED:
            passing = job.error_kind == "transient"
            raise HTTPException(503 if passing else 400, job.error or f"“{self.name}” failed.")
        stops = "The server stops. Ask again when it is back." if stopping.is_set() else None
        if ending := stops or self.front.lost():
            await self.given_up()
            raise HTTPException(503, ending)
        return None

    async def given_up(self) -> None:
        """Cancel the job, because who asked will send it again; with a key they will find it."""
        if not self.keyed:
            await run_in_threadpool(self.front.cancel_batch, self.batch_id)
