"""What a result is about, as the library found out, for pages and exports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class About:
    """A description of a text; `actions` is what somebody promised or is asked to do.

    `made_by` is the language model that wrote it, or the offline way.
    """

    title: str | None = None
    summary: str = ""
    keywords: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    made_by: str = ""

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.title or self.summary or self.keywords or self.actions)

    def lines(self) -> list[tuple[str, str]]:
        """Return it as (heading, text), for people."""
        found = [
            ("Title", self.title or ""),
            ("Summary", self.summary),
            ("Keywords", ", ".join(self.keywords)),
            *(("To do", action) for action in self.actions),
        ]
        return [(heading, text) for heading, text in found if text]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self) | {"keywords": list(self.keywords), "actions": list(self.actions)}
