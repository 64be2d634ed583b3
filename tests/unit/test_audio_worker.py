import itertools
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.audio import SAMPLE_RATE
from services.audio.clips import Clip, Silence
from services.audio.decode import Decoder
from services.audio.engines import Hypothesis
from services.audio.peaks import peaks
from services.audio.transcript import Word
from services.errors import DeviceLost, OutOfMemory
from services.files.operations import sha256_of
from services.jobs.audio_worker import AudioWorker
from services.jobs.claims import Claims
from services.jobs.lane import Lane
from services.jobs.models import Job, JobFilter, Kind, NewJob, Options, State
from services.jobs.recording import Heard, Recording, assemble
from services.jobs.results import Results
from services.jobs.store import JobStore, new_id
from services.jobs.stretches import NAME
from services.jobs.turns import Turns, User
from tests import media
from tests.waiting import until


class Fake:
    """An engine that hears how long a clip is, and cannot take a soft one."""

    name, model, device = "Fake 1", "fake", "cpu"

    def __init__(self) -> None:
        self.batch_seconds = 60.0
        self.fitting = float("inf")
        """Seconds, padding included, from which memory runs out."""
        self.calls: list[int] = []
        self.locked = 0
        """Calls that still meet a lock, as a manifest that antivirus holds."""
        self.trimmed = 0
        self.lost = False
        """Whether the GPU fails at the next call, and at every one after it."""

    def transcribe(self, batch, hints):
        self.calls.append(len(batch))
        if len(batch) * max(samples.size for samples in batch) / SAMPLE_RATE > self.fitting:
            raise OutOfMemory("no memory")
        if self.lost:
            raise RuntimeError("CUDA error: unspecified launch failure")
        if self.locked:
            self.locked -= 1
            raise PermissionError(13, "held", "manifest.json")
        if any(np.abs(samples).max() < 0.2 for samples in batch):
            raise RuntimeError("the model cannot take this")
        words = [
            [Word(0.0, samples.size / SAMPLE_RATE, str(samples.size), 0.5)] for samples in batch
        ]
        return [Hypothesis(heard[0].text, heard, "en") for heard in words]

    def left_aside(self, hints):
        return []

    def require_device(self) -> None:
        if self.lost:
            raise DeviceLost("The GPU does not answer.")

    def trim(self) -> None:
        self.trimmed += 1

    def close(self) -> None:
        pass


class Host:
    def __init__(self, engine: Fake) -> None:
        self.engine = engine
        self.asked: list[tuple] = []

    def get(self, *wanted):
        self.asked.append(wanted)
        return self.engine

    def close(self) -> None:
        pass


def clip(start: float, seconds: float) -> Clip:
    return Clip(start, np.zeros(round(seconds * SAMPLE_RATE), np.float32))


def recording(seconds: float, *heard: tuple[Clip, Hypothesis]) -> Recording:
    decoder = Decoder(media.DATA / "conf-noempty.wav")
    decoder.seconds = seconds
    known = [Heard(clip.start, clip.seconds, found) for clip, found in heard]
    return Recording(None, decoder, iter(()), heard=known, decoded=True)


def test_a_transcript_has_its_clips_in_the_order_of_time():
    made = assemble(
        recording(
            20.0,
            (clip(10.0, 5), Hypothesis("Bye.", [Word(1.0, 1.5, "Bye.", 0.5)], None)),
            (clip(0.5, 5), Hypothesis("Hello", [Word(0.2, 0.6, "Hello", 1.0)], "en")),
        ),
        Fake(),
        [],
    )
    assert made.text == "Hello Bye."
    assert [(w.start, w.end) for w in made.words] == [(0.7, 1.1), (11.0, 11.5)]
    assert [(s.start, s.end, s.text) for s in made.segments] == [
        (0.7, 1.1, "Hello"),
        (11.0, 11.5, "Bye."),
    ]
    assert (made.duration, made.language, made.engine, made.model) == (20.0, "en", "Fake 1", "fake")


def test_words_that_reach_past_the_end_are_held_back():
    heard = Hypothesis("late", [Word(0.5, 9.0, "late")])
    made = assemble(recording(3.0, (clip(1.0, 2), heard)), Fake(), [])
    assert [(w.start, w.end) for w in made.words] == [(1.5, 3.0)]


