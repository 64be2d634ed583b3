"""The settings that a batch carries, as a person chooses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from pages import reading
from pages.views import voices
from services.audio import languages
from services.audio.checkpoints import DIGITS
from services.jobs.models import Options
from services.runtime import Runtime

ENGINES = {"nemo": "NeMo", "whisper": "Whisper"}


def choose(runtime: Runtime, key: str) -> Options:
    """Let the person choose the settings of files; the server's own choice comes first."""
    default = runtime.default_options()
    choice = runtime.engine_choice(default)
    automatic = "being found out" if choice is None else choice.model
    engines = {f"The server's choice, now {automatic}": default}
    for model in runtime.speech_models():
        label = f"{ENGINES[model.engine]}: {Path(model.name).name if model.path else model.name}"
        if model.name == DIGITS:
            label = "Spoken digits, for tests (NeMo)"
        if model.here or model.name == runtime.settings.nemo_model:
            label += "" if model.here else " (is downloaded first)"
            engines[label] = replace(default, engine=model.engine, model=model.name)
    if runtime.settings.whisper_model:
        engines[f"Whisper: {runtime.settings.whisper_model}"] = replace(default, engine="whisper")
    chosen = engines[st.selectbox("Speech engine", list(engines), key=f"{key}-engine")]
    spoken, wanted = st.columns(2)
    codes = sorted(languages.NAMES, key=languages.name)
    language = spoken.selectbox(
        "Language spoken",
        [None, *codes],
        format_func=lambda code: languages.name(code) if code else "Found out by the model",
        key=f"{key}-language",
        help="Parakeet finds its language by itself; Canary and Whisper take yours.",
    )
    target = wanted.selectbox(
        "Text in",
        [None, *codes],
        format_func=lambda code: languages.name(code) if code else "The language spoken",
        key=f"{key}-target",
        help="Canary translates between English and its languages, Whisper into English.",
    )
    terms = st.text_area(
        "Names and terms to listen for, one a line",
        "\n".join(default.hotwords),
        key=f"{key}-hotwords",
        height=100,
    )
    hotwords = tuple(dict.fromkeys(term.strip() for term in terms.splitlines() if term.strip()))
    speakers = st.checkbox(
        "Tell speakers apart",
        default.speakers,
        key=f"{key}-speakers",
        help="After the transcript is there, in a stage of its own. "
        f"{voices.model_text(runtime.diarization_model())}",
    )
    chosen = replace(
        chosen, language=language, translate_to=target, hotwords=hotwords, speakers=speakers
    )
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
