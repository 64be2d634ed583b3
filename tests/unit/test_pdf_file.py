import pikepdf
import pytest
from pypdf import PdfWriter

from services.documents.document import OutlineEntry
from services.documents.pdf_file import PdfFile
from services.errors import PasswordNeeded, UnreadableDocument
from tests import media


def test_text_metadata_and_outline(tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["The first page", "Grüße"], title="On scribes")
    pdf = PdfFile(path, "a.pdf")
    assert pdf.count == 2
    assert [pdf.page_text(number).strip() for number in (1, 2)] == ["The first page", "Grüße"]
    metadata = pdf.metadata()
    assert (metadata["title"], metadata["author"]) == ("On scribes", "Ana Ruiz")
    assert metadata["creation_date"].startswith("20")
    assert pdf.outline() == [OutlineEntry("Part 1", 1, 1), OutlineEntry("Part 2", 2, 1)]


def test_an_outline_has_its_levels(tmp_path):
    writer = PdfWriter()
    for _ in range(3):
        writer.add_blank_page(200, 200)
    chapter = writer.add_outline_item("Chapter", 0)
    writer.add_outline_item("Section", 2, parent=chapter)
    writer.add_outline_item("Next", 1)
    writer.write(tmp_path / "a.pdf")
    assert PdfFile(tmp_path / "a.pdf", "a.pdf").outline() == [
        OutlineEntry("Chapter", 1, 1),
        OutlineEntry("Section", 3, 2),
        OutlineEntry("Next", 2, 1),
    ]


def test_a_password_is_asked_for(tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["secret"], password="x")
    with pytest.raises(PasswordNeeded, match=r"“my\.pdf” is protected with a password"):
        PdfFile(path, "my.pdf")


def test_an_empty_user_password_opens_by_itself(tmp_path):
    writer = PdfWriter(clone_from=media.write_pdf(tmp_path / "plain.pdf", ["for all to read"]))
    writer.encrypt(user_password="", owner_password="x", algorithm="AES-256")
    writer.write(tmp_path / "a.pdf")
    pdf = PdfFile(tmp_path / "a.pdf", "a.pdf")
    assert pdf.page_text(1).strip() == "for all to read" and pdf.encrypted


def test_of_what_was_read_packed_objects_stay_unless_they_are_many(tmp_path, monkeypatch):
    plain = media.write_pdf(tmp_path / "plain.pdf", ["one", "two"])
    with pikepdf.open(plain) as loose:
        packing = pikepdf.ObjectStreamMode.generate
        loose.save(tmp_path / "a.pdf", object_stream_mode=packing)
    pdf = PdfFile(tmp_path / "a.pdf", "a.pdf")
    text = pdf.page_text(1)
    read, packed = pdf.reader.resolved_objects, pdf.reader.xref_objStm
    assert {number in packed for _, number in read} == {True, False}
    pdf.forget()
    assert read and all(number in packed for _, number in read)
    monkeypatch.setattr("services.documents.pdf_file._MOST_OBJECTS", 1)
    pdf.forget()
    assert not read and pdf.page_text(1) == text


BROKEN = {
    "empty": (b"", "is empty"),
    "garbage": (bytes(range(256)) * 40, "is damaged or not a PDF"),
    "only a header": (b"%PDF-1.7\n", "is damaged or not a PDF"),
    "text": (b"Dear Ana,\n" * 100, "is damaged or not a PDF"),
    "no pages": (media.pdf_without_pages(), "has no pages"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_cannot_be_read_has_a_sentence_that_names_it(tmp_path, what):
    data, message = BROKEN[what]
    (tmp_path / "stored").write_bytes(data)
    with pytest.raises(UnreadableDocument, match=rf"“my talk\.pdf” {message}"):
        PdfFile(tmp_path / "stored", "my talk.pdf")


def test_a_broken_cross_reference_table_is_rebuilt(tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["still here"])
    data = path.read_bytes()
    start = data.rindex(b"startxref")
    path.write_bytes(data[:start] + b"startxref\n99999\n%%EOF")
    assert PdfFile(path, "a.pdf").page_text(1).strip() == "still here"


def test_a_pdf_that_broke_off_is_read_or_refused_with_its_name(tmp_path):
    whole = media.write_pdf(tmp_path / "a.pdf", [f"Page {n}" for n in range(1, 30)])
    for share in (0.1, 0.5, 0.9, 0.99):
        path = media.halved(whole, tmp_path / "cut.pdf", share)
        try:
            pages = PdfFile(path, "cut.pdf").count
        except UnreadableDocument as error:
            assert "“cut.pdf”" in str(error)
        else:
            assert pages


def test_a_document_that_says_nothing_of_itself(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(media.pdf_with_bad_page())
    pdf = PdfFile(path, "a.pdf")
    assert pdf.metadata() == {} and pdf.outline() == []


def test_damaged_metadata_and_outline_do_not_end_the_reading(tmp_path):
    writer = PdfWriter(clone_from=media.write_pdf(tmp_path / "a.pdf", ["text"], title="T"))
    writer.write(tmp_path / "b.pdf")
    data = (tmp_path / "b.pdf").read_bytes()
    path = tmp_path / "c.pdf"
    path.write_bytes(data.replace(b"/CreationDate (D:2", b"/CreationDate (X:2"))
    pdf = PdfFile(path, "c.pdf")
    assert pdf.metadata()["title"] == "T"
    assert pdf.page_text(1).strip() == "text"


def test_a_look_takes_the_number_of_pages_that_the_file_says_where_it_can_be(tmp_path):
    def pages(said: int) -> PdfFile:
        page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
        tree = f"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count {said} >>"
        content = media.raw_pdf("<< /Type /Catalog /Pages 2 0 R >>", tree, page, page)
        (tmp_path / "a.pdf").write_bytes(content)
        return PdfFile(tmp_path / "a.pdf", "a.pdf", look=True)

    right = pages(2)
    assert right.count == 2 and right.reader.flattened_pages is None, "nobody counted them"
    assert [pages(said).count for said in (0, -1, 1_000_000)] == [2, 2, 2]
