"""A watched folder as the settings describe it, and what may not lie inside what."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

DONE, FAILED = "done", "failed"
"""Folders inside a root that finished files are moved to."""

OWNER = "watched folder"


class WatchedFolder(BaseModel):
    """One root: which of its files are taken, for whom, and what happens afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    """The folder. It need not be there at start: a drive may be plugged in later."""

    include: tuple[str, ...] = ()
    """Patterns of the files to take, such as `*.wav`; every kind that we read when empty."""

    exclude: tuple[str, ...] = ()
    """Patterns of files and folders to leave alone."""

    recursive: bool = True
    """Whether folders inside it are watched too."""

    owner: str = OWNER
    """Whose batches they become."""

    engine: Literal["auto", "nemo", "whisper"] | None = None
    """Speech engine; that of the server when unset."""

    model: str | None = None
    """Model of that engine; its default when unset."""

    after: Literal["leave", "move", "delete"] = "leave"
    """What to do with a file whose job has ended; `move` takes it to done/ or failed/."""

    output: Literal["beside"] | Path | None = None
    """A folder that results are written to; `beside` writes each beside its file."""

    formats: tuple[Literal["txt", "md", "docx", "srt", "vtt", "csv", "json"], ...] = ("txt",)
    """The formats of these results; a document has no subtitles."""

    show: tuple[Literal["times", "speakers", "paragraphs"], ...] = ("speakers", "paragraphs")
    """What transcripts show there beside their words; see `Style`."""

    polling: Literal["auto"] | bool = "auto"
    """Whether to look again and again instead of being told; `auto` does so on network shares."""

    @field_validator("path", "output", mode="after")
    @classmethod
    def _absolute(cls, path: Path | str | None) -> Path | str | None:
        return path.expanduser().absolute() if isinstance(path, Path) else path

    @field_validator("include", "exclude", mode="after")
    @classmethod
    def _patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not pattern.strip():
                raise ValueError("A pattern cannot be empty.")
            if pattern.startswith("/") or "\\" in pattern:
                raise ValueError(
                    f"The pattern “{pattern}” is relative to the folder and written with “/”."
                )
        return patterns

    @field_validator("owner", mode="after")
    @classmethod
    def _named(cls, owner: str) -> str:
        if not owner.strip():
            raise ValueError("The owner cannot be empty.")
        return owner.strip()

    @model_validator(mode="after")
    def _whole(self) -> WatchedFolder:
        if _is_file(self.path):
            raise ValueError(f"{self.path} is a file. Name the folder to watch.")
        if self.output is None and (unused := {"formats", "show"} & self.model_fields_set):
            raise ValueError(
                f"{self.path} has {unused.pop()} and no output. Name the folder for the results "
                "too, or “beside”."
            )
        if not self.formats:
            raise ValueError(f"{self.path} needs one format at least for its output.")
        return self

    @property
    def results(self) -> Path | None:
        """The folder under which results are written; files that are moved take theirs along."""
        if self.output != "beside":
            return self.output
        return self.path / DONE if self.after == "move" else self.path

    def is_result(self, name: str) -> bool:
        """Whether a file of this name in the folder may be a result, and never one to take."""
        return self.output == "beside" and name.lower().endswith(
            tuple(f".{format}" for format in self.formats)
        )


def check_folders(folders: Sequence[WatchedFolder], data_dir: Path, temp_root: Path) -> None:
    """Check that no folder would take what another one, or the server itself, writes.

    Raises:
        ValueError: one would; the sentence names both.
    """
    for number, folder in enumerate(folders):
        for other in folders[number + 1 :]:
            _check_apart(folder.path, other.path)
        for ours in (data_dir, temp_root):
            if _inside(ours, folder.path) or _inside(folder.path, ours):
                raise ValueError(
                    f"The watched folder {folder.path} and the server's own {ours} lie one in the "
                    "other: the server would take its own files. Choose another folder."
                )
            if isinstance(folder.output, Path) and _inside(folder.output, ours):
                raise ValueError(
                    f"The output folder {folder.output} lies in {ours}, which is the server's own. "
                    "Choose another folder."
                )
        for other in folders:
            if not isinstance(other.output, Path):
                continue
            if _inside(other.output, folder.path):
                raise ValueError(
                    f"The output folder {other.output} lies in the watched folder {folder.path}: "
                    "results would be taken for new files. Choose a folder outside it."
                )
            if _inside(folder.path, other.output):
                raise ValueError(
                    f"The watched folder {folder.path} lies in the output folder {other.output}: "
                    "results would be taken for new files. Choose folders apart from each other."
                )


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:
        return False  # a share that is away: the watcher says so, and waits for it


def _check_apart(one: Path, two: Path) -> None:
    if _key(one) == _key(two):
        raise ValueError(f"The folder {one} is watched twice. Keep one of the two.")
    if _inside(one, two) or _inside(two, one):
        inner, outer = (one, two) if _inside(one, two) else (two, one)
        raise ValueError(
            f"The watched folder {inner} lies in the watched folder {outer}: its files would be "
            "taken twice. Watch only one of them, or folders apart from each other."
        )


def _inside(path: Path, directory: Path) -> bool:
    """Whether `path` is `directory` or lies in it."""
    return Path(_key(path)).is_relative_to(_key(directory))


def _key(path: Path) -> str:
    """Return a path as the platform compares it: links resolved, case folded where it is."""
    key = os.path.normcase(os.path.realpath(path))
    return key.casefold() if sys.platform == "darwin" else key
