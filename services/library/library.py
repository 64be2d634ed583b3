"""The library: takes results in, finds passages again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from services.errors import LibraryError, WorkerDied
from services.library import portable, search
from services.library.embedding import PACKAGED
from services.library.enrich import Enrichment
from services.library.models import EVERYTHING, Chunk, Filters, Found, Hit, Result, Source
from services.library.process import EmbeddingProcess, vectors
from services.library.table import Table
from services.library.writer import Writer

log = logging.getLogger(__name__)

RERANK_SECONDS = 2.0
"""How long a search waits for its hits to be reranked; they stay in their order after that."""

SEEN_AFTER = 1.0
"""Seconds after which one that does not write sees what another process wrote."""


@dataclass(frozen=True)
class Prepared:
    """Passages of one result; `vectors` is float32 of shape (len(chunks), dimension)."""

    chunks: list[Chunk]
    vectors: Any
    enrichment: Enrichment


class Library:
    """Passages of results, in a database under one directory.

    Args:
        directory: Where the database lies.
        model: The embedding model, by name or path; the packaged one when not given.
        device: Where it runs: `cpu`, `cuda` or `auto`.
        writes: Whether this is the one process that may change the library.
        reranker: A cross-encoder that orders the best hits anew; none when not given.
        writing: More arguments of its `Writer`.

    Raises:
        LibraryError: another process writes this library.
    """

    def __init__(
        self,
        directory: Path,
        model: str | None = None,
        device: str = "auto",
        writes: bool = True,
        reranker: str | None = None,
        **writing: Any,
    ) -> None:
        self.directory = directory
        self.model = model or PACKAGED
        self._reranker = reranker
        self.problem: str | None = None
        """Why meanings cannot be compared; None while nothing speaks against it."""
        self.ready = threading.Event()
        """Set while the embedding model is loaded and answers at once."""
        self._lock = threading.Lock()
        self._table: Table | None = None
        self._writes = writes
        self.writer = Writer(directory, lambda: self.table, **writing) if writes else None
        self.process = EmbeddingProcess(device)

    def close(self) -> None:
        """Write what is queued and end the embedding process."""
        self.process.close()
        if self.writer is not None:
            self.writer.close()

    @property
    def table(self) -> Table:
        """The table, opened at the first use."""
        with self._lock:
            if self._table is None or not (self._writes or self._table.exists):
                self._table = Table(self.directory, None if self._writes else SEEN_AFTER)
            return self._table

    # --- changing -------------------------------------------------------------------------

    def prepare(self, result: Result) -> Prepared:
        """Cut a result into passages, embed them and find out what it is about.

        Raises:
            LibraryError: it cannot be done.
            WorkerDied: the embedding process ended.
        """
        answer = self.process.prepare(self.model, result).result()
        chunks = [Chunk(**one) for one in answer["chunks"]]
        lists = ("keywords", "actions")
        known: dict[str, Any] = {
            name: tuple(value) if name in lists else value
            for name, value in answer["enrichment"].items()
        }
        return Prepared(chunks, vectors(answer), Enrichment(**known))

    def write(self, source: Source, prepared: Prepared) -> Future[int]:
        """Make these all the passages of `source`.

        The future gives their number when they are on disk.
        """
        return self._writer.put(source, prepared.chunks, prepared.vectors, self.model)

    def delete(self, sources: Sequence[str]) -> Future[int]:
        """Delete these sources."""
        return self._writer.delete(sources)

    def label(
        self, source: str, name: str, tags: Sequence[str], collections: Sequence[str]
    ) -> Future[int]:
        """Change the name, the tags and the collections of a source."""
        return self._writer.label(source, name, tags, collections)

    @property
    def _writer(self) -> Writer:
        if self.writer is None:
            raise LibraryError("Only the server changes the library. Start it and try again.")
        return self.writer

    def restore(self, source: Path) -> None:
        """Put a backup back in place of all that is there, while searches go on.

        Raises:
            LibraryError: it is no backup; nothing was changed.
        """
        self._writer.restore(portable.backed_up(source)).result()

    def export(self, target: Path) -> int:
        """Write every passage to a Parquet or JSON Lines file; return how many."""
        return portable.export(self.table, target)

    def backup(self, target: Path) -> int:
        """Write the library to a file while it is used; return its number of passages."""
        return portable.backup(self.table, target)

    # --- finding --------------------------------------------------------------------------

    def warm(self) -> None:
        """Load the embedding model, so that the first search finds it ready."""
        self.process.embed(self.model, []).add_done_callback(self._note)
        if self._reranker:
            self.process.rerank(self._reranker, "", [])

    def search(
        self,
        typed: str,
        filters: Filters = EVERYTHING,
        limit: int = 10,
        offset: int = 0,
        patience: float = 60.0,
    ) -> Found:
        """Return the sources that match best, each with its best passages.

        Args:
            typed: Words and, in quotation marks, phrases.
            limit: Sources on this page.
            offset: Sources before it.
            patience: Seconds to wait for the embedding model; after that only words are compared.
        """
        vector = self._embedded(typed, patience) if typed.strip() and self.table.exists else None
        rerank = partial(self._reranked, self._reranker) if self._reranker else None
        return search.search(
            self.table, typed, vector, self.model, filters, limit, offset, rerank=rerank
        )

    def similar(self, key: str, filters: Filters = EVERYTHING, limit: int = 5) -> list[Hit]:
        """Return the passages of other sources whose meaning is nearest to that of one."""
        return search.similar(self.table, key, filters, limit)

    def _embedded(self, typed: str, patience: float) -> Any:
        text = " ".join(typed.replace('"', " ").split())
        try:
            answer = self.process.embed(self.model, [text])
            answer.add_done_callback(self._note)
            return vectors(answer.result(timeout=patience))[0]
        except FutureTimeout:
            log.info("no embedding within %.1f s: comparing words only", patience)
        except (LibraryError, WorkerDied) as error:
            log.warning("comparing words only: %s", error)
        return None

    def _reranked(self, model: str, question: str, texts: list[str]) -> list[float] | None:
        """Return the reranking model's scores; None where it fails or takes too long."""
        try:
            answer = self.process.rerank(model, question, texts).result(timeout=RERANK_SECONDS)
            return list(answer["scores"])
        except FutureTimeout:
            log.info("not reranked within %.1f s", RERANK_SECONDS)
        except (LibraryError, WorkerDied) as error:
            log.warning("not reranked: %s", error)
        return None

    def _note(self, answer: Future[Any]) -> None:
        error = answer.exception()
        self.problem = str(error) if isinstance(error, LibraryError) else None
        if error is None:
            self.ready.set()
        else:
            self.ready.clear()
