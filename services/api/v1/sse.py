"""Server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

MEDIA = "text/event-stream"
HEARTBEAT = 15.0
"""Seconds without an event after which a comment says that the line is open."""
STILL_HERE = ": still here\n\n"
"""That comment."""


def event(data: bytes, name: str = "", id: str = "") -> str:
    """Return an event; `data` is one line."""
    lines = [f"event: {name}"] if name else []
    lines += [f"data: {data.decode()}", *([f"id: {id}"] if id else [])]
    return "\n".join(lines) + "\n\n"


def streamed(events: AsyncIterator[str]) -> StreamingResponse:
    """Return an answer of events, which no proxy holds back."""
    return StreamingResponse(events, media_type=MEDIA, headers={"X-Accel-Buffering": "no"})
