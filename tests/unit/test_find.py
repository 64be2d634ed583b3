from services.documents.document import Document, Page
from services.documents.find import find, spans

DOCUMENT = Document(
    {},
    [
        Page(1, "The Quarterly\nbudget of the year, and more (a+b)."),
        Page(2, "No quarter given. quarterly   BUDGET"),
        Page(3, "", error="x"),
    ],
)


def test_a_phrase_is_found_over_line_ends_in_any_case():
    hits = find(DOCUMENT, "quarterly budget", 10)
    assert [(hit.page, hit.match) for hit in hits] == [
        (1, "Quarterly budget"),
        (2, "quarterly BUDGET"),
    ]
    assert hits[0].before == "The " and hits[0].after.startswith(" of the year")
    assert len(find(DOCUMENT, "quarter", 2)) == 2, "no more than asked for"


def test_signs_have_no_special_meaning_and_nothing_finds_nothing():
    assert [hit.match for hit in find(DOCUMENT, "(A+B).", 10)] == ["(a+b)."]
    assert find(DOCUMENT, "  ", 10) == [] and find(DOCUMENT, ".*", 10) == []
    assert spans("one two one", "ONE") == [(0, 3), (8, 11)] and spans("one", "") == []
