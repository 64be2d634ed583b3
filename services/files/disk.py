"""Room on the disk: asked before something is written, not found missing in the middle."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from services.errors import DiskFull

COUNT_SECONDS = 5.0
"""How long a count of the files under a directory is used before they are counted again."""


def free(path: Path) -> int:
    """Return the free bytes on the disk that `path` lies or would lie on."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


class Room:
    """The room under one directory: what must stay free beside it, and what it may hold.

    Args:
        root: The directory.
        reserve: Bytes that must stay free on its disk.
        limit: Bytes that may lie under it; None for as many as fit.
        refusal: Returns why nothing more may come in, whatever room there is, or None.
        clock: Returns seconds; what lies there is counted again every few of them.
    """

    def __init__(
        self,
        root: Path,
        reserve: int = 0,
        limit: int | None = None,
        refusal: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root = root
        self.reserve = reserve
        self.limit = limit
        self._refusal = refusal
        self._clock = clock
        self._lock = threading.Lock()
        self._counted_at = -COUNT_SECONDS
        self._used = 0

    def missing(self, size: int = 0) -> str | None:
        """Return the sentence that says why `size` more bytes have no room; None if they have."""
        available = free(self.root)
        if available < size + self.reserve:
            return (
                f"Disk full: {_megabytes(size + self.reserve)} are needed at {self.root} and "
                f"{_megabytes(available)} are free. Free some space; what waits goes on by itself."
            )
        if self.limit is not None and size and self._used_now() + size > self.limit:
            return (
                f"Disk full: temporary files may take {_megabytes(self.limit)} (setting "
                f"temp_limit_gb) and {_megabytes(self._used_now())} are in use. Originals of "
                "failed and cancelled files count too: try them again or discard them, or raise "
                "the limit."
            )
        return self._refusal() if size else None

    def require(self, size: int) -> None:
        """Check that `size` more bytes have room, and count them as used.

        Raises:
            DiskFull: they have not.
        """
        if reason := self.missing(size):
            raise DiskFull(reason)
        with self._lock:
            self._used += size

    def _used_now(self) -> int:
        with self._lock:
            if self._clock() - self._counted_at >= COUNT_SECONDS:
                self._used = used(self.root)
                self._counted_at = self._clock()
            return self._used


def used(root: Path) -> int:
    """Return the bytes that the files under `root` hold; a file with two names counts once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    for directory, _, names in os.walk(root):
        for name in names:
            try:
                found = (Path(directory) / name).lstat()
            except OSError:
                continue  # removed meanwhile
            if found.st_nlink > 1:
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_size
    return total


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
