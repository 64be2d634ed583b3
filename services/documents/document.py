"""What a document is, as other programs read it from its JSON."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, overload

from services.about import About

NEEDS_PASSWORD = "encryption with a password"  # noqa: S105
"""The finding in a document that opens only with one."""
_LOOSE = 500
"""Pages up to which a document is kept as it is: to compress them would cost more than it saves."""


@dataclass(frozen=True)
class Link:
    """A link on a page: to a page of the document, or to an address elsewhere."""

    page: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class Caption:
    """What is written under a figure or over a table; its lines stay in the text of the page."""

    label: str
    """What it calls the figure or table: Figure 3, Table A.2."""
    text: str
    line: int
    """The first of its lines in the text, from 0."""
    lines: int


@dataclass(frozen=True)
class Page:
    """A page; `number` starts at 1, `source` is `text` or `ocr`, `error` says why it is empty.

    Lengths are in points of 1/72 inch, from the top left corner of the page as it is shown.
    """

    number: int
    text: str
    source: str = "text"
    error: str | None = None
    reader: str = ""
    """The library that the text is from."""
    label: str | None = None
    """What the document itself calls the page (iv, A-3), where that is not its number."""
    width: float = 0.0
    height: float = 0.0
    boxes: list[list[float] | None] = field(default_factory=list)
    """Per line of the text: left, top, right, bottom and size of its type; None where empty."""
    confidence: float | None = None
    """How sure OCR was of the page, 0 to 1: the mean over its words."""
    header: int = 0
    """How many of the first lines are a running header."""
    footer: int = 0
    """How many of the last lines are a running footer."""
    links: list[Link] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    """What people wrote into notes and markings."""
    images: int = 0
    tables: list[list[list[str]]] = field(default_factory=list)
    """Tables as rows of cells."""
    captions: list[Caption] = field(default_factory=list)
    """Of figures and tables, in the order of the text."""


class PackedPages(Sequence[Page]):
    """Pages as JSON, made at every look; those of a long document in a tenth of their memory.

    `furniture` holds the running headers and footers of each, once they are known.
    """

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self.furniture: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Page: ...
    @overload
    def __getitem__(self, index: slice) -> list[Page]: ...
    def __getitem__(self, index: int | slice) -> Page | list[Page]:
        if isinstance(index, slice):
            return [self[n] for n in range(len(self))[index]]
        return page_from(json.loads(self._json(range(len(self))[index])))

    def __setitem__(self, index: int, page: Page) -> None:
        index = range(len(self))[index]
        self._packed[index] = self._pack(page, index)

    def append(self, page: Page) -> None:
        """Add a page behind the others."""
        self._packed.append(self._pack(page, len(self)))

    def json(self) -> Iterator[str]:
        """Yield the JSON of each page."""
        return map(self._json, range(len(self)))

    @staticmethod
    def _pack(page: Page, index: int) -> bytes:
        text = _page_json(page).encode("utf-8", "surrogatepass")
        return text if index < _LOOSE else zlib.compress(text, 1)

    def _json(self, index: int) -> str:
        packed = self._packed[index]
        content = packed if index < _LOOSE else zlib.decompress(packed)
        text = content.decode("utf-8", "surrogatepass")
        depths = self.furniture[index] if self.furniture else (0, 0)
        named = zip(("header", "footer"), depths, strict=True)
        more = "".join(f', "{name}": {lines}' for name, lines in named if lines)
        return text[:-1] + more + "}"  # to parse it and write it again would cost far more


@dataclass(frozen=True)
class OutlineEntry:
    """An entry of the table of contents; `level` starts at 1, `page` is None where unknown."""

    title: str
    page: int | None
    level: int


@dataclass(frozen=True)
class Document:
    """The text of a PDF with what the file says of itself."""

    metadata: dict[str, str]
    pages: Sequence[Page]
    outline: list[OutlineEntry] = field(default_factory=list)
    engine: str = ""
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    """What could act in a careless viewer (scripts, programs, attachments); nothing was run."""
    attachments: list[str] = field(default_factory=list)
    """Names of the files inside the file."""
    fields: dict[str, str] = field(default_factory=dict)
    """The values of form fields, by name."""
    kind: str = "document"
    about: About | None = None
    """What the library found out; only exports have it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the document as its JSON holds it; what a page has none of is left out."""
        return self._without_pages() | {"pages": [page_dict(page) for page in self.pages]}

    def json(self) -> Iterator[str]:
        """Yield its JSON in pieces, so that memory never holds that of thousands of pages."""
        yield json.dumps(self._without_pages(), ensure_ascii=False)[:-1] + ', "pages": ['
        packed = self.pages.json() if isinstance(self.pages, PackedPages) else None
        for number, page in enumerate(packed or map(_page_json, self.pages)):
            yield f", {page}" if number else page
        yield "]}"

    def _without_pages(self) -> dict[str, Any]:
        values = {**vars(self), "outline": [vars(entry) for entry in self.outline]}
        del values["pages"], values["about"]
        return values | ({"about": self.about.as_dict()} if self.about else {})

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Document:
        """Read a document back."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        known["pages"] = [page_from(page) for page in values["pages"]]
        known["outline"] = [OutlineEntry(**entry) for entry in values.get("outline", [])]
        return cls(**known)


_ALWAYS = ("number", "text", "source", "error")
"""What other programs may count on in every page."""
_EMPTY = {
    f.name: f.default if f.default_factory is MISSING else f.default_factory() for f in fields(Page)
}


def page_dict(page: Page) -> dict[str, Any]:
    """Return a page as JSON holds it, without what says nothing."""
    values = {
        name: value
        for name, value in vars(page).items()
        if name in _ALWAYS or value != _EMPTY[name]
    }
    if page.links:
        values["links"] = [vars(link) for link in page.links]
    if page.captions:
        values["captions"] = [vars(caption) for caption in page.captions]
    return values


def page_from(values: dict[str, Any]) -> Page:
    """Read a page back."""
    links = [Link(**link) for link in values.get("links", [])]
    captions = [Caption(**caption) for caption in values.get("captions", [])]
    return Page(**{**values, "links": links, "captions": captions})


def _page_json(page: Page) -> str:
    return json.dumps(page_dict(page), ensure_ascii=False)
