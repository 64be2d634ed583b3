"""Finding passages in everything that was said and written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.exceptions import HTTPException

from services.api.v1.endpoint import Endpoint
from services.api.v1.models import Id, Input, Language, Output, Text, Time
from services.library.models import Filters, Group
from services.runtime import Runtime

PATIENCE = 10.0
"""Seconds to wait for the embedding model, after which only words are compared."""


class SearchQuery(Input):
    """What is looked for, and where."""

    q: Text
    """Words and, in quotation marks, phrases."""
    limit: int = Field(default=10, ge=1, le=50)
    """How many files at most."""
    offset: int = Field(default=0, ge=0, le=1000)
    """How many files before them."""
    kind: Literal["audio", "document"] | None = None
    """Only of this kind."""
    owner: Text | None = None
    """Only of this person's."""
    batch: Id | None = None
    """Only in this batch."""
    job: Id | None = None
    """Only in this job's result."""
    language: Language | None = None
    """Only in this language."""
    speaker: Text | None = None
    """Only what this person says."""
    since: Time | None = None
    """Only what was added at this time or later."""
    until: Time | None = None
    """Only what was added before this time."""
    tag: list[Text] = Field(default=[], max_length=50)
    """Only with all of these tags."""
    collection: list[Text] = Field(default=[], max_length=50)
    """Only in all of these collections."""

    def filters(self) -> Filters:
        """Return it as the library knows it."""
        return Filters(
            kind=self.kind,
            owner=self.owner,
            batch=self.batch,
            language=self.language,
            speaker=self.speaker,
            source=self.job,
            since=self.since,
            until=self.until,
            tags=tuple(self.tag),
            collections=tuple(self.collection),
        )


class HitOutput(Output):
    """A passage that was found."""

    text: str
    spans: list[tuple[int, int]]
    """The (begin, end) offsets of the found words in the text."""
    score: float
    """How well it matches; higher is better."""
    page: int | None
    """Its page, of a document."""
    start: float | None
    """The second at which the best sentence begins, of a recording."""
    end: float | None
    speaker: str | None
    headings: str
    """The headings above it."""


class SourceOutput(Output):
    """The passages that were found in one file, the best first."""

    job: str
    batch: str
    name: str
    owner: str
    kind: str
    language: str | None
    tags: list[str]
    collections: list[str]
    hits: list[HitOutput]

    @classmethod
    def of(cls, group: Group) -> SourceOutput:
        """Return them as they are shown."""
        best = group.best
        same = ("batch", "name", "owner", "kind", "language")
        return cls(
            **{name: getattr(best, name) for name in same},
            job=group.source,
            tags=list(best.tags),
            collections=list(best.collections),
            hits=[
                HitOutput(**{name: getattr(hit, name) for name in HitOutput.model_fields})
                for hit in group.hits
            ],
        )


class FoundOutput(Output):
    """A page of the files that match, the best first."""

    items: list[SourceOutput]
    total: int
    """How many files match."""
    facets: dict[str, dict[str, int]]
    """For each filter the number of files per value, the other filters applied."""
    semantic: bool
    """Whether meanings were compared too, and not only words."""


def search(front: Runtime, query: SearchQuery) -> FoundOutput:
    """Find passages by their words and by their meaning."""
    if not front.has_library:
        raise HTTPException(404, "The library of this server is switched off.")
    found = front.search_page(
        query.q, query.filters(), query.limit, query.offset, patience=PATIENCE
    )
    return FoundOutput(
        items=[SourceOutput.of(group) for group in found.groups],
        total=found.total,
        facets=found.facets,
        semantic=found.semantic,
    )


ENDPOINTS = [Endpoint("GET", "/search", search, statuses=(404,))]
