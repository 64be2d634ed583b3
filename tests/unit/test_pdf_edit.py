import io
import zipfile

import pytest
from pypdf import PdfReader, PdfWriter

from services.documents.document import Document, Page
from services.documents.pdf_edit import make_searchable, merge, split, take_pages
from services.documents.ranges import parse_pages
from services.errors import PasswordNeeded, PermanentError, UnreadableDocument
from tests import media


def texts(path) -> list[str]:
    return [page.extract_text().strip() for page in PdfReader(path).pages]


def test_some_pages_in_the_order_asked_for(tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    take_pages((path, "a.pdf", None), [3, 1], tmp_path / "b.pdf")
    assert texts(tmp_path / "b.pdf") == ["three", "one"]
    with pytest.raises(UnreadableDocument, match="has no page 4, but 3"):
        take_pages((path, "a.pdf", None), [4], tmp_path / "c.pdf")
    assert not (tmp_path / "c.pdf").exists()


def test_a_file_becomes_several(tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    parts = [("01 first.pdf", [1, 2]), ("02 rest.pdf", [3])]
    assert list(split((path, "a.pdf", None), parts, tmp_path / "b.zip")) == [*dict(parts)]
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        found = {name: texts(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    assert found == {"01 first.pdf": ["one", "two"], "02 rest.pdf": ["three"]}
    with pytest.raises(UnreadableDocument, match="has no page 9"):
        list(split((path, "a.pdf", None), [("x.pdf", [9])], tmp_path / "c.zip"))
    assert not list(tmp_path.glob("*c.zip*"))


def test_files_become_one(tmp_path):
    first = media.write_pdf(tmp_path / "a.pdf", ["one", "two"])
    second = media.write_pdf(tmp_path / "b.pdf", ["three"], password="x")
    with pytest.raises(PasswordNeeded):
        merge([(first, "a.pdf", None), (second, "b.pdf", None)], tmp_path / "c.pdf")
    merge([(first, "a.pdf", None), (second, "b.pdf", "x")], tmp_path / "c.pdf")
    assert texts(tmp_path / "c.pdf") == ["one", "two", "three"]
    outline = PdfReader(tmp_path / "c.pdf").outline
    assert [entry.title for entry in outline] == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_scan_can_be_searched(tmp_path, rotation):
    words = media.write_pdf(tmp_path / "text.pdf", ["x"], size=(420, 220))
    writer = PdfWriter(clone_from=media.write_scan(tmp_path / "scan.pdf", words))
    writer.pages[0].rotate(rotation)
    writer.write(tmp_path / "a.pdf")
    wide, high = (420, 220) if rotation % 180 == 0 else (220, 420)
    page = Page(
        *(1, "naïve “scribes”\n\n中文 𝒜"),
        source="ocr",
        width=wide,
        height=high,
        boxes=[[50, 20, 150, 32, 12], None, [50, 40, 110, 52, 12]],
    )
    source = (tmp_path / "a.pdf", "a.pdf", None)
    make_searchable(source, Document({}, [page]), tmp_path / "b.pdf")
    assert texts(tmp_path / "b.pdf") == ["naïve “scribes”\n中文 𝒜"]

    # The text stands where it was read, on the page as it is shown.
    from services.documents.pdfium_text import PdfiumFile

    found = PdfiumFile((tmp_path / "b.pdf").read_bytes(), None).text(1)
    left, top, right, bottom, _ = found.lines[0].box()
    assert abs(left - 50) < 3 and abs(right - 150) < 3 and 15 < top < bottom < 40


def test_ranges():
    assert parse_pages("1-3, 7,12-", 13) == [1, 2, 3, 7, 12, 13]
    assert parse_pages("-2 5–6", 9) == [1, 2, 5, 6]
    for wrong in ("", "x", "3-1", "0", "4-99", "-"):
        with pytest.raises(PermanentError):
            parse_pages(wrong, 9)
