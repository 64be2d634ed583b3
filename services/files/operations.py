"""File operations that outlast a lock, and leave the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from services.errors import FileAccessError
from services.files.retry import raise_if_full, retrying

log = logging.getLogger(__name__)

BLOCK = 1 << 20

PART = ".part-"
"""How the names begin of files that are being written."""

_LONG = 240
"""Characters from which Windows needs a path in its extended form (MAX_PATH is 260)."""


def extended(path: Path, always: bool = False) -> Path:
    """Return `path` so that Windows takes it at any length; elsewhere, `path` itself.

    Args:
        always: Also for a short path, because what lies below it may be longer.

    https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation
    """
    text = str(path)
    if sys.platform != "win32" or text.startswith("\\\\?\\"):
        return path
    if len(text) < _LONG and not always:
        return path
    if text.startswith("\\\\"):  # a share: \\server\share
        return Path("\\\\?\\UNC\\" + text[2:])
    return Path("\\\\?\\" + text)


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
    retrying(lambda: extended(path).mkdir(parents=True, exist_ok=True), path)
    return path


def make_private_dir(path: Path) -> None:
    """Create a directory that its user alone may look into; one that is there stays as it is.

    Where it cannot be made, whoever writes into it first says so.
    """
    with contextlib.suppress(OSError):
        extended(path).parent.mkdir(parents=True, exist_ok=True)
        extended(path).mkdir(mode=0o700)


def open_to_read(path: Path) -> BinaryIO:
    """Open a file for reading in binary."""
    return retrying(lambda: extended(path).open("rb"), path)


def unlink(path: Path) -> None:
    """Delete a file, also a read-only one; it may be gone already."""

    def remove() -> None:
        found = extended(path)
        try:
            found.unlink(missing_ok=True)
        except PermissionError:
            mode = found.lstat().st_mode
            _make_writable(found)
            try:
                found.unlink(missing_ok=True)
            except OSError:
                found.chmod(mode)  # held, and so it stays as it was
                raise

    retrying(remove, path)


def replace(source: Path, target: Path, sync: bool = True) -> None:
    """Move `source` over `target`, on one file system, at once or not at all.

    Args:
        sync: Make it survive a power cut; else `sync_directory` does so, for many moves at once.
    """
    retrying(lambda: extended(source).replace(extended(target)), target)
    if sync:
        sync_directory(target.parent)


def move(source: Path, target: Path) -> None:
    """Move a file to a name that is free, on one file system; nothing is ever overwritten.

    A move that was cut short is finished by calling this again.

    Raises:
        FileExistsError: something else has that name.
    """
    make_dir(target.parent)
    if sys.platform == "win32":  # there a rename refuses a name that is taken
        retrying(lambda: extended(source).rename(extended(target)), source)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if not target.samefile(source):
            raise
    except OSError:  # a file system without links, or a file of somebody else
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        retrying(lambda: source.rename(target), source)
        sync_directory(target.parent)
        return
    sync_directory(target.parent)  # the new name is on the disk before the old one goes
    retrying(source.unlink, source)


def remove_tree(path: Path) -> None:
    """Delete a directory with all that it holds, read-only files too; it may be gone already.

    A symbolic link or junction at `path` is refused: its target is not ours.
    """
    if is_link(path):
        raise FileAccessError(f"“{path}” is a link to somewhere else and is left alone.")

    def remove() -> None:
        # At any length of its own: what lies below may be longer, and Windows keeps the form.
        shutil.rmtree(extended(path, always=True), onerror=_remove_read_only)

    retrying(remove, path)


def _remove_read_only(remove: Callable[[Any], Any], path: str, failure: Any) -> None:
    """Make what could not be removed writable, and try once more (called by rmtree)."""
    if isinstance(failure[1], FileNotFoundError):
        return  # somebody else was faster; the rest still has to go
    if not isinstance(failure[1], PermissionError):
        raise failure[1]
    # On Windows the file's own attribute forbids its deletion, elsewhere its directory's mode.
    _make_writable(Path(path))
    _make_writable(Path(path).parent)
    remove(path)


def _make_writable(path: Path) -> None:
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and not mode & stat.S_IWUSR:
            path.chmod(mode | stat.S_IWUSR)


def sync_directory(directory: Path) -> None:
    """Make renames in it survive a power cut; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse it
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_writer(target: Path, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file that appears as `target` when the block ends well, whole or not at all.

    Args:
        sync: Also after a power cut; else it may be missing or broken then, and costs far less.
    """
    make_dir(target.parent)

    def make() -> Any:
        # delete=False: on Windows a file that deletes itself cannot be opened by anyone else.
        return tempfile.NamedTemporaryFile(
            dir=extended(target.parent), prefix=PART, suffix=".tmp", delete=False
        )

    with retrying(make, target) as handle:
        part = Path(handle.name)
        try:
            yield handle
            handle.flush()
            if sync:
                os.fsync(handle.fileno())
        except BaseException as error:
            with contextlib.suppress(OSError):  # what had no room is tried once more, and closed
                handle.close()
            discard(part)
            if isinstance(error, OSError):
                raise_if_full(error, target)
            raise
    try:
        replace(part, target, sync)
    except BaseException:
        discard(part)
        raise


@contextlib.contextmanager
def staging_writer(target: Path) -> Iterator[BinaryIO]:
    """Open a new file that nobody looks at before `replace` gives it the name it is known by.

    Its content is on the disk when the block ends well; its name need not be, since the `replace`
    sees to that. It is gone when the block ends otherwise.
    """
    make_dir(target.parent)
    try:
        with retrying(lambda: extended(target).open("wb"), target) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException as error:
        discard(target)
        if isinstance(error, OSError):
            raise_if_full(error, target)
        raise


def write_atomic(target: Path, data: bytes | str, sync: bool = True) -> None:
    """Write `data` (text as UTF-8) to `target`, whole or not at all; see `atomic_writer`."""
    with atomic_writer(target, sync) as handle:
        handle.write(data.encode() if isinstance(data, str) else data)


def discard_parts(directory: Path, before: float) -> None:
    """Remove what writes left in a directory that were cut short.

    Args:
        before: Seconds since the epoch; what was written later may still be under way.
    """
    for part in directory.glob(f"{PART}*"):
        with contextlib.suppress(OSError):  # gone, or replaced its target, meanwhile
            if part.stat().st_mtime < before:
                discard(part)


def write_new(target: Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `target`, whole or not at all, and never over a file.

    Raises:
        FileExistsError: `target` is there already, also when another program was faster.
    """
    part = target.parent / f"{PART}{os.urandom(6).hex()}.tmp"
    write_atomic(part, data)
    try:
        try:
            os.link(extended(part), extended(target))
        except FileExistsError:
            raise
        except OSError:  # a file system without links: here a race could be lost
            if target.exists():
                raise FileExistsError(f"“{target}” exists already.") from None
            replace(part, target)
    finally:
        discard(part)


def append_lines(target: Path, lines: list[str]) -> None:
    """Add lines of text to the end of a file, there or not yet; on the disk when this returns.

    A power cut may leave a line broken off; a reader has to pass over it, and over empty ones.
    """
    make_dir(target.parent)

    def append() -> None:
        with extended(target).open("ab") as handle:
            handle.write("".join(f"\n{line}" for line in lines).encode())
            handle.flush()
            os.fsync(handle.fileno())

    retrying(append, target)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with open_to_read(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]


def link_or_copy(source: Path, target: Path, only_owner: bool = False) -> None:
    """Make `target` hold the content of `source`: a hard link where possible, else a copy.

    Args:
        only_owner: Link only a file that has no other name yet, so that nobody else can write
            into what `target` holds.
    """
    make_dir(target.parent)
    if target.exists() and target.samefile(source):
        return
    try:
        if only_owner and source.stat().st_nlink > 1:
            raise OSError("the file has other names")
        # Straight to its place: a link is whole at once, and Windows would refuse to rename it
        # while another program has the source open.
        os.link(extended(source), extended(target))
    except OSError:  # or something is there, another drive, a file system without links
        with open_to_read(source) as reader, atomic_writer(target) as writer:
            shutil.copyfileobj(reader, writer, BLOCK)


def remove(path: Path) -> None:
    """Delete a file, a link, or a directory with all that it holds."""
    if path.is_dir() and not is_link(path):
        remove_tree(path)
    else:
        unlink(path)


def discard(path: Path) -> None:
    """Remove what an interrupted write left, if that is possible now.

    It never raises: it must not hide the error that interrupted the write, nor stop the work
    that comes after it.
    """
    try:
        remove(path)
    except (FileAccessError, OSError) as error:
        log.warning("%s cannot be removed yet: %s", path, error)
