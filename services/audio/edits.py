"""What people changed in a transcript, kept apart from what the machine heard.

An edit belongs to a stretch of the recording and not to a segment. When the recording is
transcribed again, with other segments perhaps, it replaces what is heard there then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from typing import Any

from services.audio.segments import in_order, joined, segment_of, words_of
from services.audio.transcript import Repetition, Segment, Transcript, Word
from services.audio.words import plain, retimed

Span = tuple[float, float]


@dataclass(frozen=True)
class Edit:
    """A change to what is said from `start` to `end`, in seconds.

    `text` and `speaker` are None where the machine's stay; an empty text removes the passage.
    `was` is what the machine had heard there.
    """

    start: float
    end: float
    text: str | None = None
    speaker: str | None = None
    was: str = ""

    @property
    def span(self) -> Span:
        """Where it belongs: start and end."""
        return self.start, self.end


@dataclass(frozen=True)
class Edits:
    """All changes to one transcript; `speakers` holds the names that people gave to speakers."""

    version: int = 0
    segments: tuple[Edit, ...] = ()
    speakers: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the edits as JSON keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Edits:
        """Read edits back."""
        segments = tuple(Edit(**edit) for edit in values["segments"])
        return cls(values["version"], segments, dict(values["speakers"]))


@dataclass(frozen=True)
class Passage:
    """A segment as a reader sees it; `speaker` is the label, of which people choose the name."""

    start: float
    end: float
    text: str
    words: list[Word]
    speaker: str | None
    heard: str
    """What the machine hears here."""
    edit: Edit | None = None

    @property
    def outdated(self) -> bool:
        """Whether the machine has heard something else since a person changed the text."""
        return bool(self.edit and self.edit.text is not None and self.edit.was != self.heard)


@dataclass(frozen=True)
class EditedTranscript(Transcript):
    """A transcript as people corrected it, with what the machine heard."""

    machine: Transcript | None = None
    edits: Edits = field(default_factory=Edits)

    def as_dict(self) -> dict[str, Any]:
        """Return the corrected transcript, and beside it the machine's and the edits."""
        values = super().as_dict() | {"edits": self.edits.as_dict()}
        if self.machine is not None:
            machine = self.machine.as_dict()
            values["machine"] = {name: machine[name] for name in ("text", "segments", "words")}
        return values


def corrected(transcript: Transcript, edits: Edits) -> Transcript:
    """Return the transcript with the edits, or itself where there are none."""
    if not edits.segments and not edits.speakers:
        return transcript
    segments: list[Segment] = []
    words: list[Word] = []
    shown = passages(transcript, edits)
    for passage in shown:
        if not passage.text:
            continue
        speaker = passage.speaker
        known = segment_of(passage.words) if passage.words else None
        segments.append(
            Segment(
                passage.start,
                passage.end,
                passage.text,
                edits.speakers.get(speaker, speaker) if speaker else None,
                known.confidence if known else None,
            )
        )
        words += passage.words
    return EditedTranscript(
        **{name: getattr(transcript, name) for name in Transcript.__dataclass_fields__}
        | {
            "text": joined(segment.text for segment in segments),
            "segments": segments,
            "words": in_order(words, transcript.duration),
            "repetitions": unchecked(transcript.repetitions, shown),
            "machine": transcript,
            "edits": edits,
        }
    )


def passages(transcript: Transcript, edits: Edits) -> list[Passage]:
    """Return what a reader sees: the machine's segments, and the edits where there are some."""
    by_span = {edit.span: edit for edit in edits.segments}
    groups = list(
        zip(transcript.segments, words_of(transcript.segments, transcript.words), strict=True)
    )
    exact = by_span.keys() & {(segment.start, segment.end) for segment, _ in groups}
    moved = sorted((e for e in edits.segments if e.span not in exact), key=lambda e: e.span)
    ahead = deque(moved)
    heard: dict[Span, list[Word]] = {edit.span: [] for edit in moved}
    voices: dict[Span, str | None] = {}
    found: list[Passage] = []
    for segment, words in groups:
        if (segment.start, segment.end) in exact:
            edit = by_span[segment.start, segment.end]
            found.append(_edited(edit, segment.text, words, segment.speaker))
            continue
        while ahead and ahead[0].end < segment.start:
            ahead.popleft()
        for owner, piece in _pieces(segment, words, ahead):
            if owner is None:
                found.append(_machine(segment, piece, whole=len(piece) == len(words)))
            else:
                heard[owner.span] += piece
                voices.setdefault(owner.span, segment.speaker)
    for edit in moved:
        words = heard[edit.span]
        if words or edit.text is not None:
            text = joined(word.text for word in words)
            found.append(_edited(edit, text, words, voices.get(edit.span)))
    return sorted(found, key=lambda passage: (passage.start, passage.end))


