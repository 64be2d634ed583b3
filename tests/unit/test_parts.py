import pytest

from services.documents.document import OutlineEntry
from services.documents.parts import Part, by_ranges, chapters, file_names
from services.errors import PermanentError


def outline(*entries: tuple[int, int | None, str]) -> list[OutlineEntry]:
    return [OutlineEntry(title, page, level) for level, page, title in entries]


def test_chapters_go_to_the_page_before_the_next_one():
    found = chapters(outline((1, 3, "Ink"), (2, 4, "Red ink"), (1, 6, "Quills")), 9)
    assert found == [
        Part("Before the first chapter", [1, 2]),
        Part("Ink", [3, 4, 5]),
        Part("Quills", [6, 7, 8, 9]),
    ]


def test_a_book_whose_title_is_above_its_chapters():
    found = chapters(outline((1, 1, "The book"), (2, 1, "Ink"), (2, 2, "Quills")), 3)
    assert found == [Part("Ink", [1]), Part("Quills", [2, 3])]


def test_chapters_that_begin_on_one_page_both_have_it():
    found = chapters(outline((1, 1, "a"), (1, 1, "b"), (1, 2, "c")), 2)
    assert [part.numbers for part in found] == [[1], [1], [2]]


def test_outlines_that_name_no_chapters():
    assert chapters([], 9) == []
    assert chapters(outline((1, 1, "The book")), 9) == []
    assert chapters(outline((1, None, "lost"), (1, 99, "beyond"), (1, 2, "one")), 9) == []


def test_each_range_is_a_part():
    assert [part.numbers for part in by_ranges("1-3, 7;5-", 8)] == [[1, 2, 3], [7], [5, 6, 7, 8]]
    for wrong in ("", "x", "1, 9"):
        with pytest.raises(PermanentError):
            by_ranges(wrong, 8)


def test_names_are_safe_and_never_the_same():
    parts = [Part("a/b: ../c", [1]), Part("a/b: ../c", [2]), Part("", [3]), Part("ü" * 300, [4])]
    names = file_names(parts)
    assert names[0] == "01 a_b_ .._c.pdf"
    assert len({name.casefold() for name in names}) == 4
    assert all(name.endswith(".pdf") and "/" not in name for name in names)
    assert all(len(name.encode()) < 100 for name in names)
