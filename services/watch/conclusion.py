"""What follows from a job's end: results go to the output folder, the file is moved or deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from services import exports
from services.audio.exports import Style
from services.errors import FileAccessError
from services.files import operations
from services.files.exclusive import in_use
from services.files.names import clean_name
from services.jobs.models import State
from services.jobs.results import Result
from services.watch.folder import DONE, FAILED, WatchedFolder
from services.watch.memory import Due, Memory
from services.watch.scan import Found, look_at

if TYPE_CHECKING:
    from services.front import Front


class Conclusion:
    """Draws the consequences for the files of one root; each step may be repeated after a crash."""

    def __init__(self, folder: WatchedFolder, front: Front, memory: Memory) -> None:
        self._folder = folder
        self._front = front
        self._memory = memory
        self._begun = time.time()
        self._tidied: set[Path] = set()

    def draw(self, due: Due) -> str | None:
        """Do all that is left to do for a file whose job has ended; return where it lies now.

        None when it was deleted, or is not there, or holds something else by now.

        Raises:
            ScriptoriumError, OSError: a step failed and has to be tried again.
        """
        # One that was done before and failed when it was run again still has its first result.
        result = self._front.result(due.job_id) if due.state is not None else None
        if result is not None and self._folder.results is not None:
            self._write(due, result, self._folder.results)
        if due.place is None:
            return None
        if self._folder.after == "move" and result is not None:
            return self._move(due, DONE)
        if self._folder.after == "move" and due.state is State.FAILED:
            return self._move(due, FAILED)
        if self._folder.after == "delete" and result is not None:
            return self._delete(due)
        return due.place

    # --- results ----------------------------------------------------------------------

    def _write(self, due: Due, result: Result, output: Path) -> None:
        formats = [f for f in self._folder.formats if f in exports.formats(result)]
        if not formats:
            return
        name = due.output
        if name is None or not Path(name).is_relative_to(output):
            name = self._memory.name_output(due, self._free_names(due, output))
        self._tidy(Path(name).parent)
        style = Style.showing(self._folder.show)
        for format in formats:
            text = exports.render(result, format, PurePosixPath(due.path).name, style)
            operations.write_atomic(Path(f"{name}.{format}"), text)

    def _tidy(self, directory: Path) -> None:
        """Remove what an earlier server was writing into a directory when it was killed."""
        if directory not in self._tidied:
            self._tidied.add(directory)
            operations.discard_parts(directory, self._begun)

    def _free_names(self, due: Due, output: Path) -> Iterator[str]:
        """Yield names for the results, without extension, under which no file lies."""
        path = PurePosixPath(due.path)
        beside = self._folder.output == "beside"  # in the file's own folder, whatever its name
        parts = (part if beside else clean_name(part) for part in path.parent.parts)
        directory = output.joinpath(*parts)
        stem = Path(exports.file_name(path.name, "txt")).stem
        for name in (f"{directory / stem}{numbered}" for numbered in _numbers()):
            if not any(Path(f"{name}.{format}").exists() for format in self._folder.formats):
                yield name

    # --- the file itself --------------------------------------------------------------

    def _move(self, due: Due, directory: str) -> str | None:
        assert due.place is not None
        if PurePosixPath(due.place).parts[0] == directory and due.place != due.path:
            return due.place
        source = self._folder.path / due.place
        if not self._is_there(due):
            moved = due.target is not None and look_at(self._folder, due.target) is not None
            return due.target if moved else None
        _refuse_in_use(source)
        before = [due.target] if due.target and due.target.startswith(f"{directory}/") else []
        for target in chain(before, self._free_targets(due, directory)):
            self._memory.intend_move(due, target)
            try:
                operations.move(source, self._folder.path / target)
            except FileExistsError:
                continue
            return target
        raise AssertionError("the numbers never end")

    def _free_targets(self, due: Due, directory: str) -> Iterator[str]:
        path = directory / PurePosixPath(due.path)
        for numbered in _numbers():
            yield str(path.with_name(f"{path.stem}{numbered}{path.suffix}"))

    def _delete(self, due: Due) -> str | None:
        """Delete a file, if it is still the very content whose result is whole."""
        assert due.place is not None
        path = self._folder.path / due.place
        if not self._is_there(due):
            return None
        _refuse_in_use(path)
        if operations.sha256_of(path) == due.sha256 and self._is_there(due):
            operations.unlink(path)
        return None

    def _is_there(self, due: Due) -> bool:
        """Whether the file lies where it did, unchanged; another one there is new work."""
        assert due.place is not None
        return look_at(self._folder, due.place) == Found(due.place, due.size, due.mtime_ns)


def _refuse_in_use(path: Path) -> None:
    if in_use(path):
        raise FileAccessError(
            f"File access error: “{path.name}” is open in another program. "
            "It is moved or deleted once that program closes it."
        )


def _numbers() -> Iterator[str]:
    return chain([""], (f" ({number})" for number in count(2)))
