"""A tiny transducer of Parakeet's kind (TDT, subwords) with random weights, for the tests.

What it hears is nonsense; that NeMo decodes it with times, confidence and phrases is real.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXT = "the quick brown fox jumps over the lazy dog and scriptorium hears ana ruiz in seville"


def tokenizer(folder: Path) -> Path:
    """Train a tokenizer of 64 subwords, as NeMo expects one; return its directory."""
    import sentencepiece

    words = TEXT.split()
    lines = [" ".join(words[n % len(words) :] + words[: n % len(words)]) for n in range(200)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=64,
        model_type="bpe",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    pieces = (folder / "tokenizer.vocab").read_text(encoding="utf-8").splitlines()
    vocabulary = [line.split("\t")[0].replace("▁", "") for line in pieces]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    return folder


def transducer(folder: Path) -> Any:
    """Return the model, ready to be used."""
    import torch
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from omegaconf import OmegaConf

    torch.manual_seed(4)
    asr = "nemo.collections.asr.modules."
    width, durations = 32, [0, 1, 2, 3, 4]
    configuration = {
        "sample_rate": 16_000,
        "tokenizer": {"dir": str(tokenizer(folder)), "type": "bpe"},
        "train_ds": None,
        "validation_ds": None,
        "test_ds": None,
        "model_defaults": {
            "enc_hidden": width,
            "pred_hidden": width,
            "joint_hidden": width,
            "tdt_durations": durations,
            "num_tdt_durations": len(durations),
        },
        "preprocessor": {
            "_target_": f"{asr}AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000,
            "features": 40,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "n_fft": 512,
            "dither": 0.0,
        },
        "encoder": {
            "_target_": f"{asr}ConformerEncoder",
            "feat_in": 40,
            "feat_out": -1,
            "n_layers": 1,
            "d_model": width,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 16,
            "ff_expansion_factor": 2,
            "self_attention_model": "rel_pos",
            "n_heads": 2,
            "conv_kernel_size": 9,
        },
        "decoder": {
            "_target_": f"{asr}RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "vocab_size": -1,
            "prednet": {"pred_hidden": width, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": f"{asr}RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "num_extra_outputs": len(durations),
            "jointnet": {
                "joint_hidden": width,
                "activation": "relu",
                "dropout": 0.0,
                "encoder_hidden": width,
                "pred_hidden": width,
            },
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": durations,
            "greedy": {"max_symbols": 10},
            "beam": {"beam_size": 2, "return_best_hypothesis": False},
        },
        "loss": {
            "loss_name": "tdt",
            "tdt_kwargs": {"durations": durations, "sigma": 0.05, "omega": 0.1},
        },
        "optim": {"name": "adamw", "lr": 0.001},
    }
    model = EncDecRNNTBPEModel(cfg=OmegaConf.create(configuration))
    return model.eval()
