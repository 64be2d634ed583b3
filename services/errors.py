"""The errors that a person reads.

Every message is a sentence that says what happened, to which file, and what to do next.
The class, never the text, decides whether a job is retried by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


class ScriptoriumError(Exception):
    """Base of all errors whose message is meant for a person."""


class SettingsError(ScriptoriumError):
    """A setting has a value that cannot be used; the server does not start."""


class DirectoryInUse(SettingsError):
    """Another server works on the same directory."""

    def __init__(self, message: str, directory: Path) -> None:
        super().__init__(message)
        self.directory = directory


class PermanentError(ScriptoriumError):
    """Trying again with the same file and settings would fail again."""


class TransientError(ScriptoriumError):
    """The cause may pass by itself: a lock, a full disk, memory in use elsewhere."""


class UnsupportedFile(PermanentError):
    """The content is of no kind that we process."""


class UnreadableMedia(PermanentError):
    """An audio or video file that cannot be decoded, or holds nothing to hear."""


class UnreadableDocument(PermanentError):
    """A PDF that cannot be read."""


class PasswordNeeded(UnreadableDocument):
    """A PDF that opens only with a password."""


class LibraryError(PermanentError):
    """The library cannot do what was asked of it: a model, a filter, a damaged database."""


class OverLimit(PermanentError):
    """Somebody gives more than the settings allow."""


class ModelUnavailable(PermanentError):
    """A speech model that is not on this machine and cannot be fetched."""


class FileAccessError(TransientError):
    """A file stayed locked through every retry."""


class DiskFull(TransientError):
    """There was no room to write."""


class StoreUnavailable(TransientError):
    """The database of the job store does not answer now, or is locked for long."""


class BackupError(PermanentError):
    """A backup cannot be made or put back; nothing was changed."""


class EditConflict(ScriptoriumError):
    """Somebody else changed the same thing meanwhile; nothing was saved."""


class KeyReused(ScriptoriumError):
    """The key of one submission came with another; nothing was submitted."""


class AlreadySubmitted(ScriptoriumError):
    """A batch has the files already; nothing was submitted."""


class AccountError(ScriptoriumError):
    """What was asked of an account, a token or a share cannot be."""


class NotAllowed(ScriptoriumError):
    """Somebody asked for what they may not do."""


class SignedOut(NotAllowed):
    """The session or the token that somebody came with has ended."""


class OutOfMemory(TransientError):
    """There was not enough memory, of the machine or of its GPU."""


class DeviceLost(TransientError):
    """The GPU does nothing more for this process; only a new one can use it."""


class WorkerDied(TransientError):
    """A worker process ended, or had to be ended, in the middle of its work."""


def kind_of(error: BaseException) -> str:
    """Return what a job that raised `error` waits for: `transient`, `password` or `permanent`."""
    if is_transient(error):
        return "transient"
    return "password" if isinstance(error, PasswordNeeded) else "permanent"


def is_transient(error: BaseException) -> bool:
    """Whether the job that raised `error` may succeed if it is simply run again."""
    return isinstance(error, (TransientError, MemoryError, TimeoutError))


def in_words(text: str, places: Iterable[Path]) -> str:
    """Return a sentence that names no path of the server: where that is, is for its admins.

    Args:
        text: A sentence that may name files or directories there.
        places: The server's directories and files; what is below them is theirs too.
    """
    for place in sorted(map(str, places), key=len, reverse=True):
        below = rf"(\b(?:at|in|on) )?{re.escape(place)}(?:[/\\][\w.-]*\w)*(?![\w-])"
        text = re.sub(below, lambda found: f"{'on ' * bool(found[1])}the server's disk", text)
    return text