def test_a_model_without_word_times_gives_a_segment_per_clip():
    made = assemble(
        recording(9.0, (clip(1.0, 4), Hypothesis("one two")), (clip(6.0, 4), Hypothesis("three"))),
        Fake(),
        [],
    )
    assert [(s.start, s.end, s.text) for s in made.segments] == [
        (1.0, 5.0, "one two"),
        (6.0, 9.0, "three"),
    ]
    assert made.text == "one two three" and made.words == []


def test_nothing_heard_is_an_empty_transcript():
    made = assemble(recording(9.0), Fake(), [])
    assert (made.text, made.segments, made.words, made.language) == ("", [], [], None)


@pytest.fixture
def desk(tmp_path, settings):
    """A store with six recordings; number 3 is one that the engine cannot take."""
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    files = []
    for number in range(6):
        loud = prompt / np.abs(prompt).max() * (0.15 if number == 3 else 0.9)
        pause = np.zeros(number * 2000)
        files.append(
            media.write_wav(tmp_path / f"{number}.wav", np.concatenate([loud, pause, loud]))
        )
    store = JobStore(f"sqlite:///{tmp_path}/jobs.db")
    jobs = [NewJob(f.name, Kind.AUDIO, f, sha256_of(f), f.stat().st_size) for f in files]
    batch = store.add_batch("ana", tmp_path, Options("whisper"), jobs)
    stopping = threading.Event()
    claims = Claims(store, Results(tmp_path / "results"), stopping, lambda: None)
    host = Host(Fake())
    settings = settings.model_copy(update={"transcription_waits": (0.0, 0.0, 0.0)})
    yield store, batch, claims, AudioWorker(settings, host), host
    store.close()


def test_a_clip_that_the_model_cannot_take_fails_only_its_own_job(desk):
    store, batch, claims, worker, host = desk
    worker.run(claims.take(Kind.AUDIO), claims)
    jobs = store.jobs(batch.id)
    assert [job.state for job in jobs] == [State.DONE] * 3 + [State.FAILED] + [State.DONE] * 2
    assert "“3.wav”" in jobs[3].error and "the model cannot take this" in jobs[3].error
    assert host.asked == [("whisper", None, "arrays")], "one model for all of them"
    assert max(host.engine.calls) > 1 and 1 in host.engine.calls, "it was split until it was alone"


def test_a_lock_that_passes_is_outlasted_and_memory_is_given_back_between_tries(desk):
    store, batch, claims, worker, host = desk
    host.engine.locked = 3
    worker.run(claims.take(Kind.AUDIO), claims)
    assert [job.state for job in store.jobs(batch.id)].count(State.DONE) == 5
    assert host.engine.trimmed >= 3 and len(set(host.engine.calls[:4])) == 1, "the same batch"


def test_a_lock_that_stays_is_a_file_access_error_of_each_job(desk):
    store, batch, claims, worker, host = desk
    host.engine.locked = 10_000
    worker.run(claims.take(Kind.AUDIO), claims)
    jobs = store.jobs(batch.id)
    assert {(job.state, job.error_kind) for job in jobs} == {(State.FAILED, "transient")}
    assert all(job.error.startswith("File access error: ") for job in jobs)


def test_a_file_that_cannot_be_decoded_fails_only_its_own_job(desk, tmp_path):
    store, batch, claims, worker, _ = desk
    damaged = store.jobs(batch.id)[1]
    data = damaged.path.read_bytes()
    damaged.path.write_bytes(b"no sound" + b"x" * (len(data) - 8))
    worker.run(claims.take(Kind.AUDIO), claims)
    jobs = store.jobs(batch.id)
    failed = [job.name for job in jobs if job.state is State.FAILED]
    assert failed == ["1.wav", "3.wav"]
    assert "“1.wav” cannot be read as audio" in jobs[1].error


def test_a_cancelled_job_costs_the_others_nothing(desk):
    store, batch, claims, worker, _ = desk
    first = claims.take(Kind.AUDIO)
    store.cancel([store.jobs(batch.id)[0].id])
    worker.run(first, claims)
    states = [job.state for job in store.jobs(batch.id)]
    assert states == [State.CANCELLED] + [State.DONE] * 2 + [State.FAILED] + [State.DONE] * 2


