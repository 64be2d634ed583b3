"""What a document is, as other programs read it from its JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Page:
    """A page; `number` starts at 1, `source` is `text` or `ocr`, `error` says why it is empty."""

    number: int
    text: str
    source: str = "text"
    error: str | None = None


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
    pages: list[Page]
    outline: list[OutlineEntry] = field(default_factory=list)
    engine: str = ""
    notes: list[str] = field(default_factory=list)
    kind: str = "document"

    def as_dict(self) -> dict[str, Any]:
        """Return the document as its JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Document:
        """Read a document back."""
        fields = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        fields["pages"] = [Page(**page) for page in values["pages"]]
        fields["outline"] = [OutlineEntry(**entry) for entry in values.get("outline", [])]
        return cls(**fields)
