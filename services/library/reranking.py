"""The reranking model: reads a question together with each passage that was found for it."""

from __future__ import annotations

from services.errors import LibraryError
from services.gpu import bring, computed


class RerankModel:
    """A cross-encoder. It is slower than comparing vectors, and judges better.

    Nogueira and Cho, Passage Re-ranking with BERT, 2019.

    Args:
        name: A path, or a name that sentence-transformers knows.
        device: `cpu` or `cuda`, where there is room for it.

    Raises:
        LibraryError: it cannot be loaded, or it does not score pairs of texts.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        # Here, because it imports torch, which takes seconds and hundreds of megabytes.
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(name, device="cpu")
        except (OSError, ValueError) as error:
            raise LibraryError(
                f"The reranking model “{name}” cannot be loaded ({error}). Set rerank_model to one "
                "that this machine has or can fetch, or leave it out."
            ) from error
        bring(self._model, device)
        if self._model.num_labels != 1:
            raise LibraryError(
                f"“{name}” gives {self._model.num_labels} numbers for a pair of texts and not one: "
                "it is no reranking model. Set rerank_model to another, or leave it out."
            )

    def scores(self, question: str, texts: list[str]) -> list[float]:
        """Return how well each text answers the question; higher is better."""
        if not texts:
            return []
        pairs = [(question, text) for text in texts]
        how = {"batch_size": len(pairs), "show_progress_bar": False}
        found = computed(self._model, lambda: self._model.predict(pairs, **how))
        return [float(score) for score in found]
