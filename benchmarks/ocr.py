"""How exactly OCR reads pages of known text: rendered, askew, noisy, turned; per engine.

Character accuracy is 1 minus the edit distance over the length of the longer text, white space
counting as one blank. The pages are set here in two typefaces; nothing of them is public text.
Run as `python -m benchmarks.ocr`.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from rapidfuzz.distance import Levenshtein
from reportlab.pdfgen.canvas import Canvas

from services.documents.ocr import ocr_page, tesseract_languages
from tests import media

TEXT = (
    "the scribe who copied every page of that book by hand in winter light wrote 1,249 lines; "
    "his ink was iron gall, his quill a goose feather, and (as he noted) “all of it cold work” "
    "while others slept. Costs: 12.50 for parchment, 3.75 for wax & candles, in 1487 – no more."
)
CONDITIONS = {
    "as rendered": (0, 0),
    "noise": (0, 25),
    "3 degrees askew": (3, 0),
    "-6 degrees askew, noise": (-6, 15),
    "on its head": (180, 5),
    "on its side": (90, 5),
}


def pages() -> list[tuple[str, str, list[str]]]:
    """Return (typeface, size, lines) of each page."""
    random.seed(7)
    words = TEXT.split()
    made = []
    for face, size in (("Times-Roman", 11), ("Helvetica", 10)):
        lines = []
        for _ in range(38):
            line: list[str] = []
            while len(" ".join(line)) < 78:
                line.append(random.choice(words))
            lines.append(" ".join(line[:-1]))
        made.append((face, str(size), lines))
    return made


def accuracy(truth: str, read: str) -> float:
    """Return the share of characters that are right."""
    return 1 - Levenshtein.normalized_distance(" ".join(truth.split()), " ".join(read.split()))


def main() -> None:
    """Read every page in every condition and print the table."""
    engines = [*(["tesseract"] if "eng" in tesseract_languages() else []), "rapidocr"]
    print("| page | engine | character accuracy | confidence | s/page |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        sources = []
        for number, (face, size, lines) in enumerate(pages()):
            path = Path(root) / f"{number}.pdf"
            canvas = Canvas(str(path))
            canvas.setFont(face, int(size))
            for at, line in enumerate(lines):
                canvas.drawString(60, 770 - 18 * at, line)
            canvas.save()
            sources.append((path, "\n".join(lines)))
        for condition, (degrees, noise) in CONDITIONS.items():
            for engine in engines:
                right, sure, took = [], [], 0.0
                for path, truth in sources:
                    scan = media.write_scan(Path(root) / "scan.pdf", path, degrees, noise)
                    begun = time.perf_counter()
                    page = ocr_page(scan, 1, None, engine, "eng")
                    took += time.perf_counter() - begun
                    right.append(accuracy(truth, page.text))
                    sure.append(page.confidence or 0.0)
                count = len(sources)
                print(
                    f"| {condition} | {engine} | {sum(right) / count:.3f} "
                    f"| {sum(sure) / count:.2f} | {took / count:.1f} |"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
