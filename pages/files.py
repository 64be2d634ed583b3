"""All files of all batches: find some, and do them again."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

from pages import context, jobs, options
from services.audio.checkpoints import shown
from services.jobs.models import JobFilter, Kind, State

DAY = 86_400.0
WHEN = {"Any time": None, "Today": DAY, "Last 7 days": 7 * DAY, "Last 30 days": 30 * DAY}
KINDS = {"Any kind": (), "Audio and video": (Kind.AUDIO,), "Documents": (Kind.DOCUMENT,)}
ANY_MODEL = "Any model"

runtime = context.runtime()


def choose() -> JobFilter:
    """Let the person say which files are meant."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Name", placeholder="Part of a name", icon=":material/search:")
        kind = st.selectbox("Kind", list(KINDS))
        model = st.selectbox("Made by", [ANY_MODEL, *runtime.models()], format_func=shown)
        when = st.selectbox("Submitted", list(WHEN))
    age = WHEN[when]
    return JobFilter(
        kinds=KINDS[kind],
        model=None if model == ANY_MODEL else model,
        text=text.strip(),
        # By the minute, so that a page that runs again asks the same again.
        since=None if age is None else (time.time() - age) // 60 * 60,
    )


def ended(counts: dict[State, int]) -> int:
    """Return how many files have ended."""
    return sum(count for state, count in counts.items() if state.over)


def run_again(wanted: JobFilter, counts: dict[State, int]) -> None:
    """Let the person do the files of a filter again."""
    short = sum(count for state, count in counts.items() if state.fell_short)
    with st.popover("Run again", icon=":material/replay:", disabled=not ended(counts)):
        only = st.radio(
            "Which of these files",
            ["short", "ended"],
            format_func={
                "short": f"What failed or was cancelled ({short})",
                "ended": f"All that ended ({ended(counts)})",
            }.get,
            key="again-which",  # what is chosen stays so whatever the labels count
        )
        st.caption("A result stays until the new one is whole, and the two are compared.")
        states = tuple(s for s in State if (s.fell_short if only == "short" else s.over))
        meant = replace(wanted, states=states)
        clicked, chosen = options.again(runtime, meant, "again")
        if clicked:
            count = runtime.rerun(meant, chosen)
            st.toast(f"{context.plural(count, 'file')} queued again", icon=":material/replay:")
            st.rerun()


@context.refreshing("3s")
def live(wanted: JobFilter, known: tuple[bool, int]) -> None:
    """Show the files; when there are others than the page knows of, run all of it again."""
    batches = runtime.count_batches()
    counts = runtime.count(wanted) if batches else {}
    if counts:
        jobs.listing(runtime, wanted, counts, False, "files", dated=True)
    elif batches:
        context.empty(
            "search_off", "No file is like that", "Choose less, or look for another name."
        )
    else:
        context.nothing_yet()
    if (bool(counts), ended(counts)) != known:
        st.rerun()


st.title("Files")
batches = runtime.count_batches()
wanted = choose() if batches else JobFilter()
counts = runtime.count(wanted) if batches else {}
if counts:
    run_again(wanted, counts)
live(wanted, (bool(counts), ended(counts)))
