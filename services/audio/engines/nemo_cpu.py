"""Makes NeMo's Conformers faster on a CPU. The same is computed, to rounding.

NeMo computes for a batch at once, in tensors beyond every cache, and masks what lies behind each
clip's end. Here a clip is computed after the other wherever that costs nothing: it stays in the
cache, and ends where it ends.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from nemo.collections.asr.modules import ConformerEncoder
from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures, normalize_batch
from nemo.collections.asr.parts.submodules.multi_head_attention import (
    RelPositionMultiHeadAttention,
)
from nemo.collections.asr.parts.submodules.subsampling import ConvSubsampling, MaskedConvSequential


def tune(model: Any) -> None:
    """Have a model's features, subsampling and attention computed in the way that suits a CPU."""
    for module in list(model.modules()):
        if type(module) is FilterbankFeatures and _gives_log_mels(module):
            module.forward = functools.partial(log_mels, module)
        if isinstance(module, ConformerEncoder) and list(module.att_context_size) == [-1, -1]:
            for layer in module.layers:
                if type(layer.self_attn) is RelPositionMultiHeadAttention:
                    layer.self_attn = Attention(layer.self_attn)
        if hasattr(module, "use_pytorch_sdpa"):
            # PyTorch's fused attention, an option of NeMo's. Step by step, as a checkpoint's
            # configuration mostly says, clips of half a minute take a third longer.
            module.use_pytorch_sdpa = True
        if isinstance(module, ConvSubsampling) and Subsampling.takes(module.conv):
            module.conv = Subsampling([*module.conv])


def _gives_log_mels(features: FilterbankFeatures) -> bool:
    return (
        features.log
        and features.log_zero_guard_type == "add"
        and features.mag_power == 2.0
        and features.preemph is not None
        and features.frame_splicing == 1
        and not features.exact_pad
        and not features.use_grads
    )


def log_mels(
    nemo: FilterbankFeatures, signals: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-mel features of a batch, and their frames, as `nemo` would without dither.

    Args:
        signals: float32 of shape (clips, samples).
        lengths: Samples of each clip, of shape (clips,).

    Returns:
        float32 of shape (clips, features, frames of the longest), and int64 of shape (clips,).
    """
    frames = nemo.get_seq_len(lengths)
    made = signals.new_full((len(signals), nemo.nfilt, max(1, int(frames.max()))), nemo.pad_value)
    with torch.autocast(signals.device.type, enabled=False):
        for place, signal, length, end in zip(made, signals, lengths, frames, strict=True):
            clip = signal[None, :length]
            clip = torch.cat((clip[:, :1], clip[:, 1:] - nemo.preemph * clip[:, :-1]), dim=1)
            spectrum = torch.view_as_real(nemo.stft(clip))
            # NeMo sums the two squares along an axis of two, takes the root, and squares it again.
            power = spectrum[..., 0].square().addcmul_(spectrum[..., 1], spectrum[..., 1])
            mels = torch.matmul(nemo.fb, power)
            mels = torch.log(mels + nemo.log_zero_guard_value_fn(mels))[:, :, :end]
            if nemo.normalize:
                mels, _, _ = normalize_batch(mels, end[None], nemo.normalize)
            place[:, :end] = mels[0]
    return made, frames


class Subsampling(torch.nn.Module):
    """The convolutions that shorten a spectrogram, for one clip after the other.

    Between the layers NeMo sets what lies behind a clip to zero. To a clip alone the convolutions'
    own padding is these zeros.
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


class Attention(torch.nn.Module):
    """Attention with relative positions of all frames to all, for one clip after the other.

    The method is Transformer-XL's (https://arxiv.org/abs/1901.02860, section 3.3). NeMo shifts the
    scores of distances by copying them; here they are read where they lie, with another stride.
    """

    def __init__(self, nemo: RelPositionMultiHeadAttention) -> None:
        super().__init__()
        self._nemo = nemo

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        pos_emb: torch.Tensor,
        cache: torch.Tensor | None = None,
    ) -> Any:
        """Return what each frame takes from all frames of its clip.

        Args:
            query: Shape (clips, frames, features), like `key` and `value`.
            mask: True where a frame may not be heard, of shape (clips, frames, frames).
            pos_emb: Encoding of the distances frames - 1 to 1 - frames, of shape
                (1, 2 * frames - 1, features).
            cache: Earlier frames, which are left to NeMo.

        Returns:
            Shape (clips, frames, features); what lies behind a clip's end is of no meaning.
        """
        nemo = self._nemo
        if cache is not None or mask is None:
            return nemo(query, key, value, mask, pos_emb, cache)
        clips, frames, _ = query.shape
        heads, size = nemo.h, nemo.d_k
        q, k, v = nemo.forward_qkv(query, key, value)  # (clips, heads, frames, size)
        by_content = q + nemo.pos_bias_u[:, None]
        by_distance = (q + nemo.pos_bias_v[:, None]) / nemo.s_d_k
        distances = nemo.linear_pos(pos_emb).view(-1, heads, size).permute(1, 2, 0)
        heard = q.new_zeros(clips, frames, heads, size)
        for clip, end in enumerate((~mask[:, 0]).sum(-1).clamp(min=1).tolist()):
            near = distances[:, :, frames - end : frames + end - 1]
            scores = torch.matmul(by_distance[clip, :, :end], near)  # (heads, end, 2 * end - 1)
            # Of frame i to frame j it stands in column end - 1 - i + j.
            width = 2 * end - 1
            shifted = scores.as_strided((heads, end, end), (end * width, width - 1, 1), end - 1)
            heard[clip, :end] = torch.nn.functional.scaled_dot_product_attention(
                by_content[clip, None, :, :end],
                k[clip, None, :, :end],
                v[clip, None, :, :end],
                attn_mask=shifted[None],
            )[0].transpose(0, 1)
        return nemo.linear_out(heard.view(clips, frames, heads * size))
