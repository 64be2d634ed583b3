"""Copies of recordings for browsers that cannot play the originals: AIFF, WMA, other tracks.

They are made when a browser first asks, one at a time, in a thread of their own, and can be made
again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from services.audio import SAMPLE_RATE
from services.errors import ScriptoriumError
from services.files import operations
from services.files.m4a import write_m4a
from services.jobs.models import Job
from services.jobs.results import Results

if TYPE_CHECKING:
    from services.audio.decode import Samples

log = logging.getLogger(__name__)


class Sounds:
    """Makes the copies; any thread may ask for one."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._made: dict[Path, Future[None]] = {}
        self._stop = threading.Event()
        self._thread: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End the thread; a copy that is half made is given up."""
        self._stop.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread:
            thread.shutdown(cancel_futures=True)

    def copy(self, job: Job, original: Path) -> Path | None:
        """Return the copy of a recording; None while it is being made, which this begins.

        Raises:
            ScriptoriumError: it could not be made; the next call tries again.
        """
        path, track = self._results.sound(job.id), self._results.track(job.id)
        with self._lock:
            made = self._made.get(path)
            if made and made.done():
                del self._made[path]
                if not made.cancelled():
                    made.result()
            if path.is_file():
                return path
            if path not in self._made and not self._stop.is_set():
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="sounds")
                self._made[path] = self._thread.submit(self._make, path, original, job.name, track)
        return None

    def _make(self, path: Path, original: Path, name: str, track: int) -> None:
        if self._gone(path, original):
            return
        try:
            with operations.atomic_writer(path, sync=False) as handle:
                write_m4a(handle, self._blocks(path, original, name, track), SAMPLE_RATE)
        except _GivenUp:
            log.info("the copy of %s is not wanted any more", name)
        except ScriptoriumError:
            raise
        except Exception as error:
            log.exception("no copy of %s", name)
            raise ScriptoriumError(
                f"No copy of “{name}” that browsers play could be made; the log says why. "
                "Download the original to hear it."
            ) from error

    def _blocks(self, path: Path, original: Path, name: str, track: int) -> Iterator[Samples]:
        from services.audio.decode import Decoder

        for block in Decoder(original, name, track=track).blocks():
            if self._stop.is_set() or self._gone(path, original):
                raise _GivenUp
            yield block

    @staticmethod
    def _gone(path: Path, original: Path) -> bool:
        """Whether the recording was deleted meanwhile: then nothing is kept of it."""
        return not (original.is_file() and path.parent.is_dir())


class _GivenUp(Exception):
    """The copy is not needed any more."""
