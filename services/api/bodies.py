"""What the body of a request may be: how long it may be silent, and how large."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from services.api import turns
from services.errors import OverLimit
from services.files.operations import BLOCK
from services.uploads.intake import Intake

FRAMING = 1 << 16
"""Bytes of a form around its file, at most; what the file has is checked again when it is there."""


def announced(headers: Headers) -> int | None:
    """Return the bytes that a request's body is said to have; None where it may have any number.

    What comes in chunks ends with the last of them, whatever length is said beside (RFC 9112, 6.3).
    """
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not length.isdecimal():
        return None
    return int(length[:20])


def patient(receive: Receive) -> Receive:
    """Return what a request comes by, which ends one whose sender is silent amid its body."""
    more = True

    async def part() -> Message:
        nonlocal more
        if not more:  # a route may wait for as long as it likes until the client goes
            return await receive()
        try:
            async with asyncio.timeout(turns.IDLE_SECONDS):
                message = await receive()
        except TimeoutError:
            said = "The rest of the request did not come. Send it again."
            raise HTTPException(408, said, {"Connection": "close"}) from None
        more = message.get("more_body", False)
        return message

    return part


async def limited(intake: Intake, scope: Scope, receive: Receive) -> Receive:
    """Return what a request with one file comes by, which ends where the file is too large.

    Raises:
        OverLimit: it is said to be larger than one file may be, or than there is room for the
            person; reading on raises it where nothing was said.
    """

    async def require(size: int) -> None:
        size = max(0, size - FRAMING)
        try:
            intake.require_allowed("The file", size)
            await run_in_threadpool(intake.require_share, "The file", size)
        except OverLimit as error:
            intake.note_refusal(error)
            raise

    length = announced(Headers(scope=scope))
    if length is not None:
        await require(length)
        return receive
    size, checked = 0, 0

    async def part() -> Message:
        nonlocal size, checked
        message = await receive()
        size += len(message.get("body", b""))
        if size >= checked + BLOCK:
            checked = size
            await require(size)
        return message

    return part
