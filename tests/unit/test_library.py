"""The table, its writer and search, on vectors that the tests make up."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from services.errors import LibraryError
from services.library.models import Chunk, Filters, Source
from services.library.search import fuse, search, similar
from services.library.table import Table
from services.library.writer import Writer
from services.people.models import Reach

MODEL = "test"
DIMENSION = 8


def vector(*parts: float) -> np.ndarray:
    made = np.zeros(DIMENSION, "f4")
    made[: len(parts)] = parts
    return made / np.linalg.norm(made)


def source(id: str = "s1", **more) -> Source:
    values = {"name": f"{id}.pdf", "owner": "ana", "batch": "b1", "kind": "document", "added": 1.0}
    return Source(id, **{**values, **more})


class Shelf:
    """A writer with its table, and a short way to put text into it."""

    def __init__(self, directory: Path, **more) -> None:
        self.directory = directory
        self.table: Table | None = None
        self.writer = Writer(directory, self.opened, **{"commit_seconds": 0.05, **more})

    def opened(self) -> Table:
        self.table = self.table or Table(self.directory)
        return self.table

    def put(self, one: Source, *texts: str | Chunk, vectors=None, model: str = MODEL):
        chunks = [text if isinstance(text, Chunk) else Chunk(text, page=1) for text in texts]
        if vectors is None:
            vectors = [vector(1, n) for n in range(len(chunks))]
        return self.writer.put(one, chunks, np.array(vectors, "f4").reshape(-1, DIMENSION), model)

    def counts(self) -> dict[str, int]:
        return {source: len(keys) for source, keys in self.table.keys().items()}

    def find(self, typed: str, of=None, **filters):
        return search(self.opened(), typed, of, MODEL, Filters(**filters))


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path / "library")
    yield made
    made.writer.close()


def texts(found) -> list[str]:
    return [hit.text for hit in found.hits]


def test_a_rerun_replaces_and_never_doubles(shelf):
    assert shelf.put(source(), "one", "two", "three").result() == 3
    assert shelf.put(source(), "one", "new").result() == 2
    shelf.put(source("s2"), "other").result()
    assert shelf.counts() == {"s1": 2, "s2": 1}
    assert texts(shelf.find("new")) == ["new"]
    assert texts(shelf.find("three")) == []
    assert shelf.put(source()).result() == 0, "a result without text has no passages"
    assert shelf.counts() == {"s2": 1}


def test_two_of_one_source_in_one_commit_leave_the_later(tmp_path):
    shelf = Shelf(tmp_path, commit_seconds=0.5)
    first, second = shelf.put(source(), "old", "older"), shelf.put(source(), "new")
    assert (first.result(), second.result()) == (2, 1)
    assert texts(shelf.find("old older new")) == ["new"]
    shelf.writer.close()


def test_commits_are_made_in_bulk_and_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    shelf = Shelf(tmp_path, commit_chunks=10, commit_seconds=30.0)
    for n in range(20):
        last = shelf.put(source(f"s{n}"), "a")
        if n % 10 == 9:  # the tenth passage makes it a commit, long before its time has passed
            assert last.result(timeout=20) == 1
    messages = [record.message for record in caplog.records if record.name.endswith("writer")]
    commit = ["Writing 10 chunks to database (sequential write)", "Successfully wrote 10 chunks"]
    assert messages == commit * 2
    shelf.writer.close()


def test_a_writer_that_is_behind_makes_fewer_and_larger_commits(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    opened = threading.Event()
    shelf = Shelf(tmp_path, commit_chunks=1)
    usual, shelf.writer._open = shelf.writer._open, lambda: opened.wait() and usual()
    done = [shelf.put(source(f"s{n}"), "a") for n in range(30)]
    opened.set()
    assert sum(one.result(timeout=20) for one in done) == 30
    shelf.writer.close()
    assert sum(record.message.startswith("Writing") for record in caplog.records) <= 4


def test_deleting_waits_for_what_was_put_before(tmp_path):
    shelf = Shelf(tmp_path, commit_seconds=30.0)
    put = shelf.put(source(), "text")
    shelf.writer.delete(["s1", "it's not there"]).result(timeout=20)
    assert put.result() == 1
    assert shelf.table.count() == 0
    shelf.writer.close()


def test_a_second_writer_is_kept_out(shelf):
    with pytest.raises(LibraryError, match="Another program writes the library"):
        Writer(shelf.directory, shelf.opened)


def test_one_bad_commit_is_told_and_does_not_stop_the_writer(shelf):
    bad = shelf.writer.put(source(), [Chunk("a"), Chunk("b")], np.zeros((1, DIMENSION)), MODEL)
    with pytest.raises(ValueError, match="expected length 2"):
        bad.result()
    assert shelf.put(source(), "text").result() == 1


def test_the_queue_is_bounded(tmp_path):
    opened, entered = threading.Event(), threading.Event()

    def slow() -> Table:
        entered.set()
        opened.wait()
        return Table(tmp_path)

    writer = Writer(tmp_path, slow, waiting=2, commit_chunks=1)
    one = np.ones((1, DIMENSION), "f4")
    done = [writer.put(source("s0"), [Chunk("x")], one, MODEL)]
    entered.wait()
    done += [writer.put(source(f"s{n}"), [Chunk("x")], one, MODEL) for n in (1, 2)]
    blocked = threading.Thread(
        target=lambda: done.append(writer.put(source("s3"), [Chunk("x")], one, MODEL))
    )
    blocked.start()
    blocked.join(0.2)
    assert blocked.is_alive(), "whoever computes waits for whoever writes"
    opened.set()
    blocked.join(20)
    assert sum(one.result(timeout=20) for one in done) == 4
    writer.close()


def test_compaction_keeps_the_rows_and_drops_files_and_versions(shelf):
    for n in range(12):
        shelf.put(source(f"s{n}"), f"text number {n}").result()
    files = sum(1 for path in shelf.directory.rglob("*") if path.is_file())
    shelf.writer.compact(keep_seconds=0).result()
    assert shelf.table.count() == 12 and shelf.table.versions() <= 2
    assert sum(1 for path in shelf.directory.rglob("*") if path.is_file()) < files / 2
    shelf.put(source("s3"), "text number three").result()  # merges find the compacted rows
    assert shelf.table.count() == 12
    assert shelf.find("number").total == 12


def test_words_phrases_and_meanings_are_found(shelf):
    shelf.put(
        source("s1"),
        "The first book was copied.",
        "The book came first.",
        "Nothing alike at all.",
        vectors=[vector(1), vector(0, 1), vector(0, 0, 1)],
    ).result()
    assert texts(shelf.find("copying books"))[0] == "The first book was copied."
    assert texts(shelf.find('"first book"')) == ["The first book was copied."]
    assert texts(shelf.find('"was copied" nothing')) == ["The first book was copied."]
    found = shelf.find("unknown", of=vector(0, 0, 1))
    assert texts(found) == ["Nothing alike at all."]
    assert found.hits[0].similarity == pytest.approx(1.0) and found.hits[0].spans == ()
    assert not shelf.find("book").semantic and shelf.find("book", of=vector(1)).semantic


@pytest.mark.parametrize(
    "typed, instead, text",
    [
        ("budjet", "budget", "The budget was approved."),
        ("the aproved budjet", "the approved budget", "The budget was approved."),
        ("Mueller", "müller", "Frau Müller kam zur Straße."),
        ("strasse", "straße", "Frau Müller kam zur Straße."),
    ],
)
def test_what_is_misspelled_is_found_where_nothing_else_is(shelf, typed, instead, text):
    shelf.put(source("s1"), "The budget was approved.", vectors=[vector(1)]).result()
    shelf.put(source("s2"), "Frau Müller kam zur Straße.", vectors=[vector(1)]).result()
    shelf.put(source("s3", owner="bo"), "The bucket is full.", vectors=[vector(1)]).result()
    shelf.writer.compact().result()  # only the index itself is searched for words like these
    found = shelf.find(typed, of=vector(0, 0, 1), owner="ana")
    assert (found.instead, texts(found)) == (instead, [text])
    assert found.hits[0].spans
    assert not shelf.find(f'"{typed}"', owner="ana").groups, "a phrase is meant as it stands"
    within = Filters(reach=Reach("ana", frozenset(), frozenset()))
    assert not search(shelf.opened(), "buckte", filters=within).groups, "no word is another's"
    left_out = shelf.find("bucket", owner="ana")
    assert not left_out.groups and not left_out.instead, "a filter left it out, no mistake"


def test_a_phrase_must_be_there_whatever_is_meant(shelf):
    shelf.put(source("s1"), "A first book.", "A book.", vectors=[vector(1), vector(0, 1)]).result()
    assert texts(shelf.find('"first book"', of=vector(0, 1))) == ["A first book."]


def test_a_filter_works_before_the_search_and_not_on_what_it_found(shelf):
    """Of 500 better hits by others nothing may be left over, and mine still be found."""
    mine = source("mine", owner="bo's", tags=("red", "x'y"), language="de", added=50.0)
    shelf.put(mine, "book and much that is beside the point", vectors=[vector(1, 1)]).result()
    shelf.put(
        source("theirs"), *(f"book {n}" for n in range(500)), vectors=[vector(1)] * 500
    ).result()
    for narrow in (
        {"owner": "bo's"},
        {"tags": ("red", "x'y")},
        {"language": "de"},
        {"since": 40.0},
        {"source": "mine"},
    ):
        assert [hit.source for hit in shelf.find("book", of=vector(1), **narrow).hits] == ["mine"]
    assert shelf.find("book", of=vector(1), until=1.0).total == 0
    assert shelf.find("book", owner="' OR 1=1 --").total == 0


def test_facets_count_sources_and_show_what_a_choice_leaves_out(shelf):
    shelf.put(source("s1", owner="ana", tags=("red",)), "book", "book again").result()
    shelf.put(source("s2", owner="bo", kind="audio"), "book").result()
    facets = shelf.find("book").facets
    assert facets["owner"] == {"ana": 1, "bo": 1} and facets["tags"] == {"red": 1}
    facets = shelf.find("book", owner="ana").facets
    assert facets["owner"] == {"ana": 1, "bo": 1}, "the other choices stay to be seen"
    assert facets["kind"] == {"document": 1}, "the other facets follow the choice"


def test_hits_are_grouped_by_source_and_neighbours_are_left_out(shelf):
    shelf.put(source("s1"), *(f"book {n}" for n in range(6))).result()
    shelf.put(source("s2"), "a book among many other words that matter less").result()
    found = shelf.find("book")
    assert found.total == 2 and [group.source for group in found.groups] == ["s1", "s2"]
    places = [int(hit.text.split()[1]) for hit in found.groups[0].hits]
    assert len(places) == 3 and min(abs(a - b) for a in places for b in places if a != b) > 1
    page = search(shelf.table, "book", limit=1, offset=1)
    assert [group.source for group in page.groups] == ["s2"] and page.total == 2


def test_a_spoken_hit_begins_with_its_sentence(shelf):
    text = "Hello. The budget is small. Goodbye."
    spoken = Chunk(text, start=5.0, end=20.0, marks=((0, 5.0), (7, 9.5), (28, 15.0)))
    shelf.put(source(kind="audio"), spoken).result()
    (hit,) = shelf.find("budgets").hits
    assert hit.start == 9.5 and [text[a:b] for a, b in hit.spans] == ["budget"]


def test_similar_passages_are_those_of_other_sources(shelf):
    shelf.put(source("s1"), "one", "two", vectors=[vector(1), vector(1, 0.1)]).result()
    shelf.put(source("s2"), "near", "far", vectors=[vector(1, 0.2), vector(0, 0, 1)]).result()
    (hit,) = [hit for hit in shelf.find("one").hits if hit.text == "one"]
    assert [one.text for one in similar(shelf.table, hit.key)] == ["near"]
    assert similar(shelf.table, "' OR true --") == []


def test_names_tags_and_collections_change_and_can_be_emptied(shelf):
    shelf.put(source("s1", tags=("old",)), "book").result()
    shelf.writer.label("s1", "It's new", ["a b", "c'd"], ["shelf"]).result()
    (hit,) = shelf.find("book", tags=("c'd",), collections=("shelf",)).hits
    assert (hit.name, hit.tags, hit.collections) == ("It's new", ("a b", "c'd"), ("shelf",))
    shelf.writer.label("s1", "x", [], []).result()
    assert shelf.find("book").hits[0].tags == ()


def test_another_model_is_not_compared_but_words_are(shelf):
    shelf.put(source("s1"), "book", vectors=[vector(1)], model="older").result()
    assert shelf.find("unknown", of=vector(1)).total == 0
    assert shelf.find("book", of=vector(1)).total == 1
    wide = np.ones((1, 16), "f4") / 4
    shelf.writer.put(source("s2"), [Chunk("page")], wide, MODEL).result()
    assert search(shelf.table, "unknown", wide[0], MODEL).hits[0].text == "page"
    shelf.writer.put(source("s1"), [Chunk("book")], wide, MODEL).result()
    assert search(shelf.table, "unknown", wide[0], MODEL).total == 2


def test_a_model_of_another_dimension_takes_over_source_by_source(shelf):
    shelf.put(source("s1"), "the old book").result()
    shelf.put(source("s2"), "the red book").result()
    wide = np.ones((1, 2 * DIMENSION), "f4") / 4
    for one, text in (("s1", "the old book"), ("s3", "a new book")):
        shelf.writer.put(source(one), [Chunk(text, page=1)], wide, "wide").result()
    assert len(shelf.find("book").hits) == 3, "words are found all the time"
    found = search(shelf.opened(), "xyzzy", wide[0], "wide")
    assert {group.source for group in found.groups} == {"s1", "s3"}
    assert [hit.source for hit in shelf.find("xyzzy", of=vector(1)).hits] == ["s2"]
    shelf.writer.compact(keep_seconds=0).result()
    backup = list(shelf.table.snapshot().search().to_batches(10))
    shelf.writer.restore(backup).result()
    assert shelf.counts() == {"s1": 1, "s2": 1, "s3": 1}


def test_nothing_is_found_in_a_library_that_was_never_written(tmp_path):
    table = Table(tmp_path / "none")
    assert search(table, "book", vector(1), MODEL).total == 0
    assert similar(table, "abc") == [] and table.keys() == {} and table.versions() == 0


def test_ranks_are_fused_as_the_paper_says():
    rows = {name: {"key": name} for name in "abc"}
    fused = fuse([rows["a"], rows["b"]], [rows["b"], rows["c"]])
    assert [row["key"] for row in fused] == ["b", "a", "c"]
    assert fused[0]["fused"] == pytest.approx(1 / 12 + 1 / 11)


def test_a_passage_with_one_word_of_many_does_not_hide_what_is_meant(shelf):
    shelf.put(
        source("s1"), *(f"plan number {n}" for n in range(9)), vectors=[vector(0, 1)] * 9
    ).result()
    shelf.put(source("s2"), "How money is spent", vectors=[vector(1)]).result()
    found = shelf.find("plan of all yearly expenses", of=vector(1, 0.1))
    assert found.groups[0].source == "s2"


def test_the_best_are_reranked_and_share_their_scores(shelf):
    shelf.put(source("s1"), "book and book").result()
    shelf.put(source("s2"), "a book by hand", "nothing").result()
    before = shelf.find("book")
    asked = []

    def judge(question: str, texts: list[str]) -> list[float]:
        asked.append((question, sorted(texts)))
        return [float("hand" in text) for text in texts]

    after = search(shelf.opened(), "book", rerank=judge)
    assert asked == [("book", ["a book by hand", "book and book"])]
    assert texts(before) == ["book and book", "a book by hand"] and texts(after) == [
        "a book by hand",
        "book and book",
    ]
    assert [hit.score for hit in after.hits] == [hit.score for hit in before.hits]
    assert search(shelf.opened(), "book", rerank=lambda *_: None) == before, "where it fails"


def test_twenty_readers_search_while_the_writer_commits_and_compacts(shelf):
    shelf.put(source("fixed"), "the book that is always there").result()
    stop, errors, searches = threading.Event(), [], [0] * 20

    def read(n: int) -> None:
        while not stop.is_set():
            try:
                hits = shelf.find("always book", of=vector(1)).hits
                assert hits[0].source == "fixed"
                searches[n] += 1
            except Exception as error:
                errors.append(error)
                return

    readers = [threading.Thread(target=read, args=(n,)) for n in range(20)]
    for reader in readers:
        reader.start()
    end = time.monotonic() + 3
    rounds = 0
    while time.monotonic() < end or min(searches) < 2 or rounds < 4:
        shelf.put(source(f"s{rounds % 7}"), *(f"other words {n}" for n in range(20))).result()
        shelf.writer.delete([f"s{(rounds + 3) % 7}"]).result()
        if rounds % 3 == 0:
            shelf.writer.compact().result()
        rounds += 1
        assert not errors and rounds < 2000, errors
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors
