"""How right the words of documents are, and their order: pypdf, PDFium and ours.

The pages are made here, by ReportLab and by Chromium where it is installed, from known text: of one
and two columns, with columns drawn in turns, turned, from right to left, with ligatures, cut words,
a form and a table. *words* is the F1 of the multisets of words; *order* is 1 minus the edit
distance of the sequences of words, over the length of the longer.
Run as `python -m benchmarks.document_quality`.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
from pypdf import PdfReader, PdfWriter
from rapidfuzz.distance import Levenshtein
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from services.documents.page_text import PageTexts
from services.documents.pdf_file import PdfFile
from services.documents.reader import READERS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
TEXTS = {
    "English": "extraordinary scribes considered the representation of every administrative book "
    "before winter because candles were official offices and efficient waffles flowed fiercely "
    "between responsible communities that internationalised their communication afterwards",
    "Hebrew": "הסופרים העתיקו את הספר הראשון ביד לפני החורף ואחר כך את השני",
    "Arabic": "نسخ الكتبة الكتاب الأول باليد قبل الشتاء ثم الكتاب الثاني",
}
ENGLISH, HEBREW, ARABIC = (text.split() for text in TEXTS.values())

Page = tuple[str, Path, str]


def prose(count: int, words: list[str] = ENGLISH) -> list[str]:
    """Return so many words."""
    return [random.choice(words) for _ in range(count)]


def reportlab_pages(root: Path) -> Iterator[Page]:
    """Yield (kind, file, text) of pages made by ReportLab."""

    def made(kind: str, text: str, draw: Callable[[Canvas], None]) -> Page:
        path = root / f"r-{kind}.pdf"
        canvas = Canvas(str(path), pagesize=(595, 842))
        draw(canvas)
        canvas.save()
        return kind, path, text

    def column(canvas: Canvas, lines: list[str], x: float, y: float = 780) -> None:
        for at, line in enumerate(lines):
            canvas.drawString(x, y - 14 * at, line)

    lines = [" ".join(prose(9)) for _ in range(40)]
    yield made("one column", " ".join(lines), lambda c: column(c, lines, 50))

    left, right = ([" ".join(prose(3)) for _ in range(40)] for _ in range(2))

    def in_order(canvas: Canvas) -> None:
        canvas.setFontSize(9)
        column(canvas, left, 50)
        column(canvas, right, 320)

    def in_turns(canvas: Canvas) -> None:
        canvas.setFontSize(9)
        for at, (a, b) in enumerate(zip(left, right, strict=True)):
            canvas.drawString(50, 780 - 14 * at, a)
            canvas.drawString(320, 780 - 14 * at, b)

    yield made("two columns", " ".join(left + right), in_order)
    yield made("two columns drawn in turns", " ".join(left + right), in_turns)

    cut, whole = [], []
    for _ in range(30):
        word = random.choice([w for w in ENGLISH if len(w) > 8])
        before, after = prose(6), prose(2)
        cut += [" ".join([*before, word[:4] + "-"]), " ".join([word[4:], *after])]
        whole += [*before, word, *after]
    yield made("words cut by hyphens", " ".join(whole), lambda c: column(c, cut, 50))

    def sideways(canvas: Canvas) -> None:
        canvas.rotate(90)
        column(canvas, lines[:30], 60, -60)

    yield made("text on its side", " ".join(lines[:30]), sideways)
    kind, path, text = made("turned page", " ".join(lines), lambda c: column(c, lines, 50))
    writer = PdfWriter(clone_from=path)
    writer.pages[0].rotate(90)
    writer.write(path)
    yield kind, path, text

    def form(canvas: Canvas) -> None:
        for at, line in enumerate(lines[:6]):
            canvas.drawString(50, 780 - 40 * at, line[:30])
            canvas.acroForm.textfield(
                name=f"field{at}", value=f"filled{at}", x=320, y=772 - 40 * at, width=150, height=20
            )

    form_text = [word for at, line in enumerate(lines[:6]) for word in (line[:30], f"filled{at}")]
    yield made("form, filled in", " ".join(form_text), form)

    cells = [prose(4) for _ in range(20)]

    def table(canvas: Canvas) -> None:
        for at, row in enumerate(cells):
            canvas.line(50, 792 - 20 * at, 550, 792 - 20 * at)
            for column_at, cell in enumerate(row):
                canvas.drawString(55 + 125 * column_at, 778 - 20 * at, cell)

    yield made("table", " ".join(word for row in cells for word in row), table)
    if FONT.is_file():
        pdfmetrics.registerFont(TTFont("DejaVu", str(FONT)))
        hebrew = [prose(7, HEBREW) for _ in range(20)]

        def right_to_left(canvas: Canvas) -> None:
            canvas.setFont("DejaVu", 11)
            for at, words in enumerate(hebrew):  # as producers do: glyphs from left to right
                canvas.drawRightString(540, 780 - 16 * at, " ".join(words)[::-1])

        yield made("Hebrew", " ".join(w for line in hebrew for w in line), right_to_left)


def chromium_pages(root: Path) -> Iterator[Page]:
    """Yield (kind, file, text) of pages that Chromium prints."""
    if CHROMIUM is None:
        return
    english, hebrew, arabic = (
        " ".join(prose(330)),
        " ".join(prose(90, HEBREW)),
        " ".join(prose(90, ARABIC)),
    )
    rows = [prose(4) for _ in range(15)]
    table = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    pages = {
        "one column, justified": (english, f"<p style='text-align:justify'>{english}</p>"),
        "three columns": (english, f"<div style='columns:3;text-align:justify'>{english}</div>"),
        "ligatures": (
            english,
            f"<p style='font:14px DejaVu Serif;font-variant-ligatures:normal'>{english}</p>",
        ),
        "Hebrew": (hebrew, f"<p dir=rtl lang=he>{hebrew}</p>"),
        "Arabic": (arabic, f"<p dir=rtl lang=ar>{arabic}</p>"),
        "table": (" ".join(w for row in rows for w in row), f"<table border=1>{table}</table>"),
    }
    for kind, (text, body) in pages.items():
        source, path = root / "page.html", root / f"c-{kind}.pdf"
        source.write_text(f"<!doctype html><meta charset=utf-8>{body}", encoding="utf-8")
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--no-pdf-header-footer", f"--print-to-pdf={path}", source.as_uri()]
        subprocess.run(command, capture_output=True, check=True)
        yield f"{kind} (Chromium)", path, text


def ours(reader: str) -> Callable[[Path], str]:
    """Return what reads a page as the product does."""

    def read(path: Path) -> str:
        texts = PageTexts(PdfFile(path, path.name), READERS[reader], None)
        try:
            return texts.read(1).page.text
        finally:
            texts.close()

    return read


def pdfium(path: Path) -> str:
    """Return the text as PDFium gives it."""
    with pypdfium2.PdfDocument(path) as document:
        text: str = document[0].get_textpage().get_text_range()
        return text


READS: dict[str, Callable[[Path], str]] = {
    "pypdf": lambda path: PdfReader(path).pages[0].extract_text(),
    "PDFium": pdfium,
    "ours, `pypdf`": ours("pypdf"),
    "ours, `auto`": ours("auto"),
}


def scores(truth: str, read: str) -> tuple[float, float]:
    """Return how right the words are, and their order."""
    right, found = truth.split(), read.split()
    common = sum((Counter(right) & Counter(found)).values())
    f1 = 2 * common / max(len(right) + len(found), 1)
    return f1, 1 - Levenshtein.normalized_distance(right, found)


def main() -> None:
    """Read every page with everything and print the table."""
    random.seed(11)
    totals: dict[str, list[tuple[float, float]]] = {name: [] for name in READS}
    print(f"| words / order | {' | '.join(READS)} |\n|---|{'---|' * len(READS)}")
    with tempfile.TemporaryDirectory() as root:
        for kind, path, text in [*reportlab_pages(Path(root)), *chromium_pages(Path(root))]:
            cells = []
            for name, read in READS.items():
                totals[name].append(scores(text, read(path)))
                cells.append("{:.2f} / {:.2f}".format(*totals[name][-1]))
            print(f"| {kind} | {' | '.join(cells)} |")
    means = []
    for values in totals.values():
        words, order = (sum(column) / len(values) for column in zip(*values, strict=True))
        means.append(f"**{words:.3f} / {order:.3f}**")
    print(f"| **mean** | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
