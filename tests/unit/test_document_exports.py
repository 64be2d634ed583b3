import json

from services.documents.document import Document, OutlineEntry, Page
from services.documents.exports import FORMATS, to_json, to_markdown, to_txt

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
    assert "## Page 1\n\nFirst." in made and "## Page 2\n\nThis page cannot be read" in made
    assert to_markdown(Document({}, []), "a.pdf").startswith("# a.pdf\n")


def test_json_holds_everything_and_reads_back():
    assert Document.from_dict(json.loads(to_json(DOCUMENT, "x"))) == DOCUMENT


def test_json_has_the_names_that_other_programs_read():
    values = DOCUMENT.as_dict()
    assert set(values) >= {"kind", "metadata", "pages", "outline", "engine", "notes"}
    assert values["kind"] == "document"
    assert set(values["pages"][0]) == {"number", "text", "source", "error"}


def test_every_format_is_written():
    assert set(FORMATS) == {"txt", "md", "json"}
