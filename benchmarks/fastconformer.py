"""Writes a FastConformer of the size that people use, with random weights, to measure time with.

What it hears is nonsense, at the rate of letters that speech has; how long it takes does not depend
on its weights. It is NVIDIA's public configuration fast-conformer_ctc “large”, 115 million
parameters, for letters. Run as `python -m benchmarks.fastconformer TARGET.nemo`, then
`python -m benchmarks.transcribe --model TARGET.nemo`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

LETTERS = [" ", *"abcdefghijklmnopqrstuvwxyz", "'"]
WIDTH, LAYERS, HEADS = 512, 17, 8


def configuration() -> dict[str, Any]:
    """Return what NeMo builds the model of."""
    asr = "nemo.collections.asr.modules."
    return {
        "sample_rate": 16_000,
        "labels": LETTERS,
        "preprocessor": {
            "_target_": f"{asr}AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 80,
            "n_fft": 512,
            "dither": 0.0,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": f"{asr}ConformerEncoder",
            "feat_in": 80,
            "feat_out": -1,
            "n_layers": LAYERS,
            "d_model": WIDTH,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 256,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": HEADS,
            "att_context_size": [-1, -1],
            "conv_kernel_size": 9,
            "conv_norm_type": "batch_norm",
        },
        "decoder": {
            "_target_": f"{asr}ConvASRDecoder",
            "feat_in": WIDTH,
            "num_classes": len(LETTERS),
            "vocabulary": LETTERS,
        },
        "decoding": {"strategy": "greedy_batch"},
    }


def write(target: Path) -> None:
    """Write the checkpoint."""
    import torch
    from nemo.collections.asr.models import EncDecCTCModel
    from omegaconf import OmegaConf

    torch.manual_seed(1)
    model = EncDecCTCModel(OmegaConf.create(configuration()))
    with torch.no_grad():  # another letter at nearly every frame: twelve a second, as in speech
        for weight in model.decoder.parameters():
            weight *= 30 if weight.ndim > 1 else 0
    model.save_to(str(target))
    count = sum(weight.numel() for weight in model.parameters())
    print(f"{target}: {count / 1e6:.0f} million parameters")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
