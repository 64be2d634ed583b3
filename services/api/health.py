"""Whether the server lives and can work, and its figures, for the programs that watch over it."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from services.api.door import front_of
from services.api.problems import problem
from services.metrics import CONTENT_TYPE


def routes() -> list[BaseRoute]:
    """Return the routes of health and metrics."""

    async def live(request: Request) -> Response:
        """Say that the process is of use; one that is not should be started again."""
        if front_of(request).lost():
            return problem(503, "Start the server again. Its log says why.")
        return JSONResponse({"status": "live"})

    async def ready(request: Request) -> Response:
        """Say whether work can be done now, and else what is in the way."""
        failing = await run_in_threadpool(front_of(request).health.failing)
        if failing:
            said = f"Not ready: {', '.join(failing)}. The server's log says more."
            return problem(503, said, failing=failing)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        """Show the figures of the instance, to admins."""
        text = await run_in_threadpool(front_of(request).metrics)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    return [
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/metrics", metrics),
    ]
