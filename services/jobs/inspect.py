"""Looks at a file before it is queued: what it is, how long, and whether it can be processed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from services.documents.process import DocumentProcess
from services.errors import (
    PasswordNeeded,
    ScriptoriumError,
    TransientError,
    UnreadableMedia,
    UnsupportedFile,
    WorkerDied,
)
from services.files.operations import open_to_read
from services.jobs.models import Kind

MEDIA_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        "wav",
        "flac",
        "mp3",
        "m4a",
        "aac",
        "ogg",
        "oga",
        "opus",
        "webm",
        "wma",
        "aiff",
        "aif",
        "mp4",
        "m4v",
        "mov",
        "mkv",
        "avi",
        "3gp",
        "amr",
        "caf",
        "mka",
        "mpg",
        "mpeg",
        "w64",
        "wv",
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


class Inspector:
    """Inspects files; any thread may call it. PDFs are opened in a worker process."""

    def __init__(self, process: DocumentProcess) -> None:
        self._process = process
        self._lock = threading.Lock()

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
        with self._lock:
            for _ in self._process.call("count", path=str(path), name=name, password=password):
                pass

    def _pages(self, path: Path, name: str) -> float | None:
        with self._lock:
            try:
                events = list(self._process.call("count", path=str(path), name=name))
            except WorkerDied:
                return None  # its job will find out more, with more time
        return float(events[0]["count"])

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
        return Inspection(Kind.AUDIO, info.duration)


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
