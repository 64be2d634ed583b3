"""Reads any audio or video file as 16 kHz mono float32, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from services.audio import ALL_TRACKS, SAMPLE_RATE, bare, tracks
from services.audio.timeline import APART, TO_THE_END, Timeline, duration
from services.audio.wav import is_unfinished, plain_blocks, read_header
from services.errors import UnreadableMedia
from services.files.operations import open_to_read

Samples = NDArray[np.float32]

BLOCK_SECONDS = 30
SHORTEST = 0.1

LOWEST_RATE = 1000
"""Samples in a second that a recording has at least.

At 16 kHz a sample of 1 Hz becomes 64 kilobytes: a small file would fill any memory.
"""

COUNTED = 500_000_000
"""Bytes that a file may have whose length nothing says, to be read through for it: a second."""

LONGEST_FRAME = 600
"""Seconds that one piece of a file may give at once; what programs write gives a few at most."""

# Containers that hold media themselves. Playlists are not among them: one that somebody
# uploads could name any file or address of this machine.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,mp3,mpeg,mpegts,"
    "oga,ogg,opus,rm,tta,voc,w64,wav,wv,3gp,3g2,mj2"
)
_OPEN = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}

# Plain samples: in packets of 4096 bytes, FFmpeg's default, they take longer to read than to use,
# and what they are is known from their first packet.
_OPEN_WAV = _OPEN | {"max_size": "65536", "probesize": "65536"}

# Their header says it all: to look at one, the smallest packet will do, in a tenth of the time.
_PROBE_WAV = _OPEN | {"max_size": "4096", "probesize": "2048"}


@dataclass(frozen=True)
class MediaInfo:
    """What a file says of itself: `duration` in seconds where it says so, and if it has video.

    The picture on a record's cover is none. `tracks` is how many sound tracks it has.
    """

    duration: float | None
    video: bool
    tracks: int = 1


def probe(path: Path, name: str | None = None) -> MediaInfo:
    """Read a media file's header; `name` is what the person calls it, for messages.

    Raises:
        UnreadableMedia: it is no audio or video file, is damaged, or holds no sound.
    """
    name = name or path.name
    with _read(path, name) as handle:
        header = read_header(handle)
    if header is not None and header.plain:
        return MediaInfo(header.seconds, video=False)
    with _opened(path, name, _PROBE_WAV) as container:
        [stream, *_] = tracks.choose(container, ALL_TRACKS, name)
        length = _duration(container, stream)
        if length is None and path.stat().st_size <= COUNTED:
            length = bare.counted(container, stream)
        return MediaInfo(length, _moves(container), len(container.streams.audio))


class Decoder:
    """Decodes one file.

    Damage does not end it: what can be read is given, and `notes` then says what was lost.

    Args:
        path: An absolute path.
        name: What the person calls the file, for messages.
        longest: Seconds of sound that it may hold; None for any number.
        track: Which of its sound tracks is read, from 1; `ALL_TRACKS` for all of them, mixed.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        longest: float | None = None,
        track: int = 1,
    ) -> None:
        self.path = path
        self.name = name or path.name
        self.track = track
        self._longest = longest
        self.declared: float | None = None
        """Duration that the file's header promises, in seconds, once decoding has begun."""
        self.seconds = 0.0
        """Duration decoded so far."""
        self.notes: list[str] = []
        """Sentences on damage, complete when `blocks` has ended."""
        self._damaged = 0
        self.misplaced = False
        """Whether browsers play the file at other times than here, once `blocks` has ended."""

    def blocks(self) -> Iterator[Samples]:
        """Yield the sound in 1-D float32 arrays of about 30 s at 16 kHz.

        Raises:
            UnreadableMedia: nothing can be decoded, less than 0.1 s of sound is there, or more
                than `longest`.
        """
        with _read(self.path, self.name) as handle:
            header = read_header(handle)
            if header is not None and header.plain:
                self.declared = header.seconds
                for block in plain_blocks(handle, header, BLOCK_SECONDS):
                    self._count(block.size)
                    yield block
                self._check()
                return
        yield from self._decoded()

    def _count(self, samples: int) -> None:
        """Take note of what was decoded; what a header says of the length proves nothing."""
        self.seconds += samples / SAMPLE_RATE
        if self._longest is not None and self.seconds > self._longest:
            raise UnreadableMedia(
                f"“{self.name}” is longer than {self._longest / 3600:g} hours, which is the most "
                "that this server takes. Cut it into parts, or ask for a higher recording_hours."
            )

    def _decoded(self) -> Iterator[Samples]:
        pending: list[Samples] = []
        held = 0
        with _opened(self.path, self.name) as container:
            streams = tracks.choose(container, self.track, self.name)
            lengths = (_duration(container, stream) for stream in streams)
            self.declared = max(filter(None, lengths), default=None)
            if note := tracks.note(container, self.track, streams):
                self.notes.append(note)
            sound = tracks.Sound(container, streams)
            for samples in self._parts(container.demux(*streams), sound):
                pending.append(samples)
                held += samples.size
                if held >= BLOCK_SECONDS * SAMPLE_RATE:
                    self._count(held)
                    yield np.concatenate(pending)
                    pending, held = [], 0
        self._count(held)
        self._place([track.timeline for track in sound.tracks])
        self.notes += sound.notes()
        self._check([track.invalid for track in sound.tracks])
        if held:
            yield np.concatenate(pending)

    def _parts(self, packets: Iterator[Any], sound: tracks.Sound) -> Iterator[Samples]:
        """Yield what the packets hold, bit by bit: a gap may be hours long."""
        import av

        broken = 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                sound.pass_packet(packet)
                for frame in packet.decode():
                    self._check_frame(frame)
                    yield from sound.add(packet, frame)
            except av.error.EOFError:
                pass
            except (av.error.FFmpegError, ValueError):
                # One bad packet costs its own fraction of a second; a demuxer that
                # cannot go on repeats itself, and then the rest is lost.
                self._damaged += 1
                broken += 1
                if broken > 100:
                    break
                continue
            broken = 0
        yield from sound.rest()

    def _place(self, timelines: list[Timeline]) -> None:
        # Of other tracks than the first a copy is heard, and only the pictures are the file's.
        first = self.track == 1
        self.misplaced = timelines[0].misplaced if first else timelines[0].shifted
        if (gaps := max(timeline.gaps for timeline in timelines)) > APART:
            self.notes.append(
                f"{gaps:.1f} s of sound are missing between the file's timestamps, and are silent "
                "here."
            )

    def _check_frame(self, frame: Any) -> None:
        if frame.sample_rate < LOWEST_RATE:
            raise UnreadableMedia(
                f"“{self.name}” says that its sound has {frame.sample_rate} samples in a second, "
                f"and speech needs {LOWEST_RATE} at least. Export it again from the program that "
                "made it."
            )
        if frame.samples > LONGEST_FRAME * frame.sample_rate:
            raise UnreadableMedia(
                f"“{self.name}” holds {frame.samples / frame.sample_rate / 60:.0f} minutes of "
                "sound in one piece, as no program writes it. Convert it to another format."
            )

    def _check(self, invalid: Sequence[int] = (0,)) -> None:
        """Refuse what holds no sound, and note what was lost.

        Args:
            invalid: Invalid samples in each track.
        """
        if self.seconds == 0:
            raise UnreadableMedia(
                f"“{self.name}” holds no sound that can be decoded: it is empty or damaged. "
                "Upload an intact copy."
            )
        if self.seconds < SHORTEST:
            raise UnreadableMedia(
                f"“{self.name}” is only {self.seconds * 1000:.0f} ms long; "
                f"a recording needs at least {SHORTEST * 1000:.0f} ms."
            )
        if min(invalid) >= self.seconds * SAMPLE_RATE:
            raise UnreadableMedia(
                f"“{self.name}” holds only invalid samples (NaN or infinite). "
                "Export it again from the program that made it."
            )
        if most := max(invalid):
            self.notes.append(
                f"{most / SAMPLE_RATE:.2f} s of invalid samples (NaN or infinite) "
                "were taken as silence."
            )
        if damaged := self._damaged:
            places = "1 damaged place" if damaged == 1 else f"{damaged} damaged places"
            self.notes.append(f"{places} in the file {'was' if damaged == 1 else 'were'} skipped.")
        if self.declared and self.declared - self.seconds > max(1.0, 0.02 * self.declared):
            self.notes.append(
                f"The file ends early: {self.seconds:.1f} s of {self.declared:.1f} s could be read."
            )


