"""Where results lie: a folder per job, with its result and the original it was made from."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from services.audio.edits import Edits
from services.audio.speakers import Speakers, with_speakers
from services.audio.transcript import Transcript
from services.documents.document import Document
from services.files import operations
from services.jobs.models import Job

Result = Transcript | Document

_STAGED = "staged-"


class Results:
    """The results under one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def stage(self, job: Job, result: Result, outline: bytes = b"") -> Path:
        """Write the result of a run beside the place of the job's result, and keep the original.

        Both, and a recording's outline where it is given, are whole when this returns; `publish`
        then makes the result the job's.
        """
        directory = operations.make_dir(self.root / job.id)
        original = self._original(job)
        if not original.exists():  # one that is there, of an earlier try, is whole
            operations.link_or_copy(job.path, original, only_owner=True)
        peaks = self._of_track(job.id, "peaks.bin", track_of(result))
        if outline and not peaks.exists():
            operations.write_atomic(peaks, outline)
        staged = directory / f"{_STAGED}{job.run}.json"
        with operations.staging_writer(staged) as handle:
            for part in result.json():
                handle.write(part.encode())
        return staged

    def publish(self, job: Job, staged: Path) -> None:
        """Make a staged result the job's; the one that it replaces is kept to compare with."""
        current = self.file(job.id)
        if current.exists():
            operations.link_or_copy(current, self._previous(job.id))
        operations.replace(staged, current)
        for pattern in (f"{_STAGED}*", f"{operations.PART}*"):  # of runs that were killed
            for stale in current.parent.glob(pattern):
                operations.discard(stale)

    def load(self, job_id: str) -> Result:
        """Read a result back.

        Raises:
            FileNotFoundError: the job has none.
        """
        return _loaded(self.file(job_id), self.speakers_file(job_id), self._changed(job_id))

    def previous(self, job_id: str) -> Result | None:
        """Read back the result that the newest one replaced; None when there was none."""
        path = self._previous(job_id)
        return _read(path) if path.is_file() else None

    def original(self, job: Job) -> Path | None:
        """Return the original beside the result; before there is one, the upload itself."""
        return next((p for p in (self._original(job), job.path) if p.is_file()), None)

    def edits(self, job_id: str) -> Edits:
        """Return what people changed in a transcript; a new result leaves it as it is."""
        path = self.edits_file(job_id)
        if not path.is_file():
            return Edits()
        with operations.open_to_read(path) as handle:
            return Edits.from_dict(json.load(handle))

    def track(self, job_id: str) -> int:
        """Return which sound track of a recording its transcript is of; see `Options.track`.

        What is kept beside a transcript is of the same track: of another one, people corrected
        other words, and others speak.
        """
        path = self.file(job_id)
        try:
            made = _made(path, path.stat().st_mtime_ns) if path.is_file() else None
        except (ValueError, KeyError, TypeError):  # damaged: it must not be in a new one's way
            made = None
        return track_of(made)

    def edits_file(self, job_id: str) -> Path:
        """Return where the edits of a transcript are kept."""
        return self._of_track(job_id, "edits.json")

    def peaks(self, job_id: str) -> Path:
        """Return where the outline of a recording's sound is kept."""
        return self._of_track(job_id, "peaks.bin")

    def sound(self, job_id: str) -> Path:
        """Return where the copy of a recording that browsers play is kept."""
        return self._of_track(job_id, "sound.m4a")

    def speakers(self, job_id: str) -> Speakers | None:
        """Return who speaks when in a recording; None where that was not found out."""
        path = self.speakers_file(job_id)
        return _speakers(path) if path.is_file() else None

    def keep_speakers(self, job_id: str, found: Speakers) -> None:
        """Keep who speaks when in a recording, in place of what was found before."""
        operations.write_atomic(self.speakers_file(job_id), json.dumps(found.as_dict()))

    def speakers_file(self, job_id: str) -> Path:
        """Return where it is kept who speaks when; a new transcript leaves it as it is."""
        return self._of_track(job_id, "speakers.json")

    def stamp(self, job_id: str) -> str:
        """Return what is another for every result that a job had, and for other speakers."""
        return "-".join(f"{time:x}" for time in self._changed(job_id))

    def page_image(self, job_id: str, number: int) -> Path:
        """Return where the image of a page is kept."""
        return self.root / job_id / "pages" / f"{number}.png"

    def file(self, job_id: str) -> Path:
        """Return where a job's result is kept."""
        return self.root / job_id / "result.json"

    def directory(self, job_id: str) -> Path:
        """Return the directory that holds all there is of a job's result."""
        return self.root / job_id

    def _changed(self, job_id: str) -> tuple[int, int]:
        """Return when a result and its speakers were written; 0 for speakers that are unknown."""
        speakers = self.speakers_file(job_id)
        known = speakers.stat().st_mtime_ns if speakers.is_file() else 0
        return self.file(job_id).stat().st_mtime_ns, known

    def _of_track(self, job_id: str, name: str, track: int | None = None) -> Path:
        """Return the file that belongs to a sound track, by default that of the transcript."""
        number = self.track(job_id) if track is None else track
        file = self.root / job_id / name
        return file if number == 1 else file.with_stem(f"{file.stem}-{number}")

    def _previous(self, job_id: str) -> Path:
        return self.root / job_id / "previous.json"

    def _original(self, job: Job) -> Path:
        return self.root / job.id / f"original{job.path.suffix}"


def track_of(result: Result | None) -> int:
    """Return which sound track a result is of; 1 for what is of none."""
    return result.track if isinstance(result, Transcript) else 1


@functools.lru_cache(maxsize=2)
def _loaded(path: Path, speakers: Path, changed: tuple[int, int]) -> Result:
    """Read a result; the last ones are kept, because a page shows one again at every click."""
    result = _made(path, changed[0])
    if isinstance(result, Transcript) and changed[1]:
        return with_speakers(result, _speakers(speakers).turns)
    return result


@functools.lru_cache(maxsize=2)
def _made(path: Path, changed: int) -> Result:
    return _read(path)


def _speakers(path: Path) -> Speakers:
    with operations.open_to_read(path) as handle:
        return Speakers.from_dict(json.load(handle))


def _read(path: Path) -> Result:
    with operations.open_to_read(path) as handle:
        values = json.load(handle)
    return (Transcript if values["kind"] == "transcript" else Document).from_dict(values)
