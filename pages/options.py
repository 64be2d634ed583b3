"""The settings that a batch carries, as a person chooses them."""

from __future__ import annotations

import streamlit as st

from pages import reading
from services.audio.checkpoints import DIGITS
from services.jobs.models import Options
from services.runtime import Runtime


def choose(runtime: Runtime, key: str) -> Options:
    """Let the person choose the settings of files; the server's own choice comes first."""
    default = runtime.default_options()
    choice = runtime.engine_choice(default)
    automatic = "being found out" if choice is None else choice.model
    engines = {
        f"The server's choice, now {automatic}": default,
        f"NeMo: {runtime.settings.nemo_model}": Options("nemo", None, default.nemo_input),
        "Whisper: " + (runtime.settings.whisper_model or "tiny.en (offline)"): Options("whisper"),
        "Spoken digits, for tests (NeMo)": Options("nemo", DIGITS),
    }
    chosen = engines[st.selectbox("Speech engine", list(engines), key=f"{key}-engine")]
    return reading.choose(chosen, default, key)


def again(runtime: Runtime, key: str) -> tuple[bool, Options | None]:
    """Let the person say with which settings something is done again.

    Returns whether the button was clicked, and the new settings; None for those that each file
    was submitted with.
    """
    new = "New settings"
    how = st.radio("With", ["The same settings", new], key=f"{key}-how", horizontal=True)
    options = choose(runtime, key) if how == new else None
    clicked = st.button("Run again", type="primary", icon=":material/replay:", key=f"{key}-run")
    return clicked, options
