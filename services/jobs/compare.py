"""What changed between two results of one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from services.audio.transcript import Transcript
from services.jobs.results import Result

BY_WORDS = 2000
"""Longest stretch that is compared word by word, in words: the cost grows with its square."""


@dataclass(frozen=True)
class Change:
    """A stretch of text that reads otherwise now; one of the two may be empty."""

    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """The changes in the order of the text, and the share of words that stayed, from 0 to 1."""

    changes: list[Change]
    same: float


def compare(before: Result, after: Result) -> Comparison:
    """Compare the texts of two results, words as they are written.

    Stretches that stayed are found by lines first (segments or pages), then by words, with
    difflib's SequenceMatcher.
    """
    old, new = _lines(before), _lines(after)
    words = _words(old), _words(new)
    if words[0] == words[1]:  # lines that are alike may stand at other places of the same text
        return Comparison([], 1.0)
    changes: list[Change] = []
    kept = 0
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left, right = _words(old[a:b]), _words(new[c:d])
        if tag == "equal":
            kept += len(left)
            continue
        found, stayed = _by_words(left, right)
        changes += found
        kept += stayed
    return Comparison(changes, kept / max(map(len, words)))


def _by_words(left: list[str], right: list[str]) -> tuple[list[Change], int]:
    """Return the changes between two lists of words, and how many words stayed."""
    quick = max(len(left), len(right)) > BY_WORDS  # then frequent words are no anchors
    changes, kept = [], 0
    for tag, a, b, c, d in SequenceMatcher(None, left, right, autojunk=quick).get_opcodes():
        if tag == "equal":
            kept += b - a
        else:
            changes.append(Change(" ".join(left[a:b]), " ".join(right[c:d])))
    return changes, kept


def _lines(result: Result) -> list[str]:
    if isinstance(result, Transcript):
        return [segment.text for segment in result.segments]
    return [line for page in result.pages for line in page.text.splitlines()]


def _words(lines: Sequence[str]) -> list[str]:
    return " ".join(lines).split()
