"""What goes wrong in the API becomes an answer that programs read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.door import front_of
from services.api.problems import Sending
from services.api.v1.values import Invalid
from services.errors import (
    AlreadySubmitted,
    DiskFull,
    KeyReused,
    LibraryError,
    NotAllowed,
    OverLimit,
    ScriptoriumError,
    SignedOut,
    TransientError,
)

log = logging.getLogger(__name__)

Renderer = Callable[[int, str, Mapping[str, str] | None, Sequence[Mapping[str, str]]], Response]
"""Makes an answer of a status, a sentence, HTTP headers, and where in the request it is wrong."""

STATUSES: tuple[tuple[type[ScriptoriumError], int], ...] = (
    (SignedOut, 401),
    (NotAllowed, 403),
    (AlreadySubmitted, 409),
    (OverLimit, 413),
    (KeyReused, 422),
    (DiskFull, 507),
    (TransientError, 503),
    (LibraryError, 503),
    (ScriptoriumError, 422),
)
"""What an error is as an HTTP status; the first that fits."""


SAID = {
    404: "There is nothing at this address.",
    405: "This address does not know the method; the header Allow has those it knows.",
}
"""What the router means."""


class Guard:
    """ASGI middleware around the API's routes."""

    def __init__(self, app: ASGIApp, render: Renderer) -> None:
        self._app = app
        self.routes = getattr(app, "routes", [])  # so that all of them can be listed
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered; an error becomes an answer unless one has begun."""
        sending = Sending(send)
        # None of the server's own, which would answer with plain text.
        scope = {**scope, "starlette.exception_handlers": ({}, {})}

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return  # nobody reads an answer
        except Exception as error:
            if sending.begun:
                raise
            await answer_to(Request(scope), error, self._render)(scope, receive, send)


def answer_to(request: Request, error: Exception, render: Renderer) -> Response:
    """Return what an error is to the program that asked; what nobody foresaw goes to the log."""
    if isinstance(error, HTTPException):
        status, headers = error.status_code, error.headers
        said = error.detail if error.detail != HTTPStatus(status).phrase else SAID.get(status)
        return render(status, said or error.detail, headers, [])
    if isinstance(error, Invalid):
        return render(422, f"This cannot be taken: {error}", None, error.errors)
    if isinstance(error, ScriptoriumError):
        status = next(status for kind, status in STATUSES if isinstance(error, kind))
        return render(status, front_of(request).said(error), None, [])
    log.exception("An API request failed", exc_info=error)
    unforeseen = "Something went wrong in the server; its log says what. Try again."
    return render(500, unforeseen, None, [])
