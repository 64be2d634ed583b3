"""A backup while the server works, and a restore elsewhere."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path
from tarfile import TarInfo

import pytest

from services.backup import STORE, _manifest, backup, restore
from services.config import Settings
from services.errors import BackupError, DirectoryInUse, DiskFull
from services.files import operations
from services.jobs.models import State
from services.people.models import Role, Scope
from services.people.shares import Audience
from services.runtime import LOCK, Runtime
from services.view import View
from tests import media

FILES = 12


def settings_of(folder: Path, **more) -> Settings:
    return Settings(data_dir=folder, device="cpu", engine="whisper", disk_reserve_mb=0, **more)


@pytest.fixture
def here(tmp_path) -> Settings:
    return settings_of(tmp_path / "here")


@pytest.fixture
def there(tmp_path) -> Settings:
    return settings_of(tmp_path / "there", temp_dir=tmp_path / "elsewhere")


def documents(folder: Path, count: int = FILES) -> list[Path]:
    for number in range(count):
        media.write_pdf(folder / f"{number}.pdf", [f"This is document {number}."])
    return sorted(folder.glob("*.pdf"))


def test_what_is_backed_up_while_it_runs_goes_on_where_it_is_restored(here, there, tmp_path):
    with Runtime(here) as runtime:
        first = runtime.submit(documents(tmp_path)[:3], owner="ana")
        runtime.wait(first.id, 60)
        files = [*documents(tmp_path), tmp_path / "broken.pdf"]
        files[-1].write_bytes(b"%PDF-1.7 and no more")
        running = runtime.submit(files, owner="bo")
        runtime.people.accounts.add("ana", "correct horse battery", Role.ADMIN)
        secret = runtime.people.sessions.begin("ana")
        token, _ = runtime.people.tokens.create("ana", "nightly", [Scope.READ])
        shares = runtime.people.shares
        _, link = shares.create("ana", first.id, audience=Audience.LINK)
        shares.create("ana", first.id, audience=Audience.TEAM)
        shares.create("ana", first.id, audience=Audience.ADMIN, person="ana")
        made = []
        thread = threading.Thread(target=lambda: made.append(backup(here, tmp_path / "all.tar")))
        thread.start()  # while the second batch is worked on
        thread.join()
        runtime.wait(running.id, 120)
        texts = {job.name: runtime.export(job.id, "txt") for job in runtime.jobs(first.id)}
    assert made[0].jobs == 3 + FILES + 1
    shutil.rmtree(here.data_dir)  # the machine is lost
    restore(there, tmp_path / "all.tar")
    with Runtime(there) as runtime:
        restored = runtime.jobs(first.id)
        assert {job.name: runtime.export(job.id, "txt") for job in restored} == texts
        assert all(runtime.original(job.id).is_file() for job in restored)
        runtime.wait(running.id, 120)  # what had not ended in the copy ends here
        states = [job.state for job in runtime.jobs(running.id)]
        assert states == [State.DONE] * FILES + [State.FAILED]
        broken = runtime.jobs(running.id)[-1]
        assert runtime.original(broken.id).is_relative_to(there.temp_root), "kept for another try"
        assert runtime.people.accounts.check("ana", "correct horse battery")
        assert runtime.people.identify(secret, None) is None, "everybody is signed out"
        assert runtime.people.identify(None, token) is None, "it may have been revoked since"
        assert runtime.people.sessions.open_link(link, None) is None
        assert [share.audience for share in runtime.people.shares.of(first.id)] == [Audience.TEAM]


def as_from_windows(source: Path, here: Settings) -> None:
    """Rewrite a backup as an instance at C:\\Data would have written it."""
    scratch = source.parent / "rewritten"
    with tarfile.open(source) as tar:
        tar.extractall(scratch, filter="data")
    manifest = {"version": 1, "data_dir": r"C:\Data", "temp_root": r"C:\Data\temp"}
    (scratch / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with closing(sqlite3.connect(scratch / STORE)) as store, store:
        for table, column in (("batches", "workspace"), ("jobs", "path")):
            said = f"replace(replace({column}, ?, ?), '/', '\\')"
            store.execute(f"UPDATE {table} SET {column} = {said}", (str(here.data_dir), r"C:\Data"))
    with tarfile.open(source, "w") as tar:
        for path in sorted(scratch.iterdir()):
            tar.add(path, path.name)


@pytest.mark.skipif(os.name == "nt", reason="a backup of Windows is at home there")
def test_a_backup_of_windows_is_restored_elsewhere(here, there, tmp_path):
    files = [*documents(tmp_path, 1), tmp_path / "broken.pdf"]
    files[-1].write_bytes(b"%PDF-1.7 and no more")
    with Runtime(here) as runtime:
        batch = runtime.submit(files)
        runtime.wait(batch.id, 60)
        backup(here, tmp_path / "all.tar")
    as_from_windows(tmp_path / "all.tar", here)
    restore(there, tmp_path / "all.tar")
    with Runtime(there) as runtime:
        jobs = runtime.jobs(batch.id)
        assert [job.state for job in jobs] == [State.DONE, State.FAILED]
        found = [runtime.original(job.id) for job in jobs]
        assert [path.read_bytes() for path in found] == [path.read_bytes() for path in files]
        runtime.retry(batch.id)
        runtime.wait(batch.id, 60)
        assert runtime.jobs(batch.id)[1].error == jobs[1].error, "it was read again"


def test_each_job_that_is_done_in_a_copy_has_its_result_in_it(here, tmp_path):
    """Copies one after the other while jobs end, are done again and are deleted."""
    with Runtime(here) as runtime:
        batch = runtime.submit(documents(tmp_path))
        for number in range(5):
            runtime.retry_job(runtime.jobs(batch.id)[number].id)
            runtime.delete([runtime.jobs(batch.id)[-1].id])
            backup(here, tmp_path / f"{number}.tar")
        runtime.wait(batch.id, 120)
    for number in range(5):
        copy = settings_of(tmp_path / f"copy-{number}")
        restore(copy, tmp_path / f"{number}.tar")
        with closing(View(copy)) as view:
            assert len(view.jobs(batch.id)) == FILES - number - 1
            for job in view.jobs(batch.id):
                assert (job.result_at is not None) == (view.result(job.id) is not None)


def test_what_is_deleted_during_a_backup_is_deleted_in_it(here, there, tmp_path, monkeypatch):
    with Runtime(here) as runtime:
        batch = runtime.submit(documents(tmp_path, 2))
        runtime.wait(batch.id, 60)
        kept, gone = runtime.jobs(batch.id)

        def delete_first(settings):  # called when the store was copied, and no file yet
            runtime.delete([gone.id])
            operations.remove_tree(here.results_dir / gone.id)
            return _manifest(settings)

        monkeypatch.setattr("services.backup._manifest", delete_first)
        backup(here, tmp_path / "all.tar")
    restore(there, tmp_path / "all.tar")
    with closing(View(there)) as view:
        assert [job.id for job in view.jobs(batch.id)] == [kept.id]


def test_a_result_that_is_missing_is_said_and_not_passed_over(here, tmp_path):
    with Runtime(here) as runtime:
        batch = runtime.submit(documents(tmp_path, 1))
        runtime.wait(batch.id, 60)
        (job,) = runtime.jobs(batch.id)
        operations.remove_tree(here.results_dir / job.id)
        with pytest.raises(BackupError, match=job.id):
            backup(here, tmp_path / "all.tar")
    assert not (tmp_path / "all.tar").exists()


def test_a_restore_leaves_alone_what_is_there(here, there, tmp_path):
    with Runtime(here) as runtime:
        batch = runtime.submit(documents(tmp_path, 1), owner="ana")
        runtime.wait(batch.id, 60)
        backup(here, tmp_path / "all.tar")
        with pytest.raises(DirectoryInUse, match="Stop it"):
            restore(here, tmp_path / "all.tar", force=True)
        later = runtime.submit(documents(tmp_path, 1), owner="ana")
        runtime.wait(later.id, 60)
    with pytest.raises(BackupError, match="--force"):
        restore(here, tmp_path / "all.tar")
    restore(here, tmp_path / "all.tar", force=True)
    (aside,) = here.data_dir.glob("before-restore-*")
    assert {path.name for path in aside.iterdir()} >= {STORE, "results"}
    with Runtime(here) as runtime:
        assert [summary.batch.id for summary in runtime.batches()] == [batch.id]
        assert len(list((aside / "results").iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "not a tar", "no store"])
def test_what_is_no_whole_backup_changes_nothing(here, there, tmp_path, damage):
    with Runtime(here):
        backup(here, tmp_path / "all.tar")
    whole = (tmp_path / "all.tar").read_bytes()
    bad = tmp_path / "bad.tar"
    if damage == "no store":
        with tarfile.open(tmp_path / "all.tar") as source, tarfile.open(bad, "w") as target:
            member = source.getmember("manifest.json")
            target.addfile(member, source.extractfile(member))
    else:
        bad.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"x" * 5000)
    with pytest.raises(BackupError, match="backup"):
        restore(there, bad)
    assert not (there.data_dir / STORE).exists()
    assert not list(there.data_dir.glob(".part*"))


def tampered(source: Path, what: str) -> Path:
    """Return a copy of a backup in which something is wrong."""
    with tarfile.open(source) as tar:
        content = {one.name: tar.extractfile(one).read() for one in tar}
    more = harm(content, what, source.parent)
    target = source.with_name("tampered.tar")
    with tarfile.open(target, "w") as tar:
        for name, data in content.items():
            member = TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in more:
            tar.addfile(member)
    return target


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> TarInfo:
    member = TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def a_database(folder: Path, *statements: str, of: bytes = b"") -> bytes:
    path = folder / "made.db"
    path.write_bytes(of)
    with closing(sqlite3.connect(path)) as made, made:
        for statement in statements:
            made.execute(statement)
    return path.read_bytes()


def harm(content: dict[str, bytes], what: str, folder: Path) -> list[TarInfo]:
    """Change the members of a backup; return those that come to it."""
    store = content[STORE]
    manifest = json.loads(content["manifest.json"])
    result = next(name for name in content if name.endswith("/result.json"))
    changes = {
        "another manifest": {"manifest.json": b"[]"},
        "no roots": {"manifest.json": json.dumps({**manifest, "temp_root": None}).encode()},
        "no database": {STORE: b"hello" * 1000},
        "an empty store": {STORE: b""},
        "another database": {STORE: a_database(folder, "CREATE TABLE x (y)")},
        "a damaged store": {STORE: store[: len(store) // 3] + bytes(len(store) * 2 // 3)},
        "a newer store": {
            STORE: a_database(folder, "UPDATE alembic_version SET version_num = '9999'", of=store)
        },
    }
    content |= changes.get(what, {})
    if what == "a result less":
        del content[result]
    links = {
        "a link to the store": link("results/x/original.pdf", "../../scriptorium.db"),
        "a second name of the store": link("results/x/original.pdf", STORE, tarfile.LNKTYPE),
        "a pipe": link("results/x/original.pdf", "", tarfile.FIFOTYPE),
    }
    return [links[what]] if what in links else []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("another manifest", "no whole backup"),
        ("no roots", "no whole backup"),
        ("no database", "damaged"),
        ("an empty store", "damaged"),
        ("another database", "damaged"),
        ("a damaged store", "damaged"),
        ("a newer store", "cannot be put back: .*newer"),
        ("a result less", "1 results are missing"),
        ("a link to the store", "“results/x/original.pdf” is no file"),
        ("a second name of the store", "is also another file"),
        ("a pipe", "is no file"),
    ],
)
def test_a_backup_that_was_tampered_with_changes_nothing(here, there, tmp_path, what, said):
    with Runtime(here) as runtime:
        runtime.wait(runtime.submit(documents(tmp_path, 1)).id, 60)
        backup(here, tmp_path / "all.tar")
    with pytest.raises(BackupError, match=f"“tampered.tar” .*{said}"):
        restore(there, tampered(tmp_path / "all.tar", what))
    assert {path.name for path in there.data_dir.iterdir()} == {LOCK}


def test_what_has_two_names_in_a_backup_has_both_again(here, there, tmp_path):
    files = [*documents(tmp_path, 1), tmp_path / "broken.pdf"]
    files[-1].write_bytes(b"%PDF-1.7 and no more")
    with Runtime(here) as runtime:  # the original of what is done is also in the workspace still
        workspace = runtime.new_workspace()
        stored = [workspace.add(path.name, io.BytesIO(path.read_bytes())) for path in files]
        batch = runtime.submit(stored, workspace=workspace)
        runtime.wait(batch.id, 60)
        backup(here, tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert os.name == "nt" or [member for member in tar if member.islnk()]
    restore(there, tmp_path / "all.tar")
    with Runtime(there) as runtime:
        found = [runtime.original(job.id) for job in runtime.jobs(batch.id)]
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in files]


def test_the_store_is_in_a_backup_once_and_its_end_makes_it_whole(here, there, tmp_path):
    with Runtime(here):
        backup(here, tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as tar:
        names = tar.getnames()
    assert names.count(STORE) == 1 and names[-1] == STORE
    packed = tmp_path / "all.tar.gz"
    with gzip.open(packed, "wb") as handle:
        handle.write((tmp_path / "all.tar").read_bytes())
    whole = packed.read_bytes()
    for damaged in (whole[:-5000], whole[:2000] + b"damage" + whole[2006:]):
        packed.write_bytes(damaged)
        with pytest.raises(BackupError, match="damaged"):
            restore(there, packed)
    packed.write_bytes(whole)
    restore(there, packed)
    assert (there.data_dir / STORE).is_file()


def test_what_would_fill_the_disk_once_unpacked_is_refused(there, tmp_path, monkeypatch):
    monkeypatch.setattr("services.files.disk.free", lambda _: 1_000_000)
    member = TarInfo("results/x/original.pdf")
    member.size = 1_000_001
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as tar:
        tar.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(DiskFull):
        restore(there, tmp_path / "bomb.tar.gz")
    assert {path.name for path in there.data_dir.iterdir()} == {LOCK}


def test_an_archive_that_leads_outside_is_refused(there, tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        member = tarfile.TarInfo("../evil.txt")
        tar.addfile(member)
    with pytest.raises(BackupError):
        restore(there, tmp_path / "evil.tar")
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_database_of_its_own_is_its_operators(tmp_path):
    settings = settings_of(tmp_path / "d", database_url="postgresql://me:pw@db/scriptorium")
    with pytest.raises(BackupError, match="pg_dump") as refused:
        backup(settings, tmp_path / "all.tar")
    assert "pw" not in str(refused.value)
