"""Looks at a file before it is queued: what it is, how long, and whether it can be processed."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.documents.process import DocumentProcess
from services.errors import (
    DiskFull,
    PasswordNeeded,
    ScriptoriumError,
    TransientError,
    UnreadableMedia,
    UnsupportedFile,
    WorkerDied,
)
from services.files.operations import open_to_read
from services.files.workspace import StoredFile, Workspace
from services.jobs.models import Kind, NewJob

MEDIA_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("wav", "aifc", "asf", "au", "flv", "m2ts", "m4b", "mp2", "mts", "wmv", "3g2", "flac"),
        *("mp3", "m4a", "aac", "ogg", "oga", "opus", "webm", "wma", "aiff", "aif", "mp4", "m4v"),
        *("mov", "mkv", "avi", "3gp", "amr", "caf", "mka", "mpg", "mpeg", "w64", "wv"),
    )
)
"""Names that are taken for audio or video even if their content cannot be read."""


@dataclass(frozen=True)
class Inspection:
    """What a file is. `length` is in seconds for audio, in pages for documents."""

    kind: Kind
    length: float | None = None
    problem: str | None = None
    """Why it cannot be processed, for a person; None when it can."""
    locked: bool = False
    """Whether it needs a password, which its job asks for."""
    tracks: int = 1
    """How many sound tracks it has, of audio."""


class Inspector:
    """Inspects files; any thread may call it. PDFs are opened in worker processes.

    Several, so that one file that takes its time holds nobody up; one starts when it is needed.

    Args:
        processes: What opens the PDFs, one file at a time each.
    """

    def __init__(self, processes: Iterable[DocumentProcess]) -> None:
        # Last in, first out: who comes alone always gets the same one, and starts no other.
        self._free: queue.LifoQueue[DocumentProcess] = queue.LifoQueue()
        self._processes = tuple(processes)
        for process in self._processes:
            self._free.put(process)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    def new_jobs(self, workspace: Workspace, files: Iterable[Path | StoredFile]) -> list[NewJob]:
        """Return the jobs of files; one that cannot be read or processed carries its error.

        Args:
            workspace: Takes copies of the files that are not stored yet.

        Raises:
            DiskFull: there is no room for a copy.
        """
        at_once = min(len(self._processes), os.cpu_count() or 1)
        with ThreadPoolExecutor(at_once, "inspect") as pool:
            try:
                jobs = [self._begin(pool, workspace, file) for file in files]
                return [job() for job in jobs]
            except BaseException:  # nothing will be submitted: look at no more of them
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _begin(
        self, pool: ThreadPoolExecutor, workspace: Workspace, file: Path | StoredFile
    ) -> Callable[[], NewJob]:
        """Store a file, and return what waits for its job."""
        if isinstance(file, StoredFile):
            return pool.submit(self._new_job, file).result
        try:
            stored = workspace.add_path(file)
        except DiskFull:
            raise  # not a fault of the file: nothing is submitted, and the person is told
        except (OSError, ScriptoriumError) as error:
            return partial(_not_stored, file, error)
        return pool.submit(self._new_job, stored).result

    def inspect(self, path: Path, name: str) -> Inspection:
        """Return what the file at `path` is; `name` is what the person calls it."""
        kind = Kind.UNKNOWN
        try:
            kind = _kind(path, name)
            if kind is Kind.DOCUMENT:
                return Inspection(kind, self._pages(path, name))
            return self._media(path, name, kind)
        except PasswordNeeded:
            return Inspection(kind, locked=True)
        except TransientError:
            # Its job tries again; the name has to do until then.
            return Inspection(kind if kind is not Kind.UNKNOWN else _kind_by_name(name))
        except ScriptoriumError as error:
            return Inspection(kind, problem=str(error))
        except OSError as error:
            return Inspection(kind, problem=f"“{name}” cannot be opened: {error.strerror}.")

    def unlock(self, path: Path, name: str, password: str) -> None:
        """Check that `password` opens the document at `path`.

        Raises:
            PasswordNeeded: it does not.
            ScriptoriumError: the document cannot be opened at all.
        """
        self._count(path, name, password)

    def _new_job(self, file: StoredFile) -> NewJob:
        found = self.inspect(file.path, file.name)
        return NewJob(
            file.name,
            found.kind,
            file.path,
            file.sha256,
            file.size,
            found.length,
            found.problem,
        )

    def _pages(self, path: Path, name: str) -> float | None:
        try:
            return float(self._count(path, name))
        except WorkerDied:
            return None  # its job will find out more, with more time

    def _count(self, path: Path, name: str, password: str | None = None) -> int:
        process = self._free.get()
        try:
            answers = process.call("count", path=str(path), name=name, password=password)
            (opened,) = list(answers)
        finally:
            self._free.put(process)
        return int(opened["count"])

    @staticmethod
    def _media(path: Path, name: str, kind: Kind) -> Inspection:
        from services.audio.decode import probe

        try:
            info = probe(path, name)
        except UnreadableMedia:
            if kind is Kind.UNKNOWN:
                suffix = Path(name).suffix or "without an extension"
                raise UnsupportedFile(
                    f"“{name}” is of a kind that cannot be processed ({suffix}). "
                    "Upload audio, video or PDF."
                ) from None
            raise
        return Inspection(Kind.AUDIO, info.duration, tracks=info.tracks)


def _not_stored(path: Path, error: OSError | ScriptoriumError) -> NewJob:
    reason = error.strerror if isinstance(error, OSError) else error
    return NewJob(path.name, Kind.UNKNOWN, path, "", 0, error=f"“{path.name}”: {reason}.")


def _kind(path: Path, name: str) -> Kind:
    """Return the kind by content, then by name."""
    with open_to_read(path) as handle:
        head = handle.read(1024)
    # PDF readers accept up to a kilobyte before the header.
    return Kind.DOCUMENT if b"%PDF-" in head else _kind_by_name(name)


def _kind_by_name(name: str) -> Kind:
    suffix = Path(name).suffix.lower()
    if suffix == ".pdf":
        return Kind.DOCUMENT
    return Kind.AUDIO if suffix in MEDIA_SUFFIXES else Kind.UNKNOWN
