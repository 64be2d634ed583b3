"""The sound tracks of one file: the one that was asked for, or all of them as one sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio import SAMPLE_RATE
from services.audio.resample import Resampler
from services.audio.timeline import Timeline
from services.errors import UnreadableMedia

Samples = NDArray[np.float32]

ALL = 0
"""In place of a track's number: every track, mixed."""

MOST = 32
"""Tracks that are mixed; recorders have 16 at most, and each takes a decoder of its own."""

_BEHIND = 60 * SAMPLE_RATE
"""Samples that one track may lag behind the others in the file; programs write a second at most."""


def choose(container: Any, number: int, name: str) -> list[Any]:
    """Return the streams that are read.

    Args:
        container: The opened file.
        number: Which of its sound tracks, from 1; `ALL` for all that can be read.
        name: What the person calls the file, for messages.

    Raises:
        UnreadableMedia: it has no sound, not so many tracks, or of a kind that is not known.
    """
    tracks = list(container.streams.audio)
    if not tracks:
        raise UnreadableMedia(f"“{name}” has no sound: the file holds no audio track.")
    if number > len(tracks):
        raise UnreadableMedia(
            f"“{name}” has {_counted(len(tracks))}, and number {number} was asked for. Run it "
            "again with another one."
        )
    wanted = tracks[:MOST] if number == ALL else [tracks[number - 1]]
    known = [track for track in wanted if track.codec_context is not None]
    if not known:
        raise UnreadableMedia(
            f"“{name}” cannot be read as audio or video: its sound is of a kind that is not known, "
            "or damaged. Check that it plays, and upload it again."
        )
    return known


class Track:
    """One sound track that is being decoded."""

    def __init__(self, container: Any, stream: Any) -> None:
        stream.thread_type = "AUTO"
        self.timeline = Timeline(container, stream)
        self._resampler = Resampler()
        self._held = np.zeros(0, np.float32)
        self._late = 0

    def resample(self, frame: Any) -> Iterator[Samples]:
        """Yield the sound of the next frame, at 16 kHz, after the silence that precedes it."""
        if silence := self.timeline.silence_before(frame):
            yield from self._resampler.flush()
            yield from _silence(silence)
        yield from self._resampler.resample(frame)

    def flush(self) -> list[Samples]:
        """Return the part of a second that waits in here for more."""
        return self._resampler.flush()

    @property
    def held(self) -> int:
        """Samples that wait for those of other tracks."""
        return self._held.size

    def hold(self, samples: Samples) -> None:
        """Keep sound until `give`, but for what has come after its turn."""
        dropped = min(self._late, samples.size)
        self._late -= dropped
        self._held = np.concatenate([self._held, samples[dropped:]])

    def give(self, size: int) -> Samples:
        """Return the next `size` samples; fewer where they have not come, and will be too late."""
        if size > self.held:
            for samples in self.flush():
                self.hold(samples)
        part, self._held = self._held[:size], self._held[size:]
        self._late += size - part.size
        return part


class Sound:
    """The sound of tracks, which are added up at equal power as far as all of them have come.

    Where one lags far behind the others in the file, or has ended, it is silent. One track alone
    passes through as it is.
    """

    def __init__(self, container: Any, streams: Sequence[Any]) -> None:
        self._tracks = {stream.index: Track(container, stream) for stream in streams}
        self._gain = np.float32(1 / math.sqrt(len(streams)))

    @property
    def timelines(self) -> list[Timeline]:
        """The timeline of each track."""
        return [track.timeline for track in self._tracks.values()]

    def pass_packet(self, packet: Any) -> None:
        """Take note of a packet before it is decoded."""
        self._tracks[packet.stream.index].timeline.pass_packet(packet)

    def add(self, packet: Any, frame: Any) -> Iterator[Samples]:
        """Take a frame of a packet, and yield what is whole by now."""
        track = self._tracks[packet.stream.index]
        if len(self._tracks) == 1:
            yield from track.resample(frame)
            return
        for samples in track.resample(frame):
            track.hold(samples)
            sizes = [one.held for one in self._tracks.values()]
            yield from self._mixed(max(min(sizes), max(sizes) - _BEHIND))

    def rest(self) -> Iterator[Samples]:
        """Yield what is left when the file has ended."""
        for track in self._tracks.values():
            for samples in track.flush():
                track.hold(samples)
        yield from self._mixed(max(track.held for track in self._tracks.values()))

    def _mixed(self, size: int) -> Iterator[Samples]:
        if size <= 0:
            return
        mixed = np.zeros(size, np.float32)
        for track in self._tracks.values():
            part = track.give(size)
            mixed[: part.size] += part
        yield np.clip(mixed * self._gain, -1, 1)


def note(tracks: int, number: int) -> str | None:
    """Return what a person should know who chose none of several tracks; None for who did."""
    if tracks == 1 or number != 1:
        return None
    return (
        f"The file has {_counted(tracks)}, and only the first was read. To have another one, or "
        "all of them, run it again with another “Sound track”."
    )


def _counted(tracks: int) -> str:
    return "1 sound track" if tracks == 1 else f"{tracks} sound tracks"


def _silence(seconds: float) -> Iterator[Samples]:
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        size = min(left, 30 * SAMPLE_RATE)
        yield np.zeros(size, np.float32)
        left -= size
