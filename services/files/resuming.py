"""Files that come in parts, over connections that break."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.files import operations


@contextmanager
def continued(path: Path) -> Iterator[BinaryIO]:
    """Open a file, made where there is none, to go on writing at its end; what is there stays."""
    operations.make_dir(path.parent)
    path.touch()
    # Not in the mode of appending: a server that begins anew has the file written from its start.
    with operations.extended(path).open("r+b") as handle:
        handle.seek(0, 2)
        yield handle


def size_of(path: Path) -> int:
    """Return how many bytes of a file are there; 0 where there is no file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
