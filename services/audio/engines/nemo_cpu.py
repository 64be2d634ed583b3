"""Makes NeMo's Conformers faster on a CPU. The same is computed, to rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from nemo.collections.asr.parts.submodules.subsampling import ConvSubsampling, MaskedConvSequential


def tune(model: Any) -> None:
    """Have a model's attention and subsampling computed in the way that suits a CPU."""
    for module in model.modules():
        if hasattr(module, "use_pytorch_sdpa"):
            # PyTorch's fused attention, an option of NeMo's. Step by step, as a checkpoint's
            # configuration mostly says, clips of half a minute take a third longer.
            module.use_pytorch_sdpa = True
        if isinstance(module, ConvSubsampling) and Subsampling.takes(module.conv):
            module.conv = Subsampling([*module.conv])


class Subsampling(torch.nn.Module):
    """The convolutions that shorten a spectrogram, for one clip after the other.

    NeMo takes a batch at once, in tensors beyond every cache, and sets what lies behind each clip
    to zero before and after every layer. A clip alone ends where it ends: the convolutions' own
    padding is these zeros.
    """

    def __init__(self, layers: Sequence[torch.nn.Module]) -> None:
        super().__init__()
        self._layers = torch.nn.Sequential(*layers)
        # With channels side by side oneDNN's convolutions of single channels are vectorised.
        self._layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @staticmethod
    def takes(convolutions: Any) -> bool:
        """Whether this class does what these convolutions do."""
        return type(convolutions) is MaskedConvSequential and all(
            type(layer) in (torch.nn.Conv2d, torch.nn.ReLU) for layer in convolutions
        )

    def forward(
        self, spectrograms: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the layers make of a batch, and the lengths of that.

        Args:
            spectrograms: float32 of shape (clips, frames, features).
            lengths: Frames of each clip, one at least, of shape (clips,).

        Returns:
            float32 of shape (clips, channels, frames of the longest, features), zero behind each
            clip's end, and int64 of shape (clips,).
        """
        ends = [max(1, end) for end in lengths.tolist()]
        clips = [
            self._layers(clip[None, None, :end])[0]
            for clip, end in zip(spectrograms, ends, strict=True)
        ]
        frames = [clip.shape[1] for clip in clips]
        channels, _, features = clips[0].shape
        made = spectrograms.new_zeros(len(clips), channels, max(frames), features)
        for place, clip in zip(made, clips, strict=True):
            place[:, : clip.shape[1]] = clip
        return made, torch.tensor(frames)
