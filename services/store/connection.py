"""Connections to the store's database, set up so that writers never trip over each other."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, CursorResult, Engine, Result, create_engine, event
from sqlalchemy.engine import make_url

from services.errors import DiskFull, SettingsError, StoreUnavailable, TransientError
from services.files.operations import make_dir

log = logging.getLogger(__name__)

BUSY_SECONDS = 30.0

_TURN = 0x5C21B704
"""Number of the lock that those who write to a PostgreSQL database hold, one at a time."""

_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
}
"""SQLite's codes for a database that another program holds, or a disk that is not there."""


def connect(url: str, *, writes: bool, lasting: bool = True) -> Engine:
    """Return an engine for `url`, of SQLite or PostgreSQL.

    What it commits survives a power cut, unless it is not `lasting`: then only once a later commit
    of an engine that is, or the system itself, has written it; a crash of this process takes
    nothing away.

    A transaction of an engine that writes is the only one of its kind from beginning to end, in
    all processes; one of an engine that only reads sees one state.

    Raises:
        SettingsError: the database is of another kind, or its driver is not installed.
    """
    address = make_url(url)
    connectors = {"sqlite": _sqlite, "postgresql": _postgresql}
    connector = connectors.get(address.get_backend_name())
    if connector is None:
        raise SettingsError(
            f"database_url: the job store cannot be kept in {address.get_backend_name()}. "
            "Leave it out for SQLite, or name a PostgreSQL database: postgresql://host/name"
        )
    return connector(address, writes, lasting)


def _sqlite(address: URL, writes: bool, lasting: bool) -> Engine:
    """Return an engine whose transactions take the write lock at their beginning, if it writes.

    One that starts by reading and then finds another writer ahead of it would fail at once,
    without waiting. https://www.sqlite.org/lang_transaction.html
    """
    if address.database:
        make_dir(Path(address.database).parent)
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if lasting else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys=ON")
        # What is deleted is overwritten: Linux builds SQLite so, Python for Windows does not.
        connection.execute("PRAGMA secure_delete=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine, "handle_error")
    def translate(context: Any) -> None:
        where, cause = f"in {address.database}", context.original_exception
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            _raise(DiskFull, where, cause, cause)
        if code in _SQLITE_AWAY:
            _raise(StoreUnavailable, where, cause, cause)

    return engine


def _postgresql(address: URL, writes: bool, lasting: bool) -> Engine:
    """Return an engine whose transactions wait for each other, as SQLite's do, if it writes.

    What they check first and then change then stays as they found it. One process writes little
    at a time, so that there is nothing to gain from writing side by side.
    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    """
    try:
        from psycopg import OperationalError, errors
        from psycopg.types.string import StrDumper
    except ImportError as error:
        raise SettingsError(
            "database_url names a PostgreSQL database, and its driver is not installed. "
            'Install it: pip install "psycopg[binary]"'
        ) from error

    class Text(StrDumper):
        """Writes text without the one character that PostgreSQL cannot keep."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd"))

    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=2,  # each part of the services has its own; a server takes 100 in all
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.adapters.register_dumper(str, Text)

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        if not writes:
            return
        if not lasting:
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")

    @event.listens_for(engine, "handle_error")
    def translate(context: Any) -> None:
        cause = context.original_exception
        if isinstance(cause, OperationalError):
            # It names addresses and accounts: that is for who runs the instance, not for all.
            log.warning("PostgreSQL: %s", cause)
            full = isinstance(cause, errors.DiskFull)
            why = "the log says why"
            _raise(DiskFull if full else StoreUnavailable, "on PostgreSQL", why, cause)

    return engine


def _raise(error: type[TransientError], where: str, why: object, cause: Exception) -> None:
    """Raise `error` in place of what the driver did."""
    sentence = {
        DiskFull: f"Disk full: there was no room for the job store {where}. Free some space",
        StoreUnavailable: f"The job store {where} cannot be reached now ({why})",
    }[error]
    raise error(f"{sentence}; what waits goes on by itself.") from cause


def changed_rows(result: Result[Any]) -> int:
    """Return the number of rows that an UPDATE changed."""
    assert isinstance(result, CursorResult)
    return result.rowcount
