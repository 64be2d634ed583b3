import itertools
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import AlreadySubmitted
from services.jobs.models import JobFilter, Kind, NewJob, Options, State
from services.jobs.store import JobStore, new_id

WORK = Path("/data/temp/ws-1")


class Clock:
    """Time that goes on by a second with every look at it."""

    def __init__(self) -> None:
        self.now = itertools.count(1_000)

    def __call__(self) -> float:
        return float(next(self.now))


def new_jobs(count: int, kind: Kind = Kind.AUDIO, **more) -> list[NewJob]:
    return [
        NewJob(f"{n}.wav", kind, WORK / f"{n}.wav", "0" * 64, 10, 5.0, **more) for n in range(count)
    ]


@pytest.fixture
def store(store_url):
    made = JobStore(store_url, Clock())
    yield made
    made.close()


def add(store: JobStore, count: int = 1, owner: str = "ana", workspace: Path | None = None, **more):
    options = more.pop("options", Options())
    if workspace is None:
        workspace = WORK / new_id() if store.is_submitted(WORK) else WORK
    batch = store.add_batch(owner, workspace, options, new_jobs(count, **more))
    return batch, store.jobs(batch.id)


def finish(store: JobStore, job_id: str) -> bool:
    made = {"length": 1, "engine": "e", "model": "m", "note": None}
    return store.finish(store.job(job_id), **made)


def test_of_two_submissions_of_the_same_files_the_first_is_a_batch(store):
    """As by two requests at once, neither of which saw the other's."""
    batch, _ = add(store, 2)
    with pytest.raises(AlreadySubmitted, match="in a batch already"):
        add(store, 2, workspace=batch.workspace)
    assert store.count_batches() == 1 and len(store.jobs(batch.id)) == 2


def test_a_batch_is_stored_as_it_was_given(store, store_url):
    options = Options("nemo", "spoken-digits", "manifest")
    batch, jobs = add(store, 3, options=options)
    again = JobStore(store_url)
    assert again.batch(batch.id) == batch
    assert again.jobs(batch.id) == jobs
    again.close()
    assert [job.name for job in jobs] == ["0.wav", "1.wav", "2.wav"]
    assert {job.state for job in jobs} == {State.QUEUED}
    assert {job.options for job in jobs} == {options}
    assert jobs[0].path == WORK / "0.wav" and jobs[0].took is None


def test_a_job_runs_and_is_done(store):
    _, (job,) = add(store)
    claimed = store.claim(Kind.AUDIO)
    assert (claimed.id, claimed.state, claimed.attempts) == (job.id, State.RUNNING, 1)
    assert store.set_progress(store.job(job.id), 0.5, "reading")
    assert (store.job(job.id).progress, store.job(job.id).stage) == (0.5, "reading")
    assert store.finish(store.job(job.id), length=9.0, engine="NeMo", model="m", note="n", took=1.5)
    done = store.job(job.id)
    assert (done.state, done.progress, done.stage, done.length) == (State.DONE, 1.0, "", 9.0)
    assert (done.engine, done.model, done.note) == ("NeMo", "m", "n")
    assert done.took == 1.5 and store.claim(Kind.AUDIO) is None


@pytest.mark.parametrize("transient", [True, False])
def test_a_job_runs_and_fails(store, transient):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    assert store.fail(store.job(job.id), "It is damaged.", transient=transient)
    failed = store.job(job.id)
    assert (failed.state, failed.error) == (State.FAILED, "It is damaged.")
    assert failed.error_kind == ("transient" if transient else "permanent")


def test_a_file_that_cannot_be_processed_is_a_failed_job_from_the_start(store):
    _, (job,) = add(store, error="“0.wav” is empty.")
    assert (job.state, job.error, job.error_kind) == (
        State.FAILED,
        "“0.wav” is empty.",
        "permanent",
    )
    assert store.claim(Kind.AUDIO) is None


