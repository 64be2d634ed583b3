"""What the result page shows of the search for a recording's speakers."""

from __future__ import annotations

import streamlit as st

from pages import context
from services.audio.catalog import Model
from services.audio.checkpoints import looks_like_path, shown
from services.jobs.diarization import Diarization
from services.jobs.models import Job, State
from services.runtime import Runtime


def model_text(model: Model) -> str:
    """Return what a person should know of the model before it is used."""
    where = "is here"
    if not model.here and looks_like_path(model.name):
        where = "is not where the setting diarization_model says"
    elif not model.here:
        where = "is downloaded first, where the hub can be reached"
    return f"NeMo's Sortformer tells up to four people apart; {shown(model.name)} {where}."


def progress(runtime: Runtime, job: Job, mine: bool) -> None:
    """Show how far a search is that is under way, or why it failed."""
    found = runtime.diarization(job.id)
    if found is not None and not found.state.over:
        context.refreshing("1.5s")(_wait)(runtime, job.id, mine)
    elif mine and found is not None and found.state is State.FAILED:
        st.warning(
            f"The speakers were not found. {context.plain(found.error or '')}",
            icon=":material/group_off:",
        )


def menu(runtime: Runtime, job: Job, mine: bool) -> None:
    """Show what the last search found, and what can be asked for."""
    found = runtime.diarization(job.id)
    under_way = found is not None and not found.state.over
    if under_way or (not mine and found is None):
        return
    with st.popover("Speakers", icon=":material/group:"):
        said = _said(found)
        if mine and (found is None or not found.speakers):
            said += f" {model_text(runtime.diarization_model())}"
        st.caption(said)
        if not mine:
            return
        with st.container(horizontal=True):
            st.button(
                "Find the speakers" if found is None else "Find them again",
                icon=":material/group_search:",
                on_click=_find,
                args=(runtime, job.id),
                key="find-speakers",
            )
            if found is not None:
                st.button(
                    "Remove the speakers" if found.speakers else "Forget this search",
                    icon=":material/group_remove:",
                    on_click=_forget,
                    args=(runtime, job.id),
                    key="forget-speakers",
                )


def _said(found: Diarization | None) -> str:
    if found is None:
        return "Nobody has asked yet who speaks when in this recording."
    if found.state is State.DONE and not found.speakers:
        return "Nobody was heard speaking."
    if found.speakers:
        people = context.plural(found.speakers, "speaker")
        how = f"found by {shown(found.model or '')}"
        return f"{people}, {how}. Click a name in the text to change it."
    return "The search ended before anybody was found."


def _wait(runtime: Runtime, job_id: str, mine: bool) -> None:
    found = runtime.diarization(job_id)
    if found is None or found.state.over:
        st.rerun()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        waiting = "Speakers: waiting for their turn"
        st.progress(found.progress, f"Speakers: {found.stage}" if found.stage else waiting)
        if mine:
            st.button("Stop", on_click=_stop, args=(runtime, job_id), key="stop-speakers")


# Callbacks: no other run of the page overtakes them.


def _find(runtime: Runtime, job_id: str) -> None:
    runtime.find_speakers(job_id)


def _stop(runtime: Runtime, job_id: str) -> None:
    runtime.stop_finding_speakers(job_id)


def _forget(runtime: Runtime, job_id: str) -> None:
    runtime.forget_speakers(job_id)
