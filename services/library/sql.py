"""Conditions and values in the SQL that LanceDB reads."""

from __future__ import annotations

from collections.abc import Sequence

from services.library.models import Filters
from services.people.models import Reach


def where(filters: Filters) -> str | None:
    """Return the SQL condition of these filters."""
    terms = [
        f"{column} = {quoted(value)}"
        for column in ("kind", "owner", "batch", "language", "speaker", "source")
        if (value := getattr(filters, column))
    ]
    terms += [f"added >= {filters.since!r}"] if filters.since is not None else []
    terms += [f"added < {filters.until!r}"] if filters.until is not None else []
    terms += [f"array_has(tags, {quoted(tag)})" for tag in filters.tags]
    terms += [f"array_has(collections, {quoted(name)})" for name in filters.collections]
    terms += [_within(filters.reach)] if filters.reach is not None else []
    return " AND ".join(terms) or None


def _within(reach: Reach) -> str:
    """Return the SQL condition that a passage is within somebody's reach."""
    terms = [f"owner = {quoted(reach.owner)}"]
    for column, shared in (("batch", reach.batches), ("source", reach.jobs)):
        if shared:
            terms.append(f"{column} IN ({listed(sorted(shared))})")
    return f"({' OR '.join(terms)})"


def quoted(value: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def listed(values: Sequence[str]) -> str:
    """Return texts as SQL writes them, between commas."""
    return ", ".join(quoted(value) for value in values)


def array(values: Sequence[str]) -> str:
    """Return a list of texts as SQL writes it."""
    return f"arrow_cast(make_array({listed(values)}), 'List(Utf8)')"
