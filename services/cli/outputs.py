"""Writes results into a directory: nothing overwrites anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from services import exports
from services.audio.exports import Style
from services.files import operations
from services.front import Front
from services.jobs.models import Job


class OutputExists(Exception):
    """Files are there that would have to be overwritten."""

    def __init__(self, paths: Sequence[Path]) -> None:
        others = f" and {len(paths) - 1} more exist" if len(paths) > 1 else " exists"
        super().__init__(f"{paths[0]}{others} already. Choose another --out, or use --force.")


@dataclass(frozen=True)
class Output:
    """Where results go, in which formats, and what transcripts show beside their words."""

    directory: Path
    formats: tuple[str, ...]
    style: Style
    force: bool = False

    @property
    def arguments(self) -> str:
        """What asks a command for the same once more."""
        shown = ",".join(one.name for one in fields(Style) if getattr(self.style, one.name))
        show = f" --show {shown}" if self.style != Style() else ""
        return f" --out {self.directory} --format {','.join(self.formats)}{show}"

    def check(self, names: Sequence[str]) -> None:
        """Check, before any work is done, that files of these names can be written.

        Raises:
            OutputExists: some exist already.
        """
        if self.force:
            return
        paths = [self._path(s, f) for s in exports.unique_stems(names) for f in self.formats]
        if existing := [path for path in paths if path.exists()]:
            raise OutputExists(existing)

    def write(self, front: Front, job: Job, stem: str) -> list[Path]:
        """Write the result of a job that is done; return the files.

        There are fewer than formats where its kind has no such format: a document no subtitles.

        Raises:
            OutputExists: there is another file of that name.
            FileAccessError, DiskFull, OSError: it cannot be written.
        """
        result = front.result(job.id)
        if result is None:
            return []
        paths = []
        for format in self.formats:
            if format not in exports.formats(result):
                continue
            path = self._path(stem, format)
            data = front.export(job.id, format, self.style)
            if self.force:
                operations.write_atomic(path, data)
            else:
                try:
                    operations.write_new(path, data)
                except FileExistsError:
                    if not _holds(path, data):  # written before an interruption
                        raise OutputExists([path]) from None
            paths.append(path)
        return paths

    def _path(self, stem: str, format: str) -> Path:
        return self.directory / f"{stem}.{format}"


def _holds(path: Path, data: bytes) -> bool:
    with operations.open_to_read(path) as handle:
        return handle.read() == data
