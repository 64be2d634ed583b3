"""Finds where a transcript says the same again and again, as models do that lost the sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.audio.exports import clock
from services.audio.transcript import Repetition, Word

LONGEST_PHRASE = 8
"""Words in a phrase that is looked for."""

_TIMES = {1: 8, 2: 5}
_TIMES_OF_LONGER = 4
"""How often a phrase has to come in a row, by its number of words: people say “no, no, no” too."""

_MARKS = ".,;:!?…\"'“”‘’()[]-–—"


def repetitions(words: Sequence[Word]) -> list[Repetition]:
    """Return where a phrase is repeated suspiciously often, in the order of time.

    Of phrases that explain the same stretch the shortest is given.
    """
    said = [word.text.strip(_MARKS).casefold() for word in words]
    found: list[tuple[int, int, int]] = []
    for size in range(1, LONGEST_PHRASE + 1):
        for begin, end in _runs(said, size):
            overlaps = any(begin < other and start < end for start, other, _ in found)
            if not overlaps and (end - begin) // size >= _TIMES.get(size, _TIMES_OF_LONGER):
                found.append((begin, end, size))
    return [
        Repetition(
            words[begin].start,
            words[end - 1].end,
            " ".join(word.text for word in words[begin : begin + size]),
            (end - begin) // size,
        )
        for begin, end, size in sorted(found)
    ]


def note(found: Repetition) -> str:
    """Return the sentence about a repetition that stands among a transcript's notes."""
    return (
        f"From {clock(found.start)} to {clock(found.end)} the model wrote “{found.phrase}” "
        f"{found.times} times in a row: listen whether that was said."
    )


def _runs(said: list[str], size: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of each stretch in which every word equals the one `size` before it."""
    begin = None
    for at in range(size, len(said) + 1):
        same = at < len(said) and said[at] == said[at - size]
        if same and begin is None:
            begin = at - size
        elif not same and begin is not None:
            yield begin, at
            begin = None
