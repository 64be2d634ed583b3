"""The watcher with its threads: what a person sees of it from outside."""

import threading
import time

import pytest

from services.jobs.models import State
from services.watch import watcher as module
from services.watch.folder import WatchedFolder
from services.watch.memory import Memory
from services.watch.root import Root, RootState
from services.watch.watcher import Watcher
from tests.waiting import until
from tests.watching import Desk, tree

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def watch(desk, monkeypatch):
    """Start a watcher of folders; it is stopped with the test."""
    monkeypatch.setattr(module, "CONCLUDE_SECONDS", 0.05)
    monkeypatch.setattr(module, "ROOT_SECONDS", 0.05)
    made = []

    def start(*folders: WatchedFolder, **settings) -> Watcher:
        settings = {"still_seconds": 0.1, "rescan_seconds": 3600, "poll_seconds": 0.05, **settings}
        made.append(Watcher(folders, desk, desk.url, **settings))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize("polling", [False, True])
def test_from_the_file_to_its_results(desk, watch, tmp_path, polling):
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    folder = WatchedFolder(path=inbox, after="move", output=out, polling=polling)
    watcher = watch(folder)
    until(lambda: watcher.status()[0].state is RootState.WATCHING)
    (inbox / "a.wav").write_bytes(b"a")
    until(desk.jobs)
    desk.finish()
    until(lambda: watcher.status()[0].in_work == 0)
    assert tree(inbox) == {"done/a.wav": b"a"}
    assert tree(out) == {"a.txt": b"one two: a\n"}
    status = watcher.status()[0]
    assert (status.taken, status.problems, status.polling) == (1, (), polling)
    assert status.last_taken is not None and status.last_taken >= status.since


def test_a_writer_that_never_stops_for_long_is_taken_whole(desk, watch, tmp_path):
    watcher = watch(WatchedFolder(path=tmp_path), still_seconds=0.2)
    until(lambda: watcher.status()[0].state is RootState.WATCHING)
    with (tmp_path / "a.wav").open("wb") as writer:
        for _ in range(20):
            writer.write(b"x")
            writer.flush()
            time.sleep(0.03)
    until(desk.jobs)
    assert [job.size for job in desk.jobs()] == [20]


def test_without_events_the_rescan_finds_it(desk, watch, tmp_path, monkeypatch):
    monkeypatch.setattr("services.watch.wakeups.Wakeups.on_any_event", lambda *_: None)
    watch(WatchedFolder(path=tmp_path / "inbox"), rescan_seconds=1)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.wav").write_bytes(b"a")
    until(desk.jobs)


def test_when_nothing_can_be_observed_it_is_still_looked_through(
    desk, watch, tmp_path, monkeypatch
):
    monkeypatch.setattr("services.watch.wakeups.Wakeups._start", lambda *_: 1 / 0)
    watch(WatchedFolder(path=tmp_path))
    for number in range(2):
        (tmp_path / f"{number}.wav").write_bytes(b"%d" % number)
        until(lambda: len(desk.jobs()) == number + 1)  # noqa: B023


def test_scan_now_does_not_wait_for_the_rescan(desk, watch, tmp_path, monkeypatch):
    monkeypatch.setattr("services.watch.wakeups.Wakeups.on_any_event", lambda *_: None)
    watcher = watch(WatchedFolder(path=tmp_path))
    until(lambda: watcher.status()[0].state is RootState.WATCHING)
    (tmp_path / "a.wav").write_bytes(b"a")
    watcher.scan_now()
    until(desk.jobs)


def test_a_root_that_goes_and_comes_back(desk, watch, tmp_path):
    inbox = tmp_path / "inbox"
    watcher = watch(WatchedFolder(path=inbox))
    until(lambda: watcher.status()[0].state is RootState.MISSING)
    assert f"{inbox} is not there" in watcher.status()[0].problems[0]
    for round in range(2):
        inbox.mkdir()
        (inbox / f"{round}.wav").write_bytes(b"%d" % round)
        until(lambda: len(desk.jobs()) == round + 1)  # noqa: B023
        inbox.rename(tmp_path / f"unplugged-{round}")
        until(lambda: watcher.status()[0].state is RootState.MISSING)


def test_two_roots_of_one_owner_take_the_same_file_once(desk, watch, tmp_path):
    folders = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(b"same")
        folders.append(WatchedFolder(path=tmp_path / name, after="delete"))
    watcher = watch(*folders)
    until(lambda: sum(status.taken for status in watcher.status()) == 3)
    assert len(desk.jobs()) == 1
    desk.finish()
    until(lambda: not any(tree(tmp_path / name) for name in ("one", "two", "three")))


def test_a_round_that_fails_is_said_and_tried_again(desk, watch, tmp_path, monkeypatch):
    real, failing = Memory.known, threading.Event()
    failing.set()

    def known(self, root):
        if failing.is_set():
            raise OSError("the store is away")
        return real(self, root)

    monkeypatch.setattr(Memory, "known", known)
    (tmp_path / "a.wav").write_bytes(b"a")
    watcher = watch(WatchedFolder(path=tmp_path))
    until(lambda: "the store is away" in "".join(watcher.status()[0].problems))
    failing.clear()
    until(desk.jobs)
    until(lambda: watcher.status()[0].problems == ())


def test_a_root_that_hangs_holds_up_no_other(desk, watch, tmp_path, monkeypatch):
    real, go_on = Root.look, threading.Event()

    def look(self, tick):
        if self.folder.path.name == "slow":
            go_on.wait(30)
        return real(self, tick)

    monkeypatch.setattr(Root, "look", look)
    for name in ("slow", "quick"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(name.encode())
    watch(*(WatchedFolder(path=tmp_path / name) for name in ("slow", "quick")))
    until(desk.jobs)
    assert [job.path.read_bytes() for job in desk.jobs()] == [b"quick"]
    go_on.set()
    until(lambda: len(desk.jobs()) == 2)


def test_stopped_in_the_middle_of_a_burst_and_started_again(desk, watch, tmp_path, monkeypatch):
    monkeypatch.setattr("services.watch.intake.MOST_FILES", 20)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(100):
        (inbox / f"{number}.wav").write_bytes(b"%d" % number)
    first = watch(WatchedFolder(path=inbox))
    until(desk.jobs)
    first.stop()
    some = len(desk.jobs())
    second = watch(WatchedFolder(path=inbox))
    until(lambda: some + second.status()[0].taken == 100)
    assert len(desk.jobs()) == 100
    assert len({job.sha256 for job in desk.jobs()}) == 100
    assert {job.state for job in desk.jobs()} == {State.QUEUED}


def test_started_and_stopped_fifty_times_without_growth(desk, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"a")
    before = threading.active_count()
    for number in range(50):
        folder = WatchedFolder(path=tmp_path, exclude=["data"], polling=number % 2 == 0)
        watcher = Watcher([folder], desk, desk.url, still_seconds=0.01)
        watcher.start()
        watcher.stop()
    assert threading.active_count() == before
