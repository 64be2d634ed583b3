"""Claims and decodes recordings ahead of the model, until enough speech waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from services.audio.clips import Clip, Silence
from services.jobs.recording import Recording

log = logging.getLogger(__name__)

OPEN = 4
"""Recordings that are read in turn, so that a short one is not behind a long one."""

LOOK_SECONDS = 0.5
"""Pause after no job was found, before the store is asked again."""


@dataclass(frozen=True)
class Cut:
    """A clip that was cut out of a recording."""

    recording: Recording
    clip: Clip


@dataclass(frozen=True)
class Failed:
    """A recording that cannot be read, and why."""

    recording: Recording
    error: Exception


@dataclass(frozen=True)
class Ended:
    """A recording of which every clip was given."""

    recording: Recording


Arrival = Cut | Ended | Failed


class Ahead:
    """Decoding threads with a bounded window between them and the model.

    Args:
        take: Claims the next recording, None when there is none; called by a decoding thread, by
            one at a time.
        seconds: Speech that may wait for the model.
        threads: How many decode at the same time.
    """

    def __init__(
        self, take: Callable[[], Recording | None], seconds: float, threads: int = 1
    ) -> None:
        self._take = take
        self._limit = seconds
        self._changed = threading.Condition()
        self._open: deque[Recording] = deque()
        self._busy = 0
        self._taking = False
        self._look_at = 0.0
        self._dry = False
        self._held = 0.0
        self._arrived: deque[Arrival] = deque()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"decoder-{number}", daemon=True)
            for number in range(1, threads + 1)
        ]

    def start(self) -> None:
        """Begin to decode."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads, each at its next clip, or within a stretch of silence."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for recording in self._open:
            recording.clips.close()

    def release(self, seconds: float) -> None:
        """Say that so much of what arrived does not wait any more."""
        with self._changed:
            self._held -= seconds
            self._changed.notify_all()

    def arrivals(self, enough: float) -> list[Arrival] | None:
        """Return what arrived, after a wait until the window holds `enough` seconds or is full.

        It may be nothing while recordings without speech are read. None when all that could be
        claimed has arrived.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._held >= min(enough, self._limit) or self._finished,
                timeout=LOOK_SECONDS,
            )
            arrived, self._arrived = list(self._arrived), deque()
            return arrived if arrived or not self._finished else None

    @property
    def busy(self) -> bool:
        """Whether a thread decodes."""
        return self._busy > 0

    @property
    def _finished(self) -> bool:
        return self._dry and not self._open and not self._busy and not self._taking

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and not self._can_take and not self._can_read:
                    waits = self._held < self._limit and self._dry
                    self._changed.wait(LOOK_SECONDS if waits else None)
                if self._stopping:
                    return
                recording = None if self._can_take else self._open.popleft()
                self._taking = self._taking or recording is None
                self._busy += recording is not None
            if recording is None:
                self._claim()
            else:
                self._read(recording)

    @property
    def _can_take(self) -> bool:
        room = self._held < self._limit and len(self._open) + self._busy < OPEN
        return room and not self._taking and time.monotonic() >= self._look_at

    @property
    def _can_read(self) -> bool:
        return bool(self._open) and self._held < self._limit

    def _claim(self) -> None:
        try:
            recording = self._take()
        except Exception:  # the store itself failed: a lock, a full disk
            log.exception("no job could be taken")
            recording = None
        with self._changed:
            self._taking = False
            self._dry = recording is None
            if recording is None:
                self._look_at = time.monotonic() + LOOK_SECONDS
            else:
                self._open.append(recording)
            self._changed.notify_all()

    def _read(self, recording: Recording) -> None:
        arrival: Arrival | None
        try:
            found = None if recording.over else recording.next_clip()
            if found is None and recording.over:
                recording.clips.close()
            if isinstance(found, Clip):
                arrival = Cut(recording, found)
            else:  # silence gives nothing, but the others their turn
                arrival = None if isinstance(found, Silence) else Ended(recording)
        except Exception as error:
            arrival = Failed(recording, error)
        with self._changed:
            self._busy -= 1
            if arrival is not None:
                self._arrived.append(arrival)
            if arrival is None or isinstance(arrival, Cut):
                self._open.append(recording)
            if isinstance(arrival, Cut):
                self._held += arrival.clip.seconds
            self._changed.notify_all()
