"""What the settings let go by itself, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from services.config import Settings
from services.errors import DiskFull, NotAllowed
from services.files import disk
from services.jobs import keeping
from services.jobs.keeping import DAY, FOR_EVER
from services.jobs.models import JobFilter, Kind, NewJob, State
from services.jobs.store import new_id
from services.people.models import Role
from services.people.people import People
from services.people.shares import Audience
from services.retention import AT_ONCE, PAUSE, Retention, data_problem
from services.runtime import Runtime
from services.system import _used


class House:
    """A store with jobs that ended on the first day, and retention at a time of our own."""

    def __init__(self, runtime: Runtime, tmp_path, **settings):
        self.runtime = runtime
        self.settings = Settings(data_dir=tmp_path / "data", **settings)
        self.now = 0.0
        self.store = runtime._store
        self.people = People(self.settings.store_url, 3600, lambda: self.now)
        self.store._clock = lambda: self.now
        self.retention = Retention(
            self.settings, self.store, self.people, runtime._delete, lambda: self.now
        )

    def add(self, kind: Kind, count: int = 1, error: str | None = "broken") -> None:
        jobs = [NewJob("f", kind, self.settings.data_dir / "f", "", 0, error=error)] * count
        self.store.add_batch("ana", Path(new_id()), self.runtime.default_options(), jobs)

    def left(self, kind: Kind) -> int:
        return sum(self.store.count(JobFilter(kinds=(kind,))).values())

    def after(self, days: float) -> None:
        self.now = days * DAY
        self.retention.round()


@pytest.fixture
def runtime(tmp_path):
    """One in which nothing works by itself: the jobs here have no files."""
    settings = Settings(data_dir=tmp_path / "data", device="cpu", engine="whisper")
    runtime = Runtime(settings)
    with runtime:
        runtime.pause()
        runtime._pulse.stop()
        runtime._janitor.stop()  # what goes stays listed until the janitor has been there
        yield runtime


def test_nothing_goes_without_a_setting(runtime, tmp_path):
    house = House(runtime, tmp_path)
    house.add(Kind.AUDIO)
    house.people.audit.record("ana", "sign-in")
    house.after(10_000)
    assert house.left(Kind.AUDIO) == 1 and house.people.audit.count() == 1
    assert [(one.days, one.soon) for one in house.retention.kept()] == [(None, 0)] * 2


def test_each_kind_goes_after_its_days_and_is_named_a_week_before(runtime, tmp_path):
    house = House(runtime, tmp_path, keep_audio_days=30)
    house.add(Kind.AUDIO)
    house.add(Kind.AUDIO, error=None)  # has not ended: nobody has its result yet
    house.add(Kind.DOCUMENT)
    house.after(22)
    assert house.retention.kept()[0].soon == 0
    house.after(23.5)
    assert house.retention.kept()[0].soon == 1
    house.after(29.9)
    assert house.left(Kind.AUDIO) == 2
    house.after(30.1)
    assert house.left(Kind.AUDIO) == 1 and house.left(Kind.DOCUMENT) == 1
    assert house.store.count(JobFilter(kinds=(Kind.AUDIO,))) == {State.QUEUED: 1}
    (line,) = house.people.audit.lines()
    assert (line.who, line.action) == ("retention", "delete") and "1 jobs" in line.detail


def test_a_batch_is_kept_for_a_time_of_its_own(runtime, tmp_path):
    house = House(runtime, tmp_path, keep_document_days=30)
    for days in (None, 7.0, FOR_EVER, 90.0):
        house.add(Kind.DOCUMENT)
        keeping.keep(house.store, house.store.find(JobFilter())[0].batch_id, days)
        house.now += 1
    assert house.retention.kept()[1].soon == 1, "that of a week"
    for day, left in ((6.9, 4), (7.1, 3), (30.1, 2), (90.1, 1), (9000, 1)):
        house.after(day)
        assert house.left(Kind.DOCUMENT) == left, day


def test_what_one_batch_alone_says_needs_no_setting(runtime, tmp_path):
    house = House(runtime, tmp_path)
    house.add(Kind.AUDIO)
    keeping.keep(house.store, house.store.find(JobFilter())[0].batch_id, 1.0)
    house.add(Kind.AUDIO)
    house.after(1.1)
    assert house.left(Kind.AUDIO) == 1


def test_only_an_admin_keeps_longer_than_the_instance_does(runtime, tmp_path):
    house = House(runtime, tmp_path)
    people, owned = runtime.people, {}
    for name, role in (("ana", Role.PERSON), ("root", Role.ADMIN)):
        people.accounts.add(name, "correct horse battery", role)
        new = [NewJob("f", Kind.AUDIO, tmp_path / "f", "", 0, error="broken")]
        batch = house.store.add_batch(name, Path(new_id()), runtime.default_options(), new)
        person = people.identify(people.sessions.begin(name), None)
        owned[name] = (runtime.seen_by(person), batch.id)
    (ana, hers), (admin, admins) = owned.values()
    limited = runtime.settings.model_copy(update={"keep_audio_days": 30.0})
    for front in (ana, admin):
        front.settings = limited
    for days in (FOR_EVER, 31.0, -1.0):
        with pytest.raises(NotAllowed, match="30 days"):
            ana.keep_batch(hers, days)
    assert ana.keep_batch(hers, 30.0) and ana.keep_batch(hers, None)
    assert not ana.keep_batch("no such batch", 7.0)
    assert admin.keep_batch(admins, FOR_EVER)
    assert admin.batch(admins).keep_days == FOR_EVER


def test_what_goes_takes_its_shares_and_its_files_along(runtime, tmp_path):
    house = House(runtime, tmp_path, keep_document_days=1)
    house.add(Kind.DOCUMENT)
    (job,) = house.store.find(JobFilter())
    house.people.shares.create("ana", job.batch_id, job.id, Audience.TEAM)
    house.after(2)
    assert house.people.shares.of(job.batch_id, job.id) == []
    assert runtime.settings.results_dir / job.id in house.store.removals()


def test_a_batch_s_shares_go_with_its_last_job(runtime, tmp_path):
    house = House(runtime, tmp_path, keep_document_days=1)
    for kind in (Kind.DOCUMENT, Kind.AUDIO):
        house.add(kind, 2)
        (batch_id,) = {job.batch_id for job in house.store.find(JobFilter(kinds=(kind,)))}
        _, link = house.people.shares.create("ana", batch_id, audience=Audience.LINK)
        if kind is Kind.DOCUMENT:
            house.after(2)
        else:
            first, second = house.store.ids(JobFilter(batch_id))
            assert runtime.delete([first]) == 1
            assert house.people.sessions.open_link(link, None) is not None, "one is left"
            assert runtime.delete([second]) == 1
        assert house.people.shares.of(batch_id) == []
        assert house.people.sessions.open_link(link, None) is None


def test_many_go_in_portions(runtime, tmp_path):
    house = House(runtime, tmp_path, keep_document_days=1)
    house.add(Kind.DOCUMENT, AT_ONCE + 3)
    house.after(2)
    assert house.left(Kind.DOCUMENT) == 3
    house.retention.round()
    assert house.left(Kind.DOCUMENT) == 3, "not before a minute has passed"
    house.after(2 + PAUSE / DAY)
    assert house.left(Kind.DOCUMENT) == 0


def test_old_lines_of_the_audit_log_and_ended_sessions_go(runtime, tmp_path):
    house = House(runtime, tmp_path, audit_days=10)
    house.people.audit.record("ana", "first")
    secret = house.people.sessions.begin("ana")
    house.now = 9 * DAY
    house.people.audit.record("ana", "second")
    house.after(11)
    assert [line.action for line in house.people.audit.lines()] == ["second"]
    house.now = 0.0
    assert house.people.sessions.links(_key(secret)) is None, "removed, and not only ended"


def _key(secret: str) -> str:
    from services.people.secret import hashed

    return hashed(secret)


def test_data_beyond_their_limit_refuse_uploads_and_lose_nothing(tmp_path, monkeypatch, caplog):
    settings = Settings(
        data_dir=tmp_path / "data", device="cpu", disk_reserve_mb=0, data_limit_gb=0.01
    )
    with Runtime(settings) as runtime:
        assert runtime.data_problem() is None
        (settings.results_dir / "x").mkdir(parents=True)
        (settings.results_dir / "x" / "result.json").write_bytes(b"x" * 9_200_000)
        _used.cache_clear()
        assert "0.0 of 0.01 GB" in runtime.data_problem()
        runtime.new_workspace().room.require(1)  # warned, and not yet refused
        (settings.results_dir / "x" / "more").write_bytes(b"x" * 1_000_000)
        _used.cache_clear()
        assert "no more uploads" in data_problem(settings)
        with pytest.raises(DiskFull, match="data_limit_gb"):
            runtime.new_workspace().room.require(1)
        assert runtime._temp_room.missing() is None, "work goes on"
        runtime._retention._last = -PAUSE
        runtime._retention.round()
        deadline = time.monotonic() + 30  # the pulse's own round may have come first
        while "data_limit_gb" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert disk.used(settings.results_dir) > 1e6
