"""A restore that one process asks for and another carries out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.errors import LibraryError
from services.library.restoring import RestoreRequest, carry_out


def test_what_was_asked_for_is_done_once_and_answered(tmp_path):
    request = RestoreRequest(tmp_path, Path("all.arrow"))
    assert not request.is_done()
    done: list[Path] = []
    assert carry_out(tmp_path, done.append) and not carry_out(tmp_path, done.append)
    assert done == [Path("all.arrow").absolute()] and request.is_done()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [(LibraryError("It is no backup."), "It is no backup."), (OSError("gone"), "all.arrow.*gone")],
)
def test_who_asked_learns_why_it_failed(tmp_path, error, said):
    request = RestoreRequest(tmp_path, Path("all.arrow"))

    def restore(_: Path) -> None:
        raise error

    carry_out(tmp_path, restore)
    with pytest.raises(LibraryError, match=said):
        request.is_done()


def test_a_request_that_was_withdrawn_or_that_nobody_waits_for_changes_nothing(tmp_path):
    RestoreRequest(tmp_path, Path("all.arrow")).withdraw()
    done: list[Path] = []
    assert not carry_out(tmp_path, done.append)
    RestoreRequest(tmp_path, Path("all.arrow"))
    (asked,) = tmp_path.iterdir()
    asked.write_text(json.dumps({**json.loads(asked.read_text()), "pid": 2**22 + 1}))
    assert carry_out(tmp_path, done.append) and done == []
