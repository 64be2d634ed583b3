"""Runs a file operation again while another program holds the file.

Antivirus, indexers and sync clients open a file for a moment right after it is written, and
Windows then refuses to rename or delete it. A short wait is the cure.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from services.errors import DiskFull, FileAccessError
from services.files.holders import holders

T = TypeVar("T")

# Access denied (often passing), sharing violation, lock violation, directory not empty
# while a delete is pending. Numbers, because the text is in the user's language.
LOCK_WINERRORS = frozenset({5, 32, 33, 145})
LOCK_ERRNOS = frozenset({errno.EACCES, errno.EBUSY, errno.ENOTEMPTY})
_FULL_ERRNOS = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_FULL_WINERRORS = frozenset({39, 112})

_waits: tuple[float, ...] = (0.2, 0.4, 0.6)


def set_retry_waits(waits: tuple[float, ...]) -> None:
    """Set the pauses between tries, in seconds; their number is the number of retries."""
    global _waits
    _waits = waits


def is_lock(error: BaseException) -> bool:
    """Whether `error` says that another program has the file open."""
    if not isinstance(error, OSError):
        return False
    winerror = getattr(error, "winerror", None)
    return winerror in LOCK_WINERRORS if winerror else error.errno in LOCK_ERRNOS


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room on the disk, or no quota left."""
    if not isinstance(error, OSError):
        return False
    return error.errno in _FULL_ERRNOS or getattr(error, "winerror", None) in _FULL_WINERRORS


def retrying(action: Callable[[], T], path: Path, waits: tuple[float, ...] | None = None) -> T:
    """Run `action` on `path`; while the file is locked, wait and run it again.

    Args:
        waits: The pauses, in seconds; the ones of `set_retry_waits` when not given.

    Raises:
        FileAccessError: it was still locked at the last try.
        DiskFull: there was no room.
        OSError: anything else, at once.
    """
    pauses = _waits if waits is None else waits

    def pause(state: RetryCallState) -> float:
        # tenacity asks for a pause after the last try too, before it stops.
        return (*pauses, 0.0)[state.attempt_number - 1]

    try:
        return Retrying(
            retry=retry_if_exception(is_lock),
            wait=pause,
            stop=stop_after_attempt(len(pauses) + 1),
            reraise=True,
        )(action)
    except OSError as error:
        if is_lock(error):
            raise FileAccessError(_held(error, path)) from error
        raise_if_full(error, path)
        raise


def raise_if_full(error: OSError, path: Path) -> None:
    """Raise DiskFull in place of `error` where that is what it means."""
    if is_disk_full(error):
        raise DiskFull(
            f"Disk full: there was no room to write “{path.name}” in {path.parent}. "
            "Free some space; what waits goes on by itself."
        ) from error


def _held(error: OSError, path: Path) -> str:
    # The second name of a rename is the one that is in the way as often as the first.
    names = [Path(name) for name in (error.filename, error.filename2) if isinstance(name, str)]
    programs = [program for name in [path, *names] for program in holders(name)]
    by = ", ".join(dict.fromkeys(programs)) or (
        "another program (antivirus, a sync client or an open window, for example)"
    )
    return (
        f"File access error: “{path.name}” is held by {by}, or may not be changed. "
        "Close that program, check the file's permissions, and try again."
    )
