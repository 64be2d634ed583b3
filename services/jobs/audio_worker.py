"""What the audio lane does: decode, cut, batch, transcribe, save.

Four kinds of work go on at once, each in threads of its own: recordings are claimed and decoded
ahead (`ahead.py`), their clips are put together by length (`batching.py`), the lane's thread calls
the model, and results are written behind it (`clerk.py`).
"""

from __future__ import annotations

import logging
import os
import time

from services.audio.engines import Engine, Hints, Hypothesis
from services.audio.engines.host import EngineHost
from services.config import Settings
from services.errors import OutOfMemory
from services.files.retry import retrying
from services.jobs.ahead import Ahead, Arrival, Cut, Failed
from services.jobs.batching import Piece, Window
from services.jobs.claims import Claims
from services.jobs.clerk import Clerk
from services.jobs.models import Job, Kind
from services.jobs.recording import Heard, Recording
from services.jobs.stretches import Stretches
from services.jobs.turns import Turns, User

log = logging.getLogger(__name__)

_CORES = os.cpu_count() or 1

WINDOW_BATCHES = 4
"""Calls of the model for which speech is decoded ahead, and jobs are claimed."""

STRETCH_SECONDS = 60.0
"""Speech after which what was heard of a long recording is kept for a restart."""

TURN_SECONDS = 300.0
"""Time after which no more jobs are taken with the model at hand, so that those that need another
one get their turn."""


class AudioWorker:
    """Transcribes recordings with the engine that their options choose."""

    kind = Kind.AUDIO

    def __init__(self, settings: Settings, host: EngineHost, turns: Turns | None = None) -> None:
        self._settings = settings
        self._host = host
        self._turns = turns or Turns(shared=False)
        self._running = False

    @property
    def needs_cores(self) -> bool:
        """Whether a model computes on the CPU; any thread may ask."""
        return self._running and self._host.status.device != "cuda"

    def run(self, job: Job, claims: Claims) -> None:
        """Transcribe `job`, and with it other queued jobs that carry the same options."""
        claims.progress(job, 0.0, "waiting for the model")
        options = job.options
        self._running = True
        try:
            engine = self._host.get(options.engine, options.model, options.nemo_input)
            hints = Hints(options.language, options.translate_to, options.hotwords)
            _Run(engine, hints, claims, self._settings, job, self._turns).run()
        finally:
            self._running = False

    def idle(self) -> None:
        """Free the model when a person asked for it, or when it has had nothing to do for long."""
        self._host.free_if_idle()

    def close(self) -> None:
        """Free the model."""
        self._host.close()


