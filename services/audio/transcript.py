"""What a transcript is, as other programs read it from its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from services.about import About


@dataclass(frozen=True)
class Word:
    """A word; times in seconds from the recording's beginning, confidence from 0 to 1."""

    start: float
    end: float
    text: str
    confidence: float | None = None


@dataclass(frozen=True)
class Segment:
    """A sentence or a stretch between pauses; confidence is the mean of its words'."""

    start: float
    end: float
    text: str
    speaker: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Repetition:
    """A stretch in which one phrase comes `times` times in a row; times in seconds."""

    start: float
    end: float
    phrase: str
    times: int


@dataclass(frozen=True)
class Transcript:
    """The text of a recording; `duration` in seconds, `notes` on damage that was found."""

    text: str
    duration: float
    language: str | None
    engine: str
    model: str
    segments: list[Segment] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind: str = "transcript"
    repetitions: list[Repetition] = field(default_factory=list)
    """Where the model wrote the same again and again; its JSON has it where there are some."""
    misplaced: bool = False
    """Whether browsers play the recording at other times; its JSON has it where they do."""
    track: int = 1
    """Which sound track it is of, 0 for all of them; its JSON has it where it is not the first."""
    about: About | None = None
    """What the library found out; only exports have it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the transcript as its JSON holds it."""
        # Not dataclasses.asdict: it copies every value, which takes seconds for ten hours.
        values = {name: getattr(self, name) for name in Transcript.__dataclass_fields__}
        values["segments"] = [dict(vars(segment)) for segment in self.segments]
        values["words"] = [dict(vars(word)) for word in self.words]
        values["notes"] = list(self.notes)
        values["repetitions"] = [dict(vars(one)) for one in self.repetitions]
        if not self.repetitions:
            del values["repetitions"]
        if not self.misplaced:
            del values["misplaced"]
        if self.track == 1:
            del values["track"]
        del values["about"]
        return values | ({"about": self.about.as_dict()} if self.about else {})

    def json(self) -> Iterator[str]:
        """Yield its JSON, in one piece."""
        yield json.dumps(self.as_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Transcript:
        """Read a transcript back."""
        fields = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        fields["segments"] = [Segment(**segment) for segment in values["segments"]]
        fields["words"] = [Word(**word) for word in values["words"]]
        fields["repetitions"] = [Repetition(**one) for one in values.get("repetitions", [])]
        return cls(**fields)
