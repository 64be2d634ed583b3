"""A recording on its way through the audio lane: from its job to its transcript."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from dataclasses import replace as changed

from services.audio import SAMPLE_RATE
from services.audio.clips import Clip, Silence, clips
from services.audio.decode import Decoder
from services.audio.engines import Engine, Hypothesis
from services.audio.peaks import Outline
from services.audio.repetition import note, repetitions
from services.audio.segments import in_order, segments_from_words
from services.audio.transcript import Segment, Transcript, Word
from services.jobs.models import Job


@dataclass(frozen=True)
class Heard:
    """What was heard in a clip: when it begins and how long it is, in seconds."""

    start: float
    seconds: float
    hypothesis: Hypothesis


@dataclass
class Slot:
    """The place of a clip in the order of time, until it is part of a stretch."""

    resume: int | None
    heard: Heard | None = None


@dataclass
class Recording:
    """A job that is being decoded and transcribed.

    The thread that decodes it changes `cut_seconds`, `silent`, `decoded` and `reading`; the model's
    thread changes the rest, and any thread may say that it is `over`.
    """

    job: Job
    decoder: Decoder
    clips: Generator[Clip | Silence, None, None]
    outline: Outline = field(default_factory=Outline)
    heard: list[Heard] = field(default_factory=list)
    slots: deque[Slot] = field(default_factory=deque)
    """Clips that arrived and are in no stretch yet."""
    cut_seconds: float = 0.0
    """Length of the clips that were cut so far, in seconds."""
    silent: float = 0.0
    """Time that is known to be in no clip, in seconds."""
    waiting: int = 0
    """Clips that arrived and are not transcribed yet."""
    decoded: bool = False
    arrived: bool = False
    """Whether all its clips arrived: the last ones may be decoded while the model hears others."""
    reading: float = 0.0
    """Seconds that decoding it cost."""
    hearing: float = 0.0
    """Its share of the model's calls, in seconds."""
    over: bool = False
    """Whether it is settled, or work on it has to end."""

    @classmethod
    def of(
        cls,
        job: Job,
        clip_seconds: float,
        saved: tuple[list[Heard], int] = ([], 0),
        check: Callable[[], None] = lambda: None,
        longest: float | None = None,
    ) -> Recording:
        """Return the recording of `job`.

        Args:
            saved: What an earlier try heard, and the sample from which it has to go on.
            check: Called before the file is opened; raises what is wrong with it.
            longest: Seconds of sound that it may hold; None for any number.
        """
        heard, begin = saved
        decoder, outline = Decoder(job.path, job.name, longest, job.options.track), Outline()

        def cut() -> Generator[Clip | Silence, None, None]:
            check()
            yield from clips(outline.through(decoder.blocks()), clip_seconds, begin)

        known = sum(one.seconds for one in heard)
        return cls(
            job,
            decoder,
            cut(),
            outline,
            heard=list(heard),
            cut_seconds=known,
            silent=max(0.0, begin / SAMPLE_RATE - known),
        )

    def arrive(self, clip: Clip) -> Slot:
        """Give a clip its place in the order of time."""
        self.waiting += 1
        self.slots.append(Slot(clip.resume))
        return self.slots[-1]

    def hear(self, slot: Slot, heard: Heard) -> None:
        """Take what was heard in a clip."""
        slot.heard = heard
        self.heard.append(heard)
        self.waiting -= 1

    def stretch(self, seconds: float) -> tuple[list[Heard], int] | None:
        """Take what was heard since the last stretch, and the sample from which to go on after it.

        None while that is less than `seconds` of speech without a clip missing in between.
        """
        ready, last = 0.0, -1
        for number, slot in enumerate(self.slots):
            if slot.heard is None:
                break
            ready += slot.heard.seconds
            if slot.resume is not None and ready >= seconds:
                last = number
        if last < 0:
            return None
        taken = [self.slots.popleft() for _ in range(last + 1)]
        return [slot.heard for slot in taken if slot.heard], taken[-1].resume or 0

    def next_clip(self) -> Clip | Silence | None:
        """Decode up to the next clip, or past some silence, and return it; None at the end."""
        begun = time.monotonic()
        found = next(self.clips, None)
        self.reading += time.monotonic() - begun
        if isinstance(found, Clip):
            self.cut_seconds += found.seconds
        passed = self.decoder.seconds if found is None else (found.resume or 0) / SAMPLE_RATE
        self.silent = max(self.silent, passed - self.cut_seconds)
        self.decoded = found is None
        return found

    @property
    def took(self) -> float:
        """Work that it cost so far, in seconds."""
        return self.reading + self.hearing

    @property
    def stage(self) -> str:
        """What happens to it, for people."""
        return "transcribing" if self.heard else "reading"

    @property
    def complete(self) -> bool:
        """Whether every clip was transcribed."""
        return self.arrived and not self.waiting

    @property
    def progress(self) -> float:
        """Share of the recording that is transcribed, or without speech, from 0 to 1."""
        silent = self.silent  # the decoding thread may change it meanwhile
        known = self.cut_seconds + silent
        if not self.decoded:
            known = max(known, self.decoder.declared or self.job.length or 0.0)
        return (sum(one.seconds for one in self.heard) + silent) / known if known else 0.0


def assemble(recording: Recording, engine: Engine, more_notes: list[str]) -> Transcript:
    """Join what was heard in a recording's clips into its transcript."""
    duration = recording.decoder.seconds
    words: list[Word] = []
    untimed: list[Segment] = []
    heard = sorted(recording.heard, key=lambda one: one.start)
    for one in heard:
        hypothesis = one.hypothesis
        # Inside its clip, so that the words of two neighbours never mix.
        end = min(one.start + one.seconds, duration)
        words += [
            changed(word, start=word.start + one.start, end=min(word.end + one.start, end))
            for word in hypothesis.words
        ]
        if hypothesis.text and not hypothesis.words:  # a model without word times
            untimed.append(Segment(round(one.start, 3), round(end, 3), hypothesis.text))
    words = in_order(words, duration)
    segments = sorted([*segments_from_words(words), *untimed], key=lambda s: s.start)
    repeated = repetitions(words)
    return Transcript(
        text=" ".join(segment.text for segment in segments),
        duration=round(duration, 3),
        language=next((h.hypothesis.language for h in heard if h.hypothesis.language), None),
        engine=engine.name,
        model=engine.model,
        segments=segments,
        words=words,
        notes=[*recording.decoder.notes, *more_notes, *map(note, repeated)],
        repetitions=repeated,
        misplaced=recording.decoder.misplaced,
        track=recording.decoder.track,
    )
