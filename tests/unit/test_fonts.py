"""Fonts that are kept give the same text, and nothing of a file outlives its reading."""

import pypdf._page as pypdf_page
import pytest
from pypdf import PdfReader
from pypdf.generic._font import Font

from services.documents import fonts
from services.documents.page_text import PageTexts
from services.documents.pdf_file import PdfFile
from tests import media


@pytest.fixture
def built(monkeypatch):
    """The fonts that pypdf builds, in order."""
    made = []

    class Counting(Font):
        @classmethod
        def from_font_resource(cls, pdf_font_dict):
            made.append(pdf_font_dict)
            return super().from_font_resource(pdf_font_dict)

    monkeypatch.setattr(pypdf_page, "Font", Counting)
    return made


def test_a_font_is_built_once_for_a_file(built, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", [f"Grüße {n}" for n in range(5)])
    plain = [page.extract_text() for page in PdfReader(path).pages]
    each = len(built)
    texts = PageTexts(PdfFile(path, "a.pdf"), ("pypdf",), None)
    assert [texts.read(n).page.text for n in range(1, 6)] == [one.strip() for one in plain]
    assert each == 5 and len(built) == each + 1
    texts.close()
    assert not fonts._kept


def test_only_so_many_are_kept(built, tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_MOST", 2)
    texts = []
    for n in range(4):
        path = media.write_pdf(tmp_path / f"{n}.pdf", [f"Page {n}"])
        texts.append(PageTexts(PdfFile(path, "a.pdf"), ("pypdf",), None))
        assert texts[n].read(1).page.text == f"Page {n}"
    assert len(built) == 4 and len(fonts._kept) == 2
    texts[0].close()
