"""A transducer of Parakeet's kind (TDT, subwords) with random weights, tiny unless it is asked for.

What it hears is nonsense; that NeMo decodes it with times, confidence and phrases is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXT = "the quick brown fox jumps over the lazy dog and scriptorium hears ana ruiz in seville"

DURATIONS = [0, 1, 2, 3, 4]
"""Frames that a step of the decoder may go on by."""


@dataclass(frozen=True)
class Size:
    """How large a transducer is; the first values are the tests'."""

    layers: int = 1
    width: int = 32
    heads: int = 2
    features: int = 40
    channels: int = 16
    expansion: int = 2
    hidden: int = 32
    """Of the prediction network and of the joint one."""
    prediction_layers: int = 1
    subwords: int = 64


def tokenizer(folder: Path, subwords: int = 64, text: Sequence[str] = ()) -> Path:
    """Train a tokenizer, as NeMo expects one, on lines of text; return its directory."""
    import sentencepiece

    words = TEXT.split()
    lines = [" ".join(words[n % len(words) :] + words[: n % len(words)]) for n in range(200)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text or lines),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=subwords,
        model_type="bpe",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    pieces = (folder / "tokenizer.vocab").read_text(encoding="utf-8").splitlines()
    vocabulary = [line.split("\t")[0].replace("▁", "") for line in pieces]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return folder


TINY = Size()


def transducer(folder: Path, size: Size = TINY, text: Sequence[str] = ()) -> Any:
    """Return a model, ready to be used."""
    import torch
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from omegaconf import OmegaConf

    torch.manual_seed(4)
    asr = "nemo.collections.asr.modules."
    folder = tokenizer(folder, size.subwords, text)
    configuration = {
        "sample_rate": 16_000,
        "tokenizer": {"dir": str(folder), "type": "bpe"},
        "train_ds": None,
        "validation_ds": None,
        "test_ds": None,
        "model_defaults": {
            "enc_hidden": size.width,
            "pred_hidden": size.hidden,
            "joint_hidden": size.hidden,
            "tdt_durations": DURATIONS,
            "num_tdt_durations": len(DURATIONS),
        },
        "preprocessor": {
            "_target_": f"{asr}AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000,
            "features": size.features,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "n_fft": 512,
            "dither": 0.0,
        },
        "encoder": {
            "_target_": f"{asr}ConformerEncoder",
            "feat_in": size.features,
            "feat_out": -1,
            "n_layers": size.layers,
            "d_model": size.width,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": size.channels,
            "ff_expansion_factor": size.expansion,
            "self_attention_model": "rel_pos",
            "n_heads": size.heads,
            "conv_kernel_size": 9,
        },
        "decoder": {
            "_target_": f"{asr}RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "vocab_size": -1,
            "prednet": {
                "pred_hidden": size.hidden,
                "pred_rnn_layers": size.prediction_layers,
                "t_max": None,
                "dropout": 0.0,
            },
        },
        "joint": {
            "_target_": f"{asr}RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "num_extra_outputs": len(DURATIONS),
            "jointnet": {
                "joint_hidden": size.hidden,
                "activation": "relu",
                "dropout": 0.0,
                "encoder_hidden": size.width,
                "pred_hidden": size.hidden,
            },
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": DURATIONS,
            "greedy": {"max_symbols": 10},
            "beam": {"beam_size": 2, "return_best_hypothesis": False},
        },
        "loss": {
            "loss_name": "tdt",
            "tdt_kwargs": {"durations": DURATIONS, "sigma": 0.05, "omega": 0.1},
        },
        "optim": {"name": "adamw", "lr": 0.001},
    }
    model = EncDecRNNTBPEModel(cfg=OmegaConf.create(configuration))
    return model.eval()
