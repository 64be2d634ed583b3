"""Names and paths that Windows refuses or changes, in real files."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from services.files import archive, operations
from services.files.disk import Room
from services.files.names import clean_name
from services.files.workspace import Workspace, is_workspace

NAMES = [
    "con",
    "CON.txt",
    "nul.pdf",
    "aux.tar.gz",
    "com1",
    "lpt9.wav",
    "COM².mp3",
    "conin$",
    "a.",
    "a. . .",
    "a ",
    " a .pdf ",
    "..",
    "...",
    ".",
    "x" * 300,
    "x" * 300 + ".pdf",
    "name." + "x" * 300,
    "😀.pdf",
    "😀" * 100 + ".pdf",
    "e\u0301" * 120 + ".wav",
    "a\ud800.pdf",
    'a<b>c:d"e/f\\g|h?i*j.pdf',
    "C:\\Users\\ana\\talk.mp3",
    "file.pdf:stream",
    "tab\there\nline.pdf",
    "abc\u202efdp.exe",
    "日本語の会議.m4a",
]


def label(name: str) -> str:
    return ascii(name[:20])


@pytest.mark.parametrize("name", NAMES, ids=label)
def test_a_cleaned_name_is_a_file_under_exactly_that_name(name: str, tmp_path: Path) -> None:
    cleaned = clean_name(name)
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / cleaned).write_bytes(b"content")
    # Windows would drop a trailing dot in silence, and write to a device of that name.
    assert os.listdir(tmp_path / "place") == [cleaned]


@pytest.mark.parametrize("name", NAMES, ids=label)
def test_an_upload_of_any_name_is_stored_and_read_back(name: str, workspace: Workspace) -> None:
    stored = workspace.add(name, io.BytesIO(b"content"))
    assert stored.path.read_bytes() == b"content"
    assert stored.path.name in os.listdir(workspace.path)
    assert stored.sha256 == hashlib.sha256(b"content").hexdigest()
    assert stored.name.strip()


def test_names_that_differ_only_in_case_do_not_meet(workspace: Workspace) -> None:
    upper = workspace.add("TALK.WAV", io.BytesIO(b"one"))
    lower = workspace.add("talk.wav", io.BytesIO(b"two"))
    assert (upper.path.read_bytes(), lower.path.read_bytes()) == (b"one", b"two")


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A directory whose path is longer than MAX_PATH, not made yet."""
    path = tmp_path
    while len(str(path)) < 400:
        path = path / ("d" * 50)
    return path


@pytest.mark.usefixtures("max_path")
def test_a_file_at_a_long_path_is_written_read_and_removed(deep: Path) -> None:
    target = deep / "result.json"
    operations.write_atomic(target, "text")
    assert operations.open_to_read(target).read() == b"text"
    operations.write_atomic(target, "newer")
    assert operations.sha256_of(target) == hashlib.sha256(b"newer").hexdigest()
    operations.link_or_copy(target, deep / "copy.json")
    operations.unlink(target)
    assert [path.name for path in operations.extended(deep).iterdir()] == ["copy.json"]


@pytest.mark.usefixtures("max_path")
def test_a_tree_with_long_paths_is_removed(tmp_path: Path, deep: Path) -> None:
    top = tmp_path / deep.relative_to(tmp_path).parts[0]
    operations.write_atomic(deep / "file.txt", "text")
    operations.remove_tree(top)
    assert not top.exists()


@pytest.mark.usefixtures("max_path")
def test_a_long_path_that_ends_below_the_limit_and_goes_on_above(tmp_path: Path) -> None:
    # MAX_PATH counts whole paths: the directory fits, the stored name of a file in it does not.
    parent = tmp_path / ("p" * max(1, 225 - len(str(tmp_path))))
    target = parent / ("n" * 120)
    operations.write_atomic(target, "text")
    operations.remove_tree(parent)
    assert not parent.exists()


@pytest.mark.usefixtures("max_path")
def test_the_limit_of_windows_is_in_force(deep: Path) -> None:
    with pytest.raises(FileNotFoundError):
        deep.mkdir()


@pytest.mark.usefixtures("max_path")
def test_an_archive_with_long_paths_is_unpacked(checkpoint: Path, tmp_path: Path) -> None:
    inside = "/".join(["d" * 50] * 5) + "/config.yaml"
    with tarfile.open(checkpoint, "a") as content:
        content.add(__file__, inside)
    unpacked = archive.unpack_once(checkpoint, tmp_path / "models")
    with operations.open_to_read(unpacked / inside) as config:
        assert config.read()


@pytest.mark.usefixtures("max_path")
def test_a_workspace_at_a_long_path(deep: Path) -> None:
    workspace = Workspace.create(Room(deep))
    stored = workspace.add("talk.wav", io.BytesIO(b"content"))
    with operations.open_to_read(stored.path) as handle:
        assert handle.read() == b"content"
    assert is_workspace(workspace.path)


@pytest.mark.real_windows  # Wine 8 makes no junctions
def test_a_junction_is_never_followed(tmp_path: Path) -> None:
    import _winapi

    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    for directory in (elsewhere, root):
        directory.mkdir()
    (elsewhere / "precious.txt").write_text("x")
    _winapi.CreateJunction(str(elsewhere), str(root / "junction"))
    assert operations.is_link(root / "junction")
    operations.remove_tree(root)
    assert (elsewhere / "precious.txt").exists()
