import errno
import io
import os
import re
import tempfile
from pathlib import Path

import pytest

from services.errors import DiskFull, FileAccessError
from services.files import operations, retry
from tests.systems import make_link

pytestmark = pytest.mark.usefixtures("quick_retries")


IN_THE_WAY = (OSError, FileAccessError)
"""What a directory in the place of a file raises: Windows calls that a refused access."""


def windows_error(number: int) -> OSError:
    error = PermissionError(errno.EACCES, "in the user's language")
    error.winerror = number
    return error


class Failing:
    """An action that raises the given errors, one a call, and then returns."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("number", [5, 32, 33, 145])
def test_windows_locks_are_known_by_number(number):
    assert retry.is_lock(windows_error(number))


@pytest.mark.parametrize("number", [2, 3, 112, 206])
def test_other_windows_errors_are_no_locks_whatever_their_errno(number):
    assert not retry.is_lock(windows_error(number))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY, errno.ENOTEMPTY])
def test_posix_locks_are_known_by_number(number):
    assert retry.is_lock(OSError(number, ""))


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, ""), ValueError("locked")])
def test_other_errors_are_no_locks(error):
    assert not retry.is_lock(error)


def test_a_lock_that_passes_is_outlasted():
    action = Failing(windows_error(32), OSError(errno.EBUSY, ""))
    assert retry.retrying(action, Path("a.wav")) == "done"
    assert action.calls == 3


def test_a_lock_that_stays_is_a_file_access_error_that_names_the_file():
    action = Failing(*[windows_error(32)] * 9)
    with pytest.raises(FileAccessError, match="“a.wav” is held by another program") as caught:
        retry.retrying(action, Path("/x/a.wav"))
    assert action.calls == 3
    assert caught.value.__cause__.winerror == 32


def test_the_pauses_between_tries_are_those_that_were_set(monkeypatch):
    slept = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    retry.set_retry_waits((0.25, 4.0))
    with pytest.raises(FileAccessError):
        retry.retrying(Failing(*[windows_error(5)] * 9), Path("a"))
    assert slept == [0.25, 4.0]


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone"), KeyError("x")])
def test_other_errors_come_out_at_once(error):
    action = Failing(error)
    with pytest.raises(type(error)):
        retry.retrying(action, Path("a"))
    assert action.calls == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_own_error_at_once(number):
    action = Failing(OSError(number, ""))
    path = Path("/data/a.wav")
    with pytest.raises(DiskFull, match=re.escape(f"no room to write “a.wav” in {path.parent}")):
        retry.retrying(action, path)
    assert action.calls == 1


def test_write_atomic_makes_directories_and_replaces(tmp_path):
    target = tmp_path / "a" / "b" / "c.txt"
    operations.write_atomic(target, "grüße")
    operations.write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(target.parent) == ["c.txt"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.EIO, "")])
def test_a_writer_that_fails_leaves_the_old_file_and_no_part(tmp_path, error):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(type(error)), operations.atomic_writer(target) as handle:
        handle.write(b"half of the n")
        raise error
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.json"]


class FullDisk(io.FileIO):
    """A file on a disk without room for a byte."""

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_fits_into_a_buffer_is_missed_on_a_full_disk_too(tmp_path, monkeypatch):
    def make(dir, prefix, suffix, delete):
        return io.BufferedWriter(FullDisk(str(Path(dir) / f"{prefix}1{suffix}"), "w"))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", make)
    with pytest.raises(DiskFull, match="“small.json”"):  # at the flush, and once more at the close
        operations.write_atomic(tmp_path / "small.json", "{}")
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_for_one_more_file_is_full(tmp_path, monkeypatch):
    def make(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", make)
    with pytest.raises(DiskFull, match="“small.json”"):
        operations.write_atomic(tmp_path / "small.json", "{}")


def test_a_writer_on_a_full_disk_says_so(tmp_path):
    with pytest.raises(DiskFull), operations.atomic_writer(tmp_path / "x") as handle:
        handle.write(b"a")
        raise OSError(errno.ENOSPC, "")
    assert os.listdir(tmp_path) == []


def test_a_target_that_cannot_be_replaced_leaves_no_part(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(IN_THE_WAY), operations.atomic_writer(target) as handle:
        handle.write(b"a")
    assert os.listdir(tmp_path) == ["taken"]


def test_nothing_shows_under_the_name_before_the_end(tmp_path):
    with operations.atomic_writer(tmp_path / "x") as handle:
        handle.write(b"a")
        handle.flush()
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").read_bytes() == b"a"


def test_remove_tree_removes_all_and_takes_gone_for_done(tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep" / "deeper").mkdir(parents=True)
    (tree / "deep" / "file").write_text("x")
    operations.remove_tree(tree)
    operations.remove_tree(tree)
    assert os.listdir(tmp_path) == []


def test_remove_tree_refuses_a_link_and_does_not_follow_one_inside(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("x")
    alias = tmp_path / "link"
    make_link(alias, other)
    with pytest.raises(FileAccessError, match="link"):
        operations.remove_tree(alias)
    tree = tmp_path / "tree"
    tree.mkdir()
    make_link(tree / "link", other)
    operations.remove_tree(tree)
    assert (other / "precious").read_text() == "x" and not tree.exists() and alias.is_symlink()


def test_unlink_takes_gone_for_done(tmp_path):
    path = tmp_path / "x"
    path.write_text("x")
    operations.unlink(path)
    operations.unlink(path)
    assert not path.exists()


def test_link_or_copy_gives_the_content_that_outlives_its_source(tmp_path):
    source, target = tmp_path / "source", tmp_path / "a" / "target"
    source.write_bytes(b"sound")
    operations.link_or_copy(source, target)
    operations.link_or_copy(source, target)  # again: nothing to do
    source.unlink()
    assert target.read_bytes() == b"sound"
    assert os.listdir(target.parent) == ["target"]


def test_link_or_copy_replaces_what_was_there(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    operations.link_or_copy(source, target)
    assert target.read_bytes() == b"new" and source.exists()


def test_link_or_copy_copies_where_links_are_impossible(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "")

    monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"sound" * 1_000_000)
    operations.link_or_copy(source, target)
    assert target.read_bytes() == source.read_bytes() and not target.samefile(source)


def test_link_or_copy_leaves_no_part_when_the_target_is_in_the_way(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"sound")
    target.mkdir()
    with pytest.raises(IN_THE_WAY):
        operations.link_or_copy(source, target)
    assert sorted(os.listdir(tmp_path)) == ["source", "target"]


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert operations.sha256_of(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_only_old_parts_are_discarded(tmp_path):
    for name in ("old", "new"):
        (tmp_path / f"{operations.PART}{name}").write_text("half")
    (tmp_path / "talk.txt").write_text("whole")
    os.utime(tmp_path / f"{operations.PART}old", (1, 1))
    operations.discard_parts(tmp_path, before=1000.0)
    operations.discard_parts(tmp_path / "gone", before=1000.0)
    assert sorted(os.listdir(tmp_path)) == [f"{operations.PART}new", "talk.txt"]


def test_move_gives_a_file_another_name_and_place(tmp_path):
    source, target = tmp_path / "a.wav", tmp_path / "done" / "sub" / "a.wav"
    source.write_text("sound")
    operations.move(source, target)
    assert target.read_text() == "sound" and not source.exists()
    assert target.stat().st_nlink == 1


@pytest.mark.parametrize("links", [True, False])
def test_move_overwrites_nothing(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_text("new")
    target.write_text("old")
    with pytest.raises(FileExistsError):
        operations.move(source, target)
    assert (source.read_text(), target.read_text()) == ("new", "old")
    operations.move(source, tmp_path / "c.wav")
    assert sorted(os.listdir(tmp_path)) == ["b.wav", "c.wav"]


@pytest.mark.skipif(os.name == "nt", reason="there a move is one step")
def test_move_finishes_what_a_crash_cut_short(tmp_path):
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_text("sound")
    target.hardlink_to(source)
    operations.move(source, target)
    assert os.listdir(tmp_path) == ["b.wav"]


def refuse_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "no links on this file system")


def test_what_is_staged_is_whole_or_gone(tmp_path, monkeypatch):
    target, synced = tmp_path / "new" / "staged.json", []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), fsync(number)))
    with operations.staging_writer(target) as handle:
        handle.write(b"whole")
    assert target.read_bytes() == b"whole" and len(synced) == 1
    with pytest.raises(ValueError), operations.staging_writer(target) as handle:
        handle.write(b"half")
        raise ValueError
    assert not target.exists()


def test_a_full_disk_is_said_of_what_is_staged(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    target = tmp_path / "staged.json"
    with pytest.raises(DiskFull), operations.staging_writer(target) as handle:
        handle.write(b"x")
    assert not target.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows gives directories their parent's rights")
def test_a_private_directory_is_for_its_user_alone_and_one_that_is_there_stays(tmp_path):
    private, there = tmp_path / "a" / "data", tmp_path / "there"
    operations.make_private_dir(private)
    assert private.stat().st_mode & 0o777 == 0o700
    there.mkdir()
    there.chmod(0o750)
    operations.make_private_dir(there)
    assert there.stat().st_mode & 0o777 == 0o750
    (tmp_path / "file").touch()
    operations.make_private_dir(tmp_path / "file" / "data")  # who writes there says so
