"""NVIDIA NeMo: any of its speech recognition checkpoints."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import tempfile
import threading
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.audio import SAMPLE_RATE, checkpoints
from services.audio.decode import Samples
from services.audio.engines import Hypothesis, Report
from services.audio.transcript import Word
from services.config import Settings
from services.errors import ModelUnavailable
from services.files.operations import write_atomic
from services.files.scratch import scratch_dir
from services.files.wav import write_wav

log = logging.getLogger(__name__)

SHORTEST = 1.0
"""Seconds: NeMo pads shorter clips on both sides, which shifts every time, so we pad behind."""


def load(model: str, settings: Settings, report: Report) -> NemoEngine:
    """Load a checkpoint: a .nemo file, an unpacked directory, or a name on the hub.

    Raises:
        ModelUnavailable: it is not at hand and cannot be fetched, or NeMo cannot load it.
    """
    found = checkpoints.find(model)
    if found is None:
        report(f"downloading {model}", 0.0)
        found = checkpoints.download(model, lambda done: report(f"downloading {model}", done))
    report("unpacking the model", None)
    directory = checkpoints.unpacked(found, settings.models_dir, settings.disk_reserve)
    report("loading NeMo", None)
    import torch
    from nemo.collections.asr.models import ASRModel
    from nemo.core.connectors.save_restore_connector import SaveRestoreConnector

    # NeMo's own setLevel would change the handlers, which other loggers share.
    logging.getLogger("nemo_logger").setLevel(logging.ERROR)
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    report(f"loading {model} on {device}", None)
    # With an unpacked directory NeMo needs no temporary one of its own.
    connector = SaveRestoreConnector()
    connector.model_extracted_dir = str(directory)
    try:
        loaded = ASRModel.restore_from(
            str(directory), map_location=torch.device(device), save_restore_connector=connector
        )
    except Exception as error:  # NeMo raises what its parts raise: KeyError, RuntimeError, …
        raise ModelUnavailable(
            f"NeMo could not load “{model}” from {found}: {error}. "
            "Check that it is a speech recognition checkpoint for NeMo 3."
        ) from error
    loaded.eval()
    engine = NemoEngine(loaded, model, device, settings.precision, settings.nemo_input)
    report("warming up", None)
    engine.transcribe([np.zeros(SAMPLE_RATE, np.float32)])
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
        self._model = model
        self._precision = precision
        self._input = nemo_input
        self._owner = threading.get_ident()

    def transcribe(self, batch: Sequence[Samples]) -> list[Hypothesis]:
        """Transcribe clips in one call of the model, with the times of their words."""
        if threading.get_ident() != self._owner:
            raise RuntimeError("a NeMo model was called from a thread that does not own it")
        padded = [_at_least(samples, int(SHORTEST * SAMPLE_RATE)) for samples in batch]
        with self._inference(), self._source(padded) as audio:
            # `timestamps` is remembered by the model, so it is said at every call.
            found = self._model.transcribe(
                audio, batch_size=len(padded), timestamps=True, verbose=False
            )
        if isinstance(found, tuple):  # some transducers add the beam's other hypotheses
            found = found[0]
        if len(found) != len(batch):
            raise RuntimeError(f"NeMo returned {len(found)} results for {len(batch)} clips")
        return [_hypothesis(one) for one in found]

    def trim(self) -> None:
        """Collect what is not used any more, and empty the GPU's cache."""
        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Free the model's memory, on the GPU too."""
        self._model = None
        self.trim()

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        import torch

        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device == "cuda" and self._precision != "float32":
                best = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
                chosen = best if self._precision == "auto" else self._precision
                stack.enter_context(torch.autocast("cuda", dtype=getattr(torch, chosen)))
            yield

    @contextlib.contextmanager
    def _source(self, batch: list[Samples]) -> Iterator[list[Samples] | str]:
        """Yield what NeMo reads: the arrays, or the path of a manifest of ours."""
        if self._input == "arrays":
            yield batch
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


def _at_least(samples: Samples, size: int) -> Samples:
    return np.pad(samples, (0, max(0, size - samples.size)))


def _hypothesis(found: Any) -> Hypothesis:
    stamps = (found.timestamp or {}).get("word", []) if found.text else []
    words = [
        Word(float(stamp["start"]), float(stamp["end"]), str(stamp["word"])) for stamp in stamps
    ]
    return Hypothesis(found.text, words)
