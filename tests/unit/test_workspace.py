import errno
import hashlib
import io
import os
import time
from pathlib import Path

import pytest

from services.errors import DiskFull, FileAccessError
from services.files import operations
from services.files.disk import Room
from services.files.workspace import (
    MARKER,
    Workspace,
    created_at,
    is_unchanged,
    is_workspace,
    remove_workspace,
)
from tests.systems import make_link


def content(workspace: Workspace) -> set[str]:
    return set(os.listdir(workspace.path)) - {MARKER}


def test_the_same_name_with_different_content_never_meets(workspace):
    first = workspace.add("talk.wav", io.BytesIO(b"one"))
    second = workspace.add("talk.wav", io.BytesIO(b"two"))
    assert first.path != second.path
    assert (first.path.read_bytes(), second.path.read_bytes()) == (b"one", b"two")
    assert first.name == second.name == "talk.wav"


def test_the_same_file_twice_is_stored_once(workspace):
    first = workspace.add("talk.wav", io.BytesIO(b"one"))
    assert workspace.add("talk.wav", io.BytesIO(b"one")) == first
    assert content(workspace) == {first.path.name}


def test_a_stored_file_is_named_by_its_hash_and_says_its_size(workspace):
    stored = workspace.add("../Ana's talk.wav", io.BytesIO(b"abc"))
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (stored.sha256, stored.size) == (sha, 3)
    assert stored.path == workspace.path / f"{sha}-Ana's talk.wav"
    assert stored.name == "Ana's talk.wav"


@pytest.mark.skipif(os.name == "nt", reason="there every file is copied")
def test_a_file_on_the_same_disk_is_linked_and_a_later_change_shows(workspace, tmp_path):
    original = tmp_path / "a.wav"
    original.write_bytes(b"before")
    stored = workspace.add_path(original)
    assert stored.path.samefile(original) and is_unchanged(stored.path, stored.sha256)
    original.write_bytes(b"after!")
    assert not is_unchanged(stored.path, stored.sha256)


def test_a_link_survives_its_original(workspace, tmp_path):
    original = tmp_path / "a.wav"
    original.write_bytes(b"sound")
    stored = workspace.add_path(original)
    original.unlink()
    assert stored.path.read_bytes() == b"sound" and is_unchanged(stored.path, stored.sha256)


def test_a_read_only_file_is_copied_and_stays_read_only(workspace, tmp_path):
    original = tmp_path / "a.wav"
    original.write_bytes(b"sound")
    original.chmod(0o444)
    stored = workspace.add_path(original)
    assert not stored.path.samefile(original)
    remove_workspace(workspace.path)
    assert original.stat().st_mode & 0o777 == 0o444


def test_without_links_it_is_copied(workspace, tmp_path, monkeypatch):
    original = tmp_path / "a.wav"
    original.write_bytes(b"sound")

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "")

    monkeypatch.setattr(os, "link", refuse)
    stored = workspace.add_path(original)
    assert stored.path.read_bytes() == b"sound" and not stored.path.samefile(original)


def test_a_whole_copy_that_is_there_is_not_touched_and_a_broken_one_is_replaced(workspace):
    stored = workspace.add("a.wav", io.BytesIO(b"sound"))
    before = stored.path.stat().st_ino
    assert workspace.add("a.wav", io.BytesIO(b"sound")).path.stat().st_ino == before
    stored.path.write_bytes(b"soun")  # damaged behind our back
    assert workspace.add("a.wav", io.BytesIO(b"sound")).path.read_bytes() == b"sound"
    assert content(workspace) == {stored.path.name}


def test_without_room_nothing_is_begun(tmp_path):
    workspace = Workspace.create(Room(tmp_path, reserve=1 << 60))
    with pytest.raises(DiskFull, match="Disk full: .* are needed"):
        workspace.add("a.wav", io.BytesIO(b"sound"), 5)
    assert content(workspace) == set()


def test_the_marker_goes_last(workspace, monkeypatch):
    workspace.add("a.wav", io.BytesIO(b"sound"))

    def locked(path: Path) -> None:
        raise FileAccessError("held")

    monkeypatch.setattr(operations, "unlink", locked)
    with pytest.raises(FileAccessError):
        remove_workspace(workspace.path)
    assert is_workspace(workspace.path)


def test_an_upload_that_breaks_off_leaves_nothing(workspace):
    class Broken(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell():
                raise ConnectionError("gone")
            return super().read(2)

    with pytest.raises(ConnectionError):
        workspace.add("talk.wav", Broken(b"abcdef"))
    assert content(workspace) == set()


def test_a_new_workspace_is_marked_with_its_time(tmp_path):
    before = time.time()
    workspace = Workspace.create(Room(tmp_path / "new" / "root"))
    assert before <= created_at(workspace.path) <= time.time()
    assert workspace.path.is_absolute() and is_workspace(workspace.path)
    assert Workspace.create(Room(tmp_path / "new" / "root")).path != workspace.path


def test_only_a_marked_directory_of_ours_is_a_workspace(workspace, tmp_path):
    (tmp_path / "ws-foreign").mkdir()
    assert not is_workspace(tmp_path / "ws-foreign")
    link = tmp_path / "ws-link"
    make_link(link, workspace.path)
    assert not is_workspace(link)
    named = tmp_path / "other"
    named.mkdir()
    (named / MARKER).write_text("{}")
    assert not is_workspace(named)
    assert not is_workspace(tmp_path / "ws-gone")


def test_what_is_stored_can_be_listed_and_taken_out(workspace):
    first = workspace.add("../Ana's talk.wav", io.BytesIO(b"abc"))
    second = workspace.add("b.pdf", io.BytesIO(b"x"))
    assert sorted(workspace.files(), key=lambda file: file.name) == [first, second]
    workspace.remove(first)
    assert workspace.files() == [second]


def test_a_file_that_comes_piece_by_piece_is_whole_or_not_there(workspace):
    incoming = workspace.receive("../talk.wav")
    incoming.write(b"one ")
    incoming.write(b"two")
    assert workspace.files() == []
    stored = incoming.finish()
    assert (stored.name, stored.size) == ("talk.wav", 7)
    assert stored.path.read_bytes() == b"one two" and workspace.files() == [stored]
    assert stored.sha256 == hashlib.sha256(b"one two").hexdigest()
    incoming.abandon()  # too late: it has its place
    broken = workspace.receive("talk.wav")
    broken.write(b"one ")
    broken.abandon()
    assert [path for path in workspace.path.iterdir() if path.name[0] != "."] == [stored.path]


def test_a_file_for_which_there_is_no_room_any_more_is_dropped(tmp_path):
    workspace = Workspace.create(Room(tmp_path / "temp", limit=10_000))
    incoming = workspace.receive("talk.wav")
    with pytest.raises(DiskFull):
        incoming.write(bytes(10_001))
    incoming.abandon()
    assert workspace.files() == []
