"""What is read of one page, by the reader that reads it best."""

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import FreeText
from pypdf.generic import DictionaryObject, IndirectObject, NameObject, TextStringObject
from reportlab.pdfgen.canvas import Canvas

from services.documents import pdf_structure as structure
from services.documents.document import Link
from services.documents.page_text import PageTexts, ReadPage
from services.documents.pdf_file import PdfFile
from services.documents.reader import READERS
from tests import media


def read(path, number: int = 1, reader: str = "auto") -> ReadPage:
    texts = PageTexts(PdfFile(path, path.name), READERS[reader], None)
    try:
        return texts.read(number)
    finally:
        texts.close()


@pytest.fixture
def pdf(tmp_path):
    return media.write_pdf(tmp_path / "a.pdf", ["first line\nsecond line", "other page"])


def test_boxes_say_where_each_line_is(pdf):
    page = read(pdf).page
    assert page.text.split("\n") == ["first line", "second line"]
    first, second = page.boxes
    assert first[0] == second[0] == 50.0 and abs(first[3] - 100) < 5, "from the top"
    assert (page.width, page.height, page.reader) == (595, 842, "pdfium")
    assert 8 < second[1] - first[1] < 20


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_page_keeps_its_order_and_its_boxes_turn(pdf, rotation):
    writer = PdfWriter(clone_from=pdf)
    writer.pages[0].rotate(rotation)
    writer.write(pdf)
    page = read(pdf).page
    assert page.text.split("\n")[0] == "first line"
    left, top, right, bottom, _ = page.boxes[0]
    found, wanted = {90: (right, 842 - 95), 180: (right, 595 - 50), 270: (left, 95)}[rotation]
    assert abs(found - wanted) < 10
    assert 0 <= left < right <= page.width and 0 <= top < bottom <= page.height


def test_pypdf_alone_reads_without_boxes(pdf):
    page = read(pdf, reader="pypdf").page
    assert page.text == "first line\nsecond line"
    assert page.boxes == [] and page.reader == "pypdf"


@pytest.mark.parametrize("reader", list(READERS))
def test_a_page_that_lost_its_content_cannot_be_read_and_an_empty_one_can(tmp_path, reader):
    pages = [f"Page {number}. " * 20 for number in range(1, 7)]
    path = media.write_pdf(tmp_path / "cut.pdf", [*pages, ""])
    assert read(path, 7, reader).page.error is None
    whole = path.read_bytes()
    place = whole.rindex(b"endobj", 0, whole.rindex(b"/FlateDecode"))  # before the last page
    path.write_bytes(whole[: whole.rindex(b"endobj", 0, place)])
    assert read(path, 1, reader).page.text and read(path, 1, reader).page.error is None
    assert "damaged or cut off" in read(path, 6, reader).page.error


def test_a_page_whose_content_is_no_object_of_the_file_cannot_be_read(pdf):
    writer = PdfWriter(clone_from=pdf)
    writer.pages[1][NameObject("/Contents")] = IndirectObject(9999, 0, writer)
    writer.write(pdf)
    assert "may be lost" in read(pdf, 2).page.error and read(pdf).page.error is None


def test_words_written_from_right_to_left(tmp_path):
    from pathlib import Path

    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    font = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
    if not font.is_file():
        pytest.skip("no font with Hebrew letters here")
    pdfmetrics.registerFont(TTFont("DejaVu", str(font)))
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.setFont("DejaVu", 12)
    canvas.drawRightString(500, 700, "שלום לכל העולם"[::-1])  # glyphs go from left to right
    canvas.save()
    assert read(tmp_path / "a.pdf").page.text == "שלום לכל העולם"


def test_what_is_filled_into_a_form_stands_beside_its_label(tmp_path):
    canvas = Canvas(str(tmp_path / "a.pdf"))
    for name, height in (("Name", 700), ("Town", 600)):
        canvas.drawString(50, height, name)
        canvas.acroForm.textfield(name=name, value=f"my {name}", x=150, y=height - 5, height=20)
    canvas.save()
    path = tmp_path / "a.pdf"
    assert read(path).page.text.split("\n")[0] == "Name my Name"
    assert structure.form_fields(PdfFile(path, "a")) == {"Name": "my Name", "Town": "my Town"}


