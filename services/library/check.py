"""Compares the library with what should be in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from services.library.table import Table


@dataclass(frozen=True)
class Check:
    """What is wrong with a library; each is a list of sources.

    `missing` should be there and is not; `extra` is there and should not be; of `uneven` there
    are more or fewer passages than were written; of `doubled` one passage is there twice.
    """

    sources: int
    chunks: int
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    uneven: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[str, ...]:
        """Every source with which something is wrong."""
        return tuple(sorted({*self.missing, *self.extra, *self.uneven, *self.doubled}))


def check(table: Table, expected: Mapping[str, int], busy: Collection[str] = ()) -> Check:
    """Compare a library with the number of passages that each source should have.

    Args:
        busy: Sources that wait to be written: nothing is said of them.
    """
    found = {source: keys for source, keys in table.keys().items() if source not in busy}
    doubled = {source for source, keys in found.items() if len(set(keys)) < len(keys)}
    return Check(
        sources=len(found),
        chunks=sum(len(keys) for keys in found.values()),
        missing=_sorted(
            source
            for source, count in expected.items()
            if count and source not in found and source not in busy
        ),
        extra=_sorted(source for source in found if source not in expected),
        uneven=_sorted(
            source
            for source, keys in found.items()
            if source in expected and source not in doubled and len(keys) != expected[source]
        ),
        doubled=_sorted(doubled),
    )


def _sorted(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(sources))