def test_a_gpu_that_is_lost_fails_no_job(desk, settings, tmp_path):
    store, batch, claims, worker, host = desk
    host.engine.lost = True
    lane = Lane("audio", worker, store, Results(tmp_path / "results"))
    lane.start()
    until(lambda: lane.lost)
    until(lambda: store.count(JobFilter(batch.id)) == {State.QUEUED: 6})
    lane.stop()
    assert lane.paused == lane.lost == "The GPU does not answer."
    assert host.engine.calls and len(host.asked) == 1, "no other job is tried with it"
    begun = [job for job in store.jobs(batch.id) if job.attempts]
    assert {(job.crashes, job.error) for job in begun} == {(1, None)}
    assert store.history(begun[0].id)[-1].reason == "the GPU was lost while it ran"
    host.engine.lost = False  # the server was started again
    worker.run(claims.take(Kind.AUDIO), claims)
    assert [job.state for job in store.jobs(batch.id)].count(State.DONE) == 5


def test_a_size_that_did_not_fit_into_memory_is_not_tried_again(desk):
    store, batch, claims, worker, host = desk
    host.engine.fitting = 35.0
    worker.run(claims.take(Kind.AUDIO), claims)
    assert [job.state for job in store.jobs(batch.id)].count(State.DONE) == 5
    assert host.engine.batch_seconds == 30.0, "but never less than one clip"


def test_a_clip_alone_that_does_not_fit_into_memory_is_tried_again_later(desk):
    store, batch, claims, worker, host = desk
    host.engine.fitting = 0.1
    worker.run(claims.take(Kind.AUDIO), claims)
    assert {(job.state, job.error_kind) for job in store.jobs(batch.id)} == {
        (State.FAILED, "transient")
    }


def test_jobs_with_other_options_wait_for_a_run_of_their_own(desk):
    store, _batch, claims, worker, _host = desk
    first = claims.take(Kind.AUDIO)
    path = first.path
    other = NewJob("other.wav", Kind.AUDIO, path, first.sha256, 1)
    later = store.add_batch("ana", Path(new_id()), replace(first.options, engine="nemo"), [other])
    worker.run(first, claims)
    assert store.jobs(later.id)[0].state is State.QUEUED


def test_a_question_is_answered_between_two_calls_of_the_model(desk, settings):
    store, batch, claims, _worker, host = desk
    turns, begun = Turns(shared=True), []

    class Busy(Fake):
        def transcribe(self, batch, hints):
            begun.append("call")
            if len(begun) == 1:  # somebody asks while the model computes
                asking.start()
                while not turns._waiting[User.PERSON]:
                    time.sleep(0.001)
            return super().transcribe(batch, hints)

    def ask() -> None:
        with turns.take(User.PERSON):
            begun.append("question")

    asking = threading.Thread(target=ask)
    host.engine = Busy()
    host.engine.batch_seconds = 1.0  # a call for each clip
    worker = AudioWorker(settings, host, turns)
    worker.run(claims.take(Kind.AUDIO), claims)
    asking.join()
    assert begun[:3] == ["call", "question", "call"] and len(begun) > 4
    assert [job.state for job in store.jobs(batch.id)].count(State.DONE) == 5


class Waiting(Fake):
    """An engine that waits in its first call until the test has looked."""

    def __init__(self, look) -> None:
        super().__init__()
        self.look = look

    def transcribe(self, batch, hints):
        if not self.calls:
            self.look()
        return super().transcribe(batch, hints)


def submitted(tmp_path, settings, engine: Fake, lengths: list[int]):
    """Return a store with recordings of so many prompts, and a function that runs them all."""
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    loud = np.concatenate([prompt / np.abs(prompt).max() * 0.9, np.zeros(2000)])
    files = [
        media.write_wav(tmp_path / f"{number}.wav", np.tile(loud, length))
        for number, length in enumerate(lengths)
    ]
    store = JobStore(f"sqlite:///{tmp_path}/jobs.db")
    jobs = [NewJob(f.name, Kind.AUDIO, f, sha256_of(f), 1, length=3.0) for f in files]
    batch = store.add_batch("ana", tmp_path, Options("whisper"), jobs)
    claims = Claims(store, Results(tmp_path / "results"), threading.Event(), lambda: None)
    worker = AudioWorker(settings, Host(engine))
    return store, batch, lambda: worker.run(claims.take(Kind.AUDIO), claims)


