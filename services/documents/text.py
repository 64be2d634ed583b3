"""Repairs text that comes out of PDFs: ligatures, line ends, words cut by hyphens."""

from __future__ import annotations

import re
import unicodedata

_PRESENTATION = re.compile("[\ufb00-\ufdff\ufe70-\ufefc]+")
"""Ligatures and positional letter forms: glyphs that fonts need and texts do not."""

_HYPHENS = "-\u00ad\u2010\u0002\ufffe"  # the last two are PDFium's
_CUT = re.compile(rf"(\w+)[{_HYPHENS}]$")
_BEGIN = re.compile(r"\w+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")

_CONTROL: dict[int, str | None] = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), 0x7F, 0xFFFE, 0xFFFF)
)
_CONTROL[0x02] = "-"


_JUNK = re.compile("[\ufffd\ue000-\uf8ff\x80-\x9f\U000f0000-\U0010ffff]")
_GLYPHS = re.compile(r"\(cid:\d+\)|/[Gg]\d{1,4}\b|[\x00-\x08\x0e-\x1f]")


def clean(text: str) -> str:
    """Return `text` with plain letters for ligatures, and nothing that UTF-8 cannot hold."""
    text = _PRESENTATION.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = text.translate(_CONTROL).replace("\u00ad", "-")
    # Lone surrogates come out of broken fonts.
    return text.encode("utf-8", "replace").decode("utf-8")


def junk_share(text: str) -> float:
    """Return the share of characters that no reader can mean: the mark of a broken font.

    Replacement characters, the private use area, control characters and glyph numbers.
    """
    junk = sum(map(len, _GLYPHS.findall(text)))
    if not text.isascii():
        junk += len(_JUNK.findall(text))
    if not junk:
        return 0.0
    return min(1.0, junk / sum(map(len, text.split())))


class Hyphens:
    """Joins words that a line end cut in two; learns the document's words on the way.

    A hyphen stays where the document writes the word with one elsewhere, or where both halves
    are words of their own that it uses.
    """

    def __init__(self) -> None:
        self._words: set[str] = set()

    def join(self, lines: list[str]) -> list[str]:
        """Return the lines, each cut word whole on the line on which it begins."""
        self._learn(lines)
        joined = list(lines)
        for index in range(len(joined) - 1):
            if joined[index][-1:] not in _HYPHENS or not joined[index]:
                continue
            cut = _CUT.search(joined[index])
            rest = _BEGIN.match(joined[index + 1])
            if cut is None or rest is None or not rest[0][0].islower() or cut[1][-1].isdigit():
                continue
            first, second = cut[1].lower(), rest[0].lower()
            hyphen = "-" if self._keeps_hyphen(first, second) else ""
            joined[index] = joined[index][:-1] + hyphen + rest[0]
            following = joined[index + 1][rest.end() :]
            # What ends the word stays with it.
            mark = re.match(r"[^\w\s(\[{]+(?=\s|$)", following)
            if mark:
                joined[index] += mark[0]
                following = following[mark.end() :]
            joined[index + 1] = following.lstrip()
        return joined

    def _learn(self, lines: list[str]) -> None:
        """Take up the words of these lines, but not the halves of cut ones."""
        after_cut = False
        for line in lines:
            words = _WORD.findall(line.lower())
            first = 1 if after_cut else 0
            after_cut = line[-1:] in _HYPHENS and bool(line)
            self._words.update(words[first:-1] if after_cut else words[first:])

    def _keeps_hyphen(self, first: str, second: str) -> bool:
        if first + second in self._words:
            return False
        if f"{first}-{second}" in self._words:
            return True
        return min(len(first), len(second)) > 2 and {first, second} <= self._words
