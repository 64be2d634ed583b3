"""What the audio lane does: decode, cut, batch, transcribe, save.

Clips of many recordings share a model call, sorted by length, because a batch costs as much as
its longest clip times their number.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from dataclasses import replace as changed

from services.audio.clips import Clip, clips
from services.audio.decode import Decoder
from services.audio.engines import Engine, Hypothesis
from services.audio.engines.host import EngineHost
from services.audio.segments import in_order, segments_from_words
from services.audio.transcript import Segment, Transcript, Word
from services.config import Settings
from services.files.retry import retrying
from services.jobs.lane import Claims
from services.jobs.models import Job, Kind

log = logging.getLogger(__name__)

MOST_JOBS = 32
"""Jobs claimed together."""

WINDOW_SECONDS = 600.0
"""Speech decoded ahead and sorted by length, in seconds: 38 MB."""


@dataclass
class Recording:
    """A job on its way through the lane."""

    job: Job
    decoder: Decoder
    clips: Generator[Clip, None, None]
    heard: list[tuple[Clip, Hypothesis]] = field(default_factory=list)
    cut_seconds: float = 0.0
    """Length of the clips that were cut so far, in seconds."""
    waiting: int = 0
    """Clips that were cut and not transcribed yet."""
    decoded: bool = False
    took: float = 0.0
    """Seconds that decoding it cost, and its share of the model's calls."""

    @property
    def progress(self) -> float:
        """Share of the recording that is transcribed, from 0 to 1."""
        known = self.cut_seconds
        if not self.decoded:
            known = max(known, self.decoder.declared or self.job.length or 0.0)
        return sum(clip.seconds for clip, _ in self.heard) / known if known else 0.0


@dataclass(frozen=True)
class Piece:
    """A clip and the recording that it belongs to."""

    recording: Recording
    clip: Clip


class AudioWorker:
    """Transcribes recordings with the engine that their options choose."""

    kind = Kind.AUDIO

    def __init__(self, settings: Settings, host: EngineHost) -> None:
        self._settings = settings
        self._host = host

    def run(self, job: Job, claims: Claims) -> None:
        """Transcribe `job`, and with it other queued jobs that carry the same options."""
        jobs = [job]
        while len(jobs) < MOST_JOBS and (another := claims.take(self.kind, like=job)):
            jobs.append(another)
        for one in jobs:
            claims.progress(one, 0.0, "waiting for the model")
        options = job.options
        engine = self._host.get(options.engine, options.model, options.nemo_input)
        _Run(engine, claims, self._settings, jobs).run()

    def close(self) -> None:
        """Free the model."""
        self._host.close()