def test_jobs_are_claimed_only_as_the_model_needs_them(tmp_path, settings):
    seen: list[int] = []

    def look() -> None:
        before = -1
        while before != (now := store.counts().get((Kind.AUDIO, State.RUNNING), 0)):
            before = now
            time.sleep(0.5)
        seen.append(now)

    engine = Waiting(look)
    engine.batch_seconds = 10.0  # and so two minutes wait for it at most
    store, batch, run = submitted(tmp_path, settings, engine, [1] * 70)
    run()
    assert {job.state for job in store.jobs(batch.id)} == {State.DONE}
    assert 5 < seen[0] < 50
    store.close()


def test_what_is_decoded_while_the_model_hears_all_that_arrived_is_heard_too(
    tmp_path, settings, monkeypatch
):
    """A model that is slower than the decoder: the rest is cut during its first call."""
    opened, of = [], Recording.of
    monkeypatch.setattr(Recording, "of", lambda *given: opened.append(of(*given)) or opened[-1])
    engine = Waiting(lambda: until(lambda: opened[0].decoded))
    engine.batch_seconds = 1000.0
    store, batch, run = submitted(tmp_path, settings, engine, [60])
    run()
    (job,) = store.jobs(batch.id)
    found = Results(tmp_path / "results").load(job.id)
    heard = sum(word.end - word.start for word in found.words)
    assert job.state is State.DONE and len(engine.calls) == 2
    assert heard == pytest.approx(sum(one.seconds for one in opened[0].heard), abs=0.1)
    assert found.words[-1].end > 0.95 * found.duration and heard > 0.8 * found.duration
    store.close()


def test_a_short_recording_is_done_before_a_long_one_that_came_first(tmp_path, settings):
    store, batch, run = submitted(tmp_path, settings, Fake(), [120, 1])
    run()
    long, short = store.jobs(batch.id)
    assert long.state is short.state is State.DONE
    assert short.finished_at < long.finished_at
    store.close()


def test_a_recording_that_is_longer_than_may_be_fails_alone(tmp_path, settings):
    settings = settings.model_copy(update={"recording_hours": 60 / 3600})
    store, batch, run = submitted(tmp_path, settings, Fake(), [60, 1])
    run()
    long, short = store.jobs(batch.id)
    assert (long.state, long.error_kind, short.state) == (State.FAILED, "permanent", State.DONE)
    assert "“0.wav” is longer than 0.0166667 hours" in long.error
    store.close()


@pytest.fixture
def silent_and_short(tmp_path, settings):
    """A store with half an hour of silence and a prompt, and a thread that runs them."""
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    silent = media.write_wav(tmp_path / "silent.wav", np.zeros(1800 * SAMPLE_RATE, np.float32))
    short = media.write_wav(tmp_path / "short.wav", prompt / np.abs(prompt).max() * 0.9)
    store = JobStore(f"sqlite:///{tmp_path}/jobs.db")
    jobs = [NewJob(f.name, Kind.AUDIO, f, sha256_of(f), f.stat().st_size) for f in (silent, short)]
    batch = store.add_batch("ana", tmp_path, Options("whisper"), jobs)
    stopping = threading.Event()
    claims = Claims(store, Results(tmp_path / "results"), stopping, lambda: None)
    worker = AudioWorker(settings, Host(Fake()))
    lane = threading.Thread(target=lambda: worker.run(claims.take(Kind.AUDIO), claims))
    yield store, batch, lane, stopping
    stopping.set()
    lane.join()
    store.close()


def test_a_short_recording_is_done_before_silence_that_came_first(silent_and_short):
    store, batch, lane, _ = silent_and_short
    lane.start()
    shown: list[float] = []

    def over() -> bool:
        shown.append(store.jobs(batch.id)[0].progress)
        return not lane.is_alive()

    until(over)
    silent, short = store.jobs(batch.id)
    assert silent.state is short.state is State.DONE
    assert short.finished_at < silent.finished_at
    assert shown == sorted(shown), "progress never goes back"
    assert len(set(shown) - {0.0, 1.0}) > 2, "progress moves while nobody speaks"


