import json

import pytest

from services.documents.document import Caption, Document, Link, PackedPages, Page

PAGES = [
    Page(
        1,
        "Title\n\nfirst — “line” \ud83d",
        label="i",
        width=595.0,
        boxes=[[1.0, 2.0, 3.0, 4.0, 9.5]],
    ),
    Page(2, "", error="This page cannot be read."),
    Page(3, "Title\nscan", source="ocr", confidence=0.5, links=[Link(page=1)], images=2),
    Page(4, "Title\nend", tables=[[["a", "b"]]], captions=[Caption("Table 1", "of words", 1, 1)]),
]


@pytest.fixture(autouse=True, params=[0, 2, 500])
def loose(request, monkeypatch):
    """How many pages are not compressed."""
    monkeypatch.setattr("services.documents.document._LOOSE", request.param)


def packed() -> PackedPages:
    pages = PackedPages()
    for page in PAGES:
        pages.append(page)
    return pages


def test_packed_pages_are_the_same_pages():
    pages = packed()
    assert list(pages) == PAGES
    assert len(pages) == 4 and pages[-1] == PAGES[3] and pages[1:3] == PAGES[1:3]
    with pytest.raises(IndexError):
        pages[4]
    for index in (1, -1):
        pages[index] = Page(2, "read at the second try")
        assert pages[index].text == "read at the second try"
    assert pages[2] == PAGES[2]


def test_furniture_is_found_at_every_look_and_in_the_json():
    pages = packed()
    pages.furniture = [(1, 0), (0, 0), (1, 0), (1, 2)]
    assert [(page.header, page.footer) for page in pages] == pages.furniture
    document = Document({"Title": "T"}, pages, notes=["a note"])
    text = "".join(document.json())
    assert json.loads(text) == document.as_dict()
    assert Document.from_dict(json.loads(text)).pages == list(pages)


def test_the_json_in_pieces_is_the_json_of_all():
    for pages in ([], PAGES, PackedPages(), packed()):
        document = Document({"Title": "T"}, pages, fields={"name": "Ana"})
        assert json.loads("".join(document.json())) == document.as_dict()