@pytest.mark.parametrize("end", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_changes_no_more(store, end):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    ends = {
        State.DONE: lambda: store.finish(
            store.job(job.id), length=1, engine="e", model="m", note=None
        ),
        State.FAILED: lambda: store.fail(store.job(job.id), "x", transient=False),
        State.CANCELLED: lambda: store.cancel([job.id]),
    }
    assert ends[end]()
    ended = store.job(job.id)
    assert not any(act() for act in ends.values())
    assert not store.set_progress(store.job(job.id), 0.1, "x")
    store.release(store.job(job.id))
    assert store.recover() == 0
    assert store.job(job.id) == ended


def test_jobs_are_claimed_by_kind(store):
    add(store, kind=Kind.DOCUMENT)
    assert store.claim(Kind.AUDIO) is None
    assert store.claim(Kind.DOCUMENT) is not None


def test_eight_threads_claim_two_hundred_jobs_each_exactly_once(store_url):
    store = JobStore(store_url)
    expected = {job.id for owner in "abcd" for job in add(store, 50, owner)[1]}
    claimed: list[str] = []
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def claim_all() -> None:
        try:
            start.wait(10)
            while job := store.claim(Kind.AUDIO):
                claimed.append(job.id)
                store.set_progress(store.job(job.id), 0.5, "reading")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=claim_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store.close()
    assert errors == []
    assert len(claimed) == 200 and set(claimed) == expected


def test_owners_take_turns_however_much_one_has(store):
    add(store, 6, "ana")
    add(store, 2, "ben")
    add(store, 1, "cleo")
    order = "".join(store.claim(Kind.AUDIO).owner[0] for _ in range(9))
    assert order == "abcabaaaa"


def test_who_comes_late_does_not_wait_behind_another_ones_queue(store):
    add(store, 5, "ana")
    assert [store.claim(Kind.AUDIO).owner for _ in range(2)] == ["ana", "ana"]
    add(store, 1, "ben")
    assert store.claim(Kind.AUDIO).owner == "ben"


def test_an_owners_batches_take_turns_and_within_one_the_oldest_job_comes_first(store):
    first, _ = add(store, 5)
    assert store.claim(Kind.AUDIO).name == "0.wav"
    second, _ = add(store, 2)
    claimed = [store.claim(Kind.AUDIO) for _ in range(6)]
    order = [second.id, first.id, second.id, first.id, first.id, first.id]
    assert [job.batch_id for job in claimed] == order
    assert [job.name for job in claimed if job.batch_id == first.id] == [
        f"{n}.wav" for n in range(1, 5)
    ]


def test_with_options_only_what_is_heard_alike_is_taken(store):
    nemo, whisper = Options("nemo", ocr="off", speakers=True), Options("whisper")
    add(store, 1, "ana", options=nemo)
    add(store, 1, "ben", options=whisper)
    assert store.claim(Kind.AUDIO, whisper).owner == "ben"
    assert store.claim(Kind.AUDIO, whisper) is None
    assert store.claim(Kind.AUDIO, Options("nemo", hotwords=("Ana",))) is None
    assert store.claim(Kind.AUDIO, Options("nemo")).owner == "ana", "how PDFs are read is all one"


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=6),
    st.integers(0, 6),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=3),
)
def test_places_agree_with_the_order_in_which_jobs_are_claimed(before, claims, after):
    store = JobStore("sqlite://", Clock())
    # One connection that all share: in memory there is no second one.
    for session in (store._reader, store._passing):
        session.configure(bind=store._engines[1])
    for owner, count in before:
        add(store, count, owner)
    for _ in range(claims):
        store.claim(Kind.AUDIO)
    for owner, count in after:
        add(store, count, owner)
    places = store.places()
    order = []
    while job := store.claim(Kind.AUDIO):
        order.append(job.id)
    store.close()
    assert places == {job_id: place for place, job_id in enumerate(order, start=1)}


