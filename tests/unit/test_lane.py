import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.audio.transcript import Transcript
from services.errors import StoreUnavailable, UnreadableMedia, WorkerDied
from services.jobs.claims import Claims
from services.jobs.lane import Lane
from services.jobs.models import Job, Kind, NewJob, Options, State
from services.jobs.pulse import Pulse
from services.jobs.results import Results
from services.jobs.store import JobStore
from services.store import connection as connections
from tests import media
from tests.waiting import until


class House:
    """A store and results, with lanes that a test starts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = JobStore(f"sqlite:///{root}/jobs.db")
        self.results = Results(root / "results")
        self.lanes: list[Lane] = []

    def submit(self, count: int) -> list[Job]:
        files = [media.write_wav(self.root / f"{n}.wav", media.tone(0.2)) for n in range(count)]
        jobs = [NewJob(file.name, Kind.AUDIO, file, "0", 1, 0.2) for file in files]
        batch = self.store.add_batch("ana", self.root, Options(), jobs)
        return self.store.jobs(batch.id)

    def lane(self, run: Callable[[Job, Claims], None], **more) -> Lane:
        class Tiny:
            kind = Kind.AUDIO
            closed_by: str | None = None

            def run(self, job: Job, claims: Claims) -> None:
                run(job, claims)

            def idle(self) -> None:
                pass

            def close(self) -> None:
                self.closed_by = threading.current_thread().name

        self.worker = Tiny()
        self.lanes.append(Lane("audio", self.worker, self.store, self.results, **more))
        return self.lanes[-1]

    def states(self, jobs: list[Job]) -> list[State]:
        return [self.store.job(job.id).state for job in jobs]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    for lane in made.lanes:
        if lane._thread.is_alive():
            lane.stop()
    made.store.close()


def finish(job: Job, claims: Claims) -> None:
    result = Transcript("hello", 0.2, "en", "Tiny", "m", notes=["a", "b"])
    claims.done(job, result, length=0.2, engine="Tiny", model="m", took=0.5)


def test_jobs_are_worked_on_and_their_results_are_on_disk(house):
    jobs = house.submit(3)
    house.lane(finish).start()
    until(lambda: set(house.states(jobs)) == {State.DONE})
    for job in jobs:
        assert house.results.load(job.id).text == "hello"
        assert house.results.original(job).read_bytes() == job.path.read_bytes()
        assert house.store.job(job.id).note == "a b"


def test_a_result_is_on_disk_before_its_job_says_done(house, monkeypatch):
    (job,) = house.submit(1)
    seen = []
    real = house.results.publish

    def look(job: Job, staged: Path) -> None:
        real(job, staged)
        seen.append((house.results.load(job.id).text, house.store.job(job.id).state))

    monkeypatch.setattr(house.results, "publish", look)
    house.lane(finish).start()
    until(lambda: house.states([job]) == [State.DONE])
    assert seen == [("hello", State.RUNNING)]


def test_an_error_fails_its_job_and_the_lane_goes_on(house):
    jobs = house.submit(3)

    def work(job: Job, claims: Claims) -> None:
        if job.name == "1.wav":
            raise UnreadableMedia("“1.wav” is damaged.")
        finish(job, claims)

    house.lane(work).start()
    until(
        lambda: State.QUEUED not in house.states(jobs) and State.RUNNING not in house.states(jobs)
    )
    assert house.states(jobs) == [State.DONE, State.FAILED, State.DONE]
    failed = house.store.job(jobs[1].id)
    assert (failed.error, failed.error_kind) == ("“1.wav” is damaged.", "permanent")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (WorkerDied("the reader died"), "transient", "the reader died"),
        (MemoryError(), "transient", "internal error (MemoryError"),
        (KeyError("x"), "permanent", "“0.wav” could not be processed because of an internal error"),
    ],
)
def test_the_type_of_an_error_says_whether_it_may_pass(house, error, kind, text):
    (job,) = house.submit(1)

    def work(job: Job, claims: Claims) -> None:
        raise error

    house.lane(work).start()
    until(lambda: house.states([job]) == [State.FAILED])
    failed = house.store.job(job.id)
    assert failed.error_kind == kind and text in failed.error


def test_a_job_that_the_worker_forgot_fails(house):
    (job,) = house.submit(1)
    house.lane(lambda job, claims: None).start()
    until(lambda: house.states([job]) == [State.FAILED])
    assert "the worker did not settle this job" in house.store.job(job.id).error


def test_an_error_fails_every_job_that_was_claimed_with_it(house):
    jobs = house.submit(3)

    def work(job: Job, claims: Claims) -> None:
        claims.take(Kind.AUDIO, like=job)
        claims.take(Kind.AUDIO, like=job)
        raise UnreadableMedia("There is no such model.")

    house.lane(work).start()
    until(lambda: house.states(jobs) == [State.FAILED] * 3)
    assert {house.store.job(job.id).error for job in jobs} == {"There is no such model."}


def test_a_stop_puts_back_what_runs_and_frees_the_worker_in_its_thread(house):
    jobs = house.submit(2)
    begun = threading.Event()

    def work(job: Job, claims: Claims) -> None:
        begun.set()
        until(lambda: not claims.progress(job, 0.5, "reading"))

    lane = house.lane(work)
    lane.start()
    assert begun.wait(10)
    lane.stop()
    assert house.states(jobs) == [State.QUEUED] * 2
    assert [house.store.job(job.id).attempts for job in jobs] == [0, 0]
    assert house.worker.closed_by == "audio"


def test_a_cancelled_job_is_told_so_and_stays_cancelled(house):
    (job,) = house.submit(1)
    ended = threading.Event()
    begun = threading.Event()

    def work(job: Job, claims: Claims) -> None:
        begun.set()
        # Another stage each time: the store is asked at once then.
        stages = iter(range(10_000))
        until(lambda: not claims.progress(job, 0.5, str(next(stages))))
        finish(job, claims)
        ended.set()

    house.lane(work).start()
    assert begun.wait(10)
    assert house.store.cancel([job.id]) == 1
    assert ended.wait(10)
    assert house.states([job]) == [State.CANCELLED]


def test_the_store_is_not_asked_at_every_step(house, monkeypatch):
    (_job,) = house.submit(1)
    asked = []
    monkeypatch.setattr(house.store, "set_progress", lambda *values: asked.append(values) or True)
    claims = Claims(house.store, house.results, threading.Event(), lambda: None)
    claimed = claims.take(Kind.AUDIO)
    for step in range(100):
        assert claims.progress(claimed, step / 100, "reading")
    assert claims.progress(claimed, 1.0, "transcribing")
    stages = [stage for _, _, stage in asked]
    assert len(asked) < 20 and stages[0] == "reading" and stages[-1] == "transcribing"


def test_a_store_that_fails_does_not_end_the_lane(house, monkeypatch):
    (job,) = house.submit(1)
    real, failures = house.store.claim, [OSError("the disk is gone")]

    def claim(*arguments):
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(house.store, "claim", claim)
    lane = house.lane(finish)
    lane.start()
    until(lambda: not failures)
    lane.wake()
    until(lambda: house.states([job]) == [State.DONE])


@pytest.fixture
def held_store(tmp_path, monkeypatch):
    """A store that another program holds for half a second whenever a test says so."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr("services.jobs.claims.STORE_SECONDS", 0.05)
    made = House(tmp_path)
    other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None, check_same_thread=False)

    def hold() -> None:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.5, lambda: other.execute("COMMIT")).start()

    made.hold = hold
    yield made
    for lane in made.lanes:
        lane.stop()
    other.close()
    made.store.close()


