"""Makes NeMo's Conformers faster on a CPU. The same is computed, to rounding, in the same shapes.

NeMo computes for a batch at once, in tensors beyond every cache, and masks what lies behind each
clip's end. Here a clip is computed after the other wherever that costs nothing: it stays in the
cache, and ends where it ends.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from nemo.collections.asr.modules import ConformerEncoder
from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures, normalize_batch
from nemo.collections.asr.parts.submodules.multi_head_attention import (
    MultiHeadAttention,
    RelPositionMultiHeadAttention,
)
from nemo.collections.asr.parts.submodules.subsampling import MaskedConvSequential


def tune(model: Any) -> None:
    """Have a model's features, subsampling and attention computed in the way that suits a CPU.

    It is for a model that only transcribes, and keeps its kind of attention. What is not known
    exactly is left to NeMo.
    """
    for module in model.modules():
        if type(module) is FilterbankFeatures and _gives_log_mels(module):
            module.forward = functools.partial(log_mels, module)
        if type(module) is MaskedConvSequential and _is_plain(module):
            # With channels side by side oneDNN's convolutions of single channels are vectorised.
            module.to(memory_format=torch.channels_last)
            module.forward = functools.partial(subsample, module)
        if isinstance(module, MultiHeadAttention) and not module.use_pytorch_sdpa_backends:
            # PyTorch's fused attention, an option of NeMo's. Step by step, as a checkpoint's
            # configuration mostly says, clips of half a minute take a third longer.
            module.use_pytorch_sdpa = True
        if isinstance(module, ConformerEncoder) and list(module.att_context_size) == [-1, -1]:
            for layer in module.layers:
                if type(layer.self_attn) is RelPositionMultiHeadAttention:
                    layer.self_attn.forward = functools.partial(attend, layer.self_attn)
    # The model that finds the times of Canary's words is none of its modules.
    if (aligner := getattr(model, "timestamps_asr_model", None)) is not None:
        tune(aligner)


def log_mels(
    nemo: FilterbankFeatures, signals: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log-mel features of a batch, and their frames.

    Args:
        signals: float32 of shape (clips, samples).
        lengths: Samples of each clip, of shape (clips,).

    Returns:
        float32 of shape (clips, features, frames), and int64 of shape (clips,).
    """
    if nemo.pad_to or nemo.training:  # NeMo takes neither to transcribe
        return FilterbankFeatures.forward(nemo, signals, lengths)  # type: ignore[no-any-return]
    frames = nemo.get_seq_len(lengths)
    longest = int(nemo.get_seq_len(torch.tensor(signals.shape[1]))) + 1
    made = signals.new_full((len(signals), nemo.nfilt, longest), nemo.pad_value)
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


def _gives_log_mels(features: FilterbankFeatures) -> bool:
    return (
        features.log
        and features.log_zero_guard_type == "add"
        and features.mag_power == 2.0
        and features.preemph is not None
        and features.frame_splicing == 1
        and features.n_fft % 2 == 0
        and not features.exact_pad
        and not features.use_grads
    )


def subsample(
    nemo: MaskedConvSequential, spectrograms: torch.Tensor, lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what convolutions make of a batch, and the lengths of that.

    Between the layers NeMo sets what lies behind a clip to zero. To a clip alone the convolutions'
    own padding is these zeros.

    Args:
        spectrograms: float32 of shape (clips, frames, features).
        lengths: Frames of each clip, of shape (clips,).

    Returns:
        float32 of shape (clips, channels, frames, features), zero behind each clip's end, and
        int64 of shape (clips,).
    """
    longest, ends = spectrograms.shape[1], lengths.to(torch.int64)
    for layer in nemo:
        if isinstance(layer, torch.nn.Conv2d):
            around = 2 * int(layer.padding[0]) - layer.kernel_size[0]
            longest = (longest + around) // layer.stride[0] + 1
            ends = (ends + around) // layer.stride[0] + 1
    clips = [
        torch.nn.Sequential.forward(nemo, clip[None, None, : max(1, length)])[0]  # type: ignore[no-untyped-call]
        for clip, length in zip(spectrograms, lengths.tolist(), strict=True)
    ]
    channels, _, features = clips[0].shape
    made = spectrograms.new_zeros(len(clips), channels, longest, features)
    for place, clip, end in zip(made, clips, ends.tolist(), strict=True):
        place[:, :end] = clip[:, :end]
    return made, ends


def _is_plain(convolutions: MaskedConvSequential) -> bool:
    return all(type(layer) in (torch.nn.Conv2d, torch.nn.ReLU) for layer in convolutions)


def attend(
    nemo: RelPositionMultiHeadAttention,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    pos_emb: torch.Tensor,
    cache: torch.Tensor | None = None,
) -> Any:
    """Return what each frame takes from all frames of its clip.

    The method is Transformer-XL's (https://arxiv.org/abs/1901.02860, section 3.3). NeMo shifts the
    scores of distances by copying them; here they are read where they lie, with another stride.

    Args:
        query: Shape (clips, frames, features), like `key` and `value`.
        mask: True where a frame may not be heard, of shape (clips, frames, frames).
        pos_emb: Encoding of the distances frames - 1 to 1 - frames, of shape
            (1, 2 * frames - 1, features).
        cache: Earlier frames, which are left to NeMo.

    Returns:
        Shape (clips, frames, features); what lies behind a clip's end is of no meaning.
    """
    if cache is not None or mask is None:
        return RelPositionMultiHeadAttention.forward(nemo, query, key, value, mask, pos_emb, cache)
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
