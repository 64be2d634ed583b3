"""Speech engines: one file each, under one protocol, named in one registry.

A new engine is a new file with a `load` function and a line in `ENGINES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from services.audio.decode import Samples
from services.audio.transcript import Word
from services.config import Settings

ENGINES = ("nemo", "whisper")

Report = Callable[[str, float | None], None]
"""Told what loading does, for people, and its progress from 0 to 1 where that is known."""


@dataclass(frozen=True)
class Hints:
    """What a person says of recordings before they are transcribed.

    `language` and `translate_to` are ISO 639-1 codes, None for whatever the model finds; `hotwords`
    are names and terms that may be said. A model leaves aside what it cannot use.
    """

    language: str | None = None
    translate_to: str | None = None
    hotwords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hypothesis:
    """What an engine heard in one clip; word times count from the clip's beginning.

    `language` is that of the text, of a translation too, as an ISO 639-1 code.
    """

    text: str
    words: list[Word] = field(default_factory=list)
    language: str | None = None


class Engine(Protocol):
    """A loaded model. Only the thread that loaded it may use it."""

    name: str
    """The engine and its version, for people."""
    model: str
    """The model, for people."""
    device: str
    """`cpu` or `cuda`."""
    cores: int
    """CPU cores that a call may use on a CPU; 0 for all. Others decode meanwhile."""
    batch_seconds: float
    """Audio that a call should hold at most, padding included; lowered when memory ran out."""

    def transcribe(self, batch: Sequence[Samples], hints: Hints = ...) -> list[Hypothesis]:
        """Return one hypothesis per clip, in their order.

        Args:
            batch: 1-D float32 arrays at 16 kHz.
            hints: What is known of them.

        Raises:
            OutOfMemory: they are too much for one call.
        """

    def left_aside(self, hints: Hints) -> list[str]:
        """Return sentences, for a person, on what the model cannot use of `hints`."""

    def require_device(self) -> None:
        """Find out, after an error, whether the device still answers.

        Raises:
            DeviceLost: it does not; the model is of no more use.
        """

    def trim(self) -> None:
        """Give back memory that is only kept for later; called after a failure."""

    def close(self) -> None:
        """Free the memory that the model takes."""


Loader = Callable[[str, Settings, Report], Engine]


def loader(engine: str) -> Loader:
    """Return the function that loads a model of `engine`: (model, settings, report) -> Engine.

    The engine's libraries are imported here, so the first call is slow.
    """
    module = importlib.import_module(f"services.audio.engines.{engine}")
    return cast(Loader, module.load)
