"""Answers that are asked for again and again within a moment."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

SECONDS = 1.0
"""How long an answer stands. What another process changes meanwhile is known after that."""

_MOST = 10_000

T = TypeVar("T")


class Lately:
    """Remembers what was found within the last second. Any thread may use it.

    A page asks ten times who is in front of it and what they may see.

    Args:
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: dict[Hashable, tuple[float, object]] = {}

    def ask(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what `find` returned lately for this key, or what it returns now."""
        # What is forgotten while it is being found is put where nobody looks any more.
        answers, now = self._answers, self._clock()
        kept = answers.get(key)
        if kept is not None and 0 <= now - kept[0] < SECONDS:
            return kept[1]  # type: ignore[return-value]
        found = find()
        if found is not None:
            if len(answers) >= _MOST:
                answers.clear()
            answers[key] = (now, found)
        return found

    def forget(self) -> None:
        """Forget everything: something has changed."""
        self._answers = {}
