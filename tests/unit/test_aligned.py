"""Tables without lines around their cells: found where they are, and nowhere else."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from services.documents.page_text import PageTexts
from services.documents.pdf_file import PdfFile
from services.documents.reader import READERS

PROSE = (
    "the scribes copied every book by hand before winter in 1473 and sold 12 of them to a town "
    "of many people who could not read but liked its red letters a 7 % share went to the abbot"
)
WORDS = PROSE.split()
Rows = list[list[str]]
CELLS: Rows = [
    ["Town", "Scribes", "Books"],
    ["Ghent", "12", "340"],
    ["Bruges", "7", "95"],
    ["Lier", "3", "1,204"],
    ["Mechelen", "25", "88"],
]


def tables(path: Path, draw: Callable[[Canvas], None]) -> list[Rows]:
    canvas = Canvas(str(path), pagesize=(595, 842))
    canvas.setFont("Helvetica", 10)
    draw(canvas)
    canvas.save()
    texts = PageTexts(PdfFile(path, path.name), READERS["auto"], None)
    try:
        return texts.read(1).page.tables
    finally:
        texts.close()


def grid(canvas: Canvas, rows: Rows, places: list[float], right: bool = True) -> None:
    """Draw rows: the first column begins at its place, the others end at theirs."""
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            put = canvas.drawRightString if right and column else canvas.drawString
            put(places[column], 700 - 14 * at, cell)


def column(canvas: Canvas, make: random.Random, x: float, width: float, justify: bool) -> None:
    """Draw lines of prose, their words set apart until they fill the width."""
    for at in range(45):
        words, line = [], ""
        while stringWidth(line, "Helvetica", 10) < width - 45:
            words.append(make.choice(WORDS))
            line = " ".join(words)
        extra = width - stringWidth(line, "Helvetica", 10) if justify else 0
        text = canvas.beginText(x, 780 - 14 * at)
        text.setWordSpace(extra / max(len(words) - 1, 1))
        text.textLine(line)
        canvas.drawText(text)


def test_a_table_of_numbers_is_found_by_its_columns(tmp_path):
    assert tables(tmp_path / "a.pdf", lambda c: grid(c, CELLS, [60, 250, 380])) == [CELLS]


def test_a_cell_may_be_empty(tmp_path):
    rows = [row[:] for row in CELLS]
    rows[2][1] = ""
    found = tables(tmp_path / "a.pdf", lambda c: grid(c, rows, [60, 250, 380]))
    assert found == [rows]


def test_rules_above_and_below_make_a_table_of_words(tmp_path):
    rows = [["Ink", "Where from"], ["red", "cinnabar"], ["blue", "lapis lazuli"], ["black", "soot"]]

    def draw(canvas: Canvas, ruled: bool = True) -> None:
        grid(canvas, rows, [60, 200], right=False)
        for height in (712, 696, 654) if ruled else ():
            canvas.line(60, height, 300, height)

    assert tables(tmp_path / "a.pdf", draw) == [rows]
    assert tables(tmp_path / "b.pdf", lambda c: draw(c, ruled=False)) == []


def test_a_head_above_several_columns_is_left_out(tmp_path):
    def draw(canvas: Canvas) -> None:
        canvas.drawString(60, 714, "Place")
        canvas.drawCentredString(310, 714, "How many there were in each of them")
        grid(canvas, CELLS, [60, 250, 380])

    assert tables(tmp_path / "a.pdf", draw) == [CELLS]


@pytest.mark.parametrize("justify", [False, True])
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_prose_is_no_table(tmp_path, columns, justify):
    """Forty pages of it, in columns drawn one after the other and line by line."""
    make = random.Random(columns)
    wide = 500 / columns - 20
    for n in range(6):

        def draw(canvas: Canvas) -> None:
            for at in range(columns):
                column(canvas, make, 50 + at * 500 / columns, wide, justify)

        assert tables(tmp_path / f"{n}.pdf", draw) == []


def test_columns_of_prose_drawn_in_turns_are_no_table(tmp_path):
    make = random.Random(7)

    def draw(canvas: Canvas) -> None:
        for at in range(45):
            for x in (50, 230, 410):
                words = " ".join(make.choice(WORDS) for _ in range(make.choice((4, 5, 6))))
                canvas.drawString(x, 780 - 14 * at, words[:30])

    for n in range(6):
        assert tables(tmp_path / f"{n}.pdf", draw) == []


@pytest.mark.parametrize("leader", [False, True])
def test_a_table_of_contents_is_none(tmp_path, leader):
    def draw(canvas: Canvas) -> None:
        for at in range(12):
            canvas.drawString(60, 700 - 14 * at, f"{at // 4 + 1}.{at % 4}")
            dots = " . . . . . . . . ." if leader else ""
            canvas.drawString(
                100, 700 - 14 * at, f"Chapter of the {('ink', 'quill')[at % 2]}{dots}"
            )
            canvas.drawRightString(500, 700 - 14 * at, str(3 * at + 1))

    assert tables(tmp_path / "a.pdf", draw) == []


def test_lists_equations_and_addresses_are_none(tmp_path):
    def draw(canvas: Canvas) -> None:
        for at in range(8):
            canvas.drawString(60, 780 - 14 * at, f"{at + 1}.")
            canvas.drawString(90, 780 - 14 * at, " ".join(WORDS[at : at + 9]))
        for at in range(6):
            canvas.drawString(150, 600 - 14 * at, f"x = {at} y + {at * at}")
            canvas.drawRightString(500, 600 - 14 * at, f"({at + 1})")
        for at, line in enumerate(("Ana Ruiz", "Main street 5", "9000 Ghent", "Flanders")):
            canvas.drawString(60, 400 - 14 * at, line)
            canvas.drawString(350, 400 - 14 * at, f"Line {at} of the sender")

    assert tables(tmp_path / "a.pdf", draw) == []
