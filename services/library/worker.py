"""The embedding process: cuts results into passages, enriches them, and computes vectors.

It reads requests from standard input and answers on standard output, JSON objects one a line,
in any order; an answer carries the `id` of its request. A search does not wait for a long file:
its words are embedded between two batches of the file's passages.
Run as `python -m services.library.worker DEVICE`.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import os
import queue
import sys
import threading
from dataclasses import asdict
from typing import Any, TextIO

from services import gpu
from services.errors import DeviceLost, LibraryError, ModelUnavailable
from services.library import enrich
from services.library.chunks import chunk, in_context
from services.library.embedding import EmbeddingModel
from services.library.enrich import Enrichment
from services.library.reranking import RerankModel
from services.processes import take_input

BATCH = 16
"""Passages embedded at once: on two cores about half a second, which is what a search waits."""

Request = dict[str, Any]


class Worker:
    """Answers requests with models that it loads when they are first needed."""

    def __init__(self, device: str, answers: TextIO) -> None:
        self._wanted = device
        self._answers = answers
        self._models: dict[str, EmbeddingModel] = {}
        self._rerankers: dict[str, RerankModel] = {}
        self.urgent: queue.Queue[Request] = queue.Queue()
        self.patient: queue.Queue[Request] = queue.Queue()
        self.arrived = threading.Semaphore(0)

    def receive(self, lines: TextIO) -> None:
        """Sort requests by how long they may wait; end the process when there are no more."""
        for line in lines:
            request = json.loads(line)
            (self.patient if request["operation"] == "prepare" else self.urgent).put(request)
            self.arrived.release()
        os._exit(0)  # the server is gone, perhaps killed; nothing here is worth finishing

    def serve(self) -> None:
        """Answer requests, urgent ones first, until the process ends."""
        while True:
            self.arrived.acquire()
            if self._answer_urgent():
                continue
            try:
                request = self.patient.get_nowait()
            except queue.Empty:
                continue  # it was urgent, and answered between two batches
            self._answer(request)

    def _answer_urgent(self) -> bool:
        try:
            request = self.urgent.get_nowait()
        except queue.Empty:
            return False
        self._answer(request)
        return True

    def _answer(self, request: Request) -> None:
        try:
            answer = getattr(self, f"_{request['operation']}")(request)
        except LibraryError as error:
            answer = {"error": str(error)}
        except (MemoryError, DeviceLost):
            raise  # in any state: end the process, the next request starts another
        except Exception as error:
            gpu.require_answer(self._device)
            logging.exception("the embedding process failed at a request")
            answer = {"error": f"internal error ({type(error).__name__}: {error})"}
        self._answers.write(json.dumps({"id": request["id"], **answer}) + "\n")
        self._answers.flush()

    @functools.cached_property
    def _device(self) -> str:
        try:
            return gpu.choose(self._wanted)
        except ModelUnavailable as error:
            raise LibraryError(str(error)) from error

    def _model(self, name: str) -> EmbeddingModel:
        if name not in self._models:
            self._models[name] = EmbeddingModel(name, self._device)
        return self._models[name]

    def _embed(self, request: Request) -> Request:
        model = self._model(request["model"])
        vectors = model.embed(request["texts"], query=True) if request["texts"] else b""
        return {"dimension": model.dimension, "vectors": _packed(vectors)}

    def _rerank(self, request: Request) -> Request:
        name = request["model"]
        if name not in self._rerankers:
            self._rerankers[name] = RerankModel(name, self._device)
        return {"scores": self._rerankers[name].scores(request["question"], request["texts"])}

    def _prepare(self, request: Request) -> Request:
        model = self._model(request["model"])
        chunks = chunk(request["result"], model.count)
        texts = [in_context(one.text, " › ".join(one.headings)) for one in chunks]
        # Texts of like length side by side: the padding of a batch is work for nothing.
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        vectors: list[Any] = [None] * len(texts)
        for first in range(0, len(order), BATCH):
            while self._answer_urgent():
                pass
            batch = order[first : first + BATCH]
            for place, vector in zip(batch, model.embed([texts[n] for n in batch]), strict=True):
                vectors[place] = vector
        return {
            "chunks": [asdict(one) for one in chunks],
            "dimension": model.dimension,
            "vectors": _packed(b"".join(vector.tobytes() for vector in vectors)),
            "enrichment": asdict(self._enriched(model, [one.text for one in chunks])),
        }

    def _enriched(self, model: EmbeddingModel, passages: list[str]) -> Enrichment:
        text = "\n\n".join(passages)
        ranked = enrich.ranked_sentences(text)
        while self._answer_urgent():
            pass
        return Enrichment(
            language=enrich.language(text),
            summary=enrich.summary(ranked, model.embed(ranked) if ranked else None),
            keywords=enrich.keywords(passages),
        )


def _packed(vectors: Any) -> str:
    data = vectors if isinstance(vectors, bytes) else vectors.astype("float32").tobytes()
    return base64.b64encode(data).decode()


def main() -> None:
    """Serve until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # nothing that a library prints may mix with the answers
    logging.basicConfig(level=logging.ERROR)
    worker = Worker(sys.argv[1], answers)
    threading.Thread(target=worker.receive, args=(take_input(),), daemon=True).start()
    worker.serve()


if __name__ == "__main__":
    main()
