import errno
import threading
from collections.abc import Callable

import pytest
from watchdog.observers import Observer

from services.watch.folder import WatchedFolder
from services.watch.wakeups import Wakeups

PATIENCE = 20.0


@pytest.fixture
def listen(tmp_path):
    """Start to listen in a folder; what is made ends with the test."""
    made = []

    def start(wake: Callable[[], None], **settings) -> Wakeups:
        (tmp_path / "inbox").mkdir(exist_ok=True)
        folder = WatchedFolder(path=tmp_path / "inbox", **settings)
        made.append(Wakeups(folder, wake, poll_seconds=0.05))
        made[-1].keep_up()
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize("polling", [False, True])
def test_a_new_file_wakes_also_deep_inside(listen, tmp_path, polling):
    woken = threading.Event()
    listening = listen(woken.set, polling=polling)
    assert (listening.polling, listening.notice) == (polling, None)
    for name in ("a.wav", "sub/deep/b.wav"):
        woken.clear()
        path = tmp_path / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        assert woken.wait(PATIENCE)


def test_our_own_reading_does_not_wake(listen, tmp_path):
    woken = threading.Event()
    path = tmp_path / "inbox" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(b"x")
    listen(woken.set, polling=False)
    for _ in range(5):
        path.read_bytes()
    assert not woken.wait(0.3)
    path.write_bytes(b"y")  # and it does listen
    assert woken.wait(PATIENCE)


@pytest.mark.parametrize("polling", [False, True])
def test_a_root_that_went_and_came_back_is_listened_to_again(listen, tmp_path, polling):
    woken = threading.Event()
    listening = listen(woken.set, polling=polling)
    root = tmp_path / "inbox"
    root.rename(tmp_path / "unplugged")
    with pytest.raises(FileNotFoundError):
        listening.keep_up()
    assert listening.notice is None
    root.mkdir()
    listening.keep_up()
    woken.clear()
    (root / "a.wav").write_bytes(b"x")
    assert woken.wait(PATIENCE)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "inotify watch limit reached"), RuntimeError("no luck")]
)
def test_where_the_system_refuses_it_is_polled_and_said(listen, tmp_path, monkeypatch, error):
    def refuse(self) -> None:
        raise error

    monkeypatch.setattr(Observer, "start", refuse)
    woken = threading.Event()
    listening = listen(woken.set)
    assert listening.polling and f"({error.args[-1]})" in listening.notice
    (tmp_path / "inbox" / "a.wav").write_bytes(b"x")
    assert woken.wait(PATIENCE)


def test_an_observer_that_died_is_replaced(listen, tmp_path):
    woken = threading.Event()
    listening = listen(woken.set, polling=False)
    observer = listening._observer
    listening.keep_up()
    assert listening._observer is observer
    for emitter in list(observer.emitters):
        emitter.stop()
        emitter.join()
    listening.keep_up()
    assert listening._observer is not observer
    (tmp_path / "inbox" / "a.wav").write_bytes(b"x")
    assert woken.wait(PATIENCE)


def test_listening_again_and_again_leaves_no_thread(listen):
    before = threading.active_count()
    for polling in (False, True):
        listening = listen(lambda: None, polling=polling)
        for _ in range(25):
            listening.stop()
            listening.keep_up()
        listening.stop()
    assert threading.active_count() == before


@pytest.mark.parametrize("asked", ["is_network", "is_removable"])
def test_shares_and_sticks_are_polled(listen, tmp_path, monkeypatch, asked):
    monkeypatch.setattr(f"services.watch.wakeups.{asked}", lambda path: True)
    woken = threading.Event()
    assert listen(woken.set).polling
    (tmp_path / "inbox" / "a.wav").write_bytes(b"x")
    assert woken.wait(PATIENCE)
