"""NVIDIA NeMo: any of its speech recognition checkpoints."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import tempfile
import threading
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.audio import SAMPLE_RATE
from services.audio.decode import Samples
from services.audio.engines import Hints, Hypothesis, Report
from services.audio.engines.nemo_decoding import Decoding
from services.audio.engines.nemo_loading import free_memory, restore
from services.audio.transcript import Word
from services.config import Settings
from services.files.operations import write_atomic
from services.files.scratch import scratch_dir
from services.files.wav import write_wav
from services.gpu import memory_errors, require_answer

log = logging.getLogger(__name__)

NONE = Hints()

_NO_MEMORY = (
    "The speech model ran out of memory. It is tried again with less at once; if it stays so, "
    "close other programs that use the GPU, choose a smaller model, or lower clip_seconds."
)

SHORTEST = 1.0
"""Seconds that NeMo pads shorter arrays to, half of it in front. We do it ourselves, so that times
can be put right, and files of a manifest are padded too."""

CPU_BATCH_SECONDS = 120.0
"""Audio in one call on a CPU: more of it is not faster there, and progress would stand still."""

MOST_BATCH_SECONDS = 1200.0
"""Audio in one call on a GPU at most: more is not faster, and progress would stand still."""


def load(model: str, settings: Settings, report: Report) -> NemoEngine:
    """Load a checkpoint: a .nemo file, an unpacked directory, or a name on the hub.

    Raises:
        ModelUnavailable: it is not at hand and cannot be fetched, or NeMo cannot load it.
    """
    loaded = restore(model, "ASRModel", settings, report, "nemo_model")
    device = loaded.device.type
    if device == "cpu":
        from services.audio.engines.nemo_cpu import tune

        tune(loaded)
    engine = NemoEngine(loaded, model, device, settings.precision, settings.nemo_input)
    report("warming up", None)
    engine.transcribe([np.zeros(SAMPLE_RATE, np.float32)])
    engine.batch_seconds = settings.batch_seconds or engine.fitting_seconds(settings.clip_seconds)
    return engine


class NemoEngine:
    """A loaded NeMo model, to be used by the thread that made it and by no other.

    Two threads in one model's `transcribe` corrupt its weights for good
    (NVIDIA-NeMo/Speech #15771), so a call from another thread is refused.
    """

    def __init__(
        self, model: Any, label: str, device: str, precision: str, nemo_input: str
    ) -> None:
        import nemo

        self.name = f"NeMo {nemo.__version__}"
        self.model = label
        self.device = device
        self.batch_seconds = CPU_BATCH_SECONDS
        self.cores = 0
        _cores()
        self._model = model
        self._precision = precision
        self._input = nemo_input
        self._owner = threading.get_ident()
        self._decoder = Decoding(model, device)

    def transcribe(self, batch: Sequence[Samples], hints: Hints = NONE) -> list[Hypothesis]:
        """Transcribe clips in one call of the model, with the times of their words."""
        if threading.get_ident() != self._owner:
            raise RuntimeError("a NeMo model was called from a thread that does not own it")
        self._decoder.prepare(hints.hotwords)
        padded, before = zip(*(_at_least_a_second(samples) for samples in batch), strict=True)
        with memory_errors(_NO_MEMORY), self._inference(), self._source(padded) as audio:
            found = self._decoder.transcribe(audio, len(padded), hints)
        if isinstance(found, tuple):  # some transducers add the beam's other hypotheses
            found = found[0]
        if len(found) != len(batch):
            raise RuntimeError(f"NeMo returned {len(found)} results for {len(batch)} clips")
        return [
            _hypothesis(
                one,
                shift / SAMPLE_RATE,
                self._decoder.confidences(one),
                self._decoder.language(hints),
            )
            for one, shift in zip(found, before, strict=True)
        ]

    def left_aside(self, hints: Hints) -> list[str]:
        """Return sentences on what the model cannot use of `hints`."""
        return self._decoder.left_aside(hints)

    def fitting_seconds(self, clip_seconds: float) -> float:
        """Return how many seconds of audio fit into the free memory in one call, with a reserve.

        On a GPU it is found by a call with one clip of `clip_seconds`, of zeros.
        """
        if self.device != "cuda":
            return CPU_BATCH_SECONDS
        import torch

        self.trim()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.transcribe([np.zeros(int(clip_seconds * SAMPLE_RATE), np.float32)])
        taken = max(1, torch.cuda.max_memory_allocated() - before)
        free, _ = torch.cuda.mem_get_info()
        found = clip_seconds * 0.6 * free / taken
        return min(max(found, clip_seconds), MOST_BATCH_SECONDS)

    def require_device(self) -> None:
        """Raise DeviceLost where the GPU does not answer any more."""
        require_answer(self.device)

    def trim(self) -> None:
        """Collect what is not used any more, and empty the GPU's cache."""
        free_memory()

    def close(self) -> None:
        """Free the model's memory, on the GPU too."""
        self._model = None
        self.trim()

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        import torch

        if self.device == "cpu":
            torch.set_num_threads(self.cores or _cores())
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if (precision := self._lower_precision()) is not None:
                stack.enter_context(torch.autocast(self.device, dtype=getattr(torch, precision)))
            yield

    def _lower_precision(self) -> str | None:
        import torch

        if self._precision == "float32":
            return None
        if self.device == "cpu":  # of its own accord it hears what NeMo called by hand hears
            return "bfloat16" if self._precision == "bfloat16" else None
        # Older GPUs compute bfloat16 too, by way of float32, which is slower than either.
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
        best = "bfloat16" if fast else "float16"
        return best if self._precision == "auto" else self._precision

    @contextlib.contextmanager
    def _source(self, batch: Sequence[Samples]) -> Iterator[list[Samples] | str]:
        """Yield what NeMo reads: the arrays, or the path of a manifest of ours."""
        if self._input == "arrays":
            yield list(batch)
            return
        with scratch_dir("manifest-") as directory, _contained_temp(directory):
            entries = []
            for number, samples in enumerate(batch):
                path = directory / f"{number}.wav"
                write_wav(path, samples, SAMPLE_RATE)
                duration = samples.size / SAMPLE_RATE
                entries.append({"audio_filepath": str(path), "duration": duration, "text": ""})
            # Whole and closed before NeMo opens it, and removed with its directory: on Windows
            # nobody can delete a file that is open.
            manifest = directory / f"{directory.name}.json"
            write_atomic(manifest, "\n".join(json.dumps(entry) for entry in entries))
            yield str(manifest)


@contextlib.contextmanager
def _contained_temp(directory: Path) -> Iterator[None]:
    """Let NeMo's own temporary directory lie in `directory`, and never fail to be removed.

    NeMo copies the manifest to a TemporaryDirectory and reads it lazily; when it removes the
    directory with the file still open, Windows raises and hides the first error.
    """
    from nemo.collections.asr.parts.mixins import transcription

    original = transcription.tempfile

    def ours(*_: Any, **__: Any) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(dir=directory, ignore_cleanup_errors=True)

    transcription.tempfile = types.SimpleNamespace(TemporaryDirectory=ours)
    try:
        yield
    finally:
        transcription.tempfile = original


@functools.cache
def _cores() -> int:
    """Return the number of threads that PyTorch chose for this machine, before any of ours did."""
    import torch

    return torch.get_num_threads()


def _at_least_a_second(samples: Samples) -> tuple[Samples, int]:
    """Return a clip padded to a second as NeMo does it, and the samples put in front."""
    missing = max(0, int(SHORTEST * SAMPLE_RATE) - samples.size)
    before = missing // 2
    return np.pad(samples, (before, missing - before)), before


def _hypothesis(
    found: Any, shift: float, confidences: list[float | None], language: str | None
) -> Hypothesis:
    """Return NeMo's hypothesis as ours; its times count from `shift` seconds before the clip."""
    stamps = (found.timestamp or {}).get("word", []) if found.text else []
    words = [
        Word(
            max(0.0, float(stamp["start"]) - shift),
            max(0.0, float(stamp["end"]) - shift),
            str(stamp["word"]),
            None if confidence is None else round(min(max(confidence, 0.0), 1.0), 4),
        )
        for stamp, confidence in zip(stamps, confidences, strict=True)
    ]
    return Hypothesis(found.text, words, language)
