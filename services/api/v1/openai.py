"""Speech to text for clients that were written for OpenAI's API.

https://platform.openai.com/docs/api-reference/audio: the same paths, forms and answers. A request
waits for its recording; the batch that it makes is kept like any other.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from anyio import CancelScope
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services import exports
from services.api.problems import openai_problem
from services.api.v1 import sse
from services.api.v1.batches import Key, once_of
from services.api.v1.endpoint import CHANGE, Endpoint, answered, as_json
from services.api.v1.guard import answer_to
from services.api.v1.models import OptionsInput, Text
from services.api.v1.openai_models import (
    SpeechDelta,
    SpeechDone,
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
from services.api.v1.sse import HEARTBEAT, STILL_HERE, event, streamed
from services.api.v1.values import wrong
from services.api.v1.waiting import PAUSE, Waiting
from services.audio.languages import NAMES
from services.audio.transcript import Transcript
from services.files.workspace import StoredFile, Workspace
from services.jobs.models import Job, Kind, Options
from services.runtime import Runtime

ALIASES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""Names that clients are set to: here they mean the server's own model."""

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
    waiting = await _submitted(front, form.file, options, workspace, idempotency_key)
    if form.stream:
        return streamed(_events(request, waiting))
    job = await waiting.job(request)
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
    waiting = await _submitted(front, form.file, options, workspace, idempotency_key)
    job = await waiting.job(request)
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


async def _submitted(
    front: Runtime, file: StoredFile, options: Options, workspace: Workspace, key: str | None
) -> Waiting:
    """Submit a recording."""
    found = await run_in_threadpool(front.inspect, file)
    if found.problem or found.kind is not Kind.AUDIO:
        raise wrong("form.file", found.problem or f"“{file.name}” is no recording")
    once = once_of(key, [[file.name, file.sha256]], options) if key else None
    batch = await run_in_threadpool(front.submit, [file], "", options, workspace, once)
    if batch.workspace != workspace.path:  # it was sent again
        await run_in_threadpool(front.drop, workspace)
    return Waiting(front, batch.id, file.name, once is not None)


async def _events(request: Request, waiting: Waiting) -> AsyncIterator[str]:
    """Yield the text as OpenAI's events once it is there; till then comments keep the line open."""
    quiet_since, over = time.monotonic(), False
    try:
        while (job := await waiting.done()) is None:
            if time.monotonic() - quiet_since > HEARTBEAT:
                quiet_since = time.monotonic()
                yield STILL_HERE
            await asyncio.sleep(PAUSE)
        over = True
        found = await run_in_threadpool(_transcript, waiting.front, job)
        yield event(as_json(SpeechDelta(delta=found.text)))
        yield event(as_json(SpeechDone(text=found.text, usage=Usage(seconds=found.duration))))
    except Exception as error:
        over = True
        yield event(bytes(answer_to(request, error, openai_problem).body))
    finally:
        if not over:  # nobody listens any more
            with CancelScope(shield=True):
                await waiting.given_up()


def _transcript(front: Runtime, job: Job) -> Transcript:
    found = front.corrected(job.id)
    if not isinstance(found, Transcript):
        raise HTTPException(404, f"The text of “{job.name}” was deleted meanwhile.")
    return found


def _answer(front: Runtime, job: Job, format: str, task: str, with_words: bool) -> Response:
    """Return the result of a job that is done, in one of OpenAI's formats."""
    found = _transcript(front, job)
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
        answer=SpeechVerbose | SpeechText,
        media=(*MEDIA.values(), sse.MEDIA),
        statuses=(404, 503),
    ),
    Endpoint(
        "POST",
        "/audio/translations",
        translate,
        CHANGE,
        answer=SpeechVerbose | SpeechText,
        media=tuple(MEDIA.values()),
        statuses=(404, 503),
    ),
    Endpoint("GET", "/models", speech_models, ()),
    # A model of the hub has its owner in its name.
    Endpoint("GET", "/models/{model:path}", speech_model, ()),
]
