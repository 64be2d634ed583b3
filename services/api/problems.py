"""Errors as programs read them: problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses
from typing import Any

from starlette.responses import JSONResponse


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
