"""The settings that files are processed with, as a person chooses them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages import reading
from pages.views import voices
from pages.views.speech_models import ENGINES
from services.audio import ALL_TRACKS, MOST_TRACKS, languages
from services.audio.checkpoints import DIGITS, shown
from services.jobs.models import JobFilter, Kind, Options
from services.people.terms import of_lines
from services.runtime import Runtime


def choose(runtime: Runtime, key: str, default: Options, kinds: Collection[Kind]) -> Options:
    """Let the person choose the settings of files.

    Args:
        key: What the fields' keys begin with.
        default: What the fields hold at first.
        kinds: The files' kinds: fields that mean none of them are not shown.
    """
    chosen = default
    if Kind.DOCUMENT not in kinds or Kind.AUDIO in kinds:
        chosen = _speech(runtime, key, default)
    if Kind.AUDIO not in kinds or Kind.DOCUMENT in kinds:
        chosen = reading.choose(chosen, default, key)
    return chosen


def others(runtime: Runtime, wanted: JobFilter, key: str) -> Options:
    """Let the person choose other settings for the jobs of a filter, beginning with their own."""
    default = runtime.common_options(wanted)
    kinds = {kind for kind, _ in runtime.count_kinds(wanted)}
    # Keys of their own: what was typed for one file stays out of the fields of the next.
    return choose(runtime, f"{key}-{hash((default, frozenset(kinds)))}", default, kinds)


def again(runtime: Runtime, wanted: JobFilter, key: str) -> tuple[bool, Options | None]:
    """Let the person say with which settings the jobs of a filter are done again.

    Returns whether the button was clicked, and the new settings; None for those that each file
    was submitted with.
    """
    new = "New settings"
    how = st.radio("With", ["The same settings", new], key=f"{key}-how", horizontal=True)
    options = others(runtime, wanted, key) if how == new else None
    clicked = st.button("Run again", type="primary", icon=":material/replay:", key=f"{key}-run")
    return clicked, options


def _speech(runtime: Runtime, key: str, default: Options) -> Options:
    """Let the person choose how recordings are read."""
    engines = _engines(runtime, default)
    engine, model = st.selectbox(
        "Speech engine",
        list(engines),
        list(engines).index((default.engine, default.model)),
        format_func=engines.__getitem__,
        key=f"{key}-engine",
    )
    spoken, wanted = st.columns(2)
    language = _language(
        spoken,
        "Language spoken",
        "Found out by the model",
        default.language,
        f"{key}-language",
        "Parakeet finds its language by itself; Canary and Whisper take yours.",
    )
    target = _language(
        wanted,
        "Text in",
        "The language spoken",
        default.translate_to,
        f"{key}-target",
        "Canary translates between English and its languages, Whisper into English.",
    )
    terms = st.text_area(
        "Names and terms to listen for, one a line",
        "\n".join(default.hotwords),
        key=f"{key}-hotwords",
        height=100,
    )
    track = _track(default.track, f"{key}-track")
    speakers = st.checkbox(
        "Tell speakers apart",
        default.speakers,
        key=f"{key}-speakers",
        help="After the transcript is there, in a stage of its own. "
        f"{voices.model_text(runtime.diarization_model())}",
    )
    return replace(
        default,
        engine=engine,
        model=model,
        language=language,
        translate_to=target,
        hotwords=of_lines(terms),
        speakers=speakers,
        track=track,
    )


def _engines(runtime: Runtime, default: Options) -> dict[tuple[str, str | None], str]:
    """Return the engines and models that can be chosen, with their labels."""
    settings, server = runtime.settings, runtime.default_options()
    choice = runtime.engine_choice(server)
    automatic = "being found out" if choice is None else shown(choice.model)
    found = {(server.engine, server.model): f"The server's choice, now {automatic}"}
    for model in runtime.speech_models():
        label = f"{ENGINES[model.engine]}: {shown(model.name)}"
        if model.name == DIGITS:
            label = "Spoken digits, for tests (NeMo)"
        if model.here or model.name == settings.nemo_model:
            label += "" if model.here else " (is downloaded first)"
            found[model.engine, model.name] = label
    if settings.whisper_model:
        found["whisper", None] = f"Whisper: {shown(settings.whisper_model)}"
    own = (default.engine, default.model)
    if own not in found:  # as a file was submitted: by a program, or before the model went
        found[own] = f"{ENGINES[default.engine]}: {shown(default.model or 'as the server is set')}"
    return found


def _track(chosen: int, key: str) -> int:
    """Offer the sound tracks of a recording; return the one that is chosen."""
    words = {1: "The first", ALL_TRACKS: "All of them, mixed"}
    numbers = [*words, *range(2, MOST_TRACKS + 1)]
    number: int = st.selectbox(
        "Sound track",
        numbers,
        numbers.index(chosen),
        format_func=lambda number: words.get(number, f"Number {number}"),
        key=key,
        help="Of recordings with several, as some recorders and screen recordings have: one for "
        "each microphone, program or language.",
    )
    return number


def _language(
    place: DeltaGenerator, label: str, none: str, chosen: str | None, key: str, help: str
) -> str | None:
    """Offer the languages by their names; return the one that is chosen, None for none."""
    codes = [None, *sorted({*languages.NAMES, *filter(None, [chosen])}, key=languages.name)]
    return place.selectbox(
        label,
        codes,
        codes.index(chosen),
        format_func=lambda code: languages.name(code) if code else none,
        key=key,
        help=help,
    )
