"""Watched folders on Windows: who still has a file open, what cannot be moved, roots that go."""

from __future__ import annotations

import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.files import operations
from services.files.exclusive import in_use
from services.watch import watcher as watching
from services.watch.folder import WatchedFolder
from services.watch.root import RootState
from services.watch.watcher import Watcher
from tests.watching import STILL, Desk, taken, tree
from tests.windows.inside.conftest import until
from tests.windows.inside.holder import SHARED, Holder

pytestmark = pytest.mark.usefixtures("quick_retries")

SHARING_VIOLATION = 32
MODES = ("open", "alone", SHARED)
"""How a second program has a file open; see `Holder`."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


# --- as everybody writes it -----------------------------------------------------------


def test_naively_a_file_whose_size_stands_still_is_taken_half(inbox: Path, tmp_path: Path) -> None:
    """Explorer gives a copy its full size at once, and its content afterwards."""
    path = inbox / "a.wav"
    with path.open("wb") as writer:
        writer.truncate(8)
        writer.write(b"half")
        writer.flush()
        assert path.stat().st_size == path.stat().st_size == 8
        shutil.copyfile(path, tmp_path / "copy")
        with pytest.raises(PermissionError) as refused:
            path.rename(tmp_path / "moved")
        writer.write(b"done")
    assert (tmp_path / "copy").read_bytes() == b"half\0\0\0\0"
    assert refused.value.winerror == SHARING_VIOLATION


# --- taking ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_file_that_somebody_has_open_is_not_taken(desk: Desk, inbox: Path, mode: str) -> None:
    path = inbox / "a.wav"
    path.write_bytes(b"sound")
    root = desk.root(inbox)
    assert not in_use(path)
    with Holder(path, mode):
        assert in_use(path)
        for round_ in range(4):
            root.look(round_ * STILL)
        assert desk.jobs() == []
        status = root.status(False, None)
        assert (status.waiting, status.problems) == (1, ())
    taken(root, 100.0)
    assert desk.names() == ["a.wav"]


def test_a_slow_writer_is_taken_whole(desk: Desk, inbox: Path) -> None:
    root = desk.root(inbox)
    with (inbox / "a.wav").open("wb") as writer:
        writer.truncate(8)
        writer.write(b"half")
        writer.flush()
        for round_ in range(3):
            root.look(round_ * STILL)
        writer.write(b"done")
    taken(root, 100.0)
    (job,) = desk.jobs()
    assert job.path.read_bytes() == b"halfdone"


def test_asking_works_for_read_only_and_long_names_and_leaves_no_handle(tmp_path: Path) -> None:
    path = tmp_path / "read-only.wav"
    path.write_bytes(b"x")
    path.chmod(stat.S_IREAD)
    long = tmp_path / ("d" * 100) / ("e" * 100) / ("f" * 100 + ".wav")
    operations.write_atomic(long, b"x")
    for one in (path, long):
        assert not in_use(one)
    with pytest.raises(FileNotFoundError):
        in_use(tmp_path / "gone.wav")
    operations.unlink(path)
    operations.remove_tree(tmp_path / ("d" * 100))
    assert list(tmp_path.glob("[rd]*.wav")) == []


def test_names_of_ours_and_of_programs_are_left_alone(desk: Desk, inbox: Path) -> None:
    root = desk.root(inbox, after="move", include=["*"])
    with operations.atomic_writer(inbox / "result.wav") as writer:
        writer.write(b"half")
        writer.flush()
        (part,) = inbox.iterdir()
        assert part.name.startswith(operations.PART)
        for name in ("~$report.pdf", "talk.wav.crdownload", "Thumbs.db", "a.tmp"):
            (inbox / name).write_bytes(b"x")
        for name in ("done", "failed"):
            (inbox / name).mkdir()
            (inbox / name / "old.wav").write_bytes(b"old")
        taken(root)
        assert desk.jobs() == []
        assert root.status(False, None).waiting == 0
    taken(root, 100.0)
    assert desk.names() == ["result.wav"]


@pytest.mark.usefixtures("max_path")
@pytest.mark.parametrize("after", ["move", "delete"])
def test_paths_over_260_characters(desk: Desk, inbox: Path, tmp_path: Path, after: str) -> None:
    name = "/".join([letter * 75 for letter in "defg"]) + ".wav"
    operations.write_atomic(inbox / name, b"sound")
    root = desk.root(inbox, after=after, output=tmp_path / "out")
    taken(root)
    desk.finish()
    root.conclude()
    assert root.status(False, None).problems == ()
    assert not operations.extended(inbox / name).exists()
    moved = operations.extended(inbox / "done" / name)
    assert moved.exists() == (after == "move")
    text = operations.extended(tmp_path / "out" / name).with_suffix(".txt")
    assert text.read_bytes() == b"one two: sound\n"


@pytest.mark.real_windows  # Wine 8 makes no junctions
def test_a_junction_is_not_followed(desk: Desk, inbox: Path, tmp_path: Path) -> None:
    import _winapi

    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.wav").write_bytes(b"x")
    _winapi.CreateJunction(str(outside), str(inbox / "link"))
    taken(desk.root(inbox))
    assert desk.jobs() == []


# --- afterwards -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after", ["move", "delete"])
def test_a_held_file_is_moved_or_deleted_once_it_is_free(
    desk: Desk, inbox: Path, monkeypatch: pytest.MonkeyPatch, after: str, mode: str
) -> None:
    (inbox / "a.wav").write_bytes(b"a")
    root = desk.root(inbox, after=after)
    now = 1000.0
    monkeypatch.setattr(root, "_clock", lambda: now)
    taken(root)
    desk.finish()
    with Holder(inbox / "a.wav", mode):
        for _ in range(3):
            root.conclude()
            now += 3600.0
        status = root.status(False, None)
        assert status.in_work == 1
        assert status.problems[0].startswith("File access error: “a.wav”")
    assert tree(inbox) == {"a.wav": b"a"}
    now += 4000.0
    root.conclude()
    assert tree(inbox) == ({"done/a.wav": b"a"} if after == "move" else {})
    assert root.status(False, None).problems == ()


def test_a_file_that_is_grabbed_in_the_last_moment_is_moved_later(
    desk: Desk, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has it open when we ask, and then somebody has: the rename itself is refused."""
    (inbox / "a.wav").write_bytes(b"a")
    root = desk.root(inbox, after="move")
    now = 1000.0
    monkeypatch.setattr(root, "_clock", lambda: now)
    monkeypatch.setattr("services.watch.conclusion.in_use", lambda path: False)
    taken(root)
    desk.finish()
    with Holder(inbox / "a.wav"):
        root.conclude()
        assert root.status(False, None).problems[0].startswith("File access error: “a.wav” is held")
    now += 60.0
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"a"}


