"""Reads the image of a page: OCR by Tesseract or RapidOCR. Runs in a worker process only."""

from __future__ import annotations

import csv
import functools
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from services.documents.document import Page
from services.documents.layout import Line, Word, arrange, paragraphs
from services.documents.pdf_image import render_page
from services.documents.straighten import Straightened, straighten
from services.documents.text import Hyphens, clean
from services.errors import UnreadableDocument

DPI = 200
_SURE = 0.8
"""Mean confidence below which a page may not stand upright."""
_RAPID_LANGUAGES = {"eng", "chi_sim"}
"""What the models in RapidOCR's package read."""


class Reading(NamedTuple):
    """What an engine saw: lines of words in pixels of its image, and how sure it is, 0 to 1."""

    lines: list[list[Word]]
    confidence: float

    @property
    def weight(self) -> float:
        """How much was read, and how surely: to compare two readings of one image."""
        letters = sum(c.isalnum() for line in self.lines for word in line for c in word.text)
        return letters * self.confidence**2


Engine = Callable[[Any, str], Reading]
"""Reads a greyscale image (height x width, uint8) in languages joined by `+`."""


def ocr_page(path: Path, number: int, password: str | None, engine: str, languages: str) -> Page:
    """Return page `number` (from 1) as OCR reads it, turned upright and straightened first.

    Args:
        engine: `auto`, `tesseract` or `rapidocr`.
        languages: As Tesseract names them, joined by `+`.

    Raises:
        UnreadableDocument: the page cannot be drawn, or no engine reads these languages.
    """
    name, read = choose(engine, languages)
    image, scale = render_page(path, number, password, dpi=DPI)
    upright = straighten(np.asarray(image.convert("L")))
    found = read(upright.pixels, languages)
    level = upright
    for quarters in (2, 1, 3):
        if found.confidence >= _SURE or not found.lines:
            break
        turned = level.turned(quarters)
        other = read(turned.pixels, languages)
        if other.weight > found.weight:
            upright, found = turned, other
    lines = paragraphs(arrange(found.lines))
    texts = Hyphens().join([clean(line.text) if line else "" for line in lines])
    return Page(
        number,
        "\n".join(texts),
        source="ocr",
        reader=name,
        width=round(image.width / scale, 1),
        height=round(image.height / scale, 1),
        boxes=[_box(line, upright, scale) if line else None for line in lines],
        confidence=round(found.confidence, 3),
    )


def choose(engine: str, languages: str) -> tuple[str, Engine]:
    """Return the name and the engine that reads these languages here.

    Raises:
        UnreadableDocument: there is none; the message says what is missing.
    """
    wanted = set(languages.split("+"))
    if engine in ("auto", "tesseract"):
        missing = sorted(wanted - tesseract_languages())
        if not missing:
            return "tesseract", _tesseract
        if engine == "tesseract":
            raise UnreadableDocument(
                f"Tesseract is not installed here, or has no data for {', '.join(missing)}. "
                "Install it, or choose RapidOCR."
            )
    missing = sorted(wanted - _RAPID_LANGUAGES)
    if missing:
        raise UnreadableDocument(
            f"No OCR on this machine reads {', '.join(missing)}: install Tesseract with its data "
            "for that language, and try again."
        )
    return f"rapidocr {importlib.metadata.version('rapidocr')}", _rapidocr


@functools.cache
def tesseract_languages() -> frozenset[str]:
    """Return the languages that the installed Tesseract reads; none where it is missing."""
    program = shutil.which("tesseract")
    if program is None:
        return frozenset()
    listed = subprocess.run(
        [program, "--list-langs"], capture_output=True, text=True, timeout=20, check=False
    )
    return frozenset(listed.stdout.split("\n")[1:])


def _tesseract(pixels: Any, languages: str) -> Reading:
    """Read with the program `tesseract`: its TSV has each word with its box and confidence."""
    height, width = pixels.shape
    done = subprocess.run(
        [
            shutil.which("tesseract") or "tesseract",
            "stdin",
            "stdout",
            "-l",
            languages,
            "--dpi",
            str(DPI),
            "tsv",
        ],
        input=b"P5 %d %d 255\n" % (width, height) + pixels.tobytes(),
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},  # as many pages at once as cores
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UnreadableDocument(f"Tesseract ended with an error: {' '.join(said[-1:])}")
    lines: dict[tuple[str, ...], list[Word]] = {}
    sure = []
    table = csv.DictReader(
        io.StringIO(done.stdout.decode("utf-8", "replace")),
        delimiter="\t",
        quoting=csv.QUOTE_NONE,
    )
    for row in table:
        text = (row.get("text") or "").strip()
        if row["level"] != "5" or not text:
            continue
        left, top = float(row["left"]), float(row["top"])
        high = float(row["height"])
        word = Word(text, left, top, left + float(row["width"]), top + high, high)
        key = tuple(row[part] for part in ("block_num", "par_num", "line_num"))
        lines.setdefault(key, []).append(word)
        sure.append((float(row["conf"]) / 100, len(text)))
    return Reading([_even(line) for line in lines.values()], _mean(sure))


def _rapidocr(pixels: Any, languages: str) -> Reading:
    """Read with RapidOCR, which finds pieces of lines anywhere on the page."""
    found = _rapid_engine()(np.repeat(pixels[:, :, None], 3, axis=2), use_cls=False)
    if found.boxes is None or found.txts is None:
        return Reading([], 0.0)
    pieces, sure = [], []
    for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        left, top = (float(value) for value in corners.min(axis=0))
        right, bottom = (float(value) for value in corners.max(axis=0))
        pieces.append(_words(text, left, top, right, bottom))
        sure.append((float(score), len(text)))
    return Reading(_rows([piece for piece in pieces if piece]), _mean(sure))


@functools.cache
def _rapid_engine() -> Any:
    from rapidocr import RapidOCR

    threads = max(1, (os.cpu_count() or 1) // 2)
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        }
    )


def _words(text: str, left: float, top: float, right: float, bottom: float) -> list[Word]:
    """Return the words of a piece of line, each with its share of the piece's width."""
    step = (right - left) / max(len(text), 1)
    return [
        Word(
            found[0],
            left + step * found.start(),
            top,
            left + step * found.end(),
            bottom,
            bottom - top,
        )
        for found in re.finditer(r"\S+", text)
    ]


def _rows(pieces: list[list[Word]]) -> list[list[Word]]:
    """Return pieces that stand side by side as one line, the top line first."""
    rows: list[list[list[Word]]] = []
    for piece in sorted(pieces, key=lambda words: words[0].top):
        first = piece[0]
        row = rows[-1][0][0] if rows else None
        if row is not None and first.top < row.top + 0.5 * min(row.size, first.size):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [
        [word for piece in sorted(row, key=lambda words: words[0].left) for word in piece]
        for row in rows
    ]


def _even(line: list[Word]) -> list[Word]:
    """Give the words of a line one size: boxes of words without tall letters are lower."""
    size = max(word.size for word in line)
    return [word._replace(size=size) for word in line]


def _mean(sure: list[tuple[float, int]]) -> float:
    """Return the mean confidence, each word weighing as much as it has letters."""
    letters = sum(count for _, count in sure)
    return sum(value * count for value, count in sure) / letters if letters else 0.0


def _box(line: Line, upright: Straightened, scale: float) -> list[float]:
    """Return a line's box on the page as it is shown, in points, and the size of its type."""
    edges = upright.on_page(line.left, line.top, line.right, line.bottom)
    return [round(value / scale, 1) for value in (*edges, line.size)]
