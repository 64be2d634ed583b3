"""Transcripts as people read and correct them: the machine's words, and the edits beside them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from services.audio.edits import Edit, Edits, Passage, changed, corrected, passages, unchecked
from services.audio.segments import joined
from services.audio.transcript import Transcript, Word
from services.errors import EditConflict, FileAccessError
from services.files import operations
from services.jobs.models import Job
from services.jobs.results import Results

LOCK_SECONDS = 10.0
"""How long a change waits for another one that is being saved."""


class Transcripts:
    """The transcripts among the results. Any thread and any process may change one."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._outlining: dict[Path, threading.Lock] = {}

    def corrected(self, job_id: str) -> Transcript:
        """Return a transcript with people's edits."""
        return corrected(self._load(job_id), self._results.edits(job_id))

    def view(self, job_id: str) -> dict[str, Any]:
        """Return what the reader's page shows.

        `version` names what was read and comes back with a change; `names` has the names of
        speakers by label; `passages` are in order, each with its words as lists of start, end
        (seconds), text with the space after it, and confidence; `repetitions` are the stretches
        in which the model wrote the same again and again, and which nobody has corrected.
        """
        transcript, edits = self._load(job_id), self._results.edits(job_id)
        shown = passages(transcript, edits)
        return {
            "version": self._version(job_id, edits),
            "duration": transcript.duration,
            "names": edits.speakers,
            "passages": [_shown(passage) for passage in shown],
            "repetitions": _repeated(transcript, shown),
        }

    def change(
        self, job_id: str, version: str, changes: Iterable[Edit], names: dict[str, str | None]
    ) -> dict[str, Any]:
        """Save changes; return the new version, and what is another now of what `view` returned.

        Args:
            version: What the changes were made on, from `view` or the last change.
            changes: As in `services.audio.edits.changed`, and so are the names.

        Returns:
            `passages` take the place of `removed` passages from number `at` on.

        Raises:
            EditConflict: somebody else changed the transcript, or it was made anew.
            FileAccessError: another change is being saved, for long.
        """
        try:
            with FileLock(self._results.root / "edits.lock", timeout=LOCK_SECONDS):
                before = self._results.edits(job_id)
                if version != self._version(job_id, before):
                    raise EditConflict("Somebody else changed this transcript meanwhile.")
                transcript = self._load(job_id)
                after = changed(transcript, before, changes, names)
                # Made first: what cannot be shown must not be saved.
                shown = passages(transcript, after)
                answer = _difference(passages(transcript, before), shown)
                answer["version"] = self._version(job_id, after)
                answer["names"] = after.speakers
                answer["repetitions"] = _repeated(transcript, shown)
                text = json.dumps(after.as_dict(), ensure_ascii=False)
                operations.write_atomic(self._results.edits_file(job_id), text)
        except Timeout as error:
            raise FileAccessError(
                "The change was not saved: another one is being saved. Try again."
            ) from error
        return answer

    def peaks(self, job: Job, original: Path) -> Path:
        """Return the file with a recording's outline, made from its sound at the first call.

        Raises:
            KeyError: it was deleted meanwhile.
            UnreadableMedia: it cannot be decoded.
        """
        path = self._results.peaks(job.id)
        if path.is_file():
            return path
        with self._lock:
            alone = self._outlining.setdefault(path, threading.Lock())
        with alone:  # none is decoded twice, and none waits for another one
            try:
                if path.is_file():
                    return path
                from services.audio.decode import Decoder
                from services.audio.peaks import peaks

                decoder = Decoder(original, job.name, track=self._results.track(job.id))
                outline = peaks(decoder.blocks())
                if not path.parent.is_dir():  # deleted meanwhile, and so it stays
                    raise KeyError(job.id)
                operations.write_atomic(path, outline)
            finally:
                with self._lock:
                    self._outlining.pop(path, None)
        return path

    def _load(self, job_id: str) -> Transcript:
        result = self._results.load(job_id)
        assert isinstance(result, Transcript)
        return result

    def _version(self, job_id: str, edits: Edits) -> str:
        return f"{edits.version}-{self._results.stamp(job_id)}"


def _difference(old: list[Passage], new: list[Passage]) -> dict[str, Any]:
    """Return how `old` becomes `new`, by one replacement in the middle."""
    most = min(len(old), len(new))
    at = next((i for i in range(most) if old[i] != new[i]), most)
    same = next((i for i in range(most - at) if old[-1 - i] != new[-1 - i]), most - at)
    inserted = [_shown(passage) for passage in new[at : len(new) - same]]
    return {"at": at, "removed": len(old) - same - at, "passages": inserted}


def _repeated(transcript: Transcript, shown: list[Passage]) -> list[dict[str, Any]]:
    return [asdict(found) for found in unchecked(transcript.repetitions, shown)]


def _shown(passage: Passage) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "start": passage.start,
        "end": passage.end,
        "speaker": passage.speaker,
        "words": _words(passage.words),
    }
    if not passage.words:
        shown["text"] = passage.text
    if passage.edit:
        edit = asdict(passage.edit)
        shown["edit"] = {name: edit[name] for name in ("text", "speaker")}
        shown["heard"] = passage.heard
        if passage.outdated:
            shown["was"] = passage.edit.was
    return shown


def _words(words: Sequence[Word]) -> list[list[Any]]:
    shown = []
    for word, following in zip_longest(words, words[1:]):
        space = following and " " in joined([word.text[-1:], following.text[:1]])
        sure = None if word.confidence is None else round(word.confidence, 2)
        shown.append([word.start, word.end, word.text + (" " if space else ""), sure])
    return shown
