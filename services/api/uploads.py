"""HTTP routes for uploads that can be resumed: the tus protocol, version 1.0.0.

The core protocol with the extensions creation, termination, checksum and expiration:
https://tus.io/protocols/resumable-upload. Besides `filename`, the metadata of an upload may name
the `workspace` of a session of the same person, where its file is wanted.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.api.door import front_of
from services.api.problems import problem
from services.api.turns import Interrupted, Turn, Turns
from services.errors import DiskFull, OverLimit, TransientError
from services.files.operations import BLOCK
from services.files.uploads import Upload
from services.uploads import metadata

PATH = "/files/uploads"
VERSION = "1.0.0"
ALGORITHMS = ("sha1", "sha256")
LARGEST = 1 << 53
"""Bytes of a file at most: numbers above are not exact in JavaScript."""

COMMON = {
    "Tus-Resumable": VERSION,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):
    """An answer that says why something is not done."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.answer = problem(status, sentence, {**COMMON, **(headers or {})})


def routes() -> list[BaseRoute]:
    """Return the routes that take uploads. They belong to one event loop."""
    turns = Turns()

    async def describe(request: Request) -> Response:
        """Say what of the protocol is spoken here."""
        limit = front_of(request).upload_limit
        return _answer(
            204,
            {
                "Tus-Version": VERSION,
                "Tus-Extension": "creation,termination,checksum,expiration",
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
                **({} if limit is None else {"Tus-Max-Size": str(limit)}),
            },
        )

    async def create(request: Request) -> Response:
        """Announce a file; the answer says where it is to be sent."""
        size = _count(request, "upload-length")
        raw = request.headers.get("upload-metadata", "")
        try:
            said = metadata.parse(raw)
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        upload = await run_in_threadpool(
            lambda: front_of(request).uploads.begin(
                said.get("filename", ""), size, said.get("workspace"), raw
            )
        )
        # Its path alone, so that it is right behind every proxy too.
        return _answer(201, {"Location": f"{PATH}/{upload.id}", **await expiry(request, upload)})

    async def look(request: Request) -> Response:
        """Say how much of a file has arrived. An older request that still sends it is ended."""
        async with its_turn(request) as (_, upload):
            offset = await run_in_threadpool(lambda: upload.offset)
            headers = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size)}
            if upload.metadata:
                headers["Upload-Metadata"] = upload.metadata
            return _answer(200, {**headers, **await expiry(request, upload)})

    async def go_on(request: Request) -> Response:
        """Take the next piece of a file, of any length."""
        if request.headers.get("content-type") != "application/offset+octet-stream":
            raise Refusal(415, "A piece of a file is of the type application/offset+octet-stream.")
        offset = _count(request, "upload-offset")
        checksum = _Checksum(request.headers.get("upload-checksum"))
        async with its_turn(request) as (turn, upload):
            there = await run_in_threadpool(lambda: upload.offset)
            if there != offset:
                raise Refusal(409, f"The upload goes on at byte {there}, not at {offset}.")
            if "content-length" in request.headers:
                _require_fits(upload, there + _count(request, "content-length"))
            if not upload.finished:
                there, upload = await take(request, turn, upload, checksum)
            return _answer(204, {"Upload-Offset": str(there), **await expiry(request, upload)})

    async def take(
        request: Request, turn: Turn, upload: Upload, checksum: _Checksum
    ) -> tuple[int, Upload]:
        """Write what a request brings; return where the upload is then, and the upload."""
        receiver = await run_in_threadpool(lambda: front_of(request).uploads.receive(upload))
        try:
            async for block in _blocks(request, turn):
                _require_fits(upload, receiver.offset + len(block))
                checksum.update(block)
                await run_in_threadpool(receiver.write, block)
            checksum.require_match()
            if receiver.offset == upload.size:
                upload = await run_in_threadpool(receiver.finish)
            return receiver.offset, upload
        except (Refusal, Interrupted) as error:
            # A piece that is wrong is not kept, nor one of which nobody can know it any more.
            if checksum.asked or isinstance(error, Refusal):
                await run_in_threadpool(receiver.rollback)
            raise
        finally:
            await run_in_threadpool(receiver.close)

    async def end(request: Request) -> Response:
        """Delete an upload, finished or not."""
        async with its_turn(request) as (_, upload):
            await run_in_threadpool(lambda: front_of(request).uploads.end(upload))
            return _answer(204)

    @asynccontextmanager
    async def its_turn(request: Request) -> AsyncIterator[tuple[Turn, Upload]]:
        """Wait for a request's turn on its upload, and yield both.

        Found before, or somebody else could end the owner's request; and again after it, which
        may have changed it.
        """
        await find(request)
        async with turns.take(request.path_params["upload_id"]) as turn:
            yield turn, await find(request)

    async def find(request: Request) -> Upload:
        id = request.path_params["upload_id"]
        return await run_in_threadpool(lambda: front_of(request).uploads.find(id))

    async def expiry(request: Request, upload: Upload) -> dict[str, str]:
        if upload.finished:
            return {}
        at = await run_in_threadpool(lambda: front_of(request).uploads.expires(upload))
        return {"Upload-Expires": formatdate(at, usegmt=True)}

    whole: dict[str, Handler] = {"OPTIONS": describe, "POST": create}
    single: dict[str, Handler] = {
        "OPTIONS": describe,
        "HEAD": look,
        "PATCH": go_on,
        "DELETE": end,
    }
    return [
        Route(PATH, _speaking(whole), methods=["OPTIONS", "POST"]),
        Route(
            PATH + "/{upload_id}",
            _speaking(single),
            methods=["OPTIONS", "HEAD", "PATCH", "DELETE", "POST"],
        ),
    ]


