from dataclasses import replace
from pathlib import Path

import pytest

from services.audio.engines import Hypothesis
from services.audio.transcript import Word
from services.jobs.models import Kind, NewJob, Options
from services.jobs.recording import Heard
from services.jobs.store import JobStore
from services.jobs.stretches import NAME, Stretches

FIRST = [Heard(1.5, 20.0, Hypothesis("où ça", [Word(0.1, 0.4, "où", 0.5), Word(1.0, 1.5, "ça")]))]
SECOND = [Heard(30.0, 28.0, Hypothesis("", [], "en"))]


@pytest.fixture
def job(tmp_path):
    store = JobStore(f"sqlite:///{tmp_path}/jobs.db")
    new = NewJob("a.wav", Kind.AUDIO, tmp_path / "a.wav", "0" * 64, 1)
    batch = store.add_batch("ana", tmp_path, Options("nemo"), [new])
    yield store.jobs(batch.id)[0]
    store.close()


@pytest.fixture
def kept(tmp_path, job) -> Stretches:
    stretches = Stretches(tmp_path / "results", {"model": "m"})
    stretches.add(job, FIRST, 480_000)
    stretches.add(job, SECOND, 960_000)
    return stretches


def path(tmp_path: Path, job) -> Path:
    return tmp_path / "results" / job.id / NAME


def test_what_was_kept_is_read_back(kept, job):
    assert kept.load(job) == ([*FIRST, *SECOND], 960_000)


def test_nothing_kept_is_a_beginning(tmp_path, job):
    assert Stretches(tmp_path / "results", {}).load(job) == ([], 0)


def test_a_line_that_a_power_cut_broke_off_is_passed_over(kept, job, tmp_path):
    whole = path(tmp_path, job).read_bytes()
    path(tmp_path, job).write_bytes(whole[:-10])
    assert kept.load(job) == (FIRST, 480_000)
    kept.add(job, SECOND, 900_000)
    assert kept.load(job) == ([*FIRST, *SECOND], 900_000)


@pytest.mark.parametrize(
    "change",
    [{"sha256": "1" * 64}, {"options": Options("nemo", "other")}],
    ids=["another file", "other options"],
)
def test_what_was_made_of_something_else_is_not_used(kept, job, tmp_path, change):
    assert kept.load(replace(job, **change)) == ([], 0)
    assert not path(tmp_path, job).exists()


def test_what_another_model_heard_is_not_used(kept, job, tmp_path):
    assert Stretches(tmp_path / "results", {"model": "n"}).load(job) == ([], 0)


def test_it_goes_when_the_whole_is_there(kept, job, tmp_path):
    kept.discard(job)
    kept.discard(job)
    assert not path(tmp_path, job).exists()


def test_options_are_kept_as_before_there_was_a_choice_of_sound_tracks():
    """Else an update would begin half-done recordings and watched files anew."""
    kept = Options("nemo").as_dict()
    assert "track" not in kept and Options.from_dict(kept).track == 1
    assert Options.from_dict(Options("nemo", track=0).as_dict()).track == 0