def test_places_count_for_each_kind(store):
    _, (audio,) = add(store)
    _, (document,) = add(store, kind=Kind.DOCUMENT)
    assert store.places() == {audio.id: 1, document.id: 1}


def test_a_job_that_was_running_at_three_crashes_runs_alone_and_then_fails(store):
    _, (bad, good) = add(store, 2)
    _, (document,) = add(store, kind=Kind.DOCUMENT)
    for attempt in (1, 2, 3):
        assert store.claim(Kind.AUDIO).id == bad.id
        assert store.recover() == 1
        assert (store.job(bad.id).state, store.job(bad.id).crashes) == (State.QUEUED, attempt)
    # It comes after the others, not beside them, and nothing else runs beside it.
    assert store.claim(Kind.AUDIO).id == good.id
    assert store.claim(Kind.AUDIO) is None
    finish(store, good.id)
    assert store.claim(Kind.DOCUMENT).id == document.id
    assert store.claim(Kind.AUDIO) is None
    store.fail(store.job(document.id), "broken", transient=False)
    assert store.claim(Kind.AUDIO).id == bad.id
    add(store, kind=Kind.DOCUMENT)
    assert store.claim(Kind.DOCUMENT) is None
    assert store.recover() == 1
    failed = store.job(bad.id)
    assert failed.state is State.FAILED and "stopped 3 times" in failed.error
    assert store.claim(Kind.DOCUMENT) is not None


def test_a_file_that_costs_the_gpu_each_time_runs_alone_and_then_fails(store):
    _, (bad, good) = add(store, 2)
    for crashes in (1, 2, 3):
        claimed = store.claim(Kind.AUDIO)
        assert claimed.id == bad.id
        store.interrupted(claimed, "the GPU was lost while it ran")
        store.interrupted(claimed, "twice said of one run")
        assert (store.job(bad.id).state, store.job(bad.id).crashes) == (State.QUEUED, crashes)
    assert finish(store, store.claim(Kind.AUDIO).id) and store.job(good.id).state is State.DONE
    store.interrupted(store.claim(Kind.AUDIO), "the GPU was lost while it ran")
    failed = store.job(bad.id)
    assert failed.state is State.FAILED and "its GPU was lost" in failed.error


def test_one_that_ran_beside_the_file_that_crashes_is_innocent(store):
    _, (first, second) = add(store, 2)
    for _ in range(3):
        store.claim(Kind.AUDIO)
        store.claim(Kind.AUDIO)
        store.recover()
    for expected in (first, second):
        job = store.claim(Kind.AUDIO)
        assert job.id == expected.id and store.claim(Kind.AUDIO) is None
        assert finish(store, job.id)


def test_what_may_pass_is_tried_again_by_itself_after_growing_pauses(store_url):
    now = [1000.0]
    store = JobStore(store_url, lambda: now[0], retry_waits=(10, 60))
    _, (job,) = add(store)
    for wait in (10, 60):
        store.claim(Kind.AUDIO)
        assert store.fail(store.job(job.id), "File access error: held", transient=True)
        waiting = store.job(job.id)
        assert (waiting.state, waiting.error_kind) == (State.QUEUED, "transient")
        assert waiting.error == "File access error: held" and waiting.not_before == now[0] + wait
        now[0] += wait - 1
        assert store.claim(Kind.AUDIO) is None
        now[0] += 1
    assert store.claim(Kind.AUDIO).attempts == 3
    store.fail(store.job(job.id), "File access error: held", transient=True)
    assert store.job(job.id).state is State.FAILED
    # A person starts the count anew.
    assert store.requeue([job.id]) == 1 and store.claim(Kind.AUDIO).attempts == 1
    store.fail(store.job(job.id), "damaged", transient=False)
    assert store.job(job.id).state is State.FAILED, "what cannot pass is not tried again"
    store.close()


