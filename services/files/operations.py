"""File operations that outlast a lock: each is tried again, and says who is in the way.

Antivirus, indexers and sync clients open a file for a moment right after it is written, and
Windows then refuses to rename or delete it. A short wait is the cure.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from services.errors import DiskFull, FileAccessError

T = TypeVar("T")

# Access denied (often passing), sharing violation, lock violation, directory not empty
# while a delete is pending. Numbers, because the text is in the user's language.
LOCK_WINERRORS = frozenset({5, 32, 33, 145})
LOCK_ERRNOS = frozenset({errno.EACCES, errno.EBUSY, errno.ENOTEMPTY})
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC})
_FULL_WINERRORS = frozenset({39, 112})

BLOCK = 1 << 20

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


def retrying(action: Callable[[], T], path: Path) -> T:
    """Run `action` on `path`; while the file is locked, wait and run it again.

    Raises:
        FileAccessError: it was still locked at the last try.
        DiskFull: there was no room.
        OSError: anything else, at once.
    """

    def pause(state: RetryCallState) -> float:
        # tenacity asks for a pause after the last try too, before it stops.
        return (*_waits, 0.0)[state.attempt_number - 1]

    try:
        return Retrying(
            retry=retry_if_exception(is_lock),
            wait=pause,
            stop=stop_after_attempt(len(_waits) + 1),
            reraise=True,
        )(action)
    except OSError as error:
        if is_lock(error):
            raise FileAccessError(
                f"File access error: “{path.name}” is held by another program "
                "(antivirus, a sync client or an open window, for example). "
                "Close it and try again."
            ) from error
        raise_if_full(error, path)
        raise


def raise_if_full(error: OSError, path: Path) -> None:
    """Raise DiskFull in place of `error` where that is what it means."""
    if is_disk_full(error):
        raise DiskFull(
            f"Disk full: there was no room to write “{path.name}” in {path.parent}. "
            "Free some space and try again."
        ) from error


def is_link(path: Path) -> bool:
    """Whether `path` is a symbolic link or a Windows junction; False when it is gone."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    # Path.is_junction needs Python 3.12.
    mount_point = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == mount_point


def make_dir(path: Path) -> Path:
    """Create a directory and its parents; it may exist already."""
    retrying(lambda: path.mkdir(parents=True, exist_ok=True), path)
    return path


def unlink(path: Path) -> None:
    """Delete a file; it may be gone already."""
    retrying(lambda: path.unlink(missing_ok=True), path)


def replace(source: Path, target: Path) -> None:
    """Move `source` over `target`, on one file system, at once or not at all."""
    retrying(lambda: source.replace(target), target)


def remove_tree(path: Path) -> None:
    """Delete a directory with all that it holds; it may be gone already.

    A symbolic link or junction at `path` is refused: its target is not ours.
    """
    if is_link(path):
        raise FileAccessError(f"“{path}” is a link to somewhere else and is left alone.")

    def remove() -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    retrying(remove, path)


@contextlib.contextmanager
def atomic_writer(target: Path) -> Iterator[BinaryIO]:
    """Open a file that appears as `target` when the block ends well, whole or not at all."""
    make_dir(target.parent)
    # delete=False: on Windows a file that deletes itself cannot be opened by anyone else.
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=".part-", suffix=".tmp", delete=False
    ) as handle:
        part = Path(handle.name)
        try:
            yield handle  # type: ignore[misc]
            handle.flush()
            os.fsync(handle.fileno())
        except BaseException as error:
            handle.close()
            unlink(part)
            if isinstance(error, OSError):
                raise_if_full(error, target)
            raise
    try:
        replace(part, target)
    except BaseException:
        unlink(part)
        raise


def write_atomic(target: Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `target`, whole or not at all."""
    with atomic_writer(target) as handle:
        handle.write(data.encode() if isinstance(data, str) else data)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with retrying(lambda: path.open("rb"), path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` hold the content of `source`: a hard link where possible, else a copy."""
    make_dir(target.parent)
    if target.exists() and target.samefile(source):
        return
    part = target.with_name(f".part-{os.urandom(6).hex()}.tmp")
    try:
        os.link(source, part)
    except OSError:  # another drive, or a file system without links
        with retrying(lambda: source.open("rb"), source) as reader, atomic_writer(target) as writer:
            shutil.copyfileobj(reader, writer, BLOCK)
        return
    try:
        replace(part, target)
    except BaseException:
        unlink(part)
        raise
