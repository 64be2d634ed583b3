"""What a batch and a job are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.people.models import Reach


class State(StrEnum):
    """queued → running → done | failed | cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more happens to the job by itself."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)

    @property
    def fell_short(self) -> bool:
        """Whether it ended without the result that was asked for: it can be tried again."""
        return self in FELL_SHORT


FELL_SHORT = (State.FAILED, State.CANCELLED)


class Kind(StrEnum):
    """What a file is; `audio` includes the sound of a video."""

    AUDIO = "audio"
    DOCUMENT = "document"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Options:
    """The settings that a job carries, a snapshot from the moment of its submission."""

    engine: str = "auto"
    model: str | None = None
    nemo_input: str = "arrays"
    reader: str = "auto"
    """What reads the text of PDFs: `auto`, `pypdf` or `pdfium`."""
    ocr: str = "auto"
    """What reads scanned pages: `auto`, `tesseract`, `rapidocr` or `off`."""
    ocr_languages: str = "eng"
    """The languages of scanned pages, as Tesseract names them, joined by `+`."""
    language: str | None = None
    """ISO 639-1 code of what is spoken; None for the model to find out."""
    translate_to: str | None = None
    """ISO 639-1 code of the language that the text shall be in; None for the one spoken."""
    hotwords: tuple[str, ...] = ()
    """Names and terms that may be said."""
    speakers: bool = False
    """Whether speakers are told apart when the transcript is there."""
    track: int = 1
    """Which sound track of a recording is read, from 1; 0 for all of them, mixed."""

    def as_dict(self) -> dict[str, Any]:
        """Return the options as JSON keeps them; the track only where it is not the first.

        So it is equal to what was kept before there was a choice: of half a recording, or of what
        a watched folder has had.
        """
        values = asdict(self) | {"hotwords": list(self.hotwords)}
        if self.track == 1:
            del values["track"]
        return values

    @property
    def hearing(self) -> tuple[object, ...]:
        """What a speech model is told of a recording; where it is equal, recordings share calls."""
        told = (self.language, self.translate_to, self.hotwords)
        return (self.engine, self.model, self.nemo_input, *told)

    def text(self) -> str:
        """Return what was chosen, for a person: what differs from an untouched choice."""
        words = {"hotwords": ", ".join(self.hotwords), "speakers": "told apart"}
        words["track"] = str(self.track or "all")
        chosen = [
            f"{one.name.replace('_', ' ')} {words.get(one.name, value)}"
            for one in fields(self)
            if (value := getattr(self, one.name)) != one.default
        ]
        return ", ".join(chosen) or "the settings of the server"

    @classmethod
    def common(cls, several: Sequence[Options], default: Options) -> Options:
        """Return what several files' options have in common, and `default` where they differ."""
        if not several:
            return default
        same = {
            one.name: values.pop()
            for one in fields(cls)
            if len(values := {getattr(options, one.name) for options in several}) == 1
        }
        if not same.keys() >= {"engine", "model"}:  # a model is an engine's: they go together
            same = {name: same[name] for name in same.keys() - {"engine", "model"}}
        return replace(default, **same)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Options:
        """Read options back; names that this version does not know are ignored."""
        known = cls.__dataclass_fields__
        found = {name: value for name, value in values.items() if name in known}
        return cls(**found | {"hotwords": tuple(found.get("hotwords", ()))})


@dataclass(frozen=True)
class NewJob:
    """A file about to be submitted.

    `length` is in seconds for audio and in pages for documents. With `error` set the file was
    found unusable before it was queued: its job is stored as failed.
    """

    name: str
    kind: Kind
    path: Path
    sha256: str
    size: int
    length: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Job:
    """One file on its way to a result, as the store knew it when asked.

    Times are seconds since the epoch. `length` is in seconds for audio and in pages for documents;
    `progress` runs from 0 to 1; `attempts` counts how often it was begun, `crashes` how often in a
    row the server stopped while it ran; a queued job is not begun before `not_before`;
    `error_kind` is `transient`, `password` or `permanent`; `took` is the work that its result
    cost, in seconds, without the time that it waited beside others. `run` names the try that is
    under way: only who holds it may say how the job goes on. Jobs of a higher `priority` come
    first. `result_at` is when its result was made: one that is done again keeps the old one until
    the new one is whole.
    """

    id: str
    batch_id: str
    owner: str
    name: str
    kind: Kind
    path: Path
    sha256: str
    size: int
    length: float | None
    state: State
    stage: str
    progress: float
    attempts: int
    crashes: int
    not_before: float
    error: str | None
    error_kind: str | None
    note: str | None
    engine: str | None
    model: str | None
    options: Options
    created_at: float
    queued_at: float
    started_at: float | None
    finished_at: float | None
    took: float | None
    run: str | None
    priority: int
    result_at: float | None

    @property
    def retryable(self) -> bool:
        """Whether it ended, and its file is of a kind that can be worked on."""
        return self.state.over and self.kind is not Kind.UNKNOWN


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are meant; what is not given does not matter.

    `text` is looked for in names, whatever the case; `since` and `until` are when jobs were
    submitted, in seconds since the epoch.
    """

    batch_id: str | None = None
    states: tuple[State, ...] = ()
    kinds: tuple[Kind, ...] = ()
    owner: str | None = None
    model: str | None = None
    text: str = ""
    since: float | None = None
    until: float | None = None
    ids: tuple[str, ...] | None = None
    reach: Reach | None = None
    """Whose jobs at all; None for everybody's."""


EVERY_JOB = JobFilter()


@dataclass(frozen=True)
class Work:
    """What an estimate needs of a job; see `Job`."""

    kind: Kind
    state: State
    length: float | None
    progress: float
    queued_at: float
    started_at: float | None
    finished_at: float | None


@dataclass(frozen=True)
class Pause:
    """That the queue stands still: since when, and who stopped it."""

    since: float
    by: str


@dataclass(frozen=True)
class Event:
    """A change of a job's state: when, to which, at which attempt, and why where that is known."""

    at: float
    state: State
    attempt: int
    reason: str | None


@dataclass(frozen=True)
class Batch:
    """Files that were submitted together."""

    id: str
    owner: str
    created_at: float
    workspace: Path
    options: Options
    discarded: bool = False
    """Whether a person gave up the originals of what failed or was cancelled."""
    keep_days: float | None = None
    """Days after their end that its files are kept, 0 for ever; None as those of their kind."""


@dataclass(frozen=True)
class BatchSummary:
    """A batch with the number of its jobs in each state, and the first of their names."""

    batch: Batch
    first_name: str
    counts: dict[State, int] = field(default_factory=dict)
    running: float = 0.0
    """The progress of those that run, added up."""

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1, each file counting the same."""
        over = sum(count for state, count in self.counts.items() if state.over)
        return (over + self.running) / self.total if self.total else 1.0

    @property
    def total(self) -> int:
        """Number of jobs."""
        return sum(self.counts.values())

    @property
    def over(self) -> bool:
        """Whether every job has ended."""
        return all(state.over for state, count in self.counts.items() if count)
