import psutil
import pytest
from reportlab.pdfgen.canvas import Canvas

from benchmarks.malformed import malformed
from services.documents.document import Caption
from services.documents.process import DocumentProcess
from services.documents.reader import How, read_document
from services.errors import PasswordNeeded, UnreadableDocument
from tests import media
from tests.unit.test_process import workers


@pytest.fixture
def process():
    made = DocumentProcess(memory_mb=1024, page_timeout=20)
    yield made
    made.close()


def go_on(read: int, count: int, stage: str) -> bool:
    return True


def test_a_whole_document(process, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two"], title="On scribes")
    told = []
    document = read_document(process, path, "a.pdf", lambda *at: told.append(at[:2]) or True)
    assert [(page.number, page.text.strip()) for page in document.pages] == [(1, "one"), (2, "two")]
    assert document.metadata["title"] == "On scribes" and document.notes == []
    assert [entry.title for entry in document.outline] == ["Part 1", "Part 2"]
    assert document.engine == "pdfium"
    # On a busy machine it may also be told, once or more, that nothing is known yet.
    assert [at for at in told if at[1]] == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("slow", [1, 2, 4])
def test_a_page_that_ends_the_worker_costs_only_itself(tmp_path, slow):
    process = DocumentProcess(memory_mb=1024, page_timeout=0.4)
    path = media.write_slow_pdf(tmp_path / "a.pdf", slow=slow, pages=4)
    try:
        document = read_document(process, path, "a.pdf", go_on, How("pypdf"))
    finally:
        process.close()
    assert [page.number for page in document.pages] == [1, 2, 3, 4]
    for page in document.pages:
        if page.number == slow:
            assert page.text == "" and "cannot be read: reading took longer" in page.error
        else:
            assert (page.text.strip(), page.error) == (f"Page {page.number}", None)
    assert document.notes == [f"1 of 4 pages could not be read: {slow}."]


def test_a_worker_that_crashes_costs_the_page_that_it_was_at(process, tmp_path):
    path = media.write_slow_pdf(tmp_path / "a.pdf", slow=2, pages=4)
    killed = []

    def kill_once(read: int, count: int, stage: str) -> bool:
        if read == 1 and not killed:  # the worker is busy with the slow page now
            killed.extend(workers())
            killed[0].kill()
        return True

    document = read_document(process, path, "a.pdf", kill_once, How("pypdf"))
    assert [page.text.strip() for page in document.pages] == ["Page 1", "", "Page 3", "Page 4"]
    assert [bool(page.error) for page in document.pages] == [False, True, False, False]
    assert "crashed" in document.pages[1].error


def test_reading_ends_when_it_is_told_to(process, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    assert read_document(process, path, "a.pdf", lambda read, count, stage: read < 2) is None
    assert workers() == []
    assert read_document(process, path, "a.pdf", go_on) is not None


def test_an_error_of_the_caller_ends_the_worker(process, tmp_path):
    def fail(read: int, count: int, stage: str) -> bool:
        raise OSError("the store is gone")

    path = media.write_pdf(tmp_path / "a.pdf", ["one"])
    with pytest.raises(OSError, match="the store is gone"):
        read_document(process, path, "a.pdf", fail)
    assert not [w for w in workers() if w.status() != psutil.STATUS_ZOMBIE]


def test_a_file_that_cannot_be_opened_is_an_error(process, tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 and no more")
    with pytest.raises(UnreadableDocument, match=r"“my\.pdf”"):
        read_document(process, tmp_path / "a.pdf", "my.pdf", go_on)


def test_pages_without_text_are_said(process, tmp_path):
    document = read_document(process, media.write_pdf(tmp_path / "a.pdf", ["", ""]), "a.pdf", go_on)
    assert document.notes == ["No text was found: the pages may be scans or drawings."]


def test_what_ends_pdfium_is_read_by_pypdf(process, tmp_path):
    path = media.write_slow_pdf(tmp_path / "a.pdf", slow=2, pages=4, lines=3_000)
    killed = []

    def kill_once(read: int, count: int, stage: str) -> bool:
        if read == 1 and not killed:
            killed.extend(workers())
            killed[0].kill()
        return True

    document = read_document(process, path, "a.pdf", kill_once)
    assert not any(page.error for page in document.pages)
    assert document.pages[0].reader == "pdfium"
    # The worker may have been faster than the kill, but never past the end.
    assert document.pages[3].reader == "pypdf" or document.engine == "pdfium"
    assert document.pages[1].text.startswith("word\nword")


def test_a_file_that_takes_too_long_keeps_the_pages_that_were_read(process, tmp_path):
    path = media.write_slow_pdf(tmp_path / "a.pdf", slow=3, pages=5)
    list(process.call("count", path=str(path), name="a.pdf"))  # it takes its time to start
    document = read_document(process, path, "a.pdf", go_on, How("pypdf", timeout=2.0))
    texts = [page.text.strip() for page in document.pages]
    assert texts[:2] == ["Page 1", "Page 2"] and texts[3:] == ["", ""]
    assert "took longer than 2 s" in document.pages[4].error
    assert "pages could not be read" in document.notes[0]


def test_pdfium_never_gets_a_file_that_pypdf_stopped_at_a_limit(process, tmp_path):
    (tmp_path / "a.pdf").write_bytes(media.pdf_with_bomb())
    document = read_document(process, tmp_path / "a.pdf", "a.pdf", go_on)
    first, second = document.pages
    assert first.text.strip() == "before"
    assert second.reader == "pypdf" and "limit" in second.error.lower()


def test_a_damaged_file_is_repaired(process, tmp_path):
    whole = media.write_pdf(tmp_path / "whole.pdf", ["still here", "and here"]).read_bytes()
    (tmp_path / "a.pdf").write_bytes(whole[: whole.rindex(b"trailer")])
    document = read_document(process, tmp_path / "a.pdf", "a.pdf", go_on)
    assert document.pages[0].text.strip() == "still here"
    assert "damage, repaired before reading" in document.findings


def test_what_pypdf_cannot_open_is_read_by_pdfium(process, tmp_path):
    content = next(content for name, content in malformed() if name == "rewritten sizes 3 0")
    (tmp_path / "a.pdf").write_bytes(content)
    with pytest.raises(UnreadableDocument):
        read_document(process, tmp_path / "a.pdf", "a.pdf", go_on, How("pypdf"))
    document = read_document(process, tmp_path / "a.pdf", "a.pdf", go_on)
    assert document.pages[0].text.startswith("Line 0 of page 1")
    assert document.pages[0].reader == "pdfium"
    assert document.metadata == {} and document.outline == [] and document.fields == {}


def test_a_password_opens_a_file_and_another_one_does_not(process, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["secret words"], password="right")
    with pytest.raises(PasswordNeeded, match="is protected"):
        read_document(process, path, "a.pdf", go_on)
    with pytest.raises(PasswordNeeded, match="not the password"):
        read_document(process, path, "a.pdf", go_on, How(password="wrong"))
    for reader in ("pypdf", "pdfium"):
        document = read_document(process, path, "a.pdf", go_on, How(reader, password="right"))
        assert document.pages[0].text.strip() == "secret words"
        assert document.findings == ["encryption with a password"]


def test_tables_are_found_on_pages_that_have_lines(process, tmp_path):
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

    cells = [["Item", "Count"], ["Quill", "12"], ["Ink", "3"]]
    style = [("GRID", (0, 0), (-1, -1), 0.5, "black")]
    SimpleDocTemplate(str(tmp_path / "a.pdf")).build(
        [Paragraph("What the scribes need."), Table(cells, style=style)]
    )
    document = read_document(process, tmp_path / "a.pdf", "a.pdf", go_on)
    assert document.pages[0].tables == [cells]
    assert "Quill 12" in document.pages[0].text


def test_captions_and_tables_without_lines_come_through_the_worker(process, tmp_path):
    canvas = Canvas(str(tmp_path / "a.pdf"))
    rows = [
        ["Town", "Scribes", "Books"],
        *([f"Town {n}", str(9 - n), str(n * n)] for n in range(4)),
    ]
    canvas.drawString(60, 740, "Table 1: What was copied")
    canvas.line(60, 732, 400, 732)
    for at, row in enumerate(rows):
        for x, cell in zip((60, 200, 330), row, strict=True):
            canvas.drawString(x, 710 - 14 * at, cell)
    canvas.save()
    (page,) = read_document(process, tmp_path / "a.pdf", "a.pdf", go_on).pages
    assert page.tables == [rows]
    assert page.captions == [Caption("Table 1", "What was copied", 0, 1)]
