"""Unpacks archives into directories of ours, once."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
from collections.abc import Callable
from pathlib import Path

from services.files import operations
from services.files.disk import Room
from services.files.retry import raise_if_full

Filter = Callable[[tarfile.TarInfo, str], tarfile.TarInfo | None]


def unpack_files(source: Path, target: Path, reserve: int = 0) -> None:
    """Unpack a tar archive that holds nothing but files, some under two names, into a directory.

    Args:
        reserve: Bytes that must stay free on the disk.

    Raises:
        DiskFull: there is no room for it.
        tarfile.TarError: it is no tar archive, or holds a path that leads outside, or a
            link that is no second name.
    """
    with tarfile.open(source) as content:
        _require_room(content, target.parent, reserve)
        _extract(content, target, _file)


def _require_room(content: tarfile.TarFile, parent: Path, reserve: int) -> None:
    # What it holds, and not what the archive has: that may be compressed, or have holes.
    Room(parent, reserve).require(sum(member.size for member in content))


def _extract(content: tarfile.TarFile, target: Path, allowed: Filter) -> None:
    content.extractall(  # noqa: S202 - the filter is the standard library's own and more
        operations.extended(target, always=True), filter=allowed
    )


def _file(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    if not (member.isfile() or member.islnk() or member.isdir()):
        raise tarfile.TarError(f"“{member.name}” is no file")
    return _plain(member, path)


def _plain(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    """Refuse what leads outside, and name the rest without the `./` that NeMo begins names with.

    Windows takes a path with the prefix of long ones literally: a folder cannot be called `.`.
    """
    inside = tarfile.data_filter(member, path)
    name = posixpath.normpath(inside.name)
    return None if name == "." else inside.replace(name=name, deep=False)


def unpack_once(archive: Path, parent: Path, reserve: int = 0) -> Path:
    """Return a directory under `parent` that holds the content of a tar archive.

    It is named after the archive and its size and date, so that a changed archive is unpacked
    again, and it appears whole or not at all.

    Args:
        reserve: Bytes that must stay free on the disk.

    Raises:
        DiskFull: there is no room for it.
        tarfile.TarError: it is no tar archive, or holds a path that leads outside.
    """
    found = archive.stat()
    identity = f"{archive.resolve()}|{found.st_size}|{found.st_mtime_ns}"
    target = parent / f"{archive.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    operations.make_dir(parent)
    # Of a server that was killed; only one runs here.
    for stale in parent.glob(f"{operations.PART}*"):
        operations.discard(stale)
    part = parent / f"{operations.PART}{os.urandom(6).hex()}"
    try:
        with tarfile.open(archive) as content:
            _require_room(content, parent, reserve)
            _extract(content, part, _plain)
        operations.replace(part, target)
    except BaseException as error:
        operations.discard(part)
        if isinstance(error, OSError):
            raise_if_full(error, target)
        raise
    return target