def unchecked(found: Sequence[Repetition], shown: Sequence[Passage]) -> list[Repetition]:
    """Return the repetitions of which a passage has no text that a person wrote."""
    left = [p for p in shown if found and not (p.edit and p.edit.text is not None)]
    return [r for r in found if any(p.start < r.end and r.start < p.end for p in left)]


def _pieces(
    segment: Segment, words: list[Word], ahead: Iterable[Edit]
) -> Iterable[tuple[Edit | None, list[Word]]]:
    """Part a segment's words by the edit that holds the middle of each."""
    near = [e for e in takewhile(lambda e: e.start < segment.end, ahead) if segment.start < e.end]
    if not near:
        yield None, words
        return

    def holder(one: Word | Segment) -> Edit | None:
        middle = (one.start + one.end) / 2
        return next((edit for edit in near if edit.start <= middle <= edit.end), None)

    if not words:  # a model without times for words: the segment goes as a whole
        owner = holder(segment)
        yield owner, [Word(segment.start, segment.end, segment.text)] if owner else []
        return
    piece: list[Word] = []
    owner = None
    for word in words:
        its = holder(word)
        if piece and its is not owner:
            yield owner, piece
            piece = []
        owner = its
        piece.append(word)
    yield owner, piece


def _machine(segment: Segment, words: list[Word], whole: bool) -> Passage:
    part = segment if whole else segment_of(words, segment.speaker)
    return Passage(part.start, part.end, part.text, words, part.speaker, part.text)


def _edited(edit: Edit, heard: str, words: list[Word], speaker: str | None) -> Passage:
    inside = [
        replace(
            word,
            start=min(max(word.start, edit.start), edit.end),
            end=min(max(word.end, edit.start), edit.end),
        )
        for word in words
    ]
    text = heard if edit.text is None else edit.text
    if edit.text is not None:
        inside = retimed(text, inside, edit.start, edit.end)
    return Passage(edit.start, edit.end, text, inside, edit.speaker or speaker, heard, edit)


def changed(
    transcript: Transcript,
    edits: Edits,
    changes: Iterable[Edit],
    names: dict[str, str | None],
) -> Edits:
    """Return the next version of the edits.

    Args:
        transcript: What the machine heard.
        edits: The edits so far.
        changes: Each takes the place of the edit of its stretch; one without text and speaker
            gives back what the machine heard.
        names: New names of speakers by their label; None gives back the label.
    """
    by_span = {edit.span: edit for edit in edits.segments}
    spans = set()
    for change in changes:
        spans.add(change.span)
        text = None if change.text is None else plain(change.text)
        speaker = plain(change.speaker or "") or None
        by_span[change.span] = replace(change, text=text, speaker=speaker)
    tried = Edits(edits.version + 1, tuple(by_span.values()), dict(edits.speakers))
    for passage in passages(transcript, tried):
        if passage.edit and passage.edit.span in spans:
            text = None if passage.edit.text == passage.heard else passage.edit.text
            by_span[passage.edit.span] = replace(passage.edit, text=text, was=passage.heard)
    for label, name in names.items():
        tried.speakers.pop(label, None)
        if name and plain(name) and plain(name) != label:
            tried.speakers[label] = plain(name)
    kept = (e for e in by_span.values() if e.text is not None or e.speaker is not None)
    return replace(tried, segments=tuple(sorted(kept, key=lambda edit: edit.span)))
