"""Errors as programs read them: problem details (RFC 9457), and those of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import responses
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Send


class Sending:
    """Sends an answer on, and knows whether it has begun: no other one can take its place then."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Send a part of the answer."""
        self.begun = True
        await self._send(message)


class Problem(JSONResponse):
    """An answer of the type `application/problem+json`."""

    media_type = "application/problem+json"


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Problem:
    """Return what went wrong, with a sentence for a person.

    Args:
        status: HTTP status code.
        detail: What happened, to what, and what to do next.
        headers: More HTTP headers.
        more: Further members, as RFC 9457 allows.
    """
    body = {"type": "about:blank", "title": responses.get(status, "Error"), "status": status}
    return Problem({**body, "detail": detail, **more}, status, headers)


OPENAI = "/v1/"
"""Below this, clients that were written for OpenAI's API read the errors."""

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error"}


def problem_at(
    path: str, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return what went wrong as programs read it that ask for a path; see `problem`."""
    made = openai_problem if path.startswith(OPENAI) else problem
    return made(status, detail, headers)


def openai_problem(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> JSONResponse:
    """Return what went wrong as clients of OpenAI's API read it; see `problem`.

    Args:
        errors: Where in the request it is wrong.
    """
    status = 400 if status == 422 else status  # they know no other
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    where = errors[0]["where"].partition(".")[2] if errors else ""
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    error = {"message": detail, "type": kind, "param": where or None, "code": code}
    return JSONResponse({"error": error}, status, headers)
