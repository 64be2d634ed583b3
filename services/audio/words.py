"""Words that no model timed, of models without times and of people who correct a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from services.audio.transcript import Word

_UNFIT = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def plain(text: str) -> str:
    """Return text as one line that every format can hold.

    Control characters and halves of characters are removed; marks that order or join letters,
    as in Arabic and Persian, stay.
    """
    return " ".join(_UNFIT.sub("", text).split())


def spread(texts: Sequence[str], start: float, end: float) -> list[Word]:
    """Return words that share the time from `start` to `end`, in seconds, by their length."""
    total = sum(len(text) for text in texts) or 1
    words = []
    done = 0
    for text in texts:
        begin = start + (end - start) * done / total
        done += len(text)
        words.append(Word(round(begin, 3), round(start + (end - start) * done / total, 3), text))
    return words


def retimed(text: str, heard: Sequence[Word], start: float, end: float) -> list[Word]:
    """Return the words of a corrected `text`, with times from the words that were heard.

    A word that was heard so keeps its time and confidence; words in place of others share
    the time of these; a word that was added between two lies between them. What a person
    wrote has no confidence.
    """
    texts = plain(text).split()
    old = [_bare(word.text) for word in heard]
    matcher = SequenceMatcher(None, old, [_bare(text) for text in texts], autojunk=False)
    words: list[Word] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            words += [
                replace(word, text=new) for word, new in zip(heard[a:b], texts[c:d], strict=True)
            ]
        elif kind == "replace":
            words += spread(texts[c:d], heard[a].start, heard[b - 1].end)
        elif kind == "insert":
            begin = heard[a - 1].end if a else start
            words += spread(texts[c:d], begin, heard[a].start if a < len(heard) else end)
    return words


def _bare(text: str) -> str:
    """Return what is heard of a word: neither case nor punctuation."""
    return "".join(c for c in text.casefold() if c.isalnum()) or text
