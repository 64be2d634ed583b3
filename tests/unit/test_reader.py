import psutil
import pytest

from services.documents.process import DocumentProcess
from services.documents.reader import read_document
from services.errors import UnreadableDocument
from tests import media
from tests.unit.test_process import workers


@pytest.fixture
def process():
    made = DocumentProcess(memory_mb=1024, page_timeout=20)
    yield made
    made.close()


def go_on(read: int, count: int) -> bool:
    return True


def test_a_whole_document(process, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two"], title="On scribes")
    told = []
    document = read_document(process, path, "a.pdf", lambda *at: told.append(at) or True)
    assert [(page.number, page.text.strip()) for page in document.pages] == [(1, "one"), (2, "two")]
    assert document.metadata["title"] == "On scribes" and document.notes == []
    assert [entry.title for entry in document.outline] == ["Part 1", "Part 2"]
    assert document.engine.startswith("pypdf ")
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize("slow", [1, 2, 4])
def test_a_page_that_ends_the_worker_costs_only_itself(tmp_path, slow):
    process = DocumentProcess(memory_mb=1024, page_timeout=0.4)
    path = media.write_slow_pdf(tmp_path / "a.pdf", slow=slow, pages=4)
    try:
        document = read_document(process, path, "a.pdf", go_on)
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

    def kill_once(read: int, count: int) -> bool:
        if read == 1 and not killed:  # the worker is busy with the slow page now
            killed.extend(workers())
            killed[0].kill()
        return True

    document = read_document(process, path, "a.pdf", kill_once)
    assert [page.text.strip() for page in document.pages] == ["Page 1", "", "Page 3", "Page 4"]
    assert [bool(page.error) for page in document.pages] == [False, True, False, False]
    assert "crashed" in document.pages[1].error


def test_reading_ends_when_it_is_told_to(process, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    assert read_document(process, path, "a.pdf", lambda read, count: read < 2) is None
    assert workers() == []
    assert read_document(process, path, "a.pdf", go_on) is not None


def test_an_error_of_the_caller_ends_the_worker(process, tmp_path):
    def fail(read: int, count: int) -> bool:
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
