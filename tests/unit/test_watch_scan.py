import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.files.operations import PART
from services.watch.folder import WatchedFolder
from services.watch.names import Patterns, is_temporary
from services.watch.scan import Found, look_at, scan
from services.watch.stillness import Stillness


def found(root: Path, **settings) -> list[str]:
    problems: dict[str, OSError] = {}
    files = scan(WatchedFolder(path=root, **settings), problems.__setitem__)
    names = sorted(file.path for file in files)
    assert problems == {}
    return names


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.mark.parametrize(
    "name",
    [
        *("talk.wav.part", "talk.mp3.crdownload", "~$report.pdf", "talk.wav.tmp", ".talk.wav.Xy12"),
        *(".syncthing.talk.wav.tmp", "~syncthing~talk.wav.tmp", ".~lock.a.pdf#", "._talk.wav"),
        *("talk.wav.filepart", "a.wav~", "talk.wav.!sync", "Thumbs.db", "TALK.WAV.PARTIAL"),
        *("talk.wav.sb-1a2b3c4d-ABCDEF", "$RECYCLE.BIN", "@eaDir", f"{PART}x.tmp", "a.aria2"),
    ],
)
def test_names_of_programs_are_left_alone(name):
    assert is_temporary(name)
    assert not Patterns(include=["*"]).takes(PurePosixPath(name))


@pytest.mark.parametrize("name", ["talk.wav", "part.wav", "tmp.pdf", "Thumbs up.mp3", "a.tmp.wav"])
def test_names_of_people_are_not(name):
    assert not is_temporary(name)


def test_the_kinds_that_we_read_are_taken_by_default(tmp_path):
    write(tmp_path, "a.wav", "B.MP4", "c.pdf", "d.txt", "e", "sub/deep/f.m4a", ".hidden/g.wav")
    assert found(tmp_path) == ["B.MP4", "a.wav", "c.pdf", "sub/deep/f.m4a"]
    assert found(tmp_path, recursive=False) == ["B.MP4", "a.wav", "c.pdf"]


def test_patterns_include_and_exclude(tmp_path):
    write(tmp_path, "a.wav", "a.pdf", "notes.TXT", "drafts/b.wav", "x/drafts/c.wav", "x/keep/d.wav")
    assert found(tmp_path, include=["*.txt", "*.pdf"]) == ["a.pdf", "notes.TXT"]
    assert found(tmp_path, exclude=["drafts"]) == ["a.pdf", "a.wav", "x/keep/d.wav"]
    assert found(tmp_path, exclude=["drafts/"]) == ["a.pdf", "a.wav", "x/keep/d.wav"]
    assert found(tmp_path, exclude=["x/*", "*.pdf"]) == ["a.wav", "drafts/b.wav"]
    assert found(tmp_path, include=["x/*/d.*"]) == ["x/keep/d.wav"]


def test_done_and_failed_are_no_input_where_files_are_moved_there(tmp_path):
    write(tmp_path, "a.wav", "done/b.wav", "failed/c.wav", "sub/done/d.wav")
    assert found(tmp_path, after="move") == ["a.wav", "sub/done/d.wav"]
    assert found(tmp_path) == ["a.wav", "done/b.wav", "failed/c.wav", "sub/done/d.wav"]


@pytest.mark.skipif(os.name == "nt", reason="links need a right there; see tests/windows")
def test_no_link_is_followed(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, "a.wav", "sub/b.wav")
    write(outside, "secret.wav")
    (root / "link.wav").symlink_to(outside / "secret.wav")
    (root / "out").symlink_to(outside)
    (root / "sub" / "circle").symlink_to(root)
    os.mkfifo(root / "pipe.wav")
    assert found(root) == ["a.wav", "sub/b.wav"]
    assert look_at(WatchedFolder(path=root), "link.wav") is None
    assert look_at(WatchedFolder(path=root), "pipe.wav") is None


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_found(tmp_path, monkeypatch):
    write(tmp_path, "a.wav", "locked/b.wav", "sub/c.wav")
    real = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    problems: dict[str, OSError] = {}
    files = [f.path for f in scan(WatchedFolder(path=tmp_path), problems.__setitem__)]
    assert files == ["a.wav", "sub/c.wav"] and list(problems) == ["locked"]


def test_a_root_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(scan(WatchedFolder(path=tmp_path / "gone"), lambda *_: None))


STEPS = st.lists(
    st.tuples(st.floats(0.01, 4.0), st.one_of(st.none(), st.integers(0, 3))), max_size=30
)
"""Looks at one file: the time since the last one, and its size, or None when it is not there."""


@given(STEPS)
def test_a_file_is_still_exactly_when_it_did_not_change_for_so_long(steps):
    tracker, now, seen = Stillness(5.0), 0.0, []
    for pause, size in steps:
        now += pause
        files = [] if size is None else [Found("a.wav", size, size)]
        still = tracker.observe(files, now)
        seen.append((now, size))
        same_since = now
        for then, before in reversed(seen):
            if before != size:
                break
            same_since = then
        assert bool(still) == (bool(size) and same_since + 5.0 <= now)
        due = tracker.next_due()
        assert due == (same_since + 5.0 if size else None)


def test_of_many_the_oldest_come_first():
    tracker = Stillness(5.0)
    files = [Found("b", 1, 3), Found("c", 1, 1), Found("a", 1, 3)]
    assert tracker.observe(files, 0.0) == []
    assert [f.path for f in tracker.observe(files, 5.0)] == ["c", "a", "b"]
    tracker.restart("c", 5.0)
    tracker.restart("a", 5.0, pause=60.0)
    tracker.drop("b")
    assert [f.path for f in tracker.observe(files[1:], 10.0)] == ["c"]
    assert [f.path for f in tracker.observe(files[1:], 70.0)] == ["c", "a"]
