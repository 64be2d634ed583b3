from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.errors import DiskFull
from services.files import disk
from services.files.disk import COUNT_SECONDS, Room


def test_free_is_asked_of_the_disk_on_which_a_path_would_lie(tmp_path):
    assert disk.free(tmp_path / "not" / "there" / "yet") == pytest.approx(
        disk.free(tmp_path), rel=0.05
    )


def test_used_counts_a_file_with_two_names_once(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"x" * 1000)
    os.link(tmp_path / "a", tmp_path / "inner" / "b")
    (tmp_path / "c").write_bytes(b"x" * 10)
    assert disk.used(tmp_path) == 1010


def test_what_must_stay_free_is_not_given_out(tmp_path):
    free = disk.free(tmp_path)
    assert Room(tmp_path, reserve=free // 2).missing(free // 4) is None
    told = Room(tmp_path, reserve=free // 2).missing(free)
    assert told and told.startswith("Disk full: ") and str(tmp_path) in told
    with pytest.raises(DiskFull, match="Free some space"):
        Room(tmp_path, reserve=2 * free).require(0)


def test_a_limit_counts_what_lies_there_and_what_was_promised(tmp_path):
    now = [0.0]
    (tmp_path / "a").write_bytes(b"x" * 600)
    room = Room(tmp_path, limit=1000, clock=lambda: now[0])
    room.require(300)
    with pytest.raises(DiskFull, match="setting temp_limit_gb"):
        room.require(200)
    # The promise was not kept; the next count finds out.
    now[0] += COUNT_SECONDS
    room.require(200)
    Path(tmp_path / "a").unlink()
    now[0] += COUNT_SECONDS
    room.require(1000)
    assert room.missing(0) is None, "a full limit stops new files, not the work on those there"
