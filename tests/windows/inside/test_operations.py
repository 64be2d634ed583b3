"""File operations against a second program that holds the file."""

from __future__ import annotations

import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.errors import FileAccessError
from services.files import operations
from services.files.retry import is_lock
from tests.windows.inside.conftest import parts_left
from tests.windows.inside.holder import Holder
from tests.windows.inside.sharing import SHARE_ALL, opened

Operation = Callable[[Path], object]


def replace(target: Path) -> None:
    source = target.with_name("newer")
    source.write_bytes(b"new")
    operations.replace(source, target)


def atomic_writer(target: Path) -> None:
    with operations.atomic_writer(target) as handle:
        handle.write(b"new")


def write_atomic(target: Path) -> None:
    operations.write_atomic(target, b"new")


def link_or_copy(target: Path) -> None:
    source = target.with_name("source")
    source.write_bytes(b"new")
    operations.link_or_copy(source, target)


def remove_tree(target: Path) -> None:
    operations.remove_tree(target.parent)


WRITES: list[Operation] = [replace, atomic_writer, write_atomic, link_or_copy]
REMOVALS: list[Operation] = [operations.unlink, remove_tree]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "place" / "result.json"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.usefixtures("patient_retries")
def test_a_write_succeeds_when_the_holder_lets_go(write: Operation, target: Path) -> None:
    with Holder(target) as holder:
        holder.release_after(0.2)
        write(target)
    assert target.read_bytes() == b"new"
    assert not parts_left(target.parent)


@pytest.mark.parametrize("remove", REMOVALS)
@pytest.mark.usefixtures("patient_retries")
def test_a_removal_succeeds_when_the_holder_lets_go(remove: Operation, target: Path) -> None:
    with Holder(target) as holder:
        holder.release_after(0.2)
        remove(target)
    assert not target.exists()


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.usefixtures("quick_retries")
def test_a_write_that_stays_refused_leaves_the_old_file(write: Operation, target: Path) -> None:
    with Holder(target):
        with pytest.raises(FileAccessError, match=r"^File access error: “result\.json”"):
            write(target)
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"old"
    assert not parts_left(target.parent)


@pytest.mark.parametrize("remove", REMOVALS)
@pytest.mark.usefixtures("quick_retries")
def test_a_removal_that_stays_refused_says_so(remove: Operation, target: Path) -> None:
    with Holder(target), pytest.raises(FileAccessError, match="^File access error"):
        remove(target)
    assert target.read_bytes() == b"old"


@pytest.mark.usefixtures("quick_retries")
def test_a_file_that_nobody_else_may_read_is_a_lock(target: Path) -> None:
    with Holder(target, "alone"):
        with pytest.raises(PermissionError) as refused:
            target.read_bytes()
        assert is_lock(refused.value)
        with pytest.raises(FileAccessError):
            operations.sha256_of(target)
    assert operations.sha256_of(target)


@pytest.mark.usefixtures("quick_retries")
def test_a_copy_of_a_file_that_is_open_elsewhere(target: Path) -> None:
    copy = target.with_name("copy")
    with Holder(target):
        operations.link_or_copy(target, copy)
    assert copy.read_bytes() == b"old"
    assert not parts_left(target.parent)


@pytest.mark.usefixtures("quick_retries")
def test_one_file_that_cannot_go_keeps_only_its_own_path(target: Path) -> None:
    other = target.with_name("other")
    other.write_bytes(b"other")
    with Holder(target), pytest.raises(FileAccessError):
        operations.remove_tree(target.parent)
    operations.remove_tree(target.parent)
    assert not target.parent.exists()


def test_read_only_files_are_removed(target: Path) -> None:
    target.chmod(stat.S_IREAD)
    with pytest.raises(PermissionError):
        target.unlink()
    operations.unlink(target)
    assert not target.exists()


def test_a_tree_with_read_only_files_and_directories_is_removed(target: Path) -> None:
    deep = target.parent / "deep" / "deeper"
    deep.mkdir(parents=True)
    for path in (deep / "a.txt", deep.parent / "b.txt"):
        path.write_text("x")
        path.chmod(stat.S_IREAD)
    deep.chmod(stat.S_IREAD)
    with pytest.raises(PermissionError):
        shutil.rmtree(target.parent)
    operations.remove_tree(target.parent)
    assert not target.parent.exists()


def test_a_read_only_file_is_replaced(target: Path) -> None:
    target.chmod(stat.S_IREAD)
    operations.write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert not parts_left(target.parent)


def test_a_link_to_a_read_only_file_is_made_and_removed_alone(target: Path) -> None:
    target.chmod(stat.S_IREAD)
    link = target.with_name("link")
    operations.link_or_copy(target, link)
    operations.unlink(link)
    assert target.read_bytes() == b"old"


@pytest.mark.usefixtures("quick_retries")
def test_a_tree_with_a_pending_delete_is_a_lock_and_goes_later(target: Path) -> None:
    with Holder(target, "delete"):
        # Its name stays in the directory until its last handle is closed.
        try:
            shutil.rmtree(target.parent)
        except OSError as error:
            assert error.winerror in (145, 5)
            with pytest.raises(FileAccessError):
                operations.remove_tree(target.parent)
        else:  # Windows 10 and later delete with POSIX semantics: the name is gone at once
            assert not target.parent.exists()
    operations.remove_tree(target.parent)
    assert not target.parent.exists()


@pytest.mark.usefixtures("patient_retries")
def test_a_tree_with_a_pending_delete_goes_within_the_retries(target: Path) -> None:
    with Holder(target, "delete") as holder:
        holder.release_after(0.2)
        operations.remove_tree(target.parent)
    assert not target.parent.exists()


@pytest.mark.usefixtures("quick_retries")
def test_a_directory_that_is_somebodys_working_directory(target: Path) -> None:
    with Holder(target.parent, "cwd"):
        with pytest.raises(FileAccessError):
            operations.remove_tree(target.parent)
        assert target.parent.is_dir()
    operations.remove_tree(target.parent)
    assert not target.parent.exists()


def test_a_holder_that_shares_everything_is_in_nobodys_way(target: Path) -> None:
    with opened(target, SHARE_ALL):
        operations.unlink(target)
    assert not target.exists()


@pytest.mark.usefixtures("patient_retries")
def test_many_threads_write_one_file_and_it_is_always_whole(target: Path) -> None:
    contents = [bytes([65 + number]) * 50_000 for number in range(4)]
    errors: list[BaseException] = []
    stop = threading.Event()

    def write(content: bytes) -> None:
        try:
            for _ in range(10):
                operations.write_atomic(target, content)
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        try:
            while not stop.wait(0.01):  # as a page polls: one that never lets go starves writers
                with operations.open_to_read(target) as handle:
                    assert handle.read() in (b"old", *contents)
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not errors
    assert target.read_bytes() in contents
    assert not parts_left(target.parent)