def test_the_history_tells_every_change_with_its_reason(store):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    store.recover()
    store.claim(Kind.AUDIO)
    store.release(store.job(job.id))
    store.claim(Kind.AUDIO)
    store.fail(store.job(job.id), "damaged", transient=False)
    store.requeue([job.id])
    store.cancel([job.id])
    told = [(event.state.value, event.attempt, event.reason) for event in store.history(job.id)]
    assert told == [
        ("queued", 0, None),
        ("running", 1, None),
        ("queued", 1, "the server stopped while it ran"),
        ("running", 2, None),
        ("queued", 1, "the server was stopped"),
        ("running", 2, None),
        ("failed", 2, "damaged"),
        ("queued", 0, "a person asked for another try"),
        ("cancelled", 0, None),
    ]
    times = [event.at for event in store.history(job.id)]
    assert times == sorted(times)


def test_a_job_put_back_at_a_stop_loses_no_try(store):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    store.set_progress(store.job(job.id), 0.7, "reading")
    store.release(store.job(job.id))
    back = store.job(job.id)
    assert (back.state, back.attempts, back.progress, back.stage) == (State.QUEUED, 0, 0.0, "")


def test_cancel_takes_what_has_not_ended(store):
    _, (running, queued, done) = add(store, 3)
    store.claim(Kind.AUDIO)
    assert not finish(store, done.id), "still queued"
    assert store.cancel([running.id, queued.id]) == 2
    assert store.cancel([running.id, queued.id]) == 0
    assert not store.set_progress(store.job(running.id), 1, "x")
    assert store.claim(Kind.AUDIO).id == done.id


def test_the_options_that_jobs_carry_are_each_named_once(store):
    first, _ = add(store, 3, options=Options(hotwords=("Ana",)))
    second, jobs = add(store, 2, options=Options("nemo"))
    store.set_options([jobs[0].id], Options("whisper"))
    assert store.options(JobFilter(first.id)) == [Options(hotwords=("Ana",))]
    found = store.options(JobFilter(second.id))
    assert sorted(options.engine for options in found) == ["nemo", "whisper"]
    assert store.options(JobFilter("0" * 32)) == []


def test_requeue_takes_what_failed_or_was_cancelled_with_its_options(store):
    options = Options("nemo", "spoken-digits")
    batch, (failed, cancelled, done, queued) = add(store, 4, options=options)
    for _ in range(3):
        store.claim(Kind.AUDIO)
    store.fail(store.job(failed.id), "x", transient=False)
    store.cancel([cancelled.id])
    finish(store, done.id)
    assert store.requeue(job.id for job in store.jobs(batch.id)) == 2
    again = store.job(failed.id)
    assert (again.state, again.attempts, again.error, again.error_kind) == ("queued", 0, None, None)
    assert (again.started_at, again.finished_at, again.options) == (None, None, options)
    assert store.job(done.id).state is State.DONE
    assert Counter(job.state for job in store.jobs(batch.id))[State.QUEUED] == 3
    assert list(store.places()) == [queued.id, failed.id, cancelled.id]


def test_a_file_of_unknown_kind_is_not_tried_again(store):
    _, (job,) = add(store, kind=Kind.UNKNOWN, error="“0.xyz” is of a kind …")
    assert store.requeue([job.id]) == 0 and store.job(job.id).state is State.FAILED


def test_workspaces_are_leased_until_every_job_is_done(store):
    _, (first, second) = add(store, 2)
    other = Path("/data/temp/ws-2")
    _, (third,) = add(store, workspace=other)

    assert store.workspaces(leased=True) == {WORK, other}
    for _ in range(3):
        store.claim(Kind.AUDIO)
    assert finish(store, third.id)
    assert finish(store, first.id)
    assert store.workspaces(leased=True) == {WORK}, "the second one runs"
    store.fail(store.job(second.id), "x", transient=False)
    assert store.workspaces(leased=True) == {WORK}, "a failed original stays for another try"
    store.requeue([second.id])
    assert store.workspaces(leased=True) == {WORK}
    store.claim(Kind.AUDIO)
    assert finish(store, second.id)
    assert store.workspaces(leased=True) == set()
    assert store.workspaces(leased=False) == {WORK, other}


