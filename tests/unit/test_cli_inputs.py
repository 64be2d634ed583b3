"""Which files the command line takes, and what it never overwrites."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.inputs import find_inputs
from services.cli.terminal import shorten
from services.exports import unique_stems
from services.files import operations
from services.files.logs import LONGEST, open_log
from tests.systems import make_link


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.wav", "a.PDF", "notes.txt", ".hidden.wav", "deep/c.mp4", ".git/d.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_a_folder_gives_what_can_be_processed_and_is_not_hidden(folder):
    inputs = find_inputs([str(folder)])
    assert [p.relative_to(folder).as_posix() for p in inputs.files] == [
        "a.PDF",
        "b.wav",
        "deep/c.mp4",
    ]
    assert [p.name for p in inputs.skipped] == ["notes.txt"] and not inputs.missing


def test_what_cameras_and_older_programs_write_is_found_in_a_folder(tmp_path):
    names = ["a.MTS", "b.m2ts", "c.wmv", "d.flv", "e.m4b", "f.mp2", "g.au", "h.aifc", "i.3g2"]
    for name in [*names, "code.ts"]:
        (tmp_path / name).touch()
    inputs = find_inputs([str(tmp_path)])
    assert [file.name for file in inputs.files] == names
    assert [p.name for p in inputs.skipped] == ["code.ts"], (
        "what ends with .ts is TypeScript more often than television"
    )


def test_a_file_that_is_named_is_taken_whatever_it_is_and_once(folder):
    named = [
        str(folder / "notes.txt"),
        str(folder / "b.wav"),
        str(folder / "deep" / ".." / "b.wav"),
    ]
    inputs = find_inputs([*named, str(folder)])
    assert [p.name for p in inputs.files] == ["notes.txt", "b.wav", "a.PDF", "c.mp4"]


def test_patterns_are_expanded_unless_a_file_has_that_name(folder):
    assert [p.name for p in find_inputs([str(folder / "**" / "*.mp4")]).files] == ["c.mp4"]
    assert find_inputs([str(folder / "*.flac")]).missing == [str(folder / "*.flac")]
    odd = folder / "take [1].wav"
    odd.touch()
    assert find_inputs([str(odd)]).files == [odd]


def test_links_that_go_round_are_not_followed(folder):
    for name in ("up", "up again"):
        make_link(folder / "deep" / name, folder)
    assert len(find_inputs([str(folder)]).files) == 3


names = st.sampled_from(
    ["a.wav", "A.mp3", "a (2).wav", "a (2) (2).wav", "a (3).pdf", "b.pdf", ".x"]
)


@given(st.lists(names, max_size=12))
def test_no_two_outputs_have_the_same_name(files):
    stems = unique_stems(files)
    assert len(stems) == len(files) == len({stem.casefold() for stem in stems})


def test_a_name_of_its_own_is_kept():
    assert unique_stems(["a.wav", "a.mp3", "a (2).wav"]) == ["a", "a (3)", "a (2)"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_is_never_written_over_another(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*_: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "talk.srt"
    operations.write_new(target, "ours")
    with pytest.raises(FileExistsError):
        operations.write_new(target, "again")
    assert target.read_text() == "ours"
    assert list(tmp_path.iterdir()) == [target], "nothing is left beside it"


def test_a_long_log_makes_room(tmp_path):
    path = tmp_path / "logs" / "x.log"
    with open_log(path) as log:
        log.write("a" * (LONGEST + 1))
    with open_log(path) as log:
        log.write("new")
    assert path.read_text() == "new"
    assert path.with_suffix(".old.log").stat().st_size == LONGEST + 1


def test_a_long_name_is_shortened_in_its_middle():
    assert shorten("a" * 20 + "b" * 20, 11) == "aaaaa…bbbbb"
    assert shorten("short") == "short"
