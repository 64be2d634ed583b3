"""HTTP routes: originals and page images for the browser, results as downloads."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path, PurePath
from urllib.parse import quote

from anyio import CancelScope
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from services import exports
from services.api.door import front_of
from services.api.headers import KEPT_A_DAY
from services.api.media_types import media_type
from services.audio.exports import Style
from services.errors import NotAllowed, ScriptoriumError, TransientError
from services.files import operations
from services.files.scratch import scratch_path

# What was uploaded must never run as a page of this server, nor load one.
_AS_DATA = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


def routes() -> list[BaseRoute]:
    """Return the routes of originals, page images and downloads."""

    async def original(request: Request) -> Response:
        """Serve the file that a job was made from, with Range requests so that it can seek."""
        front, job_id = front_of(request), request.path_params["job_id"]
        job = await run_in_threadpool(front.job, job_id)
        path = await run_in_threadpool(front.original, job_id)
        if job is None or path is None:
            raise HTTPException(404, "This file is not kept any more.")
        kind = await run_in_threadpool(media_type, job.kind, path)
        headers = _AS_DATA | ({} if kind else attachment(job.name))
        return FileResponse(path, media_type=kind or "application/octet-stream", headers=headers)

    async def sound(request: Request) -> Response:
        """Serve a copy of a recording that every browser plays; 202 while it is being made."""
        front = front_of(request)
        try:
            path = await run_in_threadpool(front.sound, request.path_params["job_id"])
        except KeyError as error:
            raise HTTPException(404, "The recording is not kept any more.") from error
        except NotAllowed:
            raise
        except TransientError as error:
            raise HTTPException(503, front.said(error)) from error
        except ScriptoriumError as error:
            raise HTTPException(422, front.said(error)) from error
        if path is None:
            return Response(status_code=202)
        return FileResponse(path, media_type="audio/mp4", headers=_AS_DATA)

    async def page_image(request: Request) -> Response:
        """Serve a document's page as a PNG."""
        front = front_of(request)
        number = request.path_params["number"]
        if not re.fullmatch("[0-9]{1,9}", number):  # a longer one is no number to Python
            raise HTTPException(404, "There is no such page.")
        try:
            path = await run_in_threadpool(
                front.page_image, request.path_params["job_id"], int(number)
            )
        except NotAllowed:
            raise
        except ScriptoriumError as error:
            raise HTTPException(404, front.said(error)) from error
        return FileResponse(path, headers=KEPT_A_DAY)

    async def export(request: Request) -> Response:
        """Serve a result in one of its formats, as a download."""
        front = front_of(request)
        job_id, format = request.path_params["job_id"], request.path_params["format"]
        try:
            data = await run_in_threadpool(
                front.export, job_id, format, _style(request.query_params)
            )
        except (KeyError, FileNotFoundError) as error:
            raise HTTPException(404, "There is no such result.") from error
        job = await run_in_threadpool(front.job, job_id)
        if job is None:
            raise HTTPException(404, "There is no such result.")
        return Response(
            data,
            media_type=exports.MIME[format],
            headers=attachment(exports.file_name(job.name, format)),
        )

    async def batch_zip(request: Request) -> Response:
        """Serve all results of a batch as a ZIP, in every format or the ones asked for."""
        front = front_of(request)
        batch_id = request.path_params["batch_id"]
        if await run_in_threadpool(front.batch, batch_id) is None:
            raise HTTPException(404, "There is no such batch.")
        formats = request.query_params.getlist("format")
        if not set(formats) <= set(exports.MIME):
            raise HTTPException(404, "There is no such format.")
        target = scratch_path("batch.zip")
        try:
            await run_in_threadpool(
                front.write_zip, batch_id, target, formats, _style(request.query_params)
            )
        except FileNotFoundError as error:
            said = "A result of it was deleted meanwhile. Ask again."
            raise HTTPException(409, said) from error
        return made_file(target, f"Scriptorium {batch_id[:8]}.zip")

    async def made_pdf(request: Request) -> Response:
        """Serve a PDF made of a document or a batch: some pages, with text over scans, merged."""
        front = front_of(request)
        what = request.path_params
        documents = front.documents
        try:
            if "batch_id" in what:
                name = f"Scriptorium {what['batch_id'][:8]}"
                if await run_in_threadpool(front.batch, what["batch_id"]) is None:
                    raise HTTPException(404, "There is no such batch.")
                jobs = await run_in_threadpool(front.jobs, what["batch_id"])
                path = await run_in_threadpool(documents.merged, jobs)
            else:
                job = await run_in_threadpool(front.job, what["job_id"])
                name = PurePath(job.name).stem if job else ""
                if pages := request.query_params.get("pages"):
                    name += f" {pages}"
                    path = await run_in_threadpool(documents.pages, job, pages)
                else:
                    path = await run_in_threadpool(documents.searchable, job)
        except NotAllowed:
            raise
        except ScriptoriumError as error:
            raise HTTPException(404, front.said(error)) from error
        return made_file(path, exports.file_name(f"{name}.pdf", "pdf"))

    async def split(request: Request) -> Response:
        """Serve a ZIP of PDFs: one for each of the ranges `pages`, or for each chapter."""
        front = front_of(request)
        job = await run_in_threadpool(front.job, request.path_params["job_id"])
        if job is None:
            raise HTTPException(404, "There is no such result.")
        ranges = request.query_params.get("pages")
        try:
            path = await run_in_threadpool(front.documents.split, job, ranges)
        except FileNotFoundError as error:
            raise HTTPException(404, "There is no such result.") from error
        except ScriptoriumError as error:
            raise HTTPException(404, front.said(error)) from error
        return made_file(path, exports.file_name(job.name, "zip"))

    return [
        Route("/files/batches/{batch_id}.pdf", made_pdf),
        Route("/files/{job_id}/parts.zip", split),
        Route("/files/{job_id}/document.pdf", made_pdf),
        Route("/files/{job_id}/original", original),
        Route("/files/{job_id}/sound.m4a", sound),
        Route("/files/{job_id}/pages/{number}.png", page_image),
        Route("/files/{job_id}/result.{format}", export),
        Route("/files/batches/{batch_id}.zip", batch_zip),
    ]


def _style(query: QueryParams) -> Style:
    """Read what an export shows: each option is 1 or 0."""
    asked = {f.name: query[f.name] == "1" for f in fields(Style) if f.name in query}
    return Style(**asked)


class _Made(FileResponse):
    """A file that was made for one request: sent whole, and deleted whatever becomes of that.

    Another request makes another one, so parts of both would not fit together.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        del self.headers["accept-ranges"]
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        try:
            await super().__call__({**scope, "headers": headers}, receive, send)
        finally:
            with CancelScope(shield=True):
                await run_in_threadpool(operations.discard, Path(self.path))


def made_file(path: Path, name: str) -> Response:
    """Return a ZIP or PDF that was made for this request as a download; then it is deleted."""
    kind = f"application/{name.rpartition('.')[2]}"
    return _Made(path, media_type=kind, headers=attachment(name))


def attachment(name: str) -> dict[str, str]:
    """Return the headers of a download, its name in every alphabet (RFC 6266)."""
    old = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return {
        "Content-Disposition": (
            f"attachment; filename=\"{old}\"; filename*=UTF-8''{quote(name, safe='')}"
        ),
        "X-Content-Type-Options": "nosniff",
    }
