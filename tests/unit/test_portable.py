"""Exports and backups of a library."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from services.errors import LibraryError
from services.library.portable import backed_up, backup, export
from tests.unit.test_library import Shelf, source, texts, vector


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path / "library")
    made.put(source("s1", tags=("red",)), "a book", "a page", vectors=[vector(1), vector(0, 1)])
    made.put(source("s2"), "It's “quoted” – ü").result()
    yield made
    made.writer.close()


def test_json_lines_hold_every_passage_without_vectors(shelf, tmp_path):
    target = tmp_path / "out.jsonl"
    assert export(shelf.table, target) == 3
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert sorted(row["text"] for row in rows) == ["It's “quoted” – ü", "a book", "a page"]
    assert rows[0].keys() >= {"source", "page", "tags", "owner"} and "vector_8" not in rows[0]


def test_parquet_holds_the_vectors_too(shelf, tmp_path):
    assert export(shelf.table, tmp_path / "out.parquet") == 3
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 3 and len(table["vector_8"][0]) == 8


def test_another_format_is_refused(shelf, tmp_path):
    with pytest.raises(LibraryError, match=r"must end in .parquet or .jsonl"):
        export(shelf.table, tmp_path / "out.xlsx")


def test_a_backup_is_put_back_while_it_is_searched(shelf, tmp_path):
    target = tmp_path / "library.arrow"
    assert backup(shelf.table, target) == 3
    before = shelf.table.keys()
    shelf.put(source("s1"), "something else").result()
    shelf.put(source("s3"), "a book that came later").result()
    shelf.writer.restore(backed_up(target)).result()
    assert shelf.table.keys() == before
    assert texts(shelf.find("book", of=vector(1), tags=("red",))) == ["a book"]


def test_a_backup_goes_into_another_library(shelf, tmp_path):
    backup(shelf.table, tmp_path / "library.arrow")
    other = Shelf(tmp_path / "other")
    other.writer.restore(backed_up(tmp_path / "library.arrow")).result()
    assert other.opened().keys() == shelf.table.keys()
    other.writer.close()


def test_what_is_no_backup_changes_nothing(shelf, tmp_path):
    backup(shelf.table, tmp_path / "cut.arrow")
    whole = (tmp_path / "cut.arrow").read_bytes()
    (tmp_path / "cut.arrow").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.arrow").write_text("no archive")
    for name in ("text.arrow", "cut.arrow"):
        with pytest.raises(LibraryError, match="is no backup"):
            shelf.writer.restore(backed_up(tmp_path / name)).result()
    assert shelf.table.count() == 3
