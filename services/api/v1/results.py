"""Results, and the formats that they are saved in."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from services import exports
from services.api.files import attachment
from services.api.problems import problem
from services.api.v1.endpoint import Endpoint
from services.api.v1.found import require_job
from services.api.v1.models import Id, Input
from services.audio.exports import Style
from services.audio.transcript import Transcript
from services.documents.document import Document
from services.jobs.models import Job
from services.jobs.results import Result
from services.runtime import Runtime

Format = StrEnum("Format", {name: name for name in exports.all_formats()})  # type: ignore[misc]


class StyleQuery(Input):
    """What transcripts show beside their words; JSON always holds everything."""

    times: bool = Style.times
    """The time at which a paragraph or line begins."""
    speakers: bool = Style.speakers
    """Who speaks, where that is known."""
    summary: bool = Style.summary
    """What it is about, before the text, where the library knows."""
    paragraphs: bool = Style.paragraphs
    """Segments joined to paragraphs; otherwise each has a line of its own."""

    def style(self) -> Style:
        """Return it as exports know it."""
        return Style(**{one.name: getattr(self, one.name) for one in fields(Style)})


class ExportQuery(StyleQuery):
    """The form of a saved result."""

    format: Format
    """Documents have no `srt` and `vtt`, and `csv` only where they have tables."""


def result(front: Runtime, job_id: Id) -> Response:
    """Return a result, a transcript as people corrected it.

    What the machine heard is kept in it under `machine` where something was corrected.
    """
    job, found = _with_result(front, job_id)
    data = exports.render(found, "json", job.name)
    return Response(data, media_type="application/json")


def export_job(front: Runtime, job_id: Id, query: ExportQuery) -> Response:
    """Return a result in a format, as a download."""
    job, found = _with_result(front, job_id)
    format = str(query.format)
    if format not in exports.formats(found):
        raise HTTPException(404, f"“{job.name}” cannot be written as {format}.")
    return Response(
        exports.render(found, format, job.name, query.style()),
        media_type=exports.MIME[format],
        headers=attachment(exports.file_name(job.name, format)),
    )


def original(front: Runtime, job_id: Id) -> Response:
    """Return the file that a job was made from, whole or the ranges that were asked for."""
    job = require_job(front, job_id)
    path = front.original(job_id)
    if path is None:
        raise HTTPException(404, "This file is not kept any more.")
    headers = attachment(job.name)
    return _InParts(path, media_type="application/octet-stream", headers=headers)


class _InParts(FileResponse):
    """A file of which ranges may be asked for; one that it does not have is a problem to read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or say what is wrong with the range."""
        refusal: Response | None = None

        async def told(message: Message) -> None:
            nonlocal refusal
            if message["type"] == "http.response.start" and message["status"] >= 400:
                said = "The file does not have the range of bytes that was asked for."
                of = MutableHeaders(scope=message).get("content-range")
                headers = {"Content-Range": of} if of else {}
                refusal = problem(message["status"], said, headers)
            elif refusal is None:
                await send(message)

        await super().__call__(scope, receive, told)
        if refusal is not None:
            await refusal(scope, receive, send)


def _with_result(front: Runtime, job_id: str) -> tuple[Job, Result]:
    job = require_job(front, job_id)
    try:
        found = front.corrected(job_id)
    except FileNotFoundError:  # deleted at this moment
        found = None
    if found is None:
        raise HTTPException(404, f"“{job.name}” has no result: it is {job.state}.")
    return job, found


ENDPOINTS = [
    Endpoint("GET", "/jobs/{job_id}/result", result, answer=Transcript | Document),
    Endpoint("GET", "/jobs/{job_id}/export", export_job, media=tuple(exports.MIME.values())),
    Endpoint(
        "GET",
        "/jobs/{job_id}/original",
        original,
        media=("application/octet-stream",),
        statuses=(206, 400, 416),
    ),
]
