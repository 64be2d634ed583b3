"""What goes first near the limit, and that nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from services import system
from services.config import Settings
from services.documents.document import Document, Page
from services.front import Front
from services.jobs.models import JobFilter, Kind, NewJob, State
from services.jobs.results import Results
from services.jobs.store import new_id
from services.making_room import AT_ONCE, MakingRoom
from services.retention import PAUSE

MB = 1_000_000


class House:
    """Three documents that are done, the first one the longest ago, and one that failed."""

    def __init__(self, front: Front, *plan: str) -> None:
        self.front, self.store = front, front._store
        self.results = Results(front.settings.results_dir)
        self.now = 1000.0
        self.store._clock = lambda: self.now
        self.made = [self.document(n) for n in range(3)]
        self.failed = self.document(3, error="broken")
        self.limited(plan)

    def limited(self, plan: tuple[str, ...], megabytes: float | None = None) -> None:
        """Set the limit so that there is so much too much beyond nine tenths of it."""
        system.forget_used()
        settings = self.front.settings
        used = system.data_used(settings.data_dir, settings.temp_root) / MB
        limit = None if megabytes is None else (used - megabytes) / 0.9 / 1000
        self.room = MakingRoom(
            settings.model_copy(update={"data_limit_gb": limit, "make_room": plan}),
            self.store,
            self.front._delete,
            self.front.people.audit,
            lambda: self.now,
        )

    def document(self, number: int, error: str | None = None) -> str:
        original = self.front.settings.data_dir / f"{number}.pdf"
        original.write_bytes(b"%PDF" + b"x" * MB)
        new = NewJob(original.name, Kind.DOCUMENT, original, "0" * 64, MB, 1.0)
        self.now += 10
        self.store.add_batch("ana", Path(new_id()), self.front.default_options(), [new])
        job = self.store.claim(Kind.DOCUMENT)
        assert job is not None
        if error:
            self.store.fail(job, error, transient=False)
            return job.id
        for _ in range(2):  # done twice: there is an earlier result
            staged = self.results.stage(job, Document({}, [Page(1, "text " * MB)]))
            self.results.publish(job, staged)
        self.store.finish(job, length=1, engine="e", model="", note=None)
        image = self.results.page_image(job.id, 1)
        image.parent.mkdir()
        image.write_bytes(b"x" * MB)
        original.unlink()
        return job.id

    def there(self, job_id: str) -> set[str]:
        found = self.results.directory(job_id).iterdir()
        return {path.stem for path in found}

    def after_a_minute(self) -> None:
        self.now += PAUSE
        system.forget_used()
        self.room.round()


ALL = {"result", "previous", "original", "pages"}


@pytest.fixture
def front(tmp_path):
    """One that does no work."""
    front = Front(Settings(data_dir=tmp_path / "data", device="cpu", disk_reserve_mb=0))
    yield front
    front.close()


def test_below_the_limit_nothing_goes(front):
    house = House(front, "images", "results")
    house.after_a_minute()
    house.limited(("images", "results"), -1.0)
    house.after_a_minute()
    assert [house.there(one) for one in house.made] == [ALL] * 3


def test_each_step_goes_as_far_as_it_has_to_the_oldest_first(front):
    house = House(front)
    house.limited(("images", "earlier"), 1.5)
    house.after_a_minute()
    assert [house.there(one) for one in house.made] == [ALL - {"pages"}] * 2 + [ALL]
    (line,) = house.front.people.audit.lines()
    assert line.action == "make room" and "images of pages" in line.detail
    assert "2 MB" in line.detail
    house.after_a_minute()
    assert house.there(house.made[2]) == ALL, "it was enough"


def test_the_next_step_comes_when_one_was_not_enough(front):
    house = House(front)
    house.limited(("images", "earlier"), 3.5)
    house.after_a_minute()
    assert house.there(house.made[0]) == {"result", "original"}
    assert [house.there(one) for one in house.made[1:]] == [ALL - {"pages"}] * 2


def test_originals_go_and_results_stay(front):
    house = House(front)
    house.limited(("originals",), 50.0)
    house.after_a_minute()
    assert [house.there(one) for one in house.made] == [ALL - {"original"}] * 3
    assert front.result(house.made[0]).pages[0].text.startswith("text")
    assert front.original(house.made[0]) is None


@pytest.mark.parametrize("step", ["images", "originals"])
def test_the_copy_for_browsers_goes_as_one_and_with_the_original(front, step):
    house = House(front)
    house.results.sound(house.made[0]).write_bytes(b"x" * MB)
    house.limited((step,), 50.0)
    house.after_a_minute()
    gone = "pages" if step == "images" else "original"
    assert house.there(house.made[0]) == ALL - {gone}


def test_what_failed_is_given_up_and_whole_results_go_only_where_that_is_the_plan(front):
    house = House(front)
    house.limited(("failed",), 50.0)
    house.after_a_minute()
    assert front.kept(front.job(house.failed).batch_id) == (0, 0)
    assert len(house.store.ids(JobFilter(states=(State.DONE,)))) == 3
    house.limited(("results",), 6.0)
    house.after_a_minute()
    assert house.store.ids(JobFilter(states=(State.DONE,))) == house.made[1:]


def test_what_is_done_again_just_now_keeps_everything(front):
    house = House(front)
    front.retry_job(house.made[0])
    house.limited(("images", "earlier", "originals", "results"), 500.0)
    house.after_a_minute()
    assert house.store.ids(JobFilter(states=(State.QUEUED,))) == [house.made[0]]
    assert house.there(house.made[0]) == ALL


def test_a_round_is_short_and_the_next_one_a_minute_later(front, monkeypatch):
    house = House(front)
    house.limited(("results",), 500.0)
    monkeypatch.setattr("services.making_room.AT_ONCE", 1)
    house.after_a_minute()
    assert len(house.store.ids(JobFilter(states=(State.DONE,)))) == 2
    house.room.round()
    assert len(house.store.ids(JobFilter(states=(State.DONE,)))) == 2
    house.after_a_minute()
    assert len(house.store.ids(JobFilter(states=(State.DONE,)))) == 1
    assert AT_ONCE > 1
