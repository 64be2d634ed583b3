"""Speech to text for clients that were written for OpenAI's API.

https://platform.openai.com/docs/api-reference/audio: the same paths, forms and answers. A request
waits for its recording; the batch that it makes is kept like any other.
"""

from __future__ import annotations

import asyncio
import math
import re
import zlib
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.api.stopping import stopping
from services.api.v1.batches import Key, Upload, submit_once
from services.api.v1.endpoint import CHANGE, Endpoint, answered
from services.api.v1.models import Input, Language, OptionsInput, Output, Text
from services.api.v1.options import chosen, models_of
from services.api.v1.values import wrong
from services.audio.languages import NAMES
from services.audio.transcript import Segment, Transcript
from services.files.workspace import StoredFile, Workspace
from services.jobs.models import Job, JobFilter, Kind, Options, State
from services.runtime import Runtime

ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""Names that clients are set to: here they mean the server's own model."""

PAUSE = 0.2
"""Seconds between two looks at the job."""

MEDIA = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


def _not_streamed(wanted: bool) -> bool:
    if wanted:
        raise ValueError("the text comes when it is whole; ask without stream")
    return wanted


Nothing = BeforeValidator(lambda value: None if value == "" else value)
"""Takes an empty field for one that is not there, as some clients send it."""


class TranslationForm(Input):
    """A recording whose text shall be English."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    file: Upload
    """The recording, in any format that can be read here."""
    model: Text
    """A speech model of `/v1/models`."""
    prompt: Annotated[Annotated[str, StringConstraints(max_length=20_000)] | None, Nothing] = None
    """Names and terms that may be said, parted by commas or lines."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[float | None, Nothing] = Field(default=None, ge=0, le=1)
    """Taken and not used: the same sound gives the same text here."""


class TranscriptionForm(TranslationForm):
    """A recording whose text is asked for."""

    language: Annotated[Language | None, Nothing] = None
    """What is spoken (ISO 639-1)."""
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        [], alias="timestamp_granularities[]"
    )
    """Whether `verbose_json` has words too."""
    stream: Annotated[
        bool, AfterValidator(_not_streamed), Field(json_schema_extra={"const": False})
    ] = False
    """Only false: the text comes when it is whole."""


class Usage(Output):
    """What was transcribed."""

    type: Literal["duration"] = "duration"
    seconds: float


class SpeechText(Output):
    """The text of a recording."""

    text: str
    usage: Usage


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


async def transcribe(
    front: Runtime,
    request: Request,
    form: TranscriptionForm,
    workspace: Workspace,
    idempotency_key: Key = None,
) -> Response:
    """Return what is said in a recording."""
    options = replace(_options(front, form), language=form.language)
    job = await _processed(front, request, form.file, options, workspace, idempotency_key)
    words = "word" in form.timestamp_granularities
    return await run_in_threadpool(_answer, front, job, form.response_format, "transcribe", words)


async def translate(
    front: Runtime,
    request: Request,
    form: TranslationForm,
    workspace: Workspace,
    idempotency_key: Key = None,
) -> Response:
    """Return in English what is said in a recording, where the model can translate."""
    options = replace(_options(front, form), translate_to="en")
    job = await _processed(front, request, form.file, options, workspace, idempotency_key)
    return await run_in_threadpool(_answer, front, job, form.response_format, "translate", False)


def speech_models(front: Runtime) -> SpeechModels:
    """List the speech models that may be asked for."""
    own = [model.id for model, _ in models_of(front).values() if model.allowed]
    return SpeechModels(
        data=[SpeechModel(id=id, created=0, owned_by="scriptorium") for id in (*ALIASES, *own)]
    )


def _options(front: Runtime, form: TranslationForm) -> Options:
    terms = [term for part in re.split(r"[,;\n]", form.prompt or "") if (term := part.strip())]
    model = None if form.model in ALIASES else form.model
    if model is not None and model not in models_of(front):
        raise HTTPException(404, f"There is no model “{model}” here; /v1/models lists them.")
    asked = chosen(front, OptionsInput(model=model))
    return replace(asked, hotwords=tuple(dict.fromkeys([*asked.hotwords, *terms])))


async def _processed(
    front: Runtime,
    request: Request,
    file: StoredFile,
    options: Options,
    workspace: Workspace,
    key: str | None,
) -> Job:
    """Submit a recording and return its job when it is done.

    A job that nobody waits for any more is cancelled, because who asked will send it again; but
    not one that was sent with a key, which finds it when it comes again.
    """
    found = await run_in_threadpool(front.inspect, file)
    if found.problem or found.kind is not Kind.AUDIO:
        raise wrong("form.file", found.problem or f"“{file.name}” is no recording")
    batch, _ = await run_in_threadpool(submit_once, front, [file], options, workspace, key)
    wanted = JobFilter(batch.id)
    while True:
        jobs = await run_in_threadpool(front.find, wanted, 1)
        if not jobs:
            raise HTTPException(404, f"“{file.name}” was deleted meanwhile.")
        job = jobs[0]
        if job.state.over:
            break
        if stopping.is_set() or await request.is_disconnected():
            if key is None:
                await run_in_threadpool(front.cancel, job.id)
            if stopping.is_set():
                raise HTTPException(503, "The server stops. Ask again when it is back.")
            raise ClientDisconnect
        await asyncio.sleep(PAUSE)
    if job.state is State.CANCELLED:
        raise HTTPException(400, f"“{file.name}” was cancelled.")
    if job.state is State.FAILED:
        passing = job.error_kind == "transient"
        raise HTTPException(503 if passing else 400, job.error or f"“{file.name}” failed.")
    return job


def _answer(front: Runtime, job: Job, format: str, task: str, with_words: bool) -> Response:
    """Return the result of a job that is done, in one of OpenAI's formats."""
    found = front.corrected(job.id)
    if not isinstance(found, Transcript):
        raise HTTPException(404, f"The text of “{job.name}” was deleted meanwhile.")
    if format in ("srt", "vtt"):
        return Response(front.export(job.id, format), media_type=MEDIA[format])
    if format == "text":
        return Response(f"{found.text}\n".encode(errors="replace"), media_type=MEDIA[format])
    usage = Usage(seconds=found.duration)
    if format == "json":
        return answered(SpeechText(text=found.text, usage=usage))
    language = "en" if task == "translate" else found.language
    values: dict[str, Any] = {"task": task, "text": found.text, "usage": usage}
    return answered(
        SpeechVerbose(
            **values,
            language=NAMES.get(language or "", language or "unknown").lower(),
            duration=found.duration,
            segments=[SpeechSegment.of(n, one) for n, one in enumerate(found.segments)],
            words=[SpeechWord(word=w.text, start=w.start, end=w.end) for w in found.words]
            if with_words
            else None,
        )
    )


ENDPOINTS = [
    Endpoint(
        "POST",
        "/audio/transcriptions",
        transcribe,
        CHANGE,
        answer=SpeechText | SpeechVerbose,
        media=tuple(MEDIA.values()),
        statuses=(404, 503),
    ),
    Endpoint(
        "POST",
        "/audio/translations",
        translate,
        CHANGE,
        answer=SpeechText | SpeechVerbose,
        media=tuple(MEDIA.values()),
        statuses=(404, 503),
    ),
    Endpoint("GET", "/models", speech_models, ()),
]