def test_a_form_on_an_empty_page_of_a_repaired_file_is_read(tmp_path):
    path = tmp_path / "a.pdf"
    canvas = Canvas(str(path))
    canvas.acroForm.textfield(name="Name", value="Ana", x=150, y=700, height=20)
    canvas.showPage()
    canvas.save()
    writer = PdfWriter(clone_from=path)
    del writer.pages[0]["/Contents"]
    writer.write(path)
    path.write_bytes(path.read_bytes()[: -len(b"%%EOF\n")].replace(b"startxref", b"startyref"))
    assert PdfFile(path, "a").repaired
    page = read(path).page
    assert (page.text, page.error) == ("Ana", None)


def test_links_notes_and_what_could_act(pdf, tmp_path):
    canvas = Canvas(str(tmp_path / "b.pdf"))
    canvas.drawString(50, 700, "a page with things on it")
    canvas.linkURL("https://example.org/x", (50, 690, 90, 710))
    canvas.linkRect("", "there", (100, 690, 140, 710))
    canvas.showPage()
    canvas.bookmarkPage("there")
    canvas.drawString(50, 700, "the second page")
    canvas.save()
    writer = PdfWriter(clone_from=tmp_path / "b.pdf")
    note = FreeText(text="Please check", rect=(50, 50, 200, 80))
    writer.add_annotation(page_number=0, annotation=note)
    writer.add_attachment("table.csv", b"1,2")
    action = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x()")}
    )
    writer.root_object[NameObject("/OpenAction")] = action
    writer.write(tmp_path / "c.pdf")

    found = read(tmp_path / "c.pdf")
    assert found.page.links == [Link(address="https://example.org/x"), Link(page=2)]
    assert found.page.annotations == ["Please check"]
    file = PdfFile(tmp_path / "c.pdf", "c.pdf")
    assert structure.attachments(file) == ["table.csv"]
    assert structure.document_actions(file) == {"JavaScript"}
    assert structure.document_actions(PdfFile(pdf, "a.pdf")) == set()


def test_pages_have_the_names_that_the_document_gives_them(pdf):
    writer = PdfWriter(clone_from=pdf)
    writer.set_page_label(0, 0, style="/r")
    writer.set_page_label(1, 1, style="/D", start=7)
    writer.write(pdf)
    assert [read(pdf, number).page.label for number in (1, 2)] == ["i", "7"]


def test_pages_that_are_scans_and_pages_that_are_not(pdf, tmp_path):
    scan = media.write_scan(tmp_path / "scan.pdf", pdf)
    assert read(scan).scan and read(scan).page.images == 1
    assert not read(pdf).scan
    blank = PdfWriter()
    blank.add_blank_page(300, 300)
    blank.write(tmp_path / "blank.pdf")
    assert not read(tmp_path / "blank.pdf").scan, "empty is not scanned"
    # A scan with its text laid over it has good text.
    writer = PdfWriter(clone_from=scan)
    words = media.write_pdf(tmp_path / "w.pdf", ["many good words in a line\n" * 6])
    writer.pages[0].merge_page(PdfReader(words).pages[0])
    writer.write(tmp_path / "both.pdf")
    assert not read(tmp_path / "both.pdf").scan


@pytest.mark.parametrize("reader", READERS)
def test_what_was_read_is_forgotten_now_and_then_and_nothing_is_lost(tmp_path, monkeypatch, reader):
    path = media.write_pdf(tmp_path / "a.pdf", [f"This is page {n}" for n in range(1, 8)])
    pdf = PdfFile(path, "a.pdf")
    whole = PageTexts(pdf, READERS[reader], None)
    pages = [whole.read(number) for number in range(1, 8)]
    whole.close()
    held = len(pdf.reader.resolved_objects)
    monkeypatch.setattr("services.documents.page_text._FORGET_AFTER", 2)
    pdf = PdfFile(path, "a.pdf")
    texts = PageTexts(pdf, READERS[reader], None)
    assert [texts.read(number) for number in range(1, 8)] == pages
    assert len(pdf.reader.resolved_objects) < held
    texts.close()
