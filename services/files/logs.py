"""Log files of ours: one that has grown long makes room for a new one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from services.errors import FileAccessError
from services.files import operations

LONGEST = 5_000_000


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[TextIO]:
    """Open a log to append to, by any number of processes.

    One longer than 5 MB is first moved aside, over the one that was moved before.
    """
    operations.make_dir(path.parent)
    with contextlib.suppress(FileNotFoundError, FileAccessError):  # or another process holds it
        if path.stat().st_size > LONGEST:
            operations.replace(path, path.with_suffix(".old.log"))
    with path.open("a", encoding="utf-8", errors="replace", buffering=1) as stream:
        yield stream
