"""Connections to the store's database, set up so that writers never trip over each other."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, Engine, Result, create_engine, event
from sqlalchemy.engine import make_url

from services.errors import DiskFull
from services.files.operations import make_dir

BUSY_SECONDS = 30.0


def connect(url: str, *, writes: bool, lasting: bool = True) -> Engine:
    """Return an engine for `url`.

    What it commits survives a power cut, unless it is not `lasting`: then only once a later commit
    of an engine that is, or the system itself, has written it; a crash of this process takes
    nothing away.

    On SQLite a transaction of an engine that writes takes the write lock at its beginning: one
    that starts by reading and then finds another writer ahead of it would fail at once,
    without waiting. https://www.sqlite.org/lang_transaction.html
    """
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True)
    if address.database:
        make_dir(Path(address.database).parent)
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "handle_error")
    def translate(context: Any) -> None:
        code = getattr(context.original_exception, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            raise DiskFull(
                f"Disk full: there was no room for the job store in {address.database}. "
                "Free some space; what waits goes on by itself."
            ) from context.original_exception

    return engine


def changed_rows(result: Result[Any]) -> int:
    """Return the number of rows that an UPDATE changed."""
    assert isinstance(result, CursorResult)
    return result.rowcount
