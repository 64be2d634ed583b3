"""A database as the parts that keep something in it share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

from services.store.connection import connect

_MOST_VALUES = 500
"""Values that one statement names; databases limit how many it may hold."""

T = TypeVar("T")


def portions(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield lists of values that fit into one statement."""
    every = list(values)
    return (every[n : n + _MOST_VALUES] for n in range(0, len(every), _MOST_VALUES))


class Database:
    """Connections to the database at a SQLAlchemy URL, whose tables are there already.

    `with database.read() as session` sees one state of it; `with database.write() as session` is
    one transaction, written when it ends without an error.

    Args:
        url: Where it is.
        written: Called after each transaction of `write` that was written.
    """

    def __init__(self, url: str, written: Callable[[], None] | None = None) -> None:
        self._engines = [connect(url, writes=False), connect(url, writes=True)]
        self._reader, self._writer = (sessionmaker(engine) for engine in self._engines)
        if written is not None:
            event.listen(self._writer, "after_commit", lambda _: written())

    def close(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            engine.dispose()

    def read(self) -> AbstractContextManager[Session]:
        """Return a session that reads."""
        return self._reader()

    def write(self) -> AbstractContextManager[Session]:
        """Return a session that writes."""
        return self._writer.begin()
