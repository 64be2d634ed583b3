"""What the result page shows of a transcript."""

from __future__ import annotations

import math

import streamlit as st

from pages import components
from services.audio.transcript import Transcript
from services.jobs.models import Job
from services.runtime import Runtime


def show(runtime: Runtime, job: Job, transcript: Transcript, stamp: str, editable: bool) -> None:
    """Show the player and the text, which follow each other."""
    components.reader(
        job.id,
        stamp,
        runtime.has_pictures(job.id),
        transcript.duration,
        _asked_start(),
        editable,
        transcript.misplaced,
        key=f"reader-{job.id}",
    )


def _asked_start() -> float:
    """Return the second that the page's address asks for; 0 where it asks for none."""
    try:
        asked = float(st.query_params.get("t", "0"))
    except ValueError:
        return 0.0
    return max(asked, 0.0) if math.isfinite(asked) else 0.0
