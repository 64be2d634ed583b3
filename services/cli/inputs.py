"""Which files a person means: names, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.files.operations import is_link
from services.jobs.inspect import MEDIA_SUFFIXES

KNOWN_SUFFIXES = MEDIA_SUFFIXES | {".pdf"}


@dataclass
class Inputs:
    """The files to process, each once; the others that the folders hold; what is not there."""

    files: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def find_inputs(arguments: Iterable[str]) -> Inputs:
    """Return the files that the arguments name.

    A file is taken whatever it is; of a folder, and of the folders in it, only what we can
    process and what is not hidden. A pattern counts where no file has that very name: on Windows
    the shell leaves patterns to the program.
    """
    inputs = Inputs()
    known: set[Path] = set()
    for argument in arguments:
        path = Path(argument)
        found = (
            [path]
            if path.exists()
            else [Path(match) for match in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207
        )
        if not found:
            inputs.missing.append(argument)
        for item in found:
            for file in _below(item) if item.is_dir() else [item]:
                if item.is_dir() and file.suffix.lower() not in KNOWN_SUFFIXES:
                    inputs.skipped.append(file)
                elif (resolved := file.resolve()) not in known:
                    known.add(resolved)
                    inputs.files.append(file)
    return inputs


def _below(folder: Path) -> Iterator[Path]:
    for item in sorted(folder.iterdir()):
        if item.name.startswith("."):
            continue
        if item.is_dir():
            if is_link(item):  # it may lead back here
                continue
            yield from _below(item)
        else:
            yield item
