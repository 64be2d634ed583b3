"""The sound tracks of one file: the one that was asked for, or all of them as one sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio import ALL_TRACKS, MOST_TRACKS, SAMPLE_RATE
from services.audio.resample import Resampler
from services.audio.timeline import Timeline
from services.errors import UnreadableMedia

Samples = NDArray[np.float32]

_BEHIND = 60 * SAMPLE_RATE
"""Samples that one track may lag behind the others in the file; programs write a second at most."""


def choose(container: Any, number: int, name: str) -> list[Any]:
    """Return the streams that are read; of a file with one sound track that one.

    Args:
        container: The opened file.
        number: Which of its sound tracks, from 1; `ALL_TRACKS` for all that can be read.
        name: What the person calls the file, for messages.

    Raises:
        UnreadableMedia: it has no sound, not so many tracks, or of a kind that is not known.
    """
    tracks = list(container.streams.audio)
    if not tracks:
        raise UnreadableMedia(f"“{name}” has no sound: the file holds no audio track.")
    if number > len(tracks) > 1:
        raise UnreadableMedia(
            f"“{name}” has {len(tracks)} sound tracks, and number {number} was asked for. Run it "
            "again with another one."
        )
    wanted = [tracks[min(number, len(tracks)) - 1]]
    if number == ALL_TRACKS:
        wanted = tracks[:MOST_TRACKS]
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
        self.timeline = Timeline(container, stream)
        self.invalid = 0
        """Samples so far that were NaN or infinite, and are silent."""
        self.lost = 0
        """Samples so far that came too late for the mix."""
        self._resampler = Resampler()
        self._held = np.zeros(0, np.float32)
        self._late = 0

    def resample(self, frame: Any) -> Iterator[Samples]:
        """Yield the sound of the next frame, at 16 kHz, after the silence that precedes it."""
        if silence := self.timeline.silence_before(frame):
            yield from self.flush()
            yield from _silence(silence)
        yield from self._finite(self._resampler.resample(frame))

    def flush(self) -> Iterator[Samples]:
        """Yield the part of a second that waits in here for more."""
        yield from self._finite(self._resampler.flush())

    @property
    def held(self) -> int:
        """Samples that wait for those of other tracks."""
        return self._held.size

    def hold(self, samples: Samples) -> None:
        """Keep sound until `give`, but for what has come after its turn."""
        dropped = min(self._late, samples.size)
        self._late -= dropped
        self.lost += int(np.count_nonzero(samples[:dropped]))
        self._held = np.concatenate([self._held, samples[dropped:]])

    def give(self, size: int) -> Samples:
        """Return the next `size` samples; fewer where they have not come, and will be too late."""
        if size > self.held:
            for samples in self.flush():
                self.hold(samples)
        part, self._held = self._held[:size], self._held[size:]
        self._late += size - part.size
        return part

    def _finite(self, sound: list[Samples]) -> Iterator[Samples]:
        for samples in sound:
            good = np.isfinite(samples)
            self.invalid += int(samples.size - np.count_nonzero(good))
            yield samples if good.all() else np.where(good, samples, np.float32(0))


class Sound:
    """The sound of tracks, which are added up at equal power as far as all of them have come.

    Where one lags far behind the others in the file, or has ended, it is silent. One track alone
    passes through as it is.
    """

    def __init__(self, container: Any, streams: Sequence[Any]) -> None:
        if len(streams) == 1:
            streams[0].thread_type = "AUTO"  # of many, each would have threads of its own
        self.tracks = [Track(container, stream) for stream in streams]
        self._by_index = {s.index: t for s, t in zip(streams, self.tracks, strict=True)}
        self._gain = np.float32(1 / math.sqrt(len(streams)))

    def pass_packet(self, packet: Any) -> None:
        """Take note of a packet before it is decoded."""
        self._by_index[packet.stream.index].timeline.pass_packet(packet)

    def add(self, packet: Any, frame: Any) -> Iterator[Samples]:
        """Take a frame of a packet, and yield what is whole by now."""
        track = self._by_index[packet.stream.index]
        if len(self.tracks) == 1:
            yield from track.resample(frame)
            return
        for samples in track.resample(frame):
            track.hold(samples)
            sizes = [one.held for one in self.tracks]
            yield from self._mixed(max(min(sizes), max(sizes) - _BEHIND))

    def rest(self) -> Iterator[Samples]:
        """Yield what is left when the file has ended."""
        if len(self.tracks) == 1:
            yield from self.tracks[0].flush()
            return
        for track in self.tracks:
            for samples in track.flush():
                track.hold(samples)
        yield from self._mixed(max(track.held for track in self.tracks))

    def notes(self) -> Iterator[str]:
        """Yield what a person should know of the mix, when all has been yielded."""
        if lost := max(track.lost for track in self.tracks) / SAMPLE_RATE:
            yield (
                f"{lost:.1f} s of a sound track come far behind the others in the file, and are "
                "missing in the mix. To have them, run it again with that track alone."
            )

    def _mixed(self, size: int) -> Iterator[Samples]:
        if size <= 0:
            return
        mixed = np.zeros(size, np.float32)
        for track in self.tracks:
            part = track.give(size)
            mixed[: part.size] += part
        yield np.clip(mixed * self._gain, -1, 1)


def note(container: Any, number: int, read: Sequence[Any]) -> str | None:
    """Return what a person should know of the tracks that are not read; None where none are."""
    there = len(container.streams.audio)
    if number == ALL_TRACKS and len(read) < there:
        return (
            f"{there - len(read)} of the file’s {there} sound tracks were left out of the mix: "
            f"their kind is not known, or there are more than {MOST_TRACKS}."
        )
    if number != 1 or there == 1:
        return None
    return (
        f"The file has {there} sound tracks, and only the first was read. To have another one, or "
        "all of them, run it again with another “Sound track”."
    )


def _silence(seconds: float) -> Iterator[Samples]:
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        size = min(left, 30 * SAMPLE_RATE)
        yield np.zeros(size, np.float32)
        left -= size
