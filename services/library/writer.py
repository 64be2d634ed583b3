"""The one thread that writes the database."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from services.errors import LibraryError
from services.files import operations
from services.library.models import Chunk, Source
from services.library.table import Table

log = logging.getLogger(__name__)

MOST_COMMITS = 20
"""Where passages come faster than they are written, so many commits are made as one."""

KEEP_SECONDS = 60.0
"""How long an old version stays: a search that began on it can end on it."""


@dataclass(frozen=True)
class _Put:
    source: Source
    chunks: Sequence[Chunk]
    vectors: Any
    model: str
    done: Future[int] = field(default_factory=Future)


@dataclass(frozen=True)
class _Call:
    """Something else to do between two commits."""

    action: Callable[[], None]
    done: Future[int] = field(default_factory=Future)


class Writer:
    """Takes passages from a bounded queue and commits them in bulk.

    Only this thread commits, compacts or deletes; a lock file keeps other processes out. What is
    queued when the process is killed is lost here: whoever put it puts it again.

    Args:
        directory: The database's.
        table: Returns its table; called in this thread when there is first something to do.
        commit_chunks: Passages after which a commit waits for no more.
        commit_seconds: Time after which one is made although there are fewer.
        compact_commits: Commits after which the table is compacted.
        idle_seconds: Quiet time after which it is compacted although there were fewer.
        waiting: Sources that may wait in the queue; `put` blocks while it is full.

    Raises:
        LibraryError: another process writes this library.
    """

    def __init__(
        self,
        directory: Path,
        table: Callable[[], Table],
        commit_chunks: int = 100,
        commit_seconds: float = 1.0,
        compact_commits: int = 200,
        idle_seconds: float = 1.5 * KEEP_SECONDS,
        waiting: int = 32,
    ) -> None:
        self._lock = FileLock(operations.make_dir(directory) / "writer.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise LibraryError(
                f"Another program writes the library in {directory}. Stop it and try again."
            ) from None
        self._commit_chunks = commit_chunks
        self._commit_seconds = commit_seconds
        self._compact_commits = compact_commits
        self._idle_seconds = idle_seconds
        self._queue: queue.Queue[_Put | _Call | None] = queue.Queue(waiting)
        self._open = table
        self._opened: Table | None = None
        self._uncompacted = 0
        self.seconds = 0.0
        """Time spent in commits and compactions so far."""
        self._thread = threading.Thread(target=self._run, name="library-writer", daemon=True)
        self._thread.start()

    def put(self, source: Source, chunks: Sequence[Chunk], vectors: Any, model: str) -> Future[int]:
        """Make these all the passages of a source; the future ends when they are on disk.

        Args:
            vectors: float32 of shape (len(chunks), dimension).
        """
        item = _Put(source, chunks, vectors, model)
        self._queue.put(item)
        return item.done

    def delete(self, sources: Sequence[str]) -> Future[int]:
        """Delete all passages of these sources."""
        return self._call(lambda: self._change(lambda: self.table.delete(sources)))

    def label(
        self, source: str, name: str, tags: Sequence[str], collections: Sequence[str]
    ) -> Future[int]:
        """Change the name, the tags and the collections of a source."""
        return self._call(
            lambda: self._change(lambda: self.table.label(source, name, tags, collections))
        )

    def restore(self, batches: Iterable[Any]) -> Future[int]:
        """Make these batches, of a backup, all that there is."""
        return self._call(lambda: self._change(lambda: self.table.restore(batches)))

    def compact(self, keep_seconds: float = KEEP_SECONDS) -> Future[int]:
        """Compact now."""
        return self._call(lambda: self._compact(keep_seconds))

    def close(self) -> None:
        """Write what is queued, compact, and let other processes in."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._lock.release()

    # --- the writer's thread --------------------------------------------------------------

    @property
    def table(self) -> Table:
        """The table, opened and rid of what a killed writer left at the first use."""
        if self._opened is None:
            table = self._open()
            table.compact(KEEP_SECONDS, alone=True)
            self._opened = table
        return self._opened

    def _run(self) -> None:
        following: _Put | _Call | None
        going = True
        while going:
            try:
                following = self._queue.get(timeout=self._idle_seconds)
            except queue.Empty:
                self._try(self._compact)
                continue
            if isinstance(following, _Put):
                puts, following = self._gather(following)
                self._commit(puts)
            if isinstance(following, _Call):
                self._answer(following)
            going = following is not None
        self._try(self._compact)

    def _gather(self, first: _Put) -> tuple[list[_Put], _Put | _Call | None]:
        """Return what belongs into one commit, and what comes after it.

        That is the last of them itself where the commit is full and nothing else is known.
        """
        puts, size = [first], len(first.chunks)
        end = time.monotonic() + self._commit_seconds
        while size < MOST_COMMITS * self._commit_chunks:
            # A full commit waits for nothing more, but takes what has come while others were made.
            wait = end - time.monotonic() if size < self._commit_chunks else 0.0
            try:
                item = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(item, _Put):
                return puts, item
            puts.append(item)
            size += len(item.chunks)
        return puts, puts[-1]

    def _commit(self, puts: list[_Put]) -> None:
        latest = {put.source.id: put for put in puts}  # of two of one source, the later counts
        try:
            begun = time.monotonic()
            self._write(list(latest.values()))
            self.seconds += time.monotonic() - begun
        except Exception as error:
            log.exception("the library could not be written")
            for put in puts:
                put.done.set_exception(error)
            return
        for put in puts:
            put.done.set_result(len(put.chunks))
        if self._uncompacted >= self._compact_commits:
            self._try(self._compact)

    def _write(self, puts: list[_Put]) -> None:
        import pyarrow as pa

        full = [put for put in puts if put.chunks]
        count = sum(len(put.chunks) for put in full)
        if empty := [put.source.id for put in puts if not put.chunks]:
            self.table.delete(empty)
        if not count:
            return
        for dimension in {put.vectors.shape[1] for put in full}:
            self.table.ready_for(dimension)
        log.info("Writing %d chunks to database (sequential write)", count)
        self.table.put(
            pa.concat_tables(
                self.table.rows(put.source, put.chunks, put.vectors, put.model) for put in full
            )
        )
        self._uncompacted += 1
        log.info("Successfully wrote %d chunks", count)

    def _change(self, action: Callable[[], None]) -> None:
        action()
        self._uncompacted += 1

    def _call(self, action: Callable[[], None]) -> Future[int]:
        item = _Call(action)
        self._queue.put(item)
        return item.done

    def _answer(self, call: _Call) -> None:
        try:
            call.action()
        except Exception as error:
            call.done.set_exception(error)
        else:
            call.done.set_result(0)

    def _compact(self, keep_seconds: float = KEEP_SECONDS) -> None:
        if self._uncompacted:
            begun = time.monotonic()
            self.table.compact(keep_seconds)
            self.seconds += time.monotonic() - begun
            self._uncompacted = 0

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # compaction is housekeeping: it is tried again later
            log.exception("the library could not be compacted; the next round tries again")
