"""Walks a watched folder: every file that may be taken, and no link out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.files.operations import extended, is_link
from services.watch.folder import DONE, FAILED, WatchedFolder
from services.watch.names import Patterns, is_temporary


@dataclass(frozen=True)
class Found:
    """A file as it was when we looked: its path in the root (with `/`), bytes, change in ns."""

    path: str
    size: int
    mtime_ns: int


Problem = Callable[[str, OSError], None]


def scan(folder: WatchedFolder, problem: Problem) -> Iterator[Found]:
    """Yield the files of a root that its patterns take.

    Links, junctions, and everything that is neither file nor folder are passed over, so nothing
    outside the root is reached and no circle is walked.

    Args:
        problem: Told of each folder or file in it that cannot be read, by its relative path.

    Raises:
        OSError: the root itself cannot be listed.
    """
    patterns = Patterns(folder.include, folder.exclude)
    ours = {DONE, FAILED} if folder.after == "move" else set()
    waiting = [PurePosixPath()]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(extended(folder.path / directory)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if directory == PurePosixPath():
                raise
            problem(str(directory), error)
            continue
        for entry in entries:
            path = directory / entry.name
            try:
                if entry.is_symlink():
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if (
                        folder.recursive
                        and not is_temporary(entry.name)
                        and str(path) not in ours
                        and not patterns.excludes(path)
                        and not is_link(
                            extended(Path(entry.path))
                        )  # a junction is a directory to scandir
                    ):
                        waiting.append(path)
                elif (
                    entry.is_file(follow_symlinks=False)
                    and not folder.is_result(entry.name)
                    and patterns.takes(path)
                ):
                    str(path).encode()  # a name that is no Unicode cannot be remembered
                    found = entry.stat(follow_symlinks=False)
                    yield Found(str(path), found.st_size, found.st_mtime_ns)
            except FileNotFoundError:
                continue  # gone meanwhile
            except UnicodeEncodeError:
                shown = str(path).encode(errors="replace").decode()
                problem(shown, OSError("the name is not Unicode; rename the file"))
            except OSError as error:
                problem(str(path), error)


def look_at(folder: WatchedFolder, path: str) -> Found | None:
    """Return what lies at a relative path now; None if that is no file, or a link.

    Unlike a listing this asks the file itself: on Windows a listing may be older than the file.
    """
    try:
        found = extended(folder.path / path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Found(path, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
