"""The library as pages, scripts and the command line use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.config import Settings
from services.errors import LibraryError, NotAllowed
from services.files.names import one_line
from services.jobs.entries import Entry, IndexEntries, Labels
from services.jobs.models import Job, JobFilter, State
from services.jobs.results import Result
from services.jobs.turns import Turns, User
from services.library.check import Check, check
from services.library.library import Library
from services.library.llm import LanguageModel
from services.library.models import EVERYTHING, Filters, Found, Hit
from services.library.restoring import RestoreRequest
from services.people.models import Scope
from services.view import View

FORMAT = 1
"""Raised when passages are cut or stored in another way: everything is then indexed again."""


class Shelves(View):
    """Shows what the library holds, and finds it."""

    writes_library = False
    """Whether this is the server, which alone changes the library."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._library: Library | None = None
        if settings.library:
            self._library = Library(
                settings.library_dir,
                settings.embedding_model,
                settings.device,
                self.writes_library,
                settings.rerank_model,
                commit_chunks=settings.commit_chunks,
            )
        self._turns = Turns(settings.llm_shares_gpu)
        self._llm = None
        if settings.llm_url and self._library:
            key = settings.llm_key.get_secret_value() if settings.llm_key else None
            self._llm = LanguageModel(
                settings.llm_url,
                settings.llm_model,
                key,
                settings.llm_timeout,
                settings.llm_price,
                local=settings.llm_local,
                turn=lambda person: self._turns.take(User.PERSON if person else User.TEXT),
            )
        model = self._library.model if self._library else ""
        self._entries = IndexEntries(settings.store_url, f"{model} {FORMAT}")

    def close(self) -> None:
        """Write what is queued, end the processes and close the store."""
        if self._library is not None:
            self._library.close()
        if self._llm is not None:
            self._llm.close()
        self._entries.close()
        super().close()

    @property
    def library(self) -> Library:
        """The library.

        Raises:
            LibraryError: it is switched off.
        """
        if self._library is None:
            raise LibraryError("The library is switched off: set library = true and start again.")
        return self._library

    @property
    def has_library(self) -> bool:
        """Whether the library is switched on."""
        return self._library is not None

    # --- finding --------------------------------------------------------------------------

    def search(self, typed: str, limit: int = 10, **filters: Any) -> list[Hit]:
        """Return the passages that match best, the best first.

        Args:
            typed: Words and, in quotation marks, phrases.
            filters: What the search is narrowed to; see `Filters`.
        """
        found = self.library.search(typed, self._narrowed(Filters(**filters)), limit)
        return sorted(found.hits, key=lambda hit: -hit.score)[:limit]

    def search_page(
        self,
        typed: str,
        filters: Filters = EVERYTHING,
        limit: int = 10,
        offset: int = 0,
        patience: float = 60.0,
    ) -> Found:
        """Return a page of sources that match, with the number of all and per facet.

        Args:
            patience: Seconds to wait for the embedding model; after that only words are compared.
        """
        return self.library.search(typed, self._narrowed(filters), limit, offset, patience)

    def similar(self, key: str, limit: int = 5) -> list[Hit]:
        """Return the passages of other files whose meaning is nearest to that of a hit."""
        return self.library.similar(key, self._narrowed(EVERYTHING), limit)

    def warm_search(self) -> None:
        """Load the embedding model, so that a search that follows finds it ready."""
        if self._library is not None and self._library.table.exists:
            self._library.warm()

    def search_ready(self) -> bool:
        """Whether a search compares meanings without waiting for the model."""
        return self._library is not None and self._library.ready.is_set()

    def search_problem(self) -> str | None:
        """Return why meanings cannot be compared, or None."""
        return self._library.problem if self._library is not None else None

    @property
    def can_answer(self) -> bool:
        """Whether a language model is configured that answers questions."""
        return self._llm is not None

    def ask(
        self, question: str, filters: Filters = EVERYTHING, limit: int = 8
    ) -> tuple[list[Hit], Iterator[str]]:
        """Return the passages that may answer a question, and the answer, piece by piece.

        The answer cites them by their place in the list, from 1.

        Raises:
            LibraryError: no language model is configured; while the answer is read, it fails.
        """
        if self._llm is None:
            raise LibraryError(
                "Answers need a language model: set llm_url and llm_model, for example to those "
                "of Ollama on this machine, and start again."
            )
        found = self.library.search(question, self._narrowed(filters), limit)
        hits = sorted(found.hits, key=lambda hit: -hit.score)[:limit]
        return hits, self._llm.answer(question, hits)

    # --- what is in it --------------------------------------------------------------------

    def entries(self, job_ids: Iterable[str]) -> dict[str, Entry]:
        """Return how far the library is with these jobs; one that was not begun is left out."""
        seen = self._visible(JobFilter(ids=tuple(job_ids)))
        return self._entries.of(seen.ids or () if seen.reach is None else self._store.ids(seen))

    def indexing(self, batch_id: str) -> int:
        """Return the number of results of a batch that the library is still busy with."""
        return self._entries.waiting(batch_id) if self._library is not None else 0

    def index_counts(self) -> dict[State, int]:
        """Return the number of results in each state of indexing."""
        return self._entries.counts(self._seen())

    def being_indexed(self) -> int:
        """Return the number of results that the library does not have yet."""
        counts = self.index_counts()
        return sum(counts.values()) - counts.get(State.DONE, 0) - counts.get(State.FAILED, 0)

    def shelf(self, limit: int = 30, offset: int = 0) -> list[tuple[Job, Entry | None, Labels]]:
        """Return what the library holds or will hold, the newest first."""
        jobs = self._entries.with_result(limit, offset, self._seen())
        ids = [job.id for job in jobs]
        entries, labels = self._entries.of(ids), self._entries.labels(ids)
        return [(job, entries.get(job.id), labels.get(job.id, Labels())) for job in jobs]

    def index_again(self, job_ids: Sequence[str] | None = None) -> int:
        """Queue these jobs, or all, to be indexed again; return how many."""
        if job_ids is None:
            self.require(Scope.ADMIN)
        else:
            job_ids = self._changeable_ids(job_ids)
        count = self._entries.again(job_ids)
        self._wake_indexer()
        return count

    def check_library(self, repair: bool = False) -> Check:
        """Compare the library with the job store.

        Args:
            repair: Also have the server remove what is wrong and index it again; it does so now,
                or at its next start.
        """
        self.require(Scope.ADMIN)
        # The store first: what is finished after this is in the table by the time that is read.
        expected, busy = self._entries.indexed(), self._entries.busy()
        table = self.library.table
        table.reopen()
        found = check(table, expected, busy | self._entries.busy())
        if repair and found.broken:
            self._entries.remove(found.broken)
            self._wake_indexer()
        return found

    def ask_to_restore(self, source: Path) -> RestoreRequest:
        """Ask the server to put a backup of the library back, within a few seconds."""
        self.require(Scope.ADMIN)
        return RestoreRequest(self.settings.library_dir, source)

    def restore_library(self, source: Path) -> None:
        """Put a backup of the library back; what it lacks, or has too much, is then put right.

        Raises:
            LibraryError: it is no backup, and nothing was changed; or this is not the server.
        """
        self.require(Scope.ADMIN)
        self.library.restore(source)
        self.check_library(repair=True)

    def _corrected(self, job: Job) -> Result:
        """Return a result as it is exported: as people corrected it, with what it is about."""
        result, entry = super()._corrected(job), self._entries.of([job.id]).get(job.id)
        return replace(result, about=entry.about) if entry else result

    # --- names and tags -------------------------------------------------------------------

    def labels(self, job_id: str) -> Labels:
        """Return what people call a job's result."""
        found = self._entries.labels([job_id]) if self.job(job_id) else {}
        return found.get(job_id, Labels())

    def label_names(self, field: str) -> list[str]:
        """Return every name in use, of `tags` or `collections`."""
        return self._entries.label_names(field, self._seen())

    def label(
        self,
        job: Job,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        collections: Sequence[str] | None = None,
    ) -> Labels:
        """Change the name, the tags or the collections of a job's result; None leaves them.

        An empty name gives it that of its file again. Search knows the change a moment later.
        """
        if not self.may_correct(job):
            raise NotAllowed(f"Only {job.owner} can change the name and the tags of “{job.name}”.")
        labels = self.labels(job.id)
        if name is not None:
            labels = replace(labels, name=one_line(name) or None)
        if tags is not None:
            labels = replace(labels, tags=_clean(tags))
        if collections is not None:
            labels = replace(labels, collections=_clean(collections))
        self._entries.label(job.id, labels)
        self._wake_indexer()
        return labels

    def _narrowed(self, filters: Filters) -> Filters:
        """Narrow a search to what may be seen."""
        return replace(filters, reach=self._seen())

    def _wake_indexer(self) -> None:
        """Say that there is something to index; the server's indexer looks every few seconds."""


def _clean(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean for name in names if (clean := one_line(name))))
