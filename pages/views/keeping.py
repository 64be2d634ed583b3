"""How long a batch is kept, as its owner chooses it."""

from __future__ import annotations

import streamlit as st

from services.jobs.keeping import FOR_EVER
from services.jobs.models import Batch
from services.people.models import Scope
from services.retention import shortest_limit
from services.runtime import Runtime

DAYS = (1.0, 7.0, 30.0, 90.0, 365.0)
NAMES = {1.0: "a day", 7.0: "a week", 365.0: "a year"}


def choose(runtime: Runtime, batch: Batch) -> None:
    """Let the person say how long the files of a batch stay after they ended."""
    longest = shortest_limit(runtime.settings)
    free = longest is None or runtime.person.may(Scope.ADMIN)
    days = [one for one in DAYS if free or (longest is not None and one <= longest)]
    kept = [None, *days, *([FOR_EVER] if free else [])]
    if batch.keep_days not in kept:
        kept.append(batch.keep_days)
    choices = {_text(one): one for one in kept}
    key = f"keep-{batch.id}"
    st.selectbox(
        "Kept after the end",
        list(choices),
        index=kept.index(batch.keep_days),
        key=key,
        on_change=_keep,
        args=(runtime, batch.id, key, choices),
    )


def _text(days: float | None) -> str:
    if days is None:
        return "As long as this instance keeps files"
    if days == FOR_EVER:
        return "Until somebody deletes it"
    return NAMES.get(days, f"{days:g} days").capitalize()


def _keep(runtime: Runtime, batch_id: str, key: str, choices: dict[str, float | None]) -> None:
    runtime.keep_batch(batch_id, choices[st.session_state[key]])