def test_batches_come_newest_first_with_their_counts(store):
    old, _ = add(store, 2)
    new, (job,) = add(store, 1)
    store.cancel([job.id])
    summaries = store.batches()
    assert [summary.batch for summary in summaries] == [new, old]
    assert summaries[0].counts == {State.CANCELLED: 1} and summaries[0].over
    assert summaries[1].total == 2 and not summaries[1].over
    assert summaries[1].first_name == "0.wav"
    assert store.batches(limit=1, offset=1)[0].batch == old and store.count_batches() == 2
    assert store.counts() == {(Kind.AUDIO, State.QUEUED): 2, (Kind.AUDIO, State.CANCELLED): 1}


def test_a_batch_is_as_far_as_its_files_are(store):
    add(store, 3)
    assert store.batches()[0].share == 0.0
    first, second = store.claim(Kind.AUDIO), store.claim(Kind.AUDIO)
    store.finish(first, length=1.0, engine="e", model="m", note=None)
    store.set_progress(second, 0.5, "reading")
    assert store.batches()[0].share == pytest.approx(1.5 / 3)


def test_what_is_not_there(store):
    assert store.job("x") is None and store.batch("x") is None and store.jobs("x") == []
    assert store.claim(Kind.AUDIO) is None and store.places() == {}
    assert store.cancel(["x"]) == store.requeue(["x"]) == store.recover() == 0


def test_progress_stays_between_none_and_all(store):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    for given_, kept in ((-1.0, 0.0), (7.0, 1.0)):
        store.set_progress(store.job(job.id), given_, "x")
        assert store.job(job.id).progress == kept


def test_what_was_discarded_needs_no_workspace_and_is_not_tried_again(store):
    batch, (job, other) = add(store, 2)
    store.claim(Kind.AUDIO)
    store.fail(store.job(job.id), "damaged", transient=False)
    assert not store.discard(batch.id), "the other one has not ended"
    store.cancel([other.id])
    assert store.workspaces(leased=True) == {WORK}
    assert store.discard(batch.id) and store.batch(batch.id).discarded
    assert store.workspaces(leased=True) == set()
    assert store.requeue([job.id, other.id]) == 0


def states(store: JobStore, jobs) -> list[str]:
    return [store.job(job.id).state.value for job in jobs]


# --- whose a running job is -----------------------------------------------------------


def test_who_lost_a_job_cannot_say_any_more_how_it_goes_on(store):
    _, (job,) = add(store)
    lost = store.claim(Kind.AUDIO)
    store.cancel([job.id])
    store.requeue([job.id])
    mine = store.claim(Kind.AUDIO)
    published = []
    assert mine.run != lost.run
    assert not store.set_progress(lost, 0.9, "late")
    made = {"length": 1, "engine": "e", "model": "m", "note": None}
    assert not store.finish(lost, lambda: published.append("late"), **made)
    assert not store.fail(lost, "late", transient=False)
    store.release(lost)
    assert published == [] and store.job(job.id) == mine
    assert store.finish(mine, lambda: published.append("mine"), **made) and published == ["mine"]


def test_a_result_that_cannot_be_published_leaves_the_job_running(store):
    _, (job,) = add(store)
    mine = store.claim(Kind.AUDIO)

    def publish() -> None:
        raise OSError("held")

    with pytest.raises(OSError, match="held"):
        store.finish(mine, publish, length=1, engine="e", model="m", note=None)
    assert store.job(job.id) == mine
    assert [event.state for event in store.history(job.id)] == [State.QUEUED, State.RUNNING]


