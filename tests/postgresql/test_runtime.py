"""The whole product with its store on PostgreSQL."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from services.config import Settings
from services.errors import SettingsError, StoreUnavailable
from services.jobs import migrations
from services.jobs.models import JobFilter, Kind, NewJob, Options, State
from services.jobs.store import JobStore
from services.runtime import Runtime
from services.store.connection import connect
from tests import media
from tests.conftest import usual_temp
from tests.postgresql.conftest import running
from tests.unit.test_migrations import check_is_todays
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def temp():
    with usual_temp():
        yield


def test_files_become_text_and_all_is_there_after_a_restart(tmp_path, store_url):
    files = [
        media.write_pdf(tmp_path / "paper.pdf", ["The scribes", "copied it."]),
        media.DATA / "conf-noempty.wav",
        tmp_path / "broken.pdf",
    ]
    files[-1].write_bytes(b"not what its name says")
    settings = Settings(
        data_dir=tmp_path / "data", database_url=store_url, engine="whisper", disk_reserve_mb=0
    )
    with Runtime(settings) as runtime:
        batch = runtime.submit(files, owner="ana")
        runtime.wait(batch.id, 120)
        before = runtime.jobs(batch.id)
        assert [job.state for job in before] == [State.DONE, State.DONE, State.FAILED]
        assert "“broken.pdf”" in before[-1].error
    with Runtime(settings) as runtime:
        assert runtime.jobs(batch.id) == before
        assert runtime.result(before[0].id).pages[1].text.strip() == "copied it."
        assert "conference" in runtime.result(before[1].id).text.lower()
        assert runtime.retry(batch.id) == 1
        runtime.wait(batch.id, 60)
        assert runtime.jobs(batch.id)[-1].attempts == before[-1].attempts + 1
    assert not (tmp_path / "data" / "scriptorium.db").exists()


def test_a_database_that_goes_away_for_a_while_costs_time_and_nothing_else(tmp_path, caplog):
    files = [media.write_pdf(tmp_path / f"{n}.pdf", [f"Page {n}"] * 40) for n in range(12)]
    with running() as server:
        settings = Settings(
            data_dir=tmp_path / "data", database_url=server.new_database(), disk_reserve_mb=0
        )
        with Runtime(settings) as runtime:
            batch = runtime.submit(files, owner="ana")
            wanted = JobFilter(batch.id)
            until(lambda: runtime.count(wanted).get(State.DONE, 0) >= 2)
            server.stop()
            with pytest.raises(StoreUnavailable) as away:
                runtime.count(wanted)
            assert str(away.value) == (
                "The job store on PostgreSQL cannot be reached now (the log says why); "
                "what waits goes on by itself."
            )
            assert "connection" in str(away.value.__cause__)
            assert f"PostgreSQL: {away.value.__cause__}" in caplog.text
            time.sleep(2)
            server.start()
            runtime.wait(batch.id, 120)
            jobs = runtime.jobs(batch.id)
            assert [job.state for job in jobs] == [State.DONE] * 12, [job.error for job in jobs]
            for number, job in enumerate(jobs):
                assert runtime.result(job.id).pages[39].text.strip() == f"Page {number}"


def test_servers_that_begin_at_once_make_the_tables_once(store_url):
    begin = "import sys; from services.jobs.store import JobStore; JobStore(sys.argv[1]).close()"
    started = [
        subprocess.Popen([sys.executable, "-c", begin, store_url], cwd=ROOT, env=dict(os.environ))
        for _ in range(4)
    ]
    assert [process.wait(60) for process in started] == [0] * 4
    store = JobStore(store_url)
    assert store.count_batches() == 0
    store.close()


def test_a_store_of_the_first_version_becomes_what_a_new_one_is(store_url):
    engine = connect(store_url, writes=True)
    with engine.begin() as connection:
        scripts = Config()
        scripts.set_main_option("script_location", str(Path(migrations.__file__).parent))
        scripts.attributes["connection"] = connection
        command.upgrade(scripts, migrations.FIRST)
        connection.execute(text("DROP TABLE alembic_version"))  # as the first version left it
    engine.dispose()
    JobStore(store_url).close()
    check_is_todays(store_url)


def test_what_postgresql_cannot_keep_is_replaced_and_large_files_have_their_size(store_url):
    store = JobStore(store_url)
    job = NewJob("a\0b.wav", Kind.AUDIO, Path("/a.wav"), "0" * 64, 5 << 30)
    batch = store.add_batch("ana", Path("/w"), Options(), [job])
    (found,) = store.jobs(batch.id)
    assert (found.name, found.size) == ("a\ufffdb.wav", 5 << 30)
    assert store.count(JobFilter(text="\0B.WAV")) == {State.QUEUED: 1}
    store.close()


def test_a_database_of_another_kind_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(SettingsError, match="cannot be kept in mysql"):
        JobStore("mysql://host/name")
