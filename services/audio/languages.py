"""The languages that speech models hear, by their ISO 639-1 codes."""

from __future__ import annotations

import re

NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "et": "Estonian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mt": "Maltese",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}

EUROPEAN = (
    *("bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it"),
    *("lt", "lv", "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk"),
)
"""The 25 languages of Parakeet v3 and Canary v2, after their model cards."""


_OF_MODELS = {
    "parakeet-tdt-0.6b-v3": EUROPEAN,
    "parakeet-tdt-0.6b-v2": ("en",),
    "canary-1b-v2": EUROPEAN,
    "canary-180m-flash": ("en", "de", "fr", "es"),
    "spoken-digits": ("en",),
}
"""After the models' cards, by the names of their checkpoints."""

_BY_ITS_NAME = re.compile(r"(?:^stt_|\.)([a-z]{2})(?:[_.-]|$)")


def of_model(name: str) -> tuple[str, ...] | None:
    """Return what a model hears after its name, `owner/name` or a path; None where it says nothing.

    A checkpoint that somebody copied has its name still. NVIDIA's `stt_de_…` and OpenAI's
    `….en` name the only language that they hear.
    """
    own = name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".nemo")
    if own in _OF_MODELS:
        return _OF_MODELS[own]
    found = _BY_ITS_NAME.search(own)
    return (found[1],) if found and found[1] in NAMES else None


def name(code: str) -> str:
    """Return a language's English name, or the code of one that is not in the list."""
    return NAMES.get(code, code)