def _speaking(handlers: dict[str, Handler]) -> Handler:
    """Return the handler of a route that keeps to the protocol and answers in sentences."""

    allowed = {"Allow": ", ".join(sorted(handlers))}

    async def answer(request: Request) -> Response:
        # For clients in front of which something lets only GET and POST pass.
        method = request.method
        if method == "POST":
            method = request.headers.get("x-http-method-override", method).upper()
        if method not in handlers:
            return Refusal(405, "Uploads know no such method.", allowed).answer
        if method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
            return Refusal(412, f"Uploads speak tus {VERSION}.", {"Tus-Version": VERSION}).answer
        said = front_of(request).said
        try:
            return await handlers[method](request)
        except Refusal as refusal:
            return refusal.answer
        except (KeyError, FileNotFoundError):
            return Refusal(404, "There is no such upload any more. Begin it again.").answer
        except (OverLimit, DiskFull) as error:
            return Refusal(413, said(error)).answer
        except TransientError as error:  # another program holds a file
            return Refusal(423, said(error)).answer
        except Interrupted:
            closing = {"Connection": "close"}
            return Refusal(408, "The rest did not come. Go on with it.", closing).answer

    return answer


async def _blocks(request: Request, turn: Turn) -> AsyncIterator[memoryview]:
    """Yield a request's body in blocks of a MiB, and what came of it before it broke off.

    All of them lie in one buffer, one after the other: the C library does not give back the holes
    that buffers leave which grow beside each other, and a server grew by a tenth in half an hour.

    Raises:
        Interrupted: it broke off.
    """
    buffer, filled, more = memoryview(bytearray(BLOCK)), 0, True
    try:
        while more:
            message = await turn.next(request.receive)
            if message["type"] == "http.disconnect":
                raise Interrupted
            more = message.get("more_body", False)
            rest = memoryview(message.get("body", b""))
            while rest:
                taken = min(len(rest), BLOCK - filled)
                buffer[filled : filled + taken] = rest[:taken]
                rest, filled = rest[taken:], filled + taken
                if filled == BLOCK:
                    yield buffer
                    filled = 0
    except Interrupted:
        if filled:
            yield buffer[:filled]
        raise
    if filled:
        yield buffer[:filled]


def _require_fits(upload: Upload, size: int) -> None:
    if size > upload.size:
        raise Refusal(413, f"“{upload.name}” was announced with {upload.size} bytes, not more.")


class _Checksum:
    """What `Upload-Checksum` says that a piece is.

    Raises:
        Refusal: it says it in no way that is known.
    """

    def __init__(self, header: str | None) -> None:
        self.asked = header is not None
        algorithm, _, encoded = (header or "").partition(" ")
        if self.asked and algorithm not in ALGORITHMS:
            raise Refusal(400, f"A checksum is one of {', '.join(ALGORITHMS)}.")
        try:
            self._wanted = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise Refusal(400, "A checksum is written in Base64.") from None
        self._digest: Any = hashlib.new(algorithm) if self.asked else None

    def update(self, block: memoryview) -> None:
        """Count a block in."""
        if self._digest is not None:
            self._digest.update(block)

    def require_match(self) -> None:
        """Refuse a piece that is not what it was said to be."""
        if self.asked and self._digest.digest() != self._wanted:
            raise Refusal(460, "The piece does not match its checksum. Send it again.")


def _count(request: Request, header: str) -> int:
    """Return a header's number of bytes."""
    text = request.headers.get(header, "")
    if not re.fullmatch("[0-9]{1,16}", text, re.ASCII) or int(text) > LARGEST:
        raise Refusal(400, f"The header {header} must be a number of bytes.")
    return int(text)


def _answer(status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code=status, headers={**COMMON, **(headers or {})})
