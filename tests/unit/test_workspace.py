import io
import os
import time

import pytest

from services.files.workspace import MARKER, Workspace, is_workspace


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


def test_add_path_copies_so_that_a_later_change_does_not_matter(workspace, tmp_path):
    original = tmp_path / "a.wav"
    original.write_bytes(b"before")
    stored = workspace.add_path(original)
    original.write_bytes(b"after!")
    assert stored.path.read_bytes() == b"before"


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
    workspace = Workspace.create(tmp_path / "new" / "root")
    assert before <= workspace.created <= time.time()
    assert workspace.path.is_absolute() and is_workspace(workspace.path)
    assert Workspace.create(tmp_path / "new" / "root").path != workspace.path


def test_only_a_marked_directory_of_ours_is_a_workspace(workspace, tmp_path):
    (tmp_path / "ws-foreign").mkdir()
    assert not is_workspace(tmp_path / "ws-foreign")
    link = tmp_path / "ws-link"
    link.symlink_to(workspace.path)
    assert not is_workspace(link)
    named = tmp_path / "other"
    named.mkdir()
    (named / MARKER).write_text("{}")
    assert not is_workspace(named)
    assert not is_workspace(tmp_path / "ws-gone")
