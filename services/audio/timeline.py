"""Where a file's sound belongs: what its timestamps say, which need not begin at 0 or be whole."""

from __future__ import annotations

from typing import Any

JUMP = 0.1
"""Seconds by which a timestamp may be late and still follow on: programs round them and jitter."""

_FOLLOWED = 0.1
"""Share of a smaller difference that counts from the next frame on.

The clock of a sound card is not that of a file, and some headers name a rate that is not quite
true: hours of that are no gap.
"""

_DISCONTINUOUS = 0x0200
"""FFmpeg's `AVFMT_TS_DISCONT`: a format in which clocks may begin anew, as MPEG-TS and Ogg."""

_LONGEST_THERE = 10.0
"""Seconds that a gap may have in such a format; more is another clock (FFmpeg's own limit)."""

APART = 0.25
"""Seconds by which sound and lit words may be apart before people see it."""


TO_THE_END = {"ignore_length": "1"}
"""FFmpeg's option for a WAV whose sizes are missing; browsers have none, and play nothing."""

_VARIED = 0.01
"""Share of frames whose size may change in an MP3 of one bit rate: of two joined, a few do."""


class Timeline:
    """Says how much silence precedes each frame of a container's sound.

    Its zero is the container's first timestamp, as in FFmpeg, VLC and mpv: sound that begins after
    the pictures has silence in front, and what is lost or was never recorded is silent.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.zero: float = (container.start_time or 0) / 1_000_000
        """The container's first timestamp, in seconds."""
        self.gaps = 0.0
        """Seconds of silence that were put in, after the first frame."""
        self._most = _LONGEST_THERE if container.format.flags & _DISCONTINUOUS else None
        self._passed: float | None = None
        """Seconds of sound and silence so far; None before the first frame."""
        self._shift = self.zero
        """What a timestamp is more than that."""
        self.declared = duration(container, stream)
        """When the sound ends by the file's header, in seconds; None where it does not say it."""
        self._unheard = TO_THE_END.items() <= container.options.items()
        self._mp3 = container.format.name == "mp3"
        self._size = self._packets = self._changes = 0

    def pass_packet(self, packet: Any) -> None:
        """Take note of the size of a packet."""
        if packet.size and self._mp3:
            self._packets += 1
            self._changes += abs(packet.size - (self._size or packet.size)) > 1  # one byte fills up
            self._size = packet.size

    def silence_before(self, frame: Any) -> float:
        """Return the seconds of silence that belong between the frame before and this one."""
        first, passed = self._passed is None, self._passed or 0.0
        late = 0.0
        at = frame.time  # without the fraction that frame.time_base makes each time
        if at is not None:
            late = at - self._shift - passed
            if first and late <= 0:
                self._shift = at
                late = 0.0
            elif abs(late) <= JUMP and not first:
                self._shift += _FOLLOWED * late
                late = 0.0
            elif late < 0 or self._beyond(passed + late, late):
                self._shift += late  # another clock: from here on it counts from here
                late = 0.0
            elif not first:
                self.gaps += late
        self._passed = passed + late + frame.samples / frame.sample_rate
        return late

    def _beyond(self, at: float, gap: float) -> bool:
        """Whether a gap is longer than it can be."""
        return (self._most is not None and gap > self._most) or (
            self.declared is not None and at > self.declared + 1
        )

    @property
    def misplaced(self) -> bool:
        """Whether browsers play the sound at other times than here, once all has passed.

        Some skip gaps, or do not begin at 0; none finds its way in an MP3 of changing bit rate, nor
        goes on a click to what is behind the end that the header tells.
        """
        longer = self.declared is not None and (self._passed or 0) > self.declared + 1
        varied = self._changes > _VARIED * self._packets
        return self.shifted or self.gaps > APART or longer or varied or self._unheard

    @property
    def shifted(self) -> bool:
        """Whether the file does not begin at 0: what browsers do with that differs."""
        return abs(self.zero) > APART


def duration(container: Any, stream: Any) -> float | None:
    """Return when the sound ends by the file's header, in seconds from its first timestamp."""
    zero = (container.start_time or 0) / 1_000_000
    if stream.duration is not None and stream.time_base is not None:
        length = float(stream.duration * stream.time_base)
        if container.format.name == "ogg":  # it counts from 0, whatever the first page says
            return length - zero
        start = float((stream.start_time or 0) * stream.time_base)
        return max(start - zero, 0.0) + length
    matroska = "matroska" in container.format.name  # what it says is when things end
    if matroska and (told := _seconds(stream.metadata.get("DURATION", ""))):
        return told - zero
    if container.duration is not None:
        return float(container.duration / 1_000_000) - (zero if matroska else 0.0)
    return None


def _seconds(text: str) -> float | None:
    """Read a time as Matroska's tags have it: 00:00:20.031000000."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
