"""Which names in a watched folder are files to take, and which belong to programs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import PurePosixPath

from services.jobs.inspect import MEDIA_SUFFIXES

KNOWN_SUFFIXES = MEDIA_SUFFIXES | {".pdf"}
"""Extensions of the kinds that we read."""

_UNFINISHED = (
    ".part",  # Firefox, Nextcloud, youtube-dl
    ".partial",
    ".crdownload",  # Chromium
    ".opdownload",
    ".download",  # Safari
    ".filepart",  # WinSCP
    ".tmp",
    ".temp",
    ".!ut",
    ".!qb",
    ".!sync",
    ".aria2",
    ".lock",
    ".lck",
    ".swp",
)
_PROGRAMS = frozenset(
    {
        "thumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "@eadir",
        "#recycle",
        "#snapshot",
    }
)


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name belongs to a program and not to a person.

    Hidden ones (dotfiles, so also the partial files of rsync, Syncthing and ours, AppleDouble,
    trash), lock files of Office, backups, unfinished downloads, folders of the system.
    """
    folded = name.casefold()
    return (
        folded.startswith((".", "~", "(a document being saved by"))
        or folded.endswith(("~", *_UNFINISHED))
        or ".sb-" in folded  # macOS while it saves
        or folded in _PROGRAMS
    )


class Patterns:
    """What a root includes and excludes, by paths relative to it, written with `/`.

    A pattern without `/` is held against the name, one with `/` against the whole relative path,
    where `*` also spans folders. Case does not matter.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = [pattern.casefold() for pattern in include]
        self._exclude = [pattern.casefold().rstrip("/") for pattern in exclude]

    def takes(self, path: PurePosixPath) -> bool:
        """Whether the file at this relative path is one to take."""
        if self.excludes(path) or is_temporary(path.name):
            return False
        if not self._include:
            return path.suffix.lower() in KNOWN_SUFFIXES
        return any(_matches(pattern, path) for pattern in self._include)

    def excludes(self, path: PurePosixPath) -> bool:
        """Whether a file or folder at this relative path is left alone with all in it."""
        return any(_matches(pattern, path) for pattern in self._exclude)


def _matches(pattern: str, path: PurePosixPath) -> bool:
    text = str(path) if "/" in pattern else path.name
    return fnmatch.fnmatchcase(text.casefold(), pattern)