def test_a_result_waits_for_a_store_that_cannot_be_reached(held_store):
    jobs = held_store.submit(2)
    worked = []

    def work(job: Job, claims: Claims) -> None:
        worked.append(job.name)
        assert claims.progress(job, 0.1, "begins")
        held_store.hold()
        assert claims.progress(job, 0.5, "in the middle"), "no reason to end the work"
        finish(job, claims)

    held_store.lane(work).start()
    until(lambda: held_store.states(jobs) == [State.DONE] * 2)
    assert worked == ["0.wav", "1.wav"]
    assert held_store.store.job(jobs[0].id).attempts == 1


@pytest.mark.parametrize("written", [False, True])
def test_a_store_that_goes_away_while_it_commits_is_told_again(held_store, monkeypatch, written):
    """Whether or not the commit came through before the answer was lost."""
    (job,) = held_store.submit(1)
    finish_for_good, lost = held_store.store.finish, []

    def finish_and_lose(job: Job, publish: Callable[[], None], **made) -> bool:
        if lost:
            return finish_for_good(job, publish, **made)
        lost.append(job)
        if written:
            finish_for_good(job, publish, **made)
        else:
            publish()
        raise StoreUnavailable("The job store cannot be reached now.")

    monkeypatch.setattr(held_store.store, "finish", finish_and_lose)
    worked = []
    held_store.lane(lambda job, claims: (worked.append(job.name), finish(job, claims))).start()
    until(lambda: held_store.states([job]) == [State.DONE] and not held_store.lanes[0]._claims.held)
    assert worked == ["0.wav"] and held_store.results.load(job.id).text == "hello"


