"""What goes into the library and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.people.models import Reach


@dataclass(frozen=True)
class Source:
    """A file in the library, as its passages are filtered and shown.

    `added` is in seconds since the epoch; `language` is an ISO 639-1 code, None where unknown.
    """

    id: str
    name: str
    owner: str
    batch: str
    kind: str
    added: float
    language: str | None = None
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A passage of one source, small enough for the embedding model.

    Args:
        page: Its page, of a document.
        start: Its first and last second, of a recording.
        headings: The headings above it, the outermost first.
        marks: For speech, (offset in `text`, second) of each sentence, in order.
    """

    text: str
    page: int | None = None
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    headings: tuple[str, ...] = ()
    marks: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Filters:
    """What a search is narrowed to; None or empty for everything.

    Times are seconds since the epoch. Every tag and every collection must be there.
    """

    kind: str | None = None
    owner: str | None = None
    batch: str | None = None
    language: str | None = None
    speaker: str | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    reach: Reach | None = None
    """Whose files at all; None for everybody's."""


EVERYTHING = Filters()


@dataclass(frozen=True)
class Hit:
    """A passage that was found.

    `text` is the passage, `spans` the (begin, end) offsets of the found words in it; `page` is
    set for a document, `start` for a recording: the second at which the best sentence begins.
    `score` is that of the fusion, higher is better; `similarity` the cosine of the angle between
    the meanings, from -1 to 1, None where only words were compared.
    """

    key: str
    text: str
    score: float
    source: str
    name: str
    kind: str
    owner: str
    batch: str
    added: float
    page: int | None = None
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    language: str | None = None
    headings: str = ""
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    similarity: float | None = None
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Group:
    """The hits in one source, the best first."""

    source: str
    hits: tuple[Hit, ...]

    @property
    def best(self) -> Hit:
        """Its best hit."""
        return self.hits[0]


@dataclass(frozen=True)
class Found:
    """A page of what a search found.

    `total` counts the sources on all pages; `facets` maps the names of filters to the number of
    sources per value, the other filters applied; `semantic` is False when only words were
    compared, because the embedding model was not there in time; `instead` is what was
    searched for where nothing was found for what was typed: nearly those words.
    """

    groups: tuple[Group, ...] = ()
    total: int = 0
    facets: dict[str, dict[str, int]] = field(default_factory=dict)
    semantic: bool = True
    instead: str = ""

    @property
    def hits(self) -> list[Hit]:
        """Every hit on this page, source by source."""
        return [hit for group in self.groups for hit in group.hits]


Result = dict[str, Any]
"""A transcript or a document in its published JSON form."""
