import pytest

from services.jobs.estimate import Estimate, estimate
from services.jobs.models import Job, Kind, Options, State


def job(
    state: State,
    progress: float = 0.0,
    length: float | None = 10.0,
    kind: Kind = Kind.AUDIO,
    **times,
) -> Job:
    values = dict.fromkeys(Job.__dataclass_fields__)
    values |= {"state": state, "progress": progress, "length": length, "kind": kind}
    values |= {"options": Options(), "created_at": 0.0, "queued_at": 0.0, **times}
    return Job(**values)


def test_nothing_has_begun():
    assert estimate([job(State.QUEUED)], 50.0) == Estimate(0.0, 0.0, None)
    assert estimate([], 50.0) == Estimate(1.0, 0.0, 0.0)


def test_half_done_takes_as_long_again():
    jobs = [
        job(State.DONE, 1.0, started_at=100.0, finished_at=110.0),
        job(State.QUEUED),
    ]
    assert estimate(jobs, 110.0) == Estimate(0.5, 10.0, 10.0)


def test_long_files_count_for_more():
    jobs = [
        job(State.DONE, 1.0, length=30.0, started_at=0.0, finished_at=30.0),
        job(State.RUNNING, 0.5, length=60.0, started_at=30.0),
        job(State.QUEUED, length=30.0),
    ]
    found = estimate(jobs, 60.0)
    assert (found.share, found.elapsed, found.left) == (0.5, 60.0, 60.0)


def test_too_little_is_known_at_the_beginning():
    found = estimate([job(State.RUNNING, 0.01, started_at=0.0)], 1.0)
    assert found.left is None and found.elapsed == 1.0


def test_the_slower_kind_decides():
    jobs = [
        job(State.RUNNING, 0.5, started_at=0.0),
        job(State.RUNNING, 0.1, kind=Kind.DOCUMENT, started_at=0.0),
    ]
    assert estimate(jobs, 10.0).left == pytest.approx(90.0)


def test_when_all_is_over_time_stands_still():
    jobs = [
        job(State.DONE, 1.0, started_at=0.0, finished_at=10.0),
        job(State.FAILED, started_at=5.0, finished_at=20.0),
        job(State.CANCELLED, finished_at=15.0),
    ]
    assert estimate(jobs, 1_000.0) == Estimate(1.0, 20.0, 0.0)


def test_a_file_that_was_run_again_later_adds_only_its_own_time():
    jobs = [
        job(State.DONE, 1.0, started_at=0.0, finished_at=40.0),
        job(State.DONE, 1.0, started_at=30.0, finished_at=46.0),
        job(State.DONE, 1.0, started_at=600.0, finished_at=603.0),
    ]
    assert estimate(jobs, 1_000.0) == Estimate(1.0, 49.0, 0.0)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_file_of_unknown_length_is_no_error(kind):
    found = estimate([job(State.RUNNING, 0.5, None, kind, started_at=0.0)], 10.0)
    assert found.share == 0.5 and found.left == pytest.approx(10.0)


def test_what_ended_before_the_rest_was_queued_again_does_not_count():
    jobs = [
        job(State.DONE, 1.0, started_at=0.0, finished_at=50.0),
        job(State.RUNNING, 0.5, queued_at=1000.0, started_at=1001.0),
    ]
    assert estimate(jobs, 1011.0) == Estimate(0.5, 10.0, 10.0)