def test_why_a_job_failed_is_told_when_the_store_can_be_reached(held_store):
    """Also where a worker of threads has the error told by one that nobody waits for."""
    jobs = held_store.submit(2)

    def work(job: Job, claims: Claims) -> None:
        held_store.hold()
        error = UnreadableMedia(f"“{job.name}” is damaged.")
        if job.name == "0.wav":
            raise error
        with pytest.raises(StoreUnavailable, match="cannot be reached now .*locked"):
            claims.failed(job, error)

    held_store.lane(work).start()
    until(lambda: held_store.states(jobs) == [State.FAILED] * 2)
    told = [held_store.store.job(job.id).error for job in jobs]
    assert told == ["“0.wav” is damaged.", "“1.wav” is damaged."]


def test_work_that_the_store_interrupts_is_put_back_and_done_later(held_store):
    (job,) = held_store.submit(1)
    tries = []

    def work(job: Job, claims: Claims) -> None:
        tries.append(job.attempts)
        if len(tries) == 1:
            raise StoreUnavailable("The job store cannot be reached now.")
        finish(job, claims)

    held_store.lane(work).start()
    until(lambda: held_store.states([job]) == [State.DONE])
    assert tries == [1, 1], "a try that the store ended does not count"


def test_who_waits_for_the_end_of_jobs_is_told_of_each(house):
    jobs = house.submit(3)
    ended = threading.Semaphore(0)
    house.lane(finish, settled=ended.release).start()
    assert all(ended.acquire(timeout=10) for _ in jobs)
    assert house.states(jobs) == [State.DONE] * 3


def test_a_lane_that_died_frees_its_job_and_begins_anew(house, monkeypatch):
    (job,) = house.submit(1)
    lane = house.lane(finish)
    real = lane._step

    def die() -> bool:
        monkeypatch.setattr(lane, "_step", real)
        Claims(house.store, house.results, threading.Event(), lambda: None).take(Kind.AUDIO)
        raise SystemExit  # as a library may do that thinks it owns the process

    monkeypatch.setattr(lane, "_step", die)
    lane.start()
    lane._thread.join(10)
    assert house.states([job]) == [State.RUNNING]
    pulse = Pulse(house.store, [lane], lost=0.0)
    pulse.beat()
    until(lambda: house.states([job]) == [State.DONE])
    reasons = [event.reason for event in house.store.history(job.id)]
    assert "what worked on it showed no sign of life" in reasons


def test_the_pulse_keeps_what_a_lane_works_on(house):
    (job,) = house.submit(1)
    started, go_on = threading.Event(), threading.Event()

    def slow(job: Job, claims: Claims) -> None:
        started.set()
        assert go_on.wait(30)
        finish(job, claims)

    lane = house.lane(slow)
    lane.start()
    assert started.wait(10)
    pulse = Pulse(house.store, [lane], lost=0.2, interval=0.05)
    pulse.start()
    time.sleep(1.0)
    assert house.states([job]) == [State.RUNNING]
    go_on.set()
    until(lambda: house.states([job]) == [State.DONE])
    pulse.stop()
    assert house.store.job(job.id).attempts == 1


def test_a_job_deleted_while_it_runs_leaves_no_result(house):
    (job,) = house.submit(1)
    started, go_on = threading.Event(), threading.Event()

    def slow(job: Job, claims: Claims) -> None:
        started.set()
        assert go_on.wait(30)
        finish(job, claims)

    house.lane(slow).start()
    assert started.wait(10)
    directory = house.results.directory(job.id)
    house.store.delete({job.id: directory})
    go_on.set()
    house.lanes[0].stop()
    assert house.store.job(job.id) is None and not directory.exists()


def test_what_is_done_again_replaces_its_result_and_keeps_the_earlier_one(house):
    (job,) = house.submit(1)
    texts = iter(["first", "second"])

    def work(job: Job, claims: Claims) -> None:
        made = Transcript(next(texts), 0.2, "en", "fake", "none")
        claims.done(job, made, length=0.2, engine="fake", model="none", took=0.1)

    house.lane(work).start()
    until(lambda: house.states([job]) == [State.DONE])
    assert house.results.previous(job.id) is None
    job.path.unlink()  # the workspace is gone; the kept original is enough
    house.store.requeue([job.id], states=State)
    until(lambda: house.states([job]) == [State.DONE])
    assert house.results.load(job.id).text == "second"
    assert house.results.previous(job.id).text == "first"
    left = sorted(path.name for path in house.results.directory(job.id).iterdir())
    assert left == ["original.wav", "previous.json", "result.json"]
