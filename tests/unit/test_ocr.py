import os
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from services.documents import ocr
from services.documents.ocr import choose, ocr_page
from services.documents.process import DocumentProcess
from services.documents.reader import How, read_document
from services.documents.straighten import straighten
from services.errors import UnreadableDocument
from tests import media

LINES = [
    "The scribes copied the first book by hand.",
    "Then the second book was copied, page by page,",
    "until the candles had burned down to nothing.",
]
SIZE = (420, 220)
TEXT = (media.DATA / "README.md").read_text(encoding="utf-8").replace("\n", " ") * 2
needs_tesseract = pytest.mark.skipif(
    not shutil.which("tesseract") and not os.environ.get("CI"), reason="no tesseract here"
)
ENGINES = ["rapidocr", pytest.param("tesseract", marks=needs_tesseract)]


@pytest.fixture
def written(tmp_path):
    return media.write_pdf(tmp_path / "text.pdf", ["\n".join(LINES)], size=SIZE)


def words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("degrees", "noise"), [(4, 10), (180, 0)])
def test_a_scan_is_read_askew_and_turned(tmp_path, written, engine, degrees, noise):
    scan = media.write_scan(tmp_path / "scan.pdf", written, degrees, noise)
    page = ocr_page(scan, 1, None, engine, "eng")
    assert (page.source, page.number) == ("ocr", 1) and page.reader.startswith(engine)
    right = words(" ".join(LINES))
    assert len(set(right) & set(words(page.text))) > 0.9 * len(set(right)), page.text
    assert page.confidence > 0.8
    assert len(page.boxes) == len(page.text.split("\n"))
    for box in page.boxes:
        left, top, edge, bottom, size = box
        assert -5 <= left < edge <= page.width + 5 and -5 <= top < bottom <= page.height + 5
        assert size > 5


def test_how_far_a_page_lies_askew():
    image = Image.new("L", (800, 600), 255)
    draw = ImageDraw.Draw(image)
    for line in range(12):
        font = ImageFont.load_default(24)
        draw.text((60, 40 + 42 * line), TEXT[40 * line : 40 * line + 40], 0, font)
    for degrees in (-5.0, 0.0, 2.5):
        askew = np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255))
        found = straighten(askew)
        assert abs(found.degrees + degrees) < 0.3 and found.quarters == 0
        assert found.pixels.shape == askew.shape
    assert straighten(np.rot90(np.asarray(image))).quarters == 1
    blank = straighten(np.full((300, 200), 255, np.uint8))
    assert (blank.quarters, blank.degrees) == (0, 0.0)


def test_only_scans_are_read_by_ocr(tmp_path, written):
    """A page of text, a scanned one and an empty one in one document."""
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.append(written)
    writer.append(media.write_scan(tmp_path / "scan.pdf", written))
    writer.add_blank_page(300, 300)
    writer.write(tmp_path / "mixed.pdf")
    text = DocumentProcess(memory_mb=1024, page_timeout=20)
    images = DocumentProcess(memory_mb=2048, page_timeout=60, programs=True)
    stages = []

    def on_page(read: int, count: int, stage: str) -> bool:
        stages.append(stage)
        return True

    def read(how: How):
        return read_document(text, tmp_path / "mixed.pdf", "mixed.pdf", on_page, how, images)

    try:
        document = read(How(ocr="rapidocr"))
        assert [page.source for page in document.pages] == ["text", "ocr", "text"]
        assert "second book" in document.pages[0].text and "second" in document.pages[1].text
        assert document.pages[2].text == ""
        assert document.notes[0].startswith("1 page is a scan, read by OCR with a confidence of")
        assert "reading a scan" in stages
        off = read(How(ocr="off"))
        assert [page.source for page in off.pages] == ["text"] * 3 and not off.pages[1].text
        other = read(How(ocr="rapidocr", languages="deu"))
        assert "No OCR on this machine reads deu" in other.pages[1].error
        assert other.pages[0].text, "the rest is there"
    finally:
        text.close()
        images.close()


def test_which_engine_reads(monkeypatch):
    monkeypatch.setattr(ocr, "tesseract_languages", lambda: frozenset({"eng", "deu"}))
    assert choose("auto", "eng+deu")[0] == "tesseract"
    assert choose("auto", "chi_sim")[0].startswith("rapidocr")
    assert choose("rapidocr", "eng")[0].startswith("rapidocr")
    with pytest.raises(UnreadableDocument, match="no data for fra"):
        choose("tesseract", "eng+fra")
    with pytest.raises(UnreadableDocument, match="No OCR on this machine reads fra"):
        choose("auto", "fra")
