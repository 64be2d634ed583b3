"""What the result page shows of a transcript."""

from __future__ import annotations

import streamlit as st

from pages import components, context
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
        context.number(st.query_params.get("t")) or 0.0,
        editable,
        transcript.misplaced,
        transcript.track,
        key=f"reader-{job.id}",
    )
