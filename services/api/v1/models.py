"""What the API takes and gives. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.audio import ALL_TRACKS, MOST_TRACKS
from services.audio.checkpoints import shown
from services.audio.languages import NAMES
from services.jobs import models as jobs
from services.jobs.models import Kind, State

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The id of a batch or a job."""

Text = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A line of text."""

Time = Annotated[float, Field(ge=0, le=1e11)]
T = TypeVar("T")


def _known_language(code: str) -> str:
    if code not in NAMES:
        raise ValueError("this is no ISO 639-1 code of a language that is known")
    return code


Language = Annotated[
    str, AfterValidator(_known_language), Field(json_schema_extra={"enum": sorted(NAMES)})
]


class Input(BaseModel):
    """Base of what is taken: a name that is not known is an error, not silence."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Output(BaseModel):
    """Base of what is given."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Paging(Input):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    """How many at most."""
    offset: int = Field(default=0, ge=0, le=1_000_000_000)
    """How many before them."""


class Page(Output, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int
    """How many there are in all."""


class OptionsInput(Input):
    """The settings that files are processed with; those of the server where nothing is said."""

    engine: Literal["auto", "nemo", "whisper"] | None = None
    """The speech engine."""
    model: Text | None = None
    """The id of a speech model; see `/api/v1/models`."""
    language: Language | None = None
    """What is spoken (ISO 639-1); found out by the model where nothing is said."""
    translate_to: Language | None = None
    """The language that the text shall be in (ISO 639-1); the one spoken where nothing is said."""
    hotwords: list[Text] | None = Field(default=None, max_length=500)
    """Names and terms that may be said."""
    speakers: bool | None = None
    """Whether speakers are told apart when the transcript is there."""
    track: Annotated[int, Field(ge=ALL_TRACKS, le=MOST_TRACKS)] | None = None
    """Which sound track of a recording with several is read, from 1; 0 for all of them, mixed."""
    reader: Literal["auto", "pypdf", "pdfium"] | None = None
    """What reads the text of PDFs."""
    ocr: Literal["auto", "tesseract", "rapidocr", "off"] | None = None
    """What reads scanned pages."""
    ocr_languages: (
        Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$")]
        | None
    ) = None
    """The languages of scanned pages, as Tesseract names them, joined by `+`."""


class OptionsOutput(Output):
    """The settings that files are processed with; see `OptionsInput`."""

    engine: str
    model: str | None
    language: str | None
    translate_to: str | None
    hotwords: list[str]
    """Empty for a guest, who came by a link."""
    speakers: bool
    track: int
    reader: str
    ocr: str
    ocr_languages: str

    @classmethod
    def of(cls, options: jobs.Options, guest: bool = False) -> OptionsOutput:
        """Return them as they are shown; a guest does not learn whom and what the team names."""
        values = {name: getattr(options, name) for name in cls.model_fields}
        hotwords = [] if guest else list(options.hotwords)
        return cls(**values | {"model": model_id(options.model), "hotwords": hotwords})


class BatchOutput(Output):
    """Files that were submitted together."""

    id: Id
    owner: str
    created_at: float
    first_name: str
    """The name of its first file."""
    total: int
    """How many files it has."""
    counts: dict[str, int]
    """How many of them are queued, running, done, failed and cancelled."""
    ended: bool
    """Whether every file has ended; one that is tried again goes on."""
    discarded: bool
    """Whether the originals of what failed were given up."""
    options: OptionsOutput

    @classmethod
    def of(
        cls, batch: jobs.Batch, first_name: str, counts: Mapping[State, int], guest: bool
    ) -> BatchOutput:
        """Return a batch as it is shown."""
        return cls(
            id=batch.id,
            owner=batch.owner,
            created_at=batch.created_at,
            first_name=first_name,
            total=sum(counts.values()),
            counts={str(state): counts.get(state, 0) for state in State},
            ended=all(state.over for state, count in counts.items() if count),
            discarded=batch.discarded,
            options=OptionsOutput.of(batch.options, guest),
        )


class JobOutput(Output):
    """One file on its way to a result."""

    id: Id
    batch: Id
    owner: str
    name: str
    kind: Kind
    sha256: str
    """SHA-256 of its content, in hex; empty where it could not be read."""
    size: int
    """Bytes."""
    length: float | None
    """Seconds of a recording, pages of a document."""
    state: State
    stage: str
    """What is done with it just now."""
    progress: float
    """From 0 to 1."""
    attempts: int
    error: str | None
    """Why it failed, or waits."""
    error_kind: str | None
    """`transient`: it is tried again by itself; `password`; `permanent`."""
    note: str | None
    """What a person should know about the result."""
    has_result: bool
    """Whether there is one; the old one stays until that of another try is whole."""
    engine: str | None
    model: str | None
    options: OptionsOutput
    created_at: float
    queued_at: float
    started_at: float | None
    finished_at: float | None
    result_at: float | None
    took: float | None
    """Seconds of work that its result cost."""

    @classmethod
    def of(cls, job: jobs.Job, guest: bool) -> JobOutput:
        """Return a job as it is shown."""
        values: dict[str, Any] = {
            name: getattr(job, name) for name in cls.model_fields if hasattr(job, name)
        }
        values |= {
            "batch": job.batch_id,
            "has_result": job.result_at is not None,
            "model": model_id(job.model),
            "options": OptionsOutput.of(job.options, guest),
        }
        return cls(**values)


class EventOutput(Output):
    """A change of a job's state."""

    at: float
    state: State
    attempt: int
    reason: str | None


class Changed(Output):
    """How many files a request changed."""

    count: int


class Problem(Output):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    """What happened, to what, and what to do next."""
    errors: list[dict[str, str]] = Field(default=[])
    """What was wrong in the request: `where` it stands, and a `message`."""


class OpenAIError(Output):
    """What went wrong, as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIProblem(Output):
    """The body of an error under `/v1`."""

    error: OpenAIError


def model_id(name: str | None) -> str | None:
    """Return what a speech model is called here: its file's name, not where that lies."""
    return None if name is None else shown(name)
