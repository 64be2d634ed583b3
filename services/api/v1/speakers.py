"""Who speaks when in a recording: found in a stage of its own, after the transcript."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.api.v1.endpoint import CHANGE, Endpoint
from services.api.v1.found import require_job, require_own_job
from services.api.v1.models import Id, Output, model_id
from services.audio.speakers import label
from services.jobs.models import State
from services.runtime import Runtime


class TurnOutput(Output):
    """A stretch in which somebody speaks."""

    start: float
    """In seconds."""
    end: float
    speaker: str
    """What transcripts call them until somebody gives them a name: `Speaker 1`."""


class SpeakersOutput(Output):
    """How far the search for speakers is, and what the last one found."""

    state: State
    stage: str
    """What is done just now."""
    progress: float
    """From 0 to 1."""
    error: str | None
    """Why it failed."""
    model: str | None
    """What found the turns."""
    turns: list[TurnOutput]


def speakers(front: Runtime, job_id: Id) -> SpeakersOutput:
    """Return how far the search for a recording's speakers is, and who speaks when."""
    job = require_job(front, job_id)
    found = front.diarization(job_id)
    if found is None:
        raise HTTPException(404, f"Nobody has asked for the speakers of “{job.name}”.")
    known = front.speakers(job_id)
    turns = [
        TurnOutput(start=turn.start, end=turn.end, speaker=label(turn.speaker))
        for turn in (known.turns if known else ())
    ]
    return SpeakersOutput(
        state=found.state,
        stage=found.stage,
        progress=found.progress,
        error=found.error,
        model=model_id(known.model) if known else None,
        turns=turns,
    )


def find_speakers(front: Runtime, job_id: Id) -> SpeakersOutput:
    """Have the speakers of a transcript told apart, or once more.

    It is a stage of its own: whatever becomes of it, the transcript stays.
    """
    own = require_own_job(front, job_id)
    if not front.find_speakers(job_id):
        raise HTTPException(409, f"“{own.name}” has no transcript.")
    return speakers(front, job_id)


def forget_speakers(front: Runtime, job_id: Id) -> Response:
    """End the search, or remove the speakers that were found; given names are kept."""
    require_own_job(front, job_id)
    front.forget_speakers(job_id)
    return Response(status_code=204)


PATH = "/jobs/{job_id}/speakers"
ENDPOINTS = [
    Endpoint("GET", PATH, speakers),
    Endpoint("POST", PATH, find_speakers, CHANGE, statuses=(409,)),
    Endpoint("DELETE", PATH, forget_speakers, CHANGE, 204),
]
