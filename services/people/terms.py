"""The names and terms of the team, which every new batch listens for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from services.errors import EditConflict, OverLimit
from services.people.schema import TermRow
from services.store.database import Database

MOST = 500
"""Terms in the list."""
LONGEST = 200
"""Characters of one."""


def of_lines(text: str) -> tuple[str, ...]:
    """Return the terms in a text, one a line, each once."""
    return tuple(
        dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip())
    )


class Terms:
    """Reads and writes the list. Each method is one transaction, from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[str, ...]:
        """Return the list, in its order."""
        with self._database.read() as session:
            return _all(session)

    def replace(self, terms: Iterable[str], seen: Sequence[str]) -> None:
        """Write another list in place of the one that somebody saw.

        Raises:
            EditConflict: it has been changed since.
            OverLimit: there are too many of them, or one is too long.
        """
        new = of_lines("\n".join(terms))
        if len(new) > MOST:
            raise OverLimit(f"The list may have {MOST} names and terms; these are {len(new)}.")
        if long := next((term for term in new if len(term) > LONGEST), None):
            raise OverLimit(
                f"A name or term may have {LONGEST} characters; “{long[:40]}…” has {len(long)}."
            )
        with self._database.write() as session:
            if _all(session) != tuple(seen):
                raise EditConflict(
                    "Somebody else changed the list meanwhile, and yours was not saved. Copy what "
                    "you wrote, reload the page and add it there."
                )
            session.execute(delete(TermRow))
            session.add_all(TermRow(position=at, text=term) for at, term in enumerate(new))


def _all(session: Session) -> tuple[str, ...]:
    return tuple(session.scalars(select(TermRow.text).order_by(TermRow.position)))
