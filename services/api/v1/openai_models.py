"""What clients of OpenAI's speech API send, and what they get.

https://platform.openai.com/docs/api-reference/audio
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from services.api.v1.batches import Upload
from services.api.v1.models import Input, Language, Output, Text
from services.audio.languages import NAMES
from services.audio.transcript import Segment

_CODES = {name.lower(): code for code, name in NAMES.items()}


def _code(said: Any) -> Any:
    """Return the ISO 639-1 code of what clients call a language: `EN`, `en-US`, `English`."""
    if not isinstance(said, str):
        return said
    name = said.strip().lower()
    return None if name == "auto" else _CODES.get(name, re.split("[-_]", name)[0])


class TranslationForm(Input):
    """A recording whose text shall be English."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    file: Upload
    """The recording, in any format that can be read here."""
    model: Text
    """A speech model of `/v1/models`."""
    prompt: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    """Names and terms that may be said, parted by commas or lines."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: float | None = Field(default=None, ge=0, le=1)
    """Taken and not used: the same sound gives the same text here."""

    @model_validator(mode="before")
    @classmethod
    def _said(cls, sent: dict[str, Any]) -> dict[str, Any]:
        """Leave out empty fields, which some clients send for what nobody filled in."""
        needed = {name for name, field in cls.model_fields.items() if field.is_required()}
        return {
            name: value for name, value in sent.items() if name in needed or value not in ("", [""])
        }


class TranscriptionForm(TranslationForm):
    """A recording whose text is asked for."""

    language: Annotated[Language | None, BeforeValidator(_code)] = None
    """What is spoken (ISO 639-1); a region behind it does not count."""
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        [], alias="timestamp_granularities[]"
    )
    """Whether `verbose_json` has words too."""
    stream: bool = False
    """Whether the text comes as events, in one piece; till then comments keep the line open."""


class Usage(Output):
    """What was transcribed."""

    type: Literal["duration"] = "duration"
    seconds: float


class SpeechText(Output):
    """The text of a recording."""

    text: str
    usage: Usage


class SpeechDelta(Output):
    """The event that brings text: here all of it."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str


class SpeechDone(SpeechText):
    """The event at the end."""

    type: Literal["transcript.text.done"] = "transcript.text.done"


class SpeechWord(Output):
    """A word and its seconds."""

    word: str
    start: float
    end: float


class SpeechSegment(Output):
    """A segment, with the names that OpenAI's clients know."""

    id: int
    seek: int
    """Hundredths of a second before it."""
    start: float
    end: float
    text: str
    tokens: list[int]
    """Always empty: models here do not share a vocabulary."""
    temperature: float
    avg_logprob: float
    """The logarithm of the mean confidence of its words; 0 where the model gives none."""
    compression_ratio: float
    """Length of the text against that of its zlib form: high where a model repeats itself."""
    no_speech_prob: float
    """Always 0: stretches without speech are left out before a model hears them."""

    @classmethod
    def of(cls, number: int, segment: Segment) -> SpeechSegment:
        """Return a segment of a transcript."""
        encoded = segment.text.encode(errors="replace")
        return cls(
            id=number,
            seek=round(segment.start * 100),
            start=segment.start,
            end=segment.end,
            text=segment.text,
            tokens=[],
            temperature=0.0,
            avg_logprob=math.log(max(segment.confidence, 1e-6)) if segment.confidence else 0.0,
            compression_ratio=len(encoded) / len(zlib.compress(encoded)),
            no_speech_prob=0.0,
        )


class SpeechVerbose(SpeechText):
    """The text of a recording with its times."""

    task: Literal["transcribe", "translate"]
    language: str
    """Its English name in small letters; `unknown` where it was not found out."""
    duration: float
    segments: list[SpeechSegment]
    words: list[SpeechWord] | None


class SpeechModel(Output):
    """A speech model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class SpeechModels(Output):
    """The speech models that may be asked for."""

    object: Literal["list"] = "list"
    data: list[SpeechModel]
