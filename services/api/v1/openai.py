"""Speech to text for clients that were written for OpenAI's API.

https://platform.openai.com/docs/api-reference/audio: the same paths, forms and answers. A request
waits for its recording; the batch that it makes is kept like any other.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services import exports
from services.api.stopping import stopping
from services.api.v1.batches import Key, once_of
from services.api.v1.endpoint import CHANGE, Endpoint, answered
from services.api.v1.models import OptionsInput, Text
from services.api.v1.openai_models import (
    SpeechModel,
    SpeechModels,
    SpeechSegment,
    SpeechText,
    SpeechVerbose,
    SpeechWord,
    TranscriptionForm,
    TranslationForm,
    Usage,
)
from services.api.v1.options import chosen, models_of
from services.api.v1.values import wrong
from services.audio.languages import NAMES
from services.audio.transcript import Transcript
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


def speech_model(front: Runtime, model: Text) -> SpeechModel:
    """Return a speech model that may be asked for."""
    for one in speech_models(front).data:
        if one.id == model:
            return one
    raise _no_model(model)


def _options(front: Runtime, form: TranslationForm) -> Options:
    terms = [term for part in re.split(r"[,;\n]", form.prompt or "") if (term := part.strip())]
    model = None if form.model in ALIASES else form.model
    if model is not None and model not in models_of(front):
        raise _no_model(model)
    asked = chosen(front, OptionsInput(model=model))
    return replace(asked, hotwords=tuple(dict.fromkeys([*asked.hotwords, *terms])))


def _no_model(name: str) -> HTTPException:
    return HTTPException(404, f"There is no model “{name}” here; /v1/models lists them.")


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
    once = once_of(key, [[file.name, file.sha256]], options) if key else None
    batch = await run_in_threadpool(front.submit, [file], "", options, workspace, once)
    if batch.workspace != workspace.path:  # it was sent again
        await run_in_threadpool(front.drop, workspace)
    wanted = JobFilter(batch.id)
    while True:
        jobs = await run_in_threadpool(front.find, wanted, 1)
        if not jobs:
            raise HTTPException(404, f"“{file.name}” was deleted meanwhile.")
        job = jobs[0]
        if job.state.over:
            break
        ending = "The server stops. Ask again when it is back." if stopping.is_set() else None
        ending = ending or front.lost()
        if ending or await request.is_disconnected():
            if key is None:
                await run_in_threadpool(front.cancel, job.id)
            if ending:
                raise HTTPException(503, ending)
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
        return Response(exports.render(found, format, job.name), media_type=MEDIA[format])
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
    # A model of the hub has its owner in its name.
    Endpoint("GET", "/models/{model:path}", speech_model, ()),
]
