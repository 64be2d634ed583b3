"""Whatever happens in whatever order, the store keeps its promises."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from services.jobs.models import Job, JobFilter, Kind, NewJob, Options, State
from services.jobs.store import JobStore, new_id

CRASH_LIMIT = 2
KINDS = st.lists(st.sampled_from([Kind.AUDIO, Kind.AUDIO, Kind.DOCUMENT]), min_size=1, max_size=3)


class Store(RuleBasedStateMachine):
    """A store with servers that come and go; `published` stands for the results on disk."""

    jobs = Bundle("jobs")
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.url = self._new_url()
        self.now = 1000.0
        self.store = self._open()
        self.live: dict[str, Job] = {}
        """The claims of the server that runs now, by job."""
        self.published: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.submitted = 0

    def _new_url(self) -> str:
        self._home = tempfile.TemporaryDirectory()
        return f"sqlite:///{self._home.name}/jobs.db"

    def _open(self) -> JobStore:
        return JobStore(self.url, lambda: self.now, CRASH_LIMIT, retry_waits=(5, 10))

    def teardown(self) -> None:
        self.store.close()
        self._remove()

    def _remove(self) -> None:
        self._home.cleanup()

    @initialize(target=jobs, kinds=KINDS)
    def first(self, kinds):
        return self.submit_for("a", kinds)

    @precondition(lambda self: self.submitted < 6)
    @rule(target=jobs, owner=st.sampled_from("ab"), kinds=KINDS)
    def submit(self, owner, kinds):
        return self.submit_for(owner, kinds)

    def submit_for(self, owner: str, kinds: list[Kind]):
        files = [NewJob(f"{n}", kind, Path("/x"), "0", 1) for n, kind in enumerate(kinds)]
        self.submitted += len(files)
        batch = self.store.add_batch(owner, Path(new_id()), Options(), files)
        return multiple(*(job.id for job in self.store.jobs(batch.id)))

    # Twice, so that it is done more often than what makes a claim impossible.
    @rule(target=runs)
    def claim_audio(self):
        return self.claim_of(Kind.AUDIO)

    @rule(target=runs)
    def claim(self):
        waiting = self.store.find(JobFilter(states=(State.QUEUED,)), 1)
        return self.claim_of(waiting[0].kind if waiting else Kind.DOCUMENT)

    def claim_of(self, kind: Kind):
        job = self.store.claim(kind)
        if job is None:
            return multiple()
        assert job.id not in self.live, "a job was taken twice"
        if job.crashes >= CRASH_LIMIT:
            assert not self.live, "a suspect runs alone"
        assert not any(other.crashes >= CRASH_LIMIT for other in self.live.values())
        self.live[job.id] = job
        return job

    def _is_mine(self, run: Job) -> bool:
        mine = self.live.get(run.id)
        return mine is not None and mine.run == run.run

    @rule(run=runs)
    def finish(self, run):
        made = {"length": 1.0, "engine": "e", "model": "m", "note": None}
        mine = self._is_mine(run)
        done = self.store.finish(run, lambda: self.published.update({run.id: run.run}), **made)
        assert done == mine
        if mine:
            del self.live[run.id]

    @rule(run=runs, transient=st.booleans())
    def fail(self, run, transient):
        mine = self._is_mine(run)
        assert self.store.fail(run, "no", transient=transient) == mine
        if mine:
            del self.live[run.id]

    @rule(run=runs)
    def progress(self, run):
        assert self.store.set_progress(run, 0.5, "reading") == self._is_mine(run)

    @rule(run=runs)
    def release(self, run):
        self.store.release(run)
        if self._is_mine(run):
            del self.live[run.id]

    @rule(job_id=jobs)
    def cancel(self, job_id):
        before = self.store.job(job_id)
        count = self.store.cancel([job_id])
        assert count == (before is not None and not before.state.over)
        self.live.pop(job_id, None)

    @precondition(lambda self: self.live)
    @rule(target=runs, number=st.integers(0, 9))
    def cancel_and_take_again(self, number):
        run = sorted(self.live.values(), key=lambda job: job.id)[number % len(self.live)]
        del self.live[run.id]
        assert self.store.cancel([run.id]) == self.store.requeue([run.id]) == 1
        self.store.move_to_front([run.id])
        taken = self.claim_of(run.kind)
        # Whoever had it before and does not know yet changes nothing.
        before = self.store.job(run.id)
        assert not self.store.set_progress(run, 0.9, "late")
        assert not self.store.fail(run, "late", transient=False)
        self.store.release(run)
        assert self.store.job(run.id) == before
        return taken

    @rule(job_id=jobs, every=st.booleans())
    def requeue(self, job_id, every):
        before = self.store.job(job_id)
        states = list(State) if every else [State.FAILED, State.CANCELLED]
        count = self.store.requeue([job_id], states=states)
        wanted = before is not None and before.state.over and before.state in states
        assert count == wanted

    @rule(job_id=jobs)
    def front(self, job_id):
        self.store.move_to_front([job_id])

    @rule()
    def pause(self):
        self.store.pause("a")
        assert self.claim_of(Kind.AUDIO) == multiple()
        self.store.resume()

    @rule(job_id=jobs)
    def delete(self, job_id):
        self.store.delete({job_id: Path("/results") / job_id})
        self.live.pop(job_id, None)
        self.published.pop(job_id, None)
        self.deleted.add(job_id)

    @rule(seconds=st.sampled_from([1, 6, 20]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def crash(self):
        self.store.close()
        self.store = self._open()
        before = {job_id: self.store.job(job_id) for job_id in self.live}
        assert self.store.recover() == len(before)
        for job_id, job in before.items():
            after = self.store.job(job_id)
            alone = job.crashes >= CRASH_LIMIT
            assert after.state is (State.FAILED if alone else State.QUEUED)
            assert after.attempts == job.attempts
        self.live.clear()

    @rule()
    def polite_restart(self):
        for job in self.live.values():
            self.store.release(job)
        self.live.clear()
        self.store.close()
        self.store = self._open()
        assert self.store.recover() == 0

    @invariant()
    def what_runs_is_run(self):
        running = {job.id for job in self.store.find(JobFilter(states=(State.RUNNING,)), 1000)}
        assert running == set(self.live)

    @invariant()
    def what_is_done_has_its_result_and_every_result_is_known(self):
        for job in self.store.find(JobFilter(), 1000):
            assert (job.result_at is not None) == (job.id in self.published)
            assert job.state is not State.DONE or job.id in self.published
            assert (job.run is not None) == (job.state is State.RUNNING)

    @invariant()
    def every_state_is_the_last_line_of_its_history(self):
        for job in self.store.find(JobFilter(), 1000):
            last = self.store.history(job.id)[-1]
            assert (last.state, last.attempt) == (job.state, job.attempts)
            assert job.attempts >= (job.state is State.RUNNING)

    @invariant()
    def places_count_from_one_for_each_kind(self):
        places = self.store.places()
        for kind in (Kind.AUDIO, Kind.DOCUMENT):
            queued = self.store.find(JobFilter(states=(State.QUEUED,), kinds=(kind,)), 1000)
            ready = [job.id for job in queued if job.not_before <= self.now]
            assert sorted(places[job_id] for job_id in ready) == list(range(1, len(ready) + 1))

    @invariant()
    def what_was_deleted_is_gone(self):
        for job_id in self.deleted:
            assert self.store.job(job_id) is None and self.store.history(job_id) == []


Store.TestCase.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
TestStore = pytest.mark.timeout(280)(Store.TestCase)
