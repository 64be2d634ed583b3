"""Files that are broken or built to do harm: each ends in a result or a clear error, soon."""

from itertools import takewhile

import pytest

from benchmarks.malformed import malformed
from services.documents.process import DocumentProcess
from services.documents.reader import How, read_document
from services.errors import UnreadableDocument
from tests import media

# Bombs take long to make and to survive; `benchmarks.robustness` sends them through a server.
FILES = [
    (name, content)
    for name, content in takewhile(lambda file: not file[0].startswith("bomb"), malformed())
    if not name.startswith(("truncated", "flipped")) or len(content) % 3 == 0
]


@pytest.mark.parametrize("reader", ["auto", "pypdf"])
def test_every_file_ends_in_a_result_or_a_sentence(tmp_path, reader):
    process = DocumentProcess(memory_mb=1024, page_timeout=20)
    path = tmp_path / "a.pdf"
    read = refused = 0
    try:
        for name, content in FILES:
            path.write_bytes(content)
            try:
                document = read_document(
                    process, path, "my.pdf", lambda *at: True, How(reader, timeout=30)
                )
            except UnreadableDocument as error:
                assert "“my.pdf”" in str(error), name
                refused += 1
            else:
                assert document.pages, name
                read += 1
        # And the next file is read as if nothing had been.
        media.write_pdf(path, ["healthy"])
        document = read_document(process, path, "my.pdf", lambda *at: True, How(reader))
        assert document.pages[0].text.strip() == "healthy"
    finally:
        process.close()
    assert read > 50 and refused > 15, (read, refused)
