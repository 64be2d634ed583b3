"""Which lines of a page are captions: on pages made here, through the reader of pages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from services.documents.document import Caption, Page
from services.documents.page_text import PageTexts
from services.documents.pdf_file import PdfFile
from services.documents.reader import READERS

PROSE = "the scribes copied every book by hand before winter came to the town and to its people"


def read(tmp_path: Path, draw: Callable[[Canvas], None]) -> Page:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(595, 842))
    draw(canvas)
    canvas.save()
    texts = PageTexts(PdfFile(tmp_path / "a.pdf", "a.pdf"), READERS["auto"], None)
    try:
        return texts.read(1).page
    finally:
        texts.close()


def paragraph(
    canvas: Canvas, lines: list[str], top: float, size: float = 10, x: float = 60
) -> None:
    canvas.setFont("Helvetica", size)
    for at, line in enumerate(lines):
        canvas.drawString(x, top - 1.2 * size * at, line)


def a_page(canvas: Canvas, caption: list[str], size: float = 10, figure: bool = True) -> None:
    """Prose, a figure with its caption below, and prose again."""
    paragraph(canvas, [PROSE] * 5, 760)
    if figure:
        canvas.circle(290, 600, 70)
    paragraph(canvas, caption, 510, size)
    paragraph(canvas, [PROSE] * 5, 450)


def test_a_caption_is_kept_whole_and_its_lines_stay_in_the_text(tmp_path):
    lines = ["Figure 3: Where the scribes sat, and", "which windows they had."]
    page = read(tmp_path, lambda canvas: a_page(canvas, lines))
    (caption,) = page.captions
    assert (caption.label, caption.lines) == ("Figure 3", 2)
    assert caption.text == "Where the scribes sat, and which windows they had."
    assert page.text.split("\n")[caption.line : caption.line + 2] == lines


@pytest.mark.parametrize(
    ("line", "label", "text"),
    [
        ("Fig. 2.1. The loom", "Fig. 2.1", "The loom"),
        ("FIGURE A.2 - The loom", None, None),
        ("Figure 4 The loom of the town", "Figure 4", "The loom of the town"),
        ("Abbildung 7: Der Webstuhl", "Abbildung 7", "Der Webstuhl"),
        ("Abb. 7a: Der Webstuhl", "Abb. 7a", "Der Webstuhl"),
        ("Figure S1 | The loom", "Figure S1", "The loom"),
        ("Figure 5", "Figure 5", ""),
        ("Figure 4 shows the loom of the town", None, None),
        ("Figures 4: and others", None, None),
        ("Figurehead 4: of a ship", None, None),
        ("Figure 4: The loom . . . . . . . . . 12", None, None),
        ("Table of contents", None, None),
    ],
)
def test_how_captions_begin(tmp_path, line, label, text):
    page = read(tmp_path, lambda canvas: a_page(canvas, [line]))
    assert [(c.label, c.text) for c in page.captions] == ([(label, text)] if label else [])


def test_a_table_has_its_caption_above_it(tmp_path):
    def draw(canvas: Canvas) -> None:
        paragraph(canvas, [PROSE] * 4, 760)
        paragraph(canvas, ["TABLE II. What the scribes need"], 680, 9)
        for height in (672, 658, 620):
            canvas.line(60, height, 300, height)
        for at, row in enumerate((("Item", "Count"), ("Quill", "12"), ("Ink", "3"))):
            canvas.drawString(60, 662 - 14 * at, row[0])
            canvas.drawString(200, 662 - 14 * at, row[1])

    page = read(tmp_path, draw)
    assert [(c.label, c.text, c.lines) for c in page.captions] == [
        ("TABLE II", "What the scribes need", 1)
    ]


def test_a_sentence_that_begins_a_line_like_a_caption_is_none(tmp_path):
    """The line ends just before the figure's name; a drawing is near."""

    def draw(canvas: Canvas) -> None:
        paragraph(canvas, [PROSE, PROSE, "Figure 3. Then they rested", PROSE], 500)
        canvas.circle(290, 600, 70)

    assert read(tmp_path, draw).captions == []


def test_nothing_is_drawn_near_it(tmp_path):
    def framed(canvas: Canvas) -> None:
        canvas.rect(0, 0, 595, 842)  # the ground of the page is no figure
        a_page(canvas, ["Figure 3: Where the scribes sat"], figure=False)

    lines = ["Figure 3: Where the scribes sat"]
    assert read(tmp_path, lambda canvas: a_page(canvas, lines, figure=False)).captions == []
    assert read(tmp_path, framed).captions == []


def test_a_caption_ends_where_its_type_does(tmp_path):
    def draw(canvas: Canvas) -> None:
        canvas.circle(290, 600, 70)
        paragraph(canvas, ["Figure 1: In small type"], 510, 8)
        paragraph(canvas, [PROSE] * 3, 498, 10)

    (caption,) = read(tmp_path, draw).captions
    assert caption == Caption("Figure 1", "In small type", caption.line, 1)


def test_on_a_page_that_is_turned(tmp_path):
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.rotate(90)  # drawn on its side, and so upright as it is shown
        canvas.translate(0, -595)
        canvas.circle(290, 400, 70)
        paragraph(canvas, ["Figure 1: Where the scribes sat, and", "which windows they had"], 310)

    (caption,) = read(tmp_path, draw).captions
    assert caption.text == "Where the scribes sat, and which windows they had"
