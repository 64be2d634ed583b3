"""Lets transcription and a language model use one GPU in turn."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class User(StrEnum):
    """Who wants the GPU."""

    SPEECH = "speech"
    TEXT = "text"
    """The language model, that describes a file in the background."""
    PERSON = "person"
    """The language model, for whose answer somebody waits."""


class Turns:
    """Speech and the language model never hold the GPU at the same time.

    They alternate while both want it; a person comes before both and waits only for what has
    begun: a call of the speech model, not a recording. The language model's own calls may overlap,
    because its server orders them.

    Args:
        shared: Whether there is one GPU to share; otherwise nobody waits.
    """

    def __init__(self, shared: bool) -> None:
        self._open = not shared
        self._changed = threading.Condition()
        self._holding: Counter[User] = Counter()
        self._waiting: Counter[User] = Counter()
        self._last = User.TEXT

    @contextmanager
    def take(self, user: User) -> Iterator[None]:
        """Wait for the turn of `user`, and hold it inside the `with` block."""
        with self._changed:
            self._waiting[user] += 1
            try:
                self._changed.wait_for(lambda: self._may_begin(user))
            finally:
                self._waiting[user] -= 1
            self._holding[user] += 1
            self._last = user
        try:
            yield
        finally:
            with self._changed:
                self._holding[user] -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more: the server stops."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def _may_begin(self, user: User) -> bool:
        if self._open:
            return True
        if user is User.SPEECH:
            texts_first = self._waiting[User.TEXT] and self._last is User.SPEECH
            return not (self._holding.total() or self._waiting[User.PERSON] or texts_first)
        if self._holding[User.SPEECH]:
            return False
        speech_first = self._waiting[User.SPEECH] and self._last is not User.SPEECH
        return user is User.PERSON or not speech_first
