"""Reads what a person typed into the search box."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

_PHRASE = re.compile(r'["“”„«»]([^"“”„«»]+)["“”„«»]')
WORD = re.compile(r"\w+")

_STOP = """
a about an and are as at be but by can did do does for from had has have how i if in into is
it its me my no not of on or our so that the their them then there these they this to was we
were what when where which who why will with you your
"""
STOP_WORDS = frozenset(_STOP.split())
"""English words that say nothing by themselves."""


RESPELLED_FROM = 5
"""Letters of a word that may be another's with a mistake; shorter ones have too many neighbours."""


@dataclass(frozen=True)
class Query:
    """Words to look for, phrases that must be there, and all of it as one question."""

    text: str
    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()

    @property
    def stems(self) -> frozenset[str]:
        """The stems of the words that are marked in what is found."""
        return frozenset(stem(word) for word in self.words)

    @property
    def all_stems(self) -> frozenset[str]:
        """The stems of the words, also of those in phrases."""
        return self.stems | {stem(word) for phrase in self.phrases for word in phrase.split()}


def parse(typed: str) -> Query:
    """Return what was typed as a query; in quotation marks stand phrases.

    Stop words are left out unless there are no others, and kept in phrases.
    """
    phrases = tuple(
        phrase for found in _PHRASE.findall(typed) if (phrase := " ".join(WORD.findall(found)))
    )
    words = WORD.findall(_PHRASE.sub(" ", typed))
    telling = [word for word in words if word.casefold() not in STOP_WORDS]
    if not telling and not phrases:
        telling = words
    text = " ".join(typed.replace('"', " ").split())
    return Query(text, tuple(dict.fromkeys(telling)), phrases)


def plain(word: str) -> str:
    """Return a word in lower case and without accents."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return a word's stem as the full-text index has it: lower case, English Snowball."""
    return str(_stemmer().stemWord(plain(word)))


def stems(text: str) -> set[str]:
    """Return the stems of the words in `text`."""
    return {stem(word) for word in WORD.findall(text)}


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


def respelled(query: Query, texts: Iterable[str]) -> str:
    """Return the question in words of `texts` that are nearly those typed; empty where none are.

    Of a long word a letter may be another, missing, too many, or in the place of its neighbour:
    “budjet” is “budget”, “Mueller” is “Müller”.
    """
    there = Counter(word.lower() for text in texts for word in WORD.findall(text))
    asked = query.text
    for typed in query.words:
        if len(typed) >= RESPELLED_FROM:
            wanted = plain(typed)
            near = [word for word in there if _nearly(wanted, plain(word))]
            if near:
                best = max(near, key=lambda word: (plain(word) == wanted, there[word]))
                asked = re.sub(rf"\b{re.escape(typed)}\b", best, asked)
    return asked if asked != query.text else ""


def _nearly(one: str, two: str) -> bool:
    """Whether two words are the same but for one letter, or for two that changed places."""
    same = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 99)
    one, two = one[same:], two[same:]
    swapped = one[1::-1] == two[:2] and one[2:] == two[2:]
    return swapped or one[1:] in (two, two[1:]) or one == two[1:]


def spans(text: str, query: Query) -> tuple[tuple[int, int], ...]:
    """Return the (begin, end) offsets of the query's words and phrases in `text`."""
    found = [(match.start(), match.end(), match.group()) for match in WORD.finditer(text)]
    stems = [stem(word) for _, _, word in found]
    marked = {n for n, one in enumerate(stems) if one in query.stems}
    ranges = [(found[n][0], found[n][1]) for n in marked]
    for phrase in query.phrases:
        wanted = [stem(word) for word in phrase.split()]
        for n in range(len(stems) - len(wanted) + 1):
            if stems[n : n + len(wanted)] == wanted:
                ranges.append((found[n][0], found[n + len(wanted) - 1][1]))
    return _merged(ranges)


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def parts(text: str, ranges: Iterable[tuple[int, int]]) -> list[tuple[str, bool]]:
    """Return `text` cut into (piece, whether it is in one of the ranges)."""
    pieces = []
    at = 0
    for begin, end in ranges:
        pieces += [(text[at:begin], False), (text[begin:end], True)]
        at = end
    pieces.append((text[at:], False))
    return [piece for piece in pieces if piece[0]]


def snippet(
    text: str, ranges: tuple[tuple[int, int], ...], width: int = 320
) -> list[tuple[str, bool]]:
    """Return the part of a passage that shows most of what was found, as (piece, marked)."""
    begin = max(0, best_place(ranges, width) - width // 5)
    end = min(len(text), begin + width)
    begin = max(0, end - width)
    if begin:  # no word is cut
        begin = text.find(" ", begin, end) + 1 or begin
    if end < len(text):
        end = max(text.rfind(" ", begin, end), begin + 1)
    inside = [
        (max(one, begin) - begin, min(two, end) - begin)
        for one, two in ranges
        if one < end and two > begin
    ]
    cut = parts(text[begin:end], inside)
    return [("… ", False)] * (begin > 0) + cut + [(" …", False)] * (end < len(text))


def best_place(ranges: tuple[tuple[int, int], ...], width: int = 240) -> int:
    """Return the offset around which most of the ranges lie within `width` letters."""
    if not ranges:
        return 0
    return max(
        ranges,
        key=lambda one: sum(
            end - begin for begin, end in ranges if one[0] <= begin < one[0] + width
        ),
    )[0]
