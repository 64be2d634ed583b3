from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import FileAccessError
from services.files import operations, retry
from services.files.holders import holders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc, which Linux has")

HOLD = "import sys; handle = open(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def held(tmp_path) -> Iterator[tuple[Path, int]]:
    path = tmp_path / "tree" / "talk.wav"
    path.parent.mkdir()
    path.write_text("sound")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    yield path, process.pid
    process.communicate()


def test_the_process_that_has_a_file_open_is_named(held):
    path, pid = held
    (name,) = holders(path)
    assert name.endswith(f"(process {pid})") and name.startswith("python")
    assert holders(path.parent) == [name], "also for the directory that it lies in"


def test_nobody_is_named_for_a_free_file_or_for_ourselves(tmp_path):
    path = tmp_path / "free.wav"
    path.write_text("sound")
    assert holders(path) == [] == holders(tmp_path / "gone")
    with path.open():
        assert holders(path) == []
    assert f"(process {os.getpid()})" not in str(holders(tmp_path))


def test_the_error_says_who_holds_the_file(held, quick_retries):
    path, pid = held

    def refused() -> None:
        raise PermissionError(13, "denied", str(path))

    with pytest.raises(FileAccessError) as caught:
        retry.retrying(refused, path)
    assert f"(process {pid})" in str(caught.value)
    assert str(caught.value).startswith("File access error: “talk.wav” is held by python")


def test_a_read_only_tree_is_removed(tmp_path):
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "a").write_text("x")
    (tree / "inner" / "a").chmod(0o444)
    (tree / "inner").chmod(0o555)
    operations.remove_tree(tree)
    assert not tree.exists()