def test_a_job_without_a_sign_of_life_is_freed_and_others_are_not(store_url):
    now = [1000.0]
    store = JobStore(store_url, lambda: now[0])
    _, jobs = add(store, 2)
    first, second = store.claim(Kind.AUDIO), store.claim(Kind.AUDIO)
    now[0] += 50
    store.renew([second])
    now[0] += 20
    assert store.recover(unseen_since=now[0] - 60) == 1
    assert states(store, jobs) == ["queued", "running"]
    assert not store.set_progress(first, 0.5, "late") and store.set_progress(second, 0.5, "on")
    store.close()


# --- once more ------------------------------------------------------------------------


def test_what_is_done_can_be_done_again_and_keeps_its_result_meanwhile(store):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    finish(store, job.id)
    made = store.job(job.id).result_at
    assert store.requeue([job.id]) == 0, "only where it is asked for"
    assert store.requeue([job.id], Options("nemo", "x.nemo"), State) == 1
    again = store.claim(Kind.AUDIO)
    assert again.result_at == made and again.options == Options("nemo", "x.nemo")
    store.fail(again, "no such model", transient=False)
    assert store.job(job.id).result_at == made
    assert store.requeue([job.id]) == 1
    store.claim(Kind.AUDIO)
    finish(store, job.id)
    assert store.job(job.id).result_at > made
    reasons = [event.reason for event in store.history(job.id) if event.reason]
    assert reasons[0] == "a person asked for another try with engine nemo, model x.nemo"


def test_what_was_discarded_can_be_done_again_only_where_it_has_a_result(store):
    batch, (done, failed) = add(store, 2)
    store.claim(Kind.AUDIO)
    store.claim(Kind.AUDIO)
    finish(store, done.id)
    store.fail(store.job(failed.id), "x", transient=False)
    store.discard(batch.id)
    assert store.requeue([done.id, failed.id], states=State) == 1
    assert states(store, (done, failed)) == ["queued", "failed"]


def test_a_running_job_is_not_queued_again(store):
    _, (job,) = add(store)
    store.claim(Kind.AUDIO)
    assert store.requeue([job.id], states=State) == 0


# --- the order, and what waits ----------------------------------------------------------


def test_what_is_moved_to_the_front_comes_first_and_the_last_one_moved_before_all(store):
    _, mine = add(store, 3, "ana")
    _, others = add(store, 3, "ben")
    assert store.move_to_front([others[2].id]) == 1
    assert store.move_to_front([others[1].id]) == 1
    places = store.places()
    claimed = [store.claim(Kind.AUDIO).id for _ in range(3)]
    assert claimed == [others[1].id, others[2].id, mine[0].id]
    assert [places[job_id] for job_id in claimed] == [1, 2, 3]
    assert store.move_to_front([claimed[0]]) == 0, "it runs"


def test_while_the_queue_stands_still_nothing_begins(store):
    _, (_, waiting) = add(store, 2)
    mine = store.claim(Kind.AUDIO)
    store.pause("ana")
    store.pause("ben")
    assert store.paused().by == "ana"
    assert store.claim(Kind.AUDIO) is None
    assert finish(store, mine.id), "what runs goes on"
    store.resume()
    assert store.paused() is None and store.claim(Kind.AUDIO).id == waiting.id


def test_options_change_only_while_a_job_waits(store):
    _, (running, waiting) = add(store, 2)
    store.claim(Kind.AUDIO)
    assert store.set_options([running.id, waiting.id], Options("whisper")) == 1
    assert store.job(running.id).options == Options()
    assert store.claim(Kind.AUDIO).options == Options("whisper")
    assert store.history(waiting.id)[1].reason == "a person chose engine whisper"


def test_an_owner_at_the_limit_waits_and_others_do_not(store_url):
    store = JobStore(store_url, Clock(), owner_limit=2)
    add(store, 4, "ana")
    add(store, 1, "ben")
    claimed = [store.claim(Kind.AUDIO) for _ in range(4)]
    assert [job.owner if job else None for job in claimed] == ["ana", "ben", "ana", None]
    finish(store, claimed[0].id)
    assert store.claim(Kind.AUDIO).owner == "ana"
    store.close()


