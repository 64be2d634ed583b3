"""NVIDIA Sortformer: finds who speaks when, in recordings of any length.

A streaming checkpoint hears a recording in chunks and remembers the voices of up to four people in
a cache, so memory does not grow with its length. T. Park and others, “Sortformer” (arXiv
2409.06656); I. Medennikov and others, “Streaming Sortformer” (arXiv 2507.18446).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio import SAMPLE_RATE
from services.audio.decode import Samples
from services.audio.engines import Report
from services.audio.engines.nemo_loading import free_memory, restore
from services.audio.speakers import Turn, turns_of
from services.config import Settings
from services.errors import ModelUnavailable
from services.gpu import memory_errors, require_answer

HOP = SAMPLE_RATE // 100
"""Samples between two frames of the features, 10 ms."""
_EDGE = 16
"""Frames at the edges of a cut of sound whose features it changes."""

_NO_MEMORY = (
    "The model that tells speakers apart ran out of memory. Close other programs that use the "
    "GPU, or set device to cpu, and try again."
)

# What NVIDIA's model card advises where nobody waits for the first words: it is the most accurate.
_CHUNKS = {
    "chunk_len": 340,
    "chunk_right_context": 40,
    "fifo_len": 40,
    "spkcache_update_period": 300,
    "spkcache_len": 188,
}


def load(model: str, settings: Settings, report: Report) -> Sortformer:
    """Load a checkpoint: a .nemo file, an unpacked directory, or a name on the hub.

    Raises:
        ModelUnavailable: it is not at hand and cannot be fetched, or it is no streaming Sortformer.
    """
    loaded = restore(model, "SortformerEncLabelModel", settings, report, "diarization_model")
    if not loaded.streaming_mode:
        raise ModelUnavailable(
            f"“{model}” hears only short recordings, as a whole. Set diarization_model to a "
            "streaming Sortformer such as nvidia/diar_streaming_sortformer_4spk-v2."
        )
    for name, value in _CHUNKS.items():
        setattr(loaded.sortformer_modules, name, value)
    return Sortformer(loaded, model)


class Sortformer:
    """A loaded Sortformer, to be used by one thread at a time."""

    def __init__(self, model: Any, label: str) -> None:
        self.model = label
        self._model = model
        self._modules = model.sortformer_modules

    def turns(
        self,
        blocks: Iterable[Samples],
        heard: Callable[[float], None] = lambda seconds: None,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> list[Turn]:
        """Return who speaks when.

        Args:
            blocks: The recording, in 1-D float32 arrays at 16 kHz.
            heard: Called with the seconds that were heard so far; what it raises ends the work.
            turn: Entered for each call of the model.

        Raises:
            OutOfMemory: the model had too little memory.
            DeviceLost: the GPU does not answer any more.
        """
        try:
            with memory_errors(_NO_MEMORY):
                probabilities = self.probabilities(blocks, heard, turn)
        except RuntimeError:
            require_answer(self._model.device.type)
            raise
        return turns_of(probabilities, self._frame * HOP / SAMPLE_RATE)

    def probabilities(
        self,
        blocks: Iterable[Samples],
        heard: Callable[[float], None] = lambda seconds: None,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> NDArray[np.float32]:
        """Return the probability of each speaker in each frame: (frames, speakers)."""
        import torch

        model, device = self._model, self._model.device
        state = self._modules.init_streaming_state(1, model.async_streaming, device)
        found = [np.zeros((0, self._modules.n_spk), np.float32)]
        for features, left, right, end in self._chunks(blocks):
            with turn(), torch.inference_mode():
                state, chunk = model.forward_streaming_step(
                    processed_signal=features,
                    processed_signal_length=torch.tensor([features.shape[1]], device=device),
                    streaming_state=state,
                    total_preds=torch.zeros((1, 0, self._modules.n_spk), device=device),
                    left_offset=left,
                    right_offset=right,
                )
                found.append(chunk[0].float().cpu().numpy())
            heard(end * HOP / SAMPLE_RATE)
        return np.concatenate(found)

    def close(self) -> None:
        """Free the model's memory, on the GPU too."""
        self._model = self._modules = None
        free_memory()

    @property
    def _frame(self) -> int:
        """Frames of the features that become one of the model's."""
        return int(self._modules.subsampling_factor)

    def _chunks(self, blocks: Iterable[Samples]) -> Iterator[tuple[Any, int, int, int]]:
        """Yield the features of each chunk, (1, frames, values), with some around it.

        With them come the frames before and behind the chunk, and the frame at which it ends.
        """
        length = self._modules.chunk_len * self._frame
        before = self._modules.chunk_left_context * self._frame
        behind = self._modules.chunk_right_context * self._frame
        sound = _Sound(blocks)
        start = 0
        while start < (last := sound.frames(start + length + behind)):
            end = min(start + length, last)
            left, right = min(before, start), min(behind, last - end)
            yield self._features(sound, start - left, end + right), left, right, end
            start = end
            sound.forget(start - before - _EDGE)

    def _features(self, sound: _Sound, first: int, last: int) -> Any:
        """Return the features of the frames from `first` to before `last`."""
        import torch

        begin = max(0, first - _EDGE)
        samples = torch.from_numpy(sound.cut(begin, last + _EDGE)).to(self._model.device)[None]
        features, _ = self._model.preprocessor(
            input_signal=samples,
            length=torch.tensor([samples.shape[1]], device=self._model.device),
        )
        return features[:, :, first - begin : last - begin].transpose(1, 2)


class _Sound:
    """A recording of which only the stretch that is needed lies in memory."""

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks = iter(blocks)
        self._held = np.zeros(0, np.float32)
        self._first = 0
        """The frame at which `held` begins."""
        self._ended = False

    def frames(self, wanted: int) -> int:
        """Return how many frames there are, counted no further than they are needed for `wanted`.

        One more than that are looked for, so that the last frame is known to be the last.
        """
        while not self._ended and self._known <= wanted + 2 * _EDGE:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                self._held = np.concatenate([self._held, block])
        return self._known

    def cut(self, first: int, last: int) -> Samples:
        """Return the samples of these frames, as far as there are some."""
        begin = (first - self._first) * HOP
        return self._held[begin : max(begin, (last - self._first) * HOP)]

    def forget(self, before: int) -> None:
        """Let go of what lies before a frame."""
        if before > self._first:
            self._held = self._held[(before - self._first) * HOP :]
            self._first = before

    @property
    def _known(self) -> int:
        return self._first + len(self._held) // HOP
