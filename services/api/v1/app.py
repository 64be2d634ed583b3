"""The API's endpoints, and where they are mounted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from services.api.problems import openai_problem, problem
from services.api.v1 import (
    batches,
    events,
    jobs,
    openai,
    options,
    results,
    search,
    speakers,
    system,
)
from services.api.v1.endpoint import routes as routes_of
from services.api.v1.guard import Guard, Renderer
from services.api.v1.models import OpenAIProblem, Problem
from services.api.v1.openapi import Table, document
from services.api.v1.page import page

API = Table(
    "/api/v1",
    [
        *batches.ENDPOINTS,
        *events.ENDPOINTS,
        *jobs.ENDPOINTS,
        *results.ENDPOINTS,
        *speakers.ENDPOINTS,
        *search.ENDPOINTS,
        *options.ENDPOINTS,
        *system.ENDPOINTS,
    ],
    Problem,
    "application/problem+json",
)
OPENAI = Table("/v1", openai.ENDPOINTS, OpenAIProblem, "application/json", invalid=400)


def routes() -> list[BaseRoute]:
    """Return the API, its document, and the page that shows it."""

    async def openapi(request: Request) -> Response:
        """Serve the OpenAPI document."""
        return JSONResponse(await run_in_threadpool(described))

    async def docs(request: Request) -> Response:
        """Serve the page that shows the API."""
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        shown = await run_in_threadpool(page, described())
        return HTMLResponse(shown, headers={"Content-Security-Policy": policy})

    api = [
        *routes_of("/v1", API.endpoints),
        Route("/v1/openapi.json", openapi),
        Route("/v1/docs", docs),
    ]
    return [
        _mounted("/api", api, _problem),
        _mounted("/v1", routes_of("", OPENAI.endpoints), openai_problem),
    ]


def _mounted(prefix: str, routes: Sequence[BaseRoute], render: Renderer) -> Mount:
    """Mount routes so that whatever goes wrong below a prefix is rendered in one way."""
    made = Mount(prefix, Guard(Router(routes, redirect_slashes=False), render))
    # Also what has a line end in its path; Starlette's dot stops there.
    made.path_regex = re.compile(made.path_regex.pattern, re.DOTALL)
    return made


@cache
def described() -> dict[str, Any]:
    """Return the OpenAPI document, made when it is first asked for."""
    return document([API, OPENAI])


def _problem(
    status: int, detail: str, headers: Mapping[str, str] | None, errors: Sequence[Mapping[str, str]]
) -> Response:
    return problem(status, detail, headers, **({"errors": list(errors)} if errors else {}))