class _Run:
    """One pass over the jobs that were claimed together."""

    def __init__(self, engine: Engine, claims: Claims, settings: Settings, jobs: list[Job]) -> None:
        self._engine = engine
        self._claims = claims
        self._settings = settings
        self._unread = deque(self._recording(job) for job in jobs)
        self._dropped: set[str] = set()

    def run(self) -> None:
        """Work until every job is settled or work on it has to end."""
        while pieces := self._fill():
            for batch in batches(pieces, self._settings.batch_seconds):
                self._transcribe([p for p in batch if p.recording.job.id not in self._dropped])

    def _recording(self, job: Job) -> Recording:
        decoder = Decoder(job.path, job.name)
        return Recording(job, decoder, clips(decoder.blocks(), self._settings.clip_seconds))

    def _fill(self) -> list[Piece]:
        """Decode until the window is full; finish what turns out to hold no speech."""
        pieces: list[Piece] = []
        seconds = 0.0
        while self._unread and seconds < WINDOW_SECONDS:
            recording = self._unread[0]
            if not self._keep_on(recording, "reading"):
                self._unread.popleft()
                continue
            try:
                if not recording.cut_seconds:
                    self._claims.check_original(recording.job)
                begun = time.monotonic()
                clip = next(recording.clips, None)
                recording.took += time.monotonic() - begun
            except Exception as error:
                self._fail(recording, error)
                self._unread.popleft()
                continue
            if clip is None:
                recording.decoded = True
                self._unread.popleft()
                self._finish_if_complete(recording)
                continue
            recording.waiting += 1
            recording.cut_seconds += clip.seconds
            seconds += clip.seconds
            pieces.append(Piece(recording, clip))
        return [p for p in pieces if p.recording.job.id not in self._dropped]

    def _transcribe(self, batch: list[Piece]) -> None:
        batch = [p for p in batch if self._keep_on(p.recording, "transcribing")]
        if not batch:
            return
        begun = time.monotonic()
        try:
            heard = self._hear(batch)
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch[0].recording, error)
                return
            # Too much for the memory, or one clip that the model cannot take: halves find out.
            log.warning("a batch of %d clips failed and is split: %s", len(batch), error)
            self._engine.trim()
            middle = len(batch) // 2
            self._transcribe(batch[:middle])
            self._transcribe(batch[middle:])
            return
        cost = (time.monotonic() - begun) / sum(piece.clip.seconds for piece in batch)
        for piece, hypothesis in zip(batch, heard, strict=True):
            piece.recording.took += cost * piece.clip.seconds
            piece.recording.waiting -= 1
            piece.recording.heard.append((piece.clip, hypothesis))
        for recording in {id(p.recording): p.recording for p in batch}.values():
            self._finish_if_complete(recording)

    def _hear(self, batch: list[Piece]) -> list[Hypothesis]:
        """Call the model; where a file that it needs is locked, tidy up, wait, call again."""

        def call() -> list[Hypothesis]:
            try:
                return self._engine.transcribe([piece.clip.samples for piece in batch])
            except OSError:
                self._engine.trim()
                raise

        return retrying(call, batch[0].recording.job.path, self._settings.transcription_waits)

    def _keep_on(self, recording: Recording, stage: str) -> bool:
        job = recording.job
        if job.id in self._dropped:
            return False
        if self._claims.progress(job, recording.progress, stage):
            return True
        self._drop(recording)
        return False

    def _drop(self, recording: Recording) -> None:
        """Work on it no more, and close its file."""
        self._dropped.add(recording.job.id)
        recording.clips.close()

    def _fail(self, recording: Recording, error: Exception) -> None:
        self._drop(recording)
        self._claims.failed(recording.job, error)

    def _finish_if_complete(self, recording: Recording) -> None:
        if not recording.decoded or recording.waiting or recording.job.id in self._dropped:
            return
        self._dropped.add(recording.job.id)
        try:
            transcript = assemble(recording, self._engine)
            self._claims.done(
                recording.job,
                transcript,
                length=transcript.duration,
                engine=transcript.engine,
                model=transcript.model,
                took=recording.took,
            )
        except Exception as error:  # a full disk, a lock: this job's result, not the others'
            self._claims.failed(recording.job, error)


def batches(pieces: list[Piece], most_seconds: float) -> list[list[Piece]]:
    """Group pieces by length into batches of at most `most_seconds`, padding included.

    The longest come first, so that a lack of memory shows at once.
    """
    grouped: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.clip.seconds, reverse=True):
        if grouped and grouped[-1][0].clip.seconds * (len(grouped[-1]) + 1) <= most_seconds:
            grouped[-1].append(piece)
        else:
            grouped.append([piece])
    return grouped


def assemble(recording: Recording, engine: Engine) -> Transcript:
    """Join what was heard in a recording's clips into its transcript."""
    duration = recording.decoder.seconds
    heard = sorted(recording.heard, key=lambda pair: pair[0].start)
    words: list[Word] = []
    untimed: list[Segment] = []
    for clip, hypothesis in heard:
        words += [
            changed(word, start=word.start + clip.start, end=word.end + clip.start)
            for word in hypothesis.words
        ]
        if hypothesis.text and not hypothesis.words:  # a model without word times
            end = min(clip.start + clip.seconds, duration)
            untimed.append(Segment(round(clip.start, 3), round(end, 3), hypothesis.text))
    words = in_order(words, duration)
    segments = sorted([*segments_from_words(words), *untimed], key=lambda s: s.start)
    return Transcript(
        text=" ".join(segment.text for segment in segments),
        duration=round(duration, 3),
        language=next((h.language for _, h in heard if h.language), None),
        engine=engine.name,
        model=engine.model,
        segments=segments,
        words=words,
        notes=recording.decoder.notes,
    )