def _read(path: Path, name: str) -> BinaryIO:
    if path.stat().st_size == 0:
        raise UnreadableMedia(f"“{name}” is empty (0 bytes). Upload it again.")
    # Waits while another program has the file, and tells a lock from damage.
    return open_to_read(path)


def _opened(path: Path, name: str, wav: dict[str, str] = _OPEN_WAV) -> Any:
    import av

    with _read(path, name) as handle:
        head = handle.read(36)
    options = wav if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else _OPEN
    if is_unfinished(head):
        options = options | TO_THE_END
    try:
        # Tags are text in any encoding; they must not make the sound unreadable.
        return av.open(str(path), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise UnreadableMedia(
            f"“{name}” cannot be read as audio or video: its content is of another kind, "
            "damaged or incomplete. Check that it plays, and upload it again."
        ) from error


def _moves(container: Any) -> bool:
    import av

    cover = av.stream.Disposition.attached_pic
    return any(not stream.disposition & cover for stream in container.streams.video)


def _duration(container: Any, stream: Any) -> float | None:
    if container.format.name == "wav" and stream.bit_rate:
        # FFmpeg takes the file's own size where that is smaller, and so hides that the end is
        # missing.
        with Path(container.name).open("rb") as handle:
            header = read_header(handle)
        if header is not None and header.promised:
            return float(header.promised * 8 / stream.bit_rate)
    if container.format.name in bare.FORMATS:
        with Path(container.name).open("rb") as handle:
            if not bare.says_length(handle):
                return None
    return duration(container, stream)
