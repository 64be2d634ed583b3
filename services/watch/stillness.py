"""When a file is whole: nothing about it has changed for a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.watch.scan import Found


@dataclass(frozen=True)
class _Tracked:
    found: Found
    since: float


class Stillness:
    """Tracks the files that are not taken yet, by a clock that never jumps.

    Args:
        seconds: How long size and time of change must stay the same.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tracked: dict[str, _Tracked] = {}

    def __len__(self) -> int:
        return len(self._tracked)

    def observe(self, files: Iterable[Found], now: float) -> list[Found]:
        """Take note of all files that are there at `now`; return the still ones, oldest first.

        One that is missing is forgotten. An empty file is never still: its writer has only begun.
        """
        before, self._tracked = self._tracked, {}
        for found in files:
            known = before.get(found.path)
            same = known is not None and known.found == found
            self._tracked[found.path] = known if known and same else _Tracked(found, now)
        still = [t for t in self._tracked.values() if t.found.size and self._due(t) <= now]
        return [t.found for t in sorted(still, key=lambda t: (t.found.mtime_ns, t.found.path))]

    def restart(self, path: str, now: float, pause: float = 0.0) -> None:
        """Let a file's time begin again, after a pause: it could not be taken at `now`."""
        if path in self._tracked:
            self._tracked[path] = _Tracked(self._tracked[path].found, now + pause)

    def drop(self, path: str) -> None:
        """Forget a file: it was taken."""
        self._tracked.pop(path, None)

    def next_due(self) -> float | None:
        """Return when the next file can be still; None when there is nothing to wait for."""
        return min((self._due(t) for t in self._tracked.values() if t.found.size), default=None)

    def _due(self, tracked: _Tracked) -> float:
        return tracked.since + self._seconds