class _Run:
    """One pass over jobs with the same options, until none is left or it is another's turn."""

    def __init__(
        self,
        engine: Engine,
        hints: Hints,
        claims: Claims,
        settings: Settings,
        first: Job,
        turns: Turns,
    ) -> None:
        self._engine = engine
        self._turns = turns
        self._hints = hints
        self._claims = claims
        self._settings = settings
        self._first: Job | None = first
        self._like = first
        self._turn_ends = time.monotonic() + TURN_SECONDS
        self._window = Window()
        self._called = False
        identity = {"engine": engine.name, "model": engine.model, "clip": settings.clip_seconds}
        self._stretches = Stretches(settings.results_dir, identity)
        self._clerk = Clerk(claims, engine, self._stretches, engine.left_aside(hints))
        self._ahead = Ahead(
            self._take,
            seconds=WINDOW_BATCHES * max(engine.batch_seconds, settings.clip_seconds),
            threads=_decoders(),
        )

    def run(self) -> None:
        """Work until every job is settled or work on it has to end."""
        self._clerk.start()
        self._ahead.start()
        try:
            while self._receive() or self._window:
                self._transcribe(self._next_batch())
        finally:
            self._ahead.stop()
            self._clerk.stop()

    def _take(self) -> Recording | None:
        """Claim the next job; called by the threads that decode."""
        claims = self._claims
        job, self._first = self._first, None
        if job is None:
            if claims.stopping or claims.no_room or time.monotonic() > self._turn_ends:
                return None
            job = claims.take(Kind.AUDIO, like=self._like)
        if job is None:
            return None
        recording = Recording.of(
            job,
            self._settings.clip_seconds,
            self._stretches.load(job),
            lambda: claims.check_original(job),
            hours * 3600 if (hours := self._settings.recording_hours) else None,
        )
        self._clerk.watch(recording)
        return recording

    def _receive(self) -> bool:
        """Let what was decoded wait for the model; return False when nothing more can come."""
        enough = self._engine.batch_seconds
        if not self._called:  # the model need not stand still until a whole batch is there
            enough = min(enough, self._settings.clip_seconds)
        arrivals = self._ahead.arrivals(enough)
        for arrival in arrivals or ():
            self._arrive(arrival)
        return arrivals is not None

    def _arrive(self, arrival: Arrival) -> None:
        recording = arrival.recording
        if isinstance(arrival, Cut):
            slot = recording.arrive(arrival.clip)
            self._window.add(Piece(recording, arrival.clip, slot))
        elif isinstance(arrival, Failed):
            self._fail(recording, arrival.error)
        else:
            recording.arrived = True
            self._finish_if_complete(recording)

    def _next_batch(self) -> list[Piece]:
        before = self._window.seconds
        batch = self._window.take(self._engine.batch_seconds)
        self._ahead.release(before - self._window.seconds)
        return batch

    def _transcribe(self, batch: list[Piece]) -> None:
        batch = [piece for piece in batch if not piece.recording.over]
        if not batch:
            return
        self._called = True
        begun = time.monotonic()
        try:
            hypotheses = self._hear(batch)
        except Exception as error:
            self._engine.require_device()  # or each clip would fail, and each job after it
            self._engine.trim()
            if isinstance(error, OutOfMemory):
                self._take_less(batch)
            if len(batch) == 1:
                self._fail(batch[0].recording, error)
                return
            # Too much for the memory, or one clip that the model cannot take: halves find out.
            log.warning("a batch of %d clips failed and is split: %s", len(batch), error)
            middle = len(batch) // 2
            self._transcribe(batch[:middle])
            self._transcribe(batch[middle:])
            return
        cost = (time.monotonic() - begun) / sum(piece.clip.seconds for piece in batch)
        for piece, hypothesis in zip(batch, hypotheses, strict=True):
            clip, recording = piece.clip, piece.recording
            recording.hearing += cost * clip.seconds
            recording.hear(piece.slot, Heard(clip.start, clip.seconds, hypothesis))
        for recording in {id(piece.recording): piece.recording for piece in batch}.values():
            if stretch := recording.stretch(STRETCH_SECONDS):
                self._clerk.keep(recording, *stretch)
            self._finish_if_complete(recording)

    def _hear(self, batch: list[Piece]) -> list[Hypothesis]:
        """Call the model; where a file that it needs is locked, tidy up, wait, call again."""

        def call() -> list[Hypothesis]:
            try:
                # A core that decodes is no help to the model: its threads wait for each other.
                self._engine.cores = max(1, _CORES - 1) if self._ahead.busy else 0
                clips = [piece.clip.samples for piece in batch]
                with self._turns.take(User.SPEECH):
                    return self._engine.transcribe(clips, self._hints)
            except OSError:
                self._engine.trim()
                raise

        return retrying(call, batch[0].recording.job.path, self._settings.transcription_waits)

    def _take_less(self, batch: list[Piece]) -> None:
        """After memory ran out: never give the model as much again while it stays loaded."""
        tried = batch[0].clip.seconds * len(batch)
        less = max(tried / 2, self._settings.clip_seconds)
        if less < self._engine.batch_seconds:
            log.warning("memory ran out with %.0f s of audio; now %.0f s at once", tried, less)
            self._engine.batch_seconds = less

    def _fail(self, recording: Recording, error: Exception) -> None:
        if not recording.over:
            recording.over = True
            self._clerk.failed(recording, error)

    def _finish_if_complete(self, recording: Recording) -> None:
        if recording.complete and not recording.over:
            recording.over = True
            self._clerk.done(recording)


def _decoders() -> int:
    """Return how many threads decode: few, because the model needs the CPU too."""
    return min(4, max(1, _CORES // 4))
