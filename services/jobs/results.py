"""Where results lie: a folder per job, with its result and the original it was made from."""

from __future__ import annotations

import json
from pathlib import Path

from services.audio.transcript import Transcript
from services.documents.document import Document
from services.files import operations
from services.jobs.models import Job

Result = Transcript | Document


class Results:
    """The results under one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(self, job: Job, result: Result) -> None:
        """Write the result, and keep the original beside it so that it can be played or shown.

        Both are whole when this returns: only then may the job say `done`.
        """
        directory = operations.make_dir(self.root / job.id)
        for stale in directory.glob(f"{operations.PART}*"):  # of a server that was killed
            operations.discard(stale)
        original = self._original(job)
        if not original.exists():  # one that is there, of an earlier try, is whole
            operations.link_or_copy(job.path, original, only_owner=True)
        text = json.dumps(result.as_dict(), ensure_ascii=False)
        operations.write_atomic(self._file(job.id), text)

    def load(self, job_id: str) -> Result:
        """Read a result back.

        Raises:
            FileNotFoundError: the job has none.
        """
        with operations.open_to_read(self._file(job_id)) as handle:
            values = json.load(handle)
        if values["kind"] == "transcript":
            return Transcript.from_dict(values)
        return Document.from_dict(values)

    def original(self, job: Job) -> Path | None:
        """Return the original beside the result; before there is one, the upload itself."""
        return next((p for p in (self._original(job), job.path) if p.is_file()), None)

    def page_image(self, job_id: str, number: int) -> Path:
        """Return where the image of a page is kept."""
        return self.root / job_id / "pages" / f"{number}.png"

    def _file(self, job_id: str) -> Path:
        return self.root / job_id / "result.json"

    def _original(self, job: Job) -> Path:
        return self.root / job.id / f"original{job.path.suffix}"
