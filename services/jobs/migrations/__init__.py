"""Bringing a job store of an earlier version up to date, without losing anything in it.

A new database gets today's tables at once. One that is there is changed step by step by the
scripts in `versions`, in one transaction, after a copy of it was put beside it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from services.errors import SettingsError
from services.files import operations
from services.jobs import schema as jobs_schema
from services.people import schema as people_schema
from services.store.base import Base

FIRST = "0001"
TABLES = (jobs_schema, people_schema)
"""The modules that define the tables: importing them makes `Base` know these."""

HEAD = "0011"
"""The newest step in `versions`; a test compares."""

# As Alembic makes it, so that its own commands work on the database too.
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def bring_up_to_date(engine: Engine) -> None:
    """Make or change the tables of `engine` so that they are today's.

    Raises:
        SettingsError: a newer Scriptorium made them.
    """
    with engine.connect() as connection:
        if _found(connection) == HEAD:
            return
    # Locked against every other process from here on; one of them may have been faster.
    with engine.begin() as connection:
        found = _found(connection)
        if found is None:
            Base.metadata.create_all(connection)
            _version.create(connection)
            connection.execute(_version.insert().values(version_num=HEAD))
        elif found != HEAD:
            _upgrade(connection, found)


def _found(connection: Connection) -> str | None:
    """Return the step that a database is at; None when there is nothing in it."""
    tables = inspect(connection).get_table_names()
    if _version.name in tables:
        return connection.scalar(select(_version.c.version_num))
    return FIRST if "jobs" in tables else None


def _upgrade(connection: Connection, found: str) -> None:
    """Run the steps after `found`."""
    # Slow to import, and almost never needed.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", Path(__file__).parent.as_posix().replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found not in known:
        raise SettingsError(
            f"The job store was made by a newer Scriptorium (its version is {found}, this one "
            f"knows {HEAD}). Start the newer one, or use another data directory."
        )
    _copy(connection, found)
    if _version.name not in inspect(connection).get_table_names():
        command.stamp(config, found)
    command.upgrade(config, "head")


def _copy(connection: Connection, found: str) -> None:
    """Put a copy of an SQLite database beside it; for others a backup is the operator's."""
    database = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not database or database == ":memory:":
        return
    target = Path(database).with_name(f"{Path(database).stem}-before-{HEAD}-from-{found}.db")
    if target.exists():
        return
    with closing(sqlite3.connect(database)) as source:
        operations.write_atomic(target, source.serialize())