# --- finding, deleting, keeping ---------------------------------------------------------


def test_a_filter_means_the_jobs_that_meet_all_of_it(store):
    first, (one, two) = add(store, 2)
    second, (three,) = add(store, 1, "ben", kind=Kind.DOCUMENT)
    store.claim(Kind.AUDIO)
    finish(store, one.id)

    def meant(**wanted) -> list[str]:
        assert len(store.ids(JobFilter(**wanted))) == sum(store.count(JobFilter(**wanted)).values())
        return [job.id for job in store.find(JobFilter(**wanted))]

    assert meant() == [three.id, one.id, two.id]
    assert meant(batch_id=first.id) == [one.id, two.id]
    assert meant(states=(State.QUEUED,), kinds=(Kind.AUDIO,)) == [two.id]
    assert meant(owner="ben") == [three.id] and meant(model="m") == [one.id]
    assert meant(text="1.WAV") == [two.id] and meant(text="%") == []
    assert meant(since=second.created_at) == [three.id]
    assert meant(until=second.created_at) == [one.id, two.id]
    assert [job.id for job in store.find(JobFilter(), limit=1, offset=1)] == [one.id]
    assert store.models() == ["m"]
    assert store.count(JobFilter(batch_id=first.id)) == {State.DONE: 1, State.QUEUED: 1}


def test_the_same_content_is_known_again_to_its_owner(store):
    content = NewJob("a.wav", Kind.AUDIO, WORK / "a.wav", "a" * 64, 10)
    (mine,) = store.jobs(store.add_batch("ana", WORK / new_id(), Options(), [content]).id)
    assert store.earlier(["a" * 64], "ana") == {}
    store.claim(Kind.AUDIO)
    finish(store, mine.id)
    assert store.earlier(["a" * 64, "b" * 64], "ana")["a" * 64].id == mine.id
    assert store.earlier(["a" * 64], "ben") == {}


@pytest.mark.parametrize("state", list(State))
def test_a_job_is_deleted_in_every_state(store, tmp_path, state):
    batch, (job, other) = add(store, 2)
    if state is not State.QUEUED:
        mine = store.claim(Kind.AUDIO)
        if state is State.DONE:
            finish(store, job.id)
        elif state is State.FAILED:
            store.fail(mine, "x", transient=False)
        elif state is State.CANCELLED:
            store.cancel([job.id])
    assert store.delete({job.id: tmp_path / job.id, "unknown": tmp_path}) == 1
    assert store.job(job.id) is None and store.history(job.id) == []
    assert store.removals() == {tmp_path / job.id} and store.batch(batch.id) is not None
    if state is State.RUNNING:
        assert not store.set_progress(mine, 0.5, "x")
        assert not store.finish(mine, length=1, engine="e", model="m", note=None)
    assert store.delete({other.id: tmp_path / other.id}) == 1
    assert store.batch(batch.id) is None and WORK in store.removals()
    for path in store.removals():
        store.removed(path)
    assert store.removals() == set() and store.workspaces(leased=False) == set()


def test_originals_of_what_failed_are_given_up_after_their_time(store_url):
    now = [1000.0]
    store = JobStore(store_url, lambda: now[0])
    batch, (job,) = add(store)
    store.fail(store.claim(Kind.AUDIO), "x", transient=False)
    assert store.kept(batch.id) == (1, 10)
    assert store.expire(before=now[0]) == 0
    now[0] += 100
    running, _ = add(store)
    assert store.expire(before=now[0]) == 1 and store.expire(before=now[0]) == 0
    assert store.batch(batch.id).discarded and not store.batch(running.id).discarded
    assert store.kept(batch.id) == (0, 0) and store.requeue([job.id]) == 0
    store.close()