@pytest.mark.parametrize("ended_by", ["cancel", "stop"])
def test_silence_is_left_at_once_when_a_person_or_the_server_ends_it(
    silent_and_short, monkeypatch, ended_by
):
    store, batch, lane, stopping = silent_and_short
    steps: list[Recording] = []
    ended = threading.Event()
    original = Recording.next_clip

    def counted(recording):
        if recording.job.name == "silent.wav":
            steps.append(recording)
            if len(steps) == 3:  # the model's side has time to see it
                ended.wait(60)
                until(lambda: recording.over, 60)
        return original(recording)

    monkeypatch.setattr(Recording, "next_clip", counted)
    lane.start()
    until(lambda: len(steps) == 3)
    if ended_by == "cancel":
        store.cancel([store.jobs(batch.id)[0].id])
    else:
        stopping.set()
    ended.set()
    lane.join(60)
    assert not lane.is_alive() and len(steps) == 3, "no block more is read"
    expected = State.CANCELLED if ended_by == "cancel" else State.RUNNING  # which the lane settles
    assert store.jobs(batch.id)[0].state is expected


def test_what_is_known_to_be_silent_counts_as_done():
    prompt = clip(100.0, 10)
    found = iter([Silence(90 * SAMPLE_RATE), replace(prompt, resume=120 * SAMPLE_RATE)])
    decoder = Decoder(media.DATA / "conf-noempty.wav")
    decoder.declared = decoder.seconds = 200.0
    made = Recording(None, decoder, found)
    assert made.progress == 0
    made.next_clip()
    assert made.progress == pytest.approx(90 / 200)
    made.next_clip()
    assert made.progress == pytest.approx(110 / 200), "not what is said, before it is heard"
    made.hear(made.arrive(prompt), Heard(100.0, 10.0, Hypothesis("")))
    assert made.progress == pytest.approx(120 / 200)
    assert made.next_clip() is None and made.progress == 1


class Stopping(Fake):
    """An engine that has heard more than a stretch when the server is stopped during its call."""

    stopping: threading.Event

    def transcribe(self, batch, hints):
        if sum(self.calls) >= 4 and not self.stopping.is_set():  # more than a stretch was heard
            self.stopping.set()
            time.sleep(1.2)  # those who work beside it look twice a second
        return super().transcribe(batch, hints)


@pytest.fixture
def long_job(tmp_path, settings):
    """A recording of six minutes, and a function that runs it with an engine as a server would."""
    prompt = media.at_16k(media.DATA / "agent-alreadyon.wav")
    spoken = np.tile(np.concatenate([prompt / np.abs(prompt).max() * 0.9, np.zeros(8000)]), 60)
    path = media.write_wav(tmp_path / "long.wav", spoken)
    store = JobStore(f"sqlite:///{tmp_path}/jobs.db")
    new = NewJob(path.name, Kind.AUDIO, path, sha256_of(path), path.stat().st_size)
    batch = store.add_batch("ana", tmp_path, Options("whisper"), [new])
    results = Results(settings.results_dir)

    def run(engine: Fake, options: Options | None = None) -> tuple[Job, int]:
        """Return the job after the run, and how many clips the engine heard."""
        stopping = engine.stopping = threading.Event()
        ids = [job.id for job in store.jobs(batch.id)]
        store.requeue(ids, states=(State.DONE,))
        if options is not None:
            store.set_options(ids, options)
        claims = Claims(store, results, stopping, lambda: None)
        AudioWorker(settings, Host(engine)).run(claims.take(Kind.AUDIO), claims)
        claims.settle_rest(None)
        return store.jobs(batch.id)[0], sum(engine.calls)

    yield run, results
    store.close()


def test_after_a_stop_a_long_recording_goes_on_and_no_word_is_lost_or_doubled(long_job):
    run, results = long_job
    stopped, before = run(Stopping())
    assert stopped.state is State.QUEUED and before > 0
    assert (results.directory(stopped.id) / NAME).is_file()
    done, after = run(Fake())
    resumed = results.load(done.id)
    assert done.state is State.DONE and not (results.directory(done.id) / NAME).exists()
    whole_outline = peaks(Decoder(done.path).blocks())
    assert results.peaks(done.id).read_bytes() == whole_outline, "nobody has to wait for it"
    _, whole = run(Fake())
    assert after < whole, "what was kept was not heard again"
    assert all(a.end <= b.start for a, b in itertools.pairwise(resumed.words)), "none doubled"
    heard, in_one_go = (
        sum(word.end - word.start for word in each.words)
        for each in (resumed, results.load(done.id))
    )
    assert heard == pytest.approx(in_one_go, rel=0.01), "none lost"


def test_after_a_stop_other_options_begin_anew(long_job):
    run, _ = long_job
    run(Stopping())
    _, heard = run(Fake(), Options("whisper", hotwords=("agent",)))
    assert heard >= run(Fake())[1]
