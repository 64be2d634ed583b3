"""HTTP routes of the transcript's reader: its text, its sound's outline, and changes to it."""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from services.api.door import front_of
from services.api.headers import KEPT_A_DAY
from services.audio.edits import Edit
from services.errors import EditConflict, TransientError, UnreadableMedia

MOST_BYTES = 1_000_000
"""Size of one change, in bytes; a page sends a passage or two at a time."""


class Change(BaseModel):
    """A change to a stretch of the recording, in seconds; see `services.audio.edits.Edit`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    text: str | None = Field(max_length=20_000)
    speaker: str | None = Field(max_length=200)

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end < self.start:
            raise ValueError("it ends before it begins")
        return self


class Changes(BaseModel):
    """What a page sends: `version` names the transcript that the changes were made on."""

    model_config = ConfigDict(extra="forbid")

    version: str
    passages: list[Change] = Field(default=[], max_length=1000)
    names: dict[str, str | None] = Field(default={}, max_length=1000)


def routes() -> list[BaseRoute]:
    """Return the routes for transcripts."""

    async def reader(request: Request) -> Response:
        """Serve a transcript's passages and words."""
        front = front_of(request)
        job_id = request.path_params["job_id"]

        def written() -> str:
            return json.dumps(front.reader(job_id), ensure_ascii=False, separators=(",", ":"))

        try:
            text = await run_in_threadpool(written)
        except (KeyError, FileNotFoundError) as error:
            raise HTTPException(404, "There is no such transcript.") from error
        except TransientError as error:
            raise HTTPException(503, front.said(error)) from error
        return Response(text.encode(errors="replace"), media_type="application/json")

    async def peaks(request: Request) -> Response:
        """Serve the outline of a recording's sound, a byte for each peak."""
        front = front_of(request)
        try:
            path = await run_in_threadpool(front.peaks, request.path_params["job_id"])
        except (KeyError, UnreadableMedia) as error:
            raise HTTPException(404, "There is no such recording.") from error
        except TransientError as error:
            raise HTTPException(503, front.said(error)) from error
        return FileResponse(path, media_type="application/octet-stream", headers=KEPT_A_DAY)

    async def edit(request: Request) -> Response:
        """Save changes to a transcript; 409 when somebody else was faster."""
        front = front_of(request)
        _require_json(request)
        try:
            asked = Changes.model_validate_json(await _body(request))
        except ValidationError as error:
            raise HTTPException(422, "The change is not of the form that is known.") from error
        changes = [Edit(c.start, c.end, c.text, c.speaker) for c in asked.passages]
        try:
            answer = await run_in_threadpool(
                front.edit, request.path_params["job_id"], asked.version, changes, asked.names
            )
        except (KeyError, FileNotFoundError) as error:
            raise HTTPException(404, "There is no such transcript.") from error
        except EditConflict as error:
            return JSONResponse({"message": str(error)}, 409)
        except TransientError as error:
            return JSONResponse({"message": front.said(error)}, 503)
        return JSONResponse(answer)

    return [
        Route("/files/{job_id}/reader.json", reader),
        Route("/files/{job_id}/peaks.bin", peaks),
        Route("/files/{job_id}/edits", edit, methods=["PATCH"]),
    ]


def _require_json(request: Request) -> None:
    """Refuse what a form of another site could send."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise HTTPException(403, "Changes are taken from this server's own pages only.")


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, "The change is too large.")
    return body
