"""Unpacks archives into directories of ours, once."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

from services.files import operations
from services.files.disk import Room
from services.files.retry import raise_if_full

PART = ".part-"


def unpack(source: Path, target: Path) -> None:
    """Unpack a tar archive into a directory; what is in it already stays.

    Raises:
        tarfile.TarError: it is no tar archive, or holds a path that leads outside.
    """
    with tarfile.open(source) as content:
        content.extractall(operations.extended(target, always=True), filter="data")


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
    for stale in parent.glob(f"{PART}*"):  # of a server that was killed; only one runs here
        operations.discard(stale)
    part = parent / f"{PART}{os.urandom(6).hex()}"
    try:
        with tarfile.open(archive) as content:
            size = sum(member.size for member in content)
            Room(parent, reserve).require(size)
            content.extractall(operations.extended(part, always=True), filter="data")
        operations.replace(part, target)
    except BaseException as error:
        operations.discard(part)
        if isinstance(error, OSError):
            raise_if_full(error, target)
        raise
    return target
