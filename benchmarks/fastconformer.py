"""Writes a FastConformer of the size that people use, with random weights, to measure time with.

What it hears is nonsense, at the rate at which speech has letters or subwords; how long it takes
does not depend on its weights. Write one, then `python -m benchmarks.transcribe --model
TARGET.nemo`:

    python -m benchmarks.fastconformer TARGET.nemo
    python -m benchmarks.fastconformer TARGET.nemo --kind tdt --size 0.6b

The first is NVIDIA's public configuration fast-conformer_ctc “large”, 115 million parameters, for
letters. The second has the shape of Parakeet-TDT 0.6B.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from tests.transducer import DURATIONS, TINY, Size, transducer

ROOT = Path(__file__).parents[1]

LETTERS = [" ", *"abcdefghijklmnopqrstuvwxyz", "'"]
WIDTH, LAYERS, HEADS = 512, 17, 8


SIZES = {
    "tiny": TINY,
    "0.6b": Size(24, 1024, 8, 128, 256, 4, 640, prediction_layers=2, subwords=1024),
}

STEP = 3
"""Frames of 80 ms that a transducer goes on by with each subword: four a second, as in speech."""


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


def ctc() -> Any:
    """Return a model of letters."""
    import torch
    from nemo.collections.asr.models import EncDecCTCModel
    from omegaconf import OmegaConf

    model = EncDecCTCModel(OmegaConf.create(configuration()))
    with torch.no_grad():  # another letter at nearly every frame: twelve a second, as in speech
        for weight in model.decoder.parameters():
            weight *= 30 if weight.ndim > 1 else 0
    return model


def tdt(size: Size, folder: Path) -> Any:
    """Return a transducer of subwords, those of this project's guides where it has many.

    Args:
        folder: Where its tokenizer is made; it is needed until the model is saved.
    """
    import torch
    from omegaconf import OmegaConf

    model = transducer(folder, size, _guides() if size.subwords > TINY.subwords else ())
    # NeMo looks there when it is given paths.
    OmegaConf.update(model.cfg, "validation_ds", {"use_start_end_token": False}, force_add=True)
    with torch.no_grad():
        last = model.joint.joint_net[-1]
        last.weight *= 30  # the subword depends on what is heard, and on the one before
        last.weight[-len(DURATIONS) :] = 0
        last.bias.zero_()
        last.bias[model.decoder.blank_idx] = -1000.0
        last.bias[DURATIONS.index(STEP) - len(DURATIONS)] = 1.0
    return model


def write(target: Path, kind: str = "ctc", size: str = "0.6b") -> None:
    """Write the checkpoint."""
    import torch

    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        model = ctc() if kind == "ctc" else tdt(SIZES[size], Path(folder))
        model.save_to(str(target))
    count = sum(weight.numel() for weight in model.parameters())
    print(f"{target}: {count / 1e6:.0f} million parameters")


def _guides() -> list[str]:
    """Return lines of text of this project."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        line for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line
    ]


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--kind", choices=("ctc", "tdt"), default="ctc")
    parser.add_argument("--size", choices=SIZES, default="0.6b", help="of a transducer")
    wanted = parser.parse_args()
    write(wanted.target, wanted.kind, wanted.size)


if __name__ == "__main__":
    main()
