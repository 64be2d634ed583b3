"""The settings that may be asked for, and the speech models that there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services import exports
from services.api.v1.endpoint import Endpoint
from services.api.v1.models import OptionsInput, OptionsOutput, Output, model_id
from services.api.v1.values import wrong
from services.audio.languages import NAMES
from services.jobs.models import Options
from services.runtime import Runtime


class ModelOutput(Output):
    """A speech model."""

    id: str
    """What a submission calls it."""
    engine: str
    here: bool
    """Whether it is on this machine; if not, only the server's own is fetched, when first used."""
    allowed: bool
    """Whether a submission may ask for it."""
    size: int | None
    """Bytes, where known."""
    languages: list[str] | None
    """What it hears (ISO 639-1), where known."""


class Models(Output):
    """The speech models."""

    items: list[ModelOutput]


class Choices(Output):
    """What a submission may say, and what it gets where it says nothing."""

    defaults: OptionsOutput
    languages: dict[str, str]
    """The English names of all languages, by their ISO 639-1 codes."""
    formats: list[str]
    """Every format that some result can be saved in."""


def models_of(front: Runtime) -> dict[str, tuple[ModelOutput, str]]:
    """Return the speech models with the names that the engines know them by, by their ids."""
    found: dict[str, tuple[ModelOutput, str]] = {}
    for model in front.speech_models():
        id = model_id(model.name) or model.name
        shown = ModelOutput(
            id=id,
            engine=model.engine,
            here=model.here,
            # What is not here comes from a hub: that is an admin's choice, in the settings.
            allowed=model.here or model.name == front.settings.nemo_model,
            size=model.size,
            languages=None if model.languages is None else list(model.languages),
        )
        found.setdefault(id, (shown, model.name))
    if own := front.settings.whisper_model:
        id = model_id(own) or own
        shown = ModelOutput(
            id=id, engine="whisper", here=True, allowed=True, size=None, languages=None
        )
        found[id] = (shown, own)
    return found


_UNKNOWN = ("language", "translate_to")
"""Options of which `null` says something: what is spoken is found out."""


def chosen(front: Runtime, asked: OptionsInput | None, begin: Options | None = None) -> Options:
    """Return the options that somebody asks for.

    Args:
        front: What they are asked of.
        asked: What was said; None for nothing.
        begin: What holds where nothing is said; None for the server's own.

    Raises:
        Invalid: there is no such model, or it is not the engine's.
    """
    said = asked.model_dump(exclude_unset=True) if asked else {}
    values: dict[str, Any] = {
        name: value for name, value in said.items() if value is not None or name in _UNKNOWN
    }
    id, engine = values.pop("model", None), values.get("engine", "auto")
    if "hotwords" in values:
        values["hotwords"] = tuple(values["hotwords"])
    if id is not None:
        model, name = models_of(front).get(id, (None, ""))
        if model is None or not model.allowed:
            raise wrong("options.model", f"There is no model “{id}” here; see /api/v1/models.")
        if engine not in ("auto", model.engine):
            raise wrong("options.model", f"“{id}” is a model of the engine “{model.engine}”.")
        values |= {"engine": model.engine, "model": name}
    elif "engine" in values:  # a model is an engine's: they go together
        values["model"] = None
    return replace(begin or front.default_options(), **values)


def options(front: Runtime) -> Choices:
    """Return what a submission may say, and what it gets where it says nothing."""
    return Choices(
        defaults=OptionsOutput.of(front.default_options(), front.person.is_guest),
        languages=NAMES,
        formats=exports.all_formats(),
    )


def models(front: Runtime) -> Models:
    """Return the speech models that there are."""
    return Models(items=[model for model, _ in models_of(front).values()])


ENDPOINTS = [
    Endpoint("GET", "/options", options, ()),
    Endpoint("GET", "/models", models, ()),
]
