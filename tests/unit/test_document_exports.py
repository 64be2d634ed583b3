import csv
import io
import json

from docx import Document as Word
from hypothesis import given
from hypothesis import strategies as st

from services.about import About
from services.documents.document import Caption, Document, OutlineEntry, Page
from services.documents.exports import (
    FORMATS,
    formats,
    to_csv,
    to_docx,
    to_json,
    to_markdown,
    to_txt,
)

DOCUMENT = Document(
    metadata={"title": "On scribes", "creation_date": "2024-01-02T00:00:00"},
    pages=[Page(1, "First.\n\n"), Page(2, "", error="This page cannot be read: x.")],
    outline=[OutlineEntry("Part", 1, 1), OutlineEntry("Lost", None, 2)],
    engine="pypdf 7",
    notes=["1 of 2 pages could not be read: 2."],
)


def test_txt_parts_pages_by_form_feeds():
    assert to_txt(DOCUMENT, "a.pdf") == "First.\n\f\n"


def test_markdown():
    made = to_markdown(DOCUMENT, "a.pdf")
    assert made.startswith("# On scribes\n\n- title: On scribes\n- creation date: 2024-01-02")
    assert "<!-- page 1 -->\n\nFirst." in made
    assert "<!-- page 2 -->\n\n*This page cannot be read: x.*" in made
    assert to_markdown(Document({}, []), "a.pdf").startswith("# a.pdf\n")


def test_json_holds_everything_and_reads_back():
    assert Document.from_dict(json.loads(to_json(DOCUMENT, "x"))) == DOCUMENT


def test_json_has_the_names_that_other_programs_read():
    values = DOCUMENT.as_dict()
    assert set(values) >= {"kind", "metadata", "pages", "outline", "engine", "notes"}
    assert values["kind"] == "document"
    assert set(values["pages"][0]) == {"number", "text", "source", "error"}


def test_markdown_has_headings_by_outline_and_by_size_and_no_running_headers():
    lines = ["On scribes", "1.2 The pen", "# is a sign", "Large words", "small words", "7"]
    size = {"Large words": 20.0}
    page = Page(
        1,
        "\n".join(lines),
        boxes=[[0, 0, 9, 9, size.get(line, 10.0)] for line in lines],
        header=1,
        footer=1,
        tables=[[["a|b", "c"], ["d"]]],
    )
    made = to_markdown(Document({}, [page], [OutlineEntry("The Pen", 1, 2)]), "a.pdf")
    assert made.split("-->")[1].split("\n\n") == [
        "",
        "### 1.2 The pen",
        "\\# is a sign",
        "## Large words",
        "small words",
        "| a\\|b | c |\n| --- | --- |\n| d |  |\n",
    ]


def test_csv_is_offered_where_there_are_tables():
    assert formats(DOCUMENT) == ["txt", "md", "docx", "json"]
    table = [["Item", 'says "x", y'], ["two\nlines", ""]]
    document = Document({}, [Page(1, ""), Page(2, "", tables=[table])])
    assert formats(document) == list(FORMATS)
    rows = list(csv.reader(io.StringIO(to_csv(document, "a").removeprefix("\ufeff"))))
    assert rows == [["2", "1", *table[0]], ["2", "1", *table[1]]]


def test_captions_are_paragraphs_in_markdown_and_values_in_json():
    text = "before\nFigure 3: Where the\nscribes sat.\nafter"
    page = Page(1, text, captions=[Caption("Figure 3", "Where the scribes sat.", 1, 2)])
    document = Document({}, [page])
    made = to_markdown(document, "a.pdf")
    assert "\nbefore\n\n**Figure 3** Where the scribes sat.\n\nafter\n" in made
    values = json.loads(to_json(document, "a.pdf"))["pages"][0]
    assert values["captions"] == [
        {"label": "Figure 3", "text": "Where the scribes sat.", "line": 1, "lines": 2}
    ]
    assert values["text"] == text and Document.from_dict(document.as_dict()) == document
    assert to_txt(document, "a.pdf") == text + "\n"


def test_a_table_stands_in_its_place_in_markdown():
    page = Page(
        1, "before\nTown Scribes\nGhent 12\nafter", tables=[[["Town", "Scribes"], ["Ghent", "12"]]]
    )
    made = to_markdown(Document({}, [page]), "a.pdf")
    assert "before\n\n| Town | Scribes |\n| --- | --- |\n| Ghent | 12 |\n\nafter\n" in made


def test_docx_has_headings_paragraphs_captions_and_tables():
    lines = ["Head", "", "The scribes copied the", "first book by hand.", "", "oak", "7"]
    widths = [90, 0, 500, 480, 0, 60, 10]
    boxes = [
        [0.0, 12.0 * at, float(wide), 12.0 * at + 10, 20.0 if line == "Head" else 10.0]
        for at, (line, wide) in enumerate(zip(lines, widths, strict=True))
    ]
    first = Page(1, "\n".join(lines), boxes=boxes, footer=1)
    second = Page(2, "Table 1: Inks", captions=[Caption("Table 1", "Inks", 0, 1)])
    second.tables.append([["Ink", "Price"], ["gall"]])
    third = Page(3, "", error="This page cannot be read: x.")
    facts = {"title": "On scribes", "author": "Ana"}
    about = About(summary="What scribes do.")
    document = Document(facts, [first, second, third], about=about)
    made = Word(io.BytesIO(to_docx(document, "a.pdf")))
    shown = [(p.style.name, p.text) for p in made.paragraphs]
    assert shown == [
        ("Heading 1", "On scribes"),
        ("Normal", "Author:  Ana"),
        ("Normal", "Summary:  What scribes do."),
        ("Heading 2", "Head"),
        ("Normal", "The scribes copied the first book by hand."),
        ("Normal", "oak"),
        ("Normal", "Table 1  Inks"),
        ("Normal", ""),  # between tables
        ("Normal", "This page cannot be read: x."),
    ]
    (table,) = made.tables
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["Ink", "Price"],
        ["gall", ""],
    ]


@given(st.text(), st.text())
def test_docx_holds_any_text(title, text):
    document = Document({}, [Page(1, text), Page(2, "", tables=[[[text, title]]])])
    made = Word(io.BytesIO(to_docx(document, title)))
    kept = "".join(c for c in text if c.isalnum() and not "\ud800" <= c <= "\udfff")
    assert "".join(c for p in made.paragraphs[1:] for c in p.text if c.isalnum()) == kept
