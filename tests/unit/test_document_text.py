import pytest

from services.documents.document import Page
from services.documents.furniture import Furniture
from services.documents.text import Hyphens, clean, junk_share


def test_glyphs_become_letters():
    assert clean("e\ufb03cient o\ufb03ce \ufb01ne") == "efficient office fine"
    assert clean("\ufee3\ufeae\ufea3\ufe92\ufe8e") == "مرحبا"
    assert clean("a\x00b\x02c\ud800") == "ab-c?"


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["an exam-", "ple of it"], ["an example", "of it"]),
        (["an exam\u00ad", "ple, and"], ["an example,", "and"]),
        (["a well-", "known man is well-known"], ["a well-known", "man is well-known"]),
        (["known as well, well-", "known"], ["known as well, well-known", ""]),
        (["in 1914-", "bis 1918"], ["in 1914-", "bis 1918"]),
        (["Smith-", "Jones"], ["Smith-", "Jones"]),
        (["a dash -", "then more"], ["a dash -", "then more"]),
        (["", "nothing-"], ["", "nothing-"]),
    ],
)
def test_words_that_a_line_end_cut(lines, joined):
    assert Hyphens().join(lines) == joined


def test_words_of_earlier_pages_are_remembered():
    hyphens = Hyphens()
    hyphens.join(["the quick-witted and the quick, the witted"])
    assert hyphens.join(["a quick-", "witted answer"]) == ["a quick-witted", "answer"]
    hyphens.join(["a hand and some books"])
    assert hyphens.join(["two hand-", "books"]) == ["two hand-books", ""]


def test_junk():
    assert junk_share("plain words, 12 %") == 0 and junk_share("") == 0
    assert junk_share("\ufffd\ufffd\ufffda") == 0.75
    assert junk_share("(cid:12)(cid:7)") == 1.0
    assert junk_share("\ue012\ue013 ok") == 0.5


def page(number: int, head: str, foot: str) -> Page:
    body = f"{'a' * number} body\nof several\nlines {'b' * number}"
    return Page(number, f"{head}\n\n{body}\n\n{foot}")


def furniture(pages: list[Page]) -> list[tuple[int, int]]:
    found = Furniture()
    for one in pages:
        found.look_at(one)
    return found.found()


def test_running_headers_and_footers_are_found():
    pages = [page(n, "On scribes", f"page {n}") for n in range(1, 7)]
    assert furniture(pages) == [(1, 1)] * 6


def test_lines_that_do_not_come_again_are_no_furniture():
    pages = [page(n, "w" * n, "y" * n) for n in range(1, 7)]
    assert furniture(pages) == [(0, 0)] * 6
    assert furniture([Page(n, "same") for n in range(1, 9)])[0] == (0, 0), "all of the page"
