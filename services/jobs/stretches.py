"""Parts of long recordings that are transcribed already, kept so that a restart goes on there."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from services.audio.engines import Hypothesis
from services.audio.transcript import Word
from services.files import operations
from services.jobs.models import Job
from services.jobs.recording import Heard

log = logging.getLogger(__name__)

FORMAT = 1
NAME = "stretches.jsonl"


class Stretches:
    """One file per job, with a line per stretch; what it was made of stands in the first line.

    Args:
        root: The directory with a folder per job, where results lie too.
        identity: What must be the same for a stretch to be used again, besides the file and its
            options: the model, and how recordings are cut.
    """

    def __init__(self, root: Path, identity: dict[str, Any]) -> None:
        self._root = root
        self._identity = identity

    def load(self, job: Job) -> tuple[list[Heard], int]:
        """Return what was heard, and the sample from which to go on; ([], 0) where nothing is kept.

        What was made of another file, by another model or with other options is removed.
        """
        path = self._path(job)
        if not path.is_file():
            return [], 0
        with operations.open_to_read(path) as handle:
            lines = [_parsed(line) for line in handle.read().splitlines()]
        whole = [line for line in lines if line]
        if len(whole) < 2 or whole[0] != self._head(job):
            operations.discard(path)
            return [], 0
        heard = [_heard(one) for line in whole[1:] for one in line["heard"]]
        return heard, int(whole[-1]["resume"])

    def add(self, job: Job, heard: list[Heard], resume: int) -> None:
        """Keep a stretch; it is on the disk when this returns."""
        path = self._path(job)
        line = {"resume": resume, "heard": [_values(one) for one in heard]}
        head = [] if path.is_file() else [self._head(job)]
        operations.append_lines(
            path, [json.dumps(each, ensure_ascii=False) for each in [*head, line]]
        )

    def discard(self, job: Job) -> None:
        """Remove what is kept: the whole is there."""
        if self._path(job).is_file():
            operations.discard(self._path(job))

    def _path(self, job: Job) -> Path:
        return self._root / job.id / NAME

    def _head(self, job: Job) -> dict[str, Any]:
        # As JSON gives it back: tuples are lists there.
        head = self._identity | {"format": FORMAT, "sha256": job.sha256}
        return dict(json.loads(json.dumps(head | {"options": job.options.as_dict()})))


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return what a line holds; None of an empty one, or one that a power cut broke off."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return None


def _values(heard: Heard) -> list[Any]:
    found = heard.hypothesis
    words = [[word.start, word.end, word.text, word.confidence] for word in found.words]
    return [heard.start, heard.seconds, found.text, found.language, words]


def _heard(values: list[Any]) -> Heard:
    start, seconds, text, language, words = values
    return Heard(start, seconds, Hypothesis(text, [Word(*word) for word in words], language))
