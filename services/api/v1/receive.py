"""Taking in a form with files: each goes to the disk as it arrives, none is held in memory."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.api.bodies import announced
from services.api.v1.values import fields_of, read
from services.errors import DiskFull
from services.files.names import name_in_form
from services.files.workspace import Incoming, StoredFile, Workspace
from services.runtime import Runtime
from services.uploads.intake import Intake

MOST_PARTS = 1010
"""Files and fields in one form: a thousand files, and what is said of them."""
BLOCK = 1 << 20
"""Bytes of a file that are gathered before they are written."""
MOST_TEXT = 1_000_000
"""Bytes of all that is no file in one form, names included: it is held in memory."""


async def receive(
    request: Request, front: Runtime, model: type[BaseModel]
) -> tuple[Any, Workspace]:
    """Return a form as a model of it, and the workspace that its files lie in.

    Raises:
        DiskFull: there is no room for the files.
        OverLimit: they are larger than the settings allow.
        Invalid: it is not of the form that is known.
        HTTPException: it is no form, or a broken one.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise HTTPException(415, "Send a form with files, as multipart/form-data.")
    intake = await run_in_threadpool(lambda: front.uploads)
    workspace = await run_in_threadpool(intake.await_form)
    try:
        size = announced(request.headers)
        if reason := await run_in_threadpool(workspace.room.missing, size or 0):
            raise DiskFull(reason)
        await run_in_threadpool(intake.expect, workspace, size or 0)
        form = _Form(workspace, intake, options[b"boundary"], size)
        parts = await form.read(request)
        return read("form", model, fields_of(model, parts)), workspace
    except Exception:
        await run_in_threadpool(front.drop, workspace)
        raise
    except BaseException:
        # Not in a thread: what is cancelled does not wait for one any more. One that still writes
        # may, so it does not go at once.
        workspace.release(time.time())
        raise
    finally:
        intake.arrived(workspace)


class _Form:
    """The parts of a form, as they arrive.

    The parser's callbacks only note what comes; what goes to the disk is written between its
    calls, by a thread.
    """

    def __init__(
        self, workspace: Workspace, intake: Intake, boundary: bytes, announced: int | None
    ) -> None:
        self._workspace = workspace
        self._intake = intake
        self._announced = announced
        self._size = 0
        self._file_name = ""
        self._found: list[tuple[str, str | StoredFile]] = []
        self._noted: list[tuple[str, Any]] = []
        self._header: list[bytes] = [b"", b""]
        self._disposition = b""
        self._name = ""
        self._block = bytearray()
        self._incoming: Incoming | None = None
        self._whole = False
        self._parts = 0
        self._text = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
                "on_header_end": self._header_ended,
                "on_headers_finished": self._headers_ended,
                "on_part_data": lambda data, start, end: self._note("data", data[start:end]),
                "on_part_end": lambda: self._note("end"),
                "on_end": lambda: self._note("whole"),
            },
        )

    async def read(self, request: Request) -> list[tuple[str, str | StoredFile]]:
        """Return the name and the content of each part: its text, or the file it was stored as."""
        try:
            async for chunk in request.stream():
                self._parser.write(chunk)
                noted, self._noted = self._noted, []
                for what, value in noted:
                    await self._take(what, value)
        except FormParserError as error:
            raise HTTPException(400, f"The form cannot be read: {error}.") from error
        finally:
            if self._incoming is not None:
                self._incoming.abandon()  # not in a thread, as above
        if not self._whole:
            raise HTTPException(400, "The form ends before its end: something is missing.")
        return self._found

    async def _take(self, what: str, value: Any) -> None:
        if what == "begin":
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise HTTPException(400, f"A form may have {MOST_PARTS} parts at most.")
            self._name, file_name = value
            self._count(len(self._name.encode(errors="replace")))
            if file_name is not None:
                self._file_name = file_name
                self._intake.require_pace()
                self._incoming = await run_in_threadpool(self._workspace.receive, file_name)
        elif what == "data":
            if self._incoming is None:
                self._count(len(value))
            self._block += value
            if self._incoming is not None and len(self._block) >= BLOCK:
                await self._flush(self._incoming)
        elif what == "end":
            await self._end()
        else:
            self._whole = True

    def _count(self, size: int) -> None:
        """Count text in, before it is kept."""
        self._text += size
        if self._text > MOST_TEXT:
            said = f"The fields of a form that are no files may have {MOST_TEXT:,} bytes together."
            raise HTTPException(413, said)

    async def _flush(self, incoming: Incoming) -> None:
        block = bytes(self._block)
        self._block.clear()
        await run_in_threadpool(self._write, incoming, block)

    def _write(self, incoming: Incoming, block: bytes) -> None:
        incoming.write(block)
        self._size += len(block)
        self._intake.require_allowed(self._file_name, incoming.size)
        if self._announced is None:
            self._intake.expect(self._workspace, self._size)

    async def _end(self) -> None:
        if self._incoming is None:
            text = self._block.decode(errors="replace")
            self._found.append((self._name, text))
        else:
            await self._flush(self._incoming)
            stored = await run_in_threadpool(self._incoming.finish)
            self._incoming = None
            self._found.append((self._name, stored))
        self._block.clear()

    # --- called by the parser ---------------------------------------------------------------

    def _note(self, what: str, value: Any = None) -> None:
        self._noted.append((what, value))

    def _add(self, to: int, piece: bytes) -> None:
        self._header[to] += piece

    def _header_ended(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def _headers_ended(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        self._disposition = b""
        name, file_name = (
            None if (value := options.get(key)) is None else _text(value)
            for key in (b"name", b"filename")
        )
        if name is None:
            raise FormParserError("a part has no name")
        self._note("begin", (name, file_name))


def _text(value: bytes) -> str:
    """Return a name in a form: UTF-8, three characters written as WHATWG's rules say."""
    return name_in_form(value.decode(errors="replace"))
