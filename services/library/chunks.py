"""Cuts a result into passages that fit the embedding model, along its own structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.library.models import Chunk, Result
from services.library.sentences import sentences

CHUNK_TOKENS = 180
"""Most tokens in a passage; models of 256 also hold its headings."""

OVERLAP_TOKENS = 40
"""Sentences up to this many tokens at the end of a passage begin the next one too."""

Count = Callable[[list[str]], list[int]]
"""Returns the number of the embedding model's tokens in each text."""


@dataclass(frozen=True)
class _Unit:
    """A sentence, or a piece of one that is too long."""

    text: str
    tokens: int
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class _Stretch:
    """Sentences between two borders that no passage crosses: pages, headings, turns."""

    units: list[_Unit]
    page: int | None = None
    speaker: str | None = None
    headings: tuple[str, ...] = ()


def chunk(result: Result, count: Count) -> list[Chunk]:
    """Return the passages of a transcript or a document, in their order."""
    stretches = _turns(result, count) if result["kind"] == "transcript" else _pages(result, count)
    return [made for stretch in stretches for made in _pack(stretch)]


def in_context(text: str, headings: str) -> str:
    """Return a passage with what stands above it, which tells what it is about."""
    return f"{headings}\n{text}" if headings else text


def _turns(result: Result, count: Count) -> Iterator[_Stretch]:
    segments = [segment for segment in result["segments"] if segment["text"].strip()]
    sizes = count([segment["text"] for segment in segments])
    units: list[_Unit] = []
    speaker: str | None = None
    for segment, size in zip(segments, sizes, strict=True):
        if units and segment.get("speaker") != speaker:
            yield _Stretch(units, speaker=speaker)
            units = []
        speaker = segment.get("speaker")
        begun, length = float(segment["start"]), float(segment["end"]) - float(segment["start"])
        pieces = _pieces(segment["text"].strip(), size, count)
        whole = sum(len(piece) for piece, _ in pieces)
        done = 0
        for piece, tokens in pieces:  # of a segment that is too long, time goes by letters
            start = begun + length * done / whole
            done += len(piece)
            units.append(_Unit(piece, tokens, start, begun + length * done / whole))
    if units:
        yield _Stretch(units, speaker=speaker)


def _pages(result: Result, count: Count) -> Iterator[_Stretch]:
    outline = [entry for entry in result.get("outline", []) if entry.get("page")]
    path: list[tuple[int, str]] = []
    for page in result["pages"]:
        here = [entry for entry in outline if entry["page"] == page["number"]]
        for headings, text in _sections(_body(page), here, path):
            spans = sentences(text)
            texts = [" ".join(text[begin:end].split()) for begin, end in spans]
            units = [
                _Unit(piece, tokens)
                for sentence, size in zip(texts, count(texts), strict=True)
                for piece, tokens in _pieces(sentence, size, count)
            ]
            if units:
                yield _Stretch(units, page=page["number"], headings=headings)


def _body(page: Result) -> str:
    """Return a page's text without running headers and footers, and with what people noted."""
    lines = page["text"].splitlines(keepends=True)
    last = len(lines) - page.get("footer", 0)
    notes = "".join(f"\n\n{note}" for note in page.get("annotations", []))
    return "".join(lines[page.get("header", 0) : last]) + notes


def _sections(
    text: str, entries: list[Result], path: list[tuple[int, str]]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (headings above, text) of a page's sections; `path` goes on to the next page.

    An entry of the outline whose title is a line of the page begins there; others begin with
    the page.
    """
    lines = text.splitlines(keepends=True)
    plain = [" ".join(line.split()).casefold() for line in lines]
    begin = 0
    for entry in entries:
        title = " ".join(entry["title"].split())
        at = next((n for n in range(begin, len(lines)) if plain[n] == title.casefold()), begin)
        if at > begin:
            yield tuple(name for _, name in path), "".join(lines[begin:at])
            begin = at
        while path and path[-1][0] >= entry["level"]:
            path.pop()
        path.append((entry["level"], title))
    yield tuple(name for _, name in path), "".join(lines[begin:])


def _pieces(text: str, tokens: int, count: Count) -> list[tuple[str, int]]:
    """Return a sentence, or the parts of one that is too long, each with its tokens."""
    if tokens <= CHUNK_TOKENS:
        return [(text, tokens)]
    words = text.split()
    if len(words) == 1:  # no space at all: a long number, or a script without spaces
        middle = len(text) // 2
        parts = [text[:middle], text[middle:]]
    else:
        middle = len(words) // 2
        parts = [" ".join(words[:middle]), " ".join(words[middle:])]
    return [
        piece
        for part, size in zip(parts, count(parts), strict=True)
        for piece in _pieces(part, size, count)
    ]


def _pack(stretch: _Stretch) -> Iterator[Chunk]:
    held: list[_Unit] = []
    size = 0
    for unit in stretch.units:
        if held and size + unit.tokens > CHUNK_TOKENS:
            yield _chunk(held, stretch)
            held = _overlap(held, CHUNK_TOKENS - unit.tokens)
            size = sum(one.tokens for one in held)
        held.append(unit)
        size += unit.tokens
    yield _chunk(held, stretch)


def _overlap(held: list[_Unit], room: int) -> list[_Unit]:
    """Return the last sentences of a passage that the next one repeats."""
    kept: list[_Unit] = []
    left = min(OVERLAP_TOKENS, room)
    for unit in reversed(held[1:]):  # never all of it: the next passage must be another one
        left -= unit.tokens
        if left < 0:
            break
        kept.insert(0, unit)
    return kept


def _chunk(units: list[_Unit], stretch: _Stretch) -> Chunk:
    marks: list[tuple[int, float]] = []
    offset = 0
    for unit in units:
        if unit.start is not None:
            marks.append((offset, round(unit.start, 3)))
        offset += len(unit.text) + 1
    return Chunk(
        text=" ".join(unit.text for unit in units),
        page=stretch.page,
        start=units[0].start,
        end=units[-1].end,
        speaker=stretch.speaker,
        headings=stretch.headings,
        marks=tuple(marks),
    )
