import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Engine, MetaData, String, Table, func, inspect, select, text

from services.errors import SettingsError
from services.jobs import migrations
from services.jobs.models import Kind, NewJob, Options, State
from services.jobs.store import JobStore
from services.store.base import Base
from services.store.connection import connect

FIRST_VERSION = Path(__file__).parents[1] / "data" / "store-0001.sql"
"""A store of the first version with two batches, as that version wrote it."""


def first_store(root: Path) -> Path:
    path = root / "scriptorium.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript(FIRST_VERSION.read_text(encoding="utf-8"))
    return path


def shape(url: str) -> dict[str, object]:
    """Return all columns and indexes of a database."""
    engine = connect(url, writes=False)
    found = inspect(engine)
    tables = {
        name: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)),
            sorted((i["name"], tuple(i["column_names"])) for i in found.get_indexes(name)),
        )
        for name in found.get_table_names()
    }
    engine.dispose()
    return tables


def check_is_todays(url: str) -> None:
    """Check that a database has today's tables and says so."""
    engine = connect(url, writes=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
        assert context.get_current_revision() == migrations.HEAD
    engine.dispose()


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


SCRIPTS = ScriptDirectory.from_config(alembic_config())
STEPS = sorted(script.revision for script in SCRIPTS.walk_revisions())


def test_the_newest_step_is_the_one_that_new_stores_start_at():
    assert SCRIPTS.get_current_head() == migrations.HEAD == STEPS[-1]


def test_an_old_store_becomes_what_a_new_one_is(tmp_path):
    old = f"sqlite:///{first_store(tmp_path)}"
    JobStore(old).close()
    new = f"sqlite:///{tmp_path}/new.db"
    JobStore(new).close()
    assert shape(old) == shape(new)
    for url in (old, new):
        check_is_todays(url)


def test_what_was_in_an_old_store_is_still_there_and_goes_on(tmp_path):
    store = JobStore(f"sqlite:///{first_store(tmp_path)}")
    jobs = [job for one in store.batches() for job in store.jobs(one.batch.id)]
    by_name = {job.name: job for job in jobs}
    assert {name: job.state for name, job in by_name.items()} == {
        "talk.wav": State.DONE,
        "paper.pdf": State.FAILED,
        "später.wav": State.QUEUED,
    }
    assert by_name["talk.wav"].engine == "whisper"
    assert [event.state for event in store.history(by_name["talk.wav"].id)] == [
        State.QUEUED,
        State.RUNNING,
        State.DONE,
    ]
    assert store.claim(Kind.AUDIO).name == "später.wav"
    store.close()


def brought_to(url: str, version: str) -> None:
    """Change the first version's store to what a later version had."""
    engine = connect(url, writes=True)
    with engine.begin() as connection:
        scripts = alembic_config()
        scripts.attributes["connection"] = connection
        command.stamp(scripts, migrations.FIRST)
        command.upgrade(scripts, version)
    engine.dispose()


def tables_of(url: str) -> tuple[Engine, list[Table]]:
    engine, found = connect(url, writes=True), MetaData()
    found.reflect(engine)
    return engine, [table for table in found.sorted_tables if table.name != "alembic_version"]


def fill(url: str) -> None:
    """Put two rows into each table that has none, with a value in every column."""
    engine, tables = tables_of(url)
    with engine.begin() as connection:
        for table in tables:
            if connection.scalar(select(func.count()).select_from(table)):
                continue
            for number in (1, 2):
                row = {}
                for column in table.columns:
                    if column.foreign_keys:
                        (key,) = column.foreign_keys
                        known = connection.scalars(select(key.column).distinct()).all()
                        row[column.name] = known[(number - 1) % len(known)]
                    elif isinstance(column.type, String):
                        row[column.name] = f"{column.name} {number}"
                    elif isinstance(column.type, JSON):
                        row[column.name] = [number]
                    else:
                        row[column.name] = column.type.python_type(number)
                connection.execute(table.insert().values(row))
    engine.dispose()


def rows_of(url: str) -> dict[str, list[dict[str, object]]]:
    engine, tables = tables_of(url)
    with engine.connect() as connection:
        found = {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in tables
        }
    engine.dispose()
    return found


@pytest.mark.parametrize("version", STEPS[:-1])
def test_what_a_store_of_any_version_holds_is_kept(tmp_path, version):
    url = f"sqlite:///{first_store(tmp_path)}"
    brought_to(url, version)
    fill(url)
    before = rows_of(url)
    assert all(before.values()), "every table holds something"
    JobStore(url).close()
    check_is_todays(url)
    after = rows_of(url)
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert all(row in kept for row in rows), table


def test_a_copy_of_the_old_store_is_kept_whole(tmp_path):
    JobStore(f"sqlite:///{first_store(tmp_path)}").close()
    copy = tmp_path / f"scriptorium-before-{migrations.HEAD}-from-0001.db"
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert opened.execute("SELECT count(*) FROM jobs").fetchone() == (3,)
        assert "run" not in {row[1] for row in opened.execute("PRAGMA table_info(jobs)")}


def test_a_step_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = first_store(tmp_path)
    before = shape(f"sqlite:///{path}")
    from services.jobs.migrations.versions import v0002_queue

    broken = Path(v0002_queue.__file__).read_text(encoding="utf-8") + "\n    raise OSError('no')\n"
    scripts = tmp_path / "scripts"
    (scripts / "versions").mkdir(parents=True)
    package = Path(migrations.__file__).parent
    for name in ("env.py", "versions/v0001_first.py"):
        (scripts / name).write_text((package / name).read_text(encoding="utf-8"), "utf-8")
    (scripts / "versions/v0002_queue.py").write_text(broken, "utf-8")
    monkeypatch.setattr(migrations, "__file__", str(scripts / "__init__.py"))
    with pytest.raises(OSError, match="no"):
        JobStore(f"sqlite:///{path}")
    assert shape(f"sqlite:///{path}") == before
    monkeypatch.undo()
    JobStore(f"sqlite:///{path}").close()  # and the next start has it


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/jobs.db"
    store = JobStore(url)
    store.add_batch("ana", tmp_path, Options(), [NewJob("a", Kind.AUDIO, tmp_path, "0", 1)])
    store.close()
    engine = connect(url, writes=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SettingsError, match="newer Scriptorium"):
        JobStore(url)