def test_a_move_never_overwrites(desk: Desk, inbox: Path) -> None:
    root = desk.root(inbox, after="move")
    (inbox / "done").mkdir()
    (inbox / "done" / "A.WAV").write_bytes(b"somebody's")
    (inbox / "a.wav").write_bytes(b"a")
    taken(root)
    desk.finish()
    root.conclude()
    assert tree(inbox) == {"done/A.WAV": b"somebody's", "done/a (2).wav": b"a"}


def test_held_results_are_written_once_they_are_free(
    desk: Desk, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = inbox / "a.wav", tmp_path / "out" / "a.txt"
    root = desk.root(inbox, output=tmp_path / "out")
    now = 1000.0
    monkeypatch.setattr(root, "_clock", lambda: now)
    path.write_bytes(b"first")
    taken(root)
    desk.finish()
    root.conclude()
    path.write_bytes(b"second")
    taken(root, 100.0)
    desk.finish()
    with Holder(written):
        root.conclude()
        assert root.status(False, None).problems[0].startswith("File access error: “a.txt” is held")
        assert written.read_text() == "one two: first\n"
    now += 60.0
    root.conclude()
    assert tree(tmp_path / "out") == {"a.txt": b"one two: second\n"}


# --- with its thread ------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "CONCLUDE_SECONDS", 0.05)
    monkeypatch.setattr(watching, "ROOT_SECONDS", 0.1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("polling", ["auto", True])
def test_windows_tells_of_a_new_file(desk: Desk, inbox: Path, polling: bool | str) -> None:
    folder = WatchedFolder(path=inbox, after="move", polling=polling)
    watcher = Watcher([folder], desk, desk.url, 0.2, 3600.0, 0.05)  # type: ignore[arg-type]
    watcher.start()
    try:
        until(lambda: watcher.status()[0].state is RootState.WATCHING)
        (inbox / "sub").mkdir()
        (inbox / "sub" / "a.wav").write_bytes(b"a")
        until(lambda: len(desk.jobs()) == 1)
        desk.finish()
        # Not by reading it: who looks into a file has it open, and it waits.
        until(lambda: watcher.status()[0].in_work == 0)
        assert watcher.status()[0].polling == (polling is True), "a fixed drive needs no polling"
    finally:
        watcher.stop()
    assert tree(inbox) == {"done/sub/a.wav": b"a"}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "polling",
    [
        True,
        # Wine 8 keeps a removed directory for as long as the observer has its handle.
        pytest.param(False, marks=pytest.mark.real_windows),
    ],
)
def test_a_root_that_is_removed_is_reported_and_taken_up_again(
    desk: Desk, inbox: Path, polling: bool
) -> None:
    before = threading.active_count()
    folder = WatchedFolder(path=inbox, polling=polling)
    watcher = Watcher([folder], desk, desk.url, 0.2, 3600.0, 0.05)  # type: ignore[arg-type]
    watcher.start()
    try:
        for round_ in range(2):
            inbox.mkdir(exist_ok=True)
            (inbox / f"{round_}.wav").write_bytes(b"%d" % round_)
            until(lambda: len(desk.jobs()) == round_ + 1)  # noqa: B023
            # We keep nothing in it open: it can be removed at once.
            operations.remove_tree(inbox)
            until(lambda: watcher.status()[0].state is RootState.MISSING)
            assert "is not there" in watcher.status()[0].problems[0]
    finally:
        watcher.stop()
    assert threading.active_count() == before
