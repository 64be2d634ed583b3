"""Log files of ours: one that has grown long makes room for a new one."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from services.errors import FileAccessError
from services.files import operations
from services.files.retry import is_disk_full

LONGEST = 5_000_000
KEPT = 4
"""Earlier files of a rotating log."""


class RotatingLog(logging.Handler):
    """Writes a log that one process writes: `name.log`, and before it `name.1.log` and so on.

    Args:
        path: The file; its directory is made.
        longest: Bytes after which a new file is begun.
    """

    def __init__(self, path: Path, longest: int = LONGEST) -> None:
        super().__init__()
        self._path = path
        self._longest = longest
        operations.make_dir(path.parent)
        self._stream = self._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or pass over it where the disk is full: standard error has it too."""
        try:
            if self._stream.tell() > self._longest:
                self._rotate()
            self._stream.write(self.format(record) + "\n")
            self._stream.flush()
        except Exception as error:
            if not is_disk_full(error):  # each line would bring its own stack trace
                self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        with self.lock or contextlib.nullcontext():
            self._stream.close()
        super().close()

    def _rotate(self) -> None:
        """Move each file one on, as far as there are some without a gap.

        Where another program holds one of them, this one grows on until it lets go. It is not
        waited for: every thread that logs would wait. What was moved has left a gap by then, so
        the tries that follow push no more files out at the end.
        """
        self._stream.close()
        names = [self._path, *(self._path.with_suffix(f".{n}.log") for n in range(1, KEPT + 1))]
        there = list(itertools.takewhile(Path.exists, names[:-1]))
        with contextlib.suppress(OSError):
            for newer, older in reversed(list(zip(there, names[1:], strict=False))):
                operations.extended(newer).replace(operations.extended(older))
        self._stream = self._open()

    def _open(self) -> TextIO:
        stream = self._path.open("a", encoding="utf-8", errors="replace")
        stream.seek(0, 2)
        return stream


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
