"""A backup of everything that an instance keeps, made while it runs, and the way back.

The archive is a plain tar: what the backup is of, the results with their originals, the uploads
that jobs still need, the library, and at last the job store, which makes it whole.
"""

from __future__ import annotations

import io
import json
import lzma
import sqlite3
import tarfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import delete, func, select, update
from sqlalchemy.engine import make_url

from services.config import Settings
from services.errors import BackupError, DirectoryInUse, SettingsError
from services.files import archive, operations
from services.files.scratch import scratch_dir
from services.files.workspace import PREFIX
from services.front import Front
from services.jobs.entries import IndexEntries
from services.jobs.reading import StoreReader
from services.jobs.results import Results
from services.jobs.schema import BatchRow, JobRow, RemovalRow, WatchedRow
from services.jobs.store import JobStore
from services.library.library import Library
from services.people.schema import SessionRow, ShareRow, TokenRow
from services.people.shares import Audience
from services.runtime import LOCK
from services.store.database import Database

VERSION = 1
MANIFEST, STORE, PASSAGES = "manifest.json", "scriptorium.db", "library.arrow"
RESULTS, UPLOADS = "results", "uploads"

_ROOTS = ("data_dir", "temp_root")
_DAMAGED = (tarfile.TarError, zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)
"""What reading an archive raises that is none; it may be compressed."""

_MADE_AGAIN = ("pages", "peaks*.bin", "sound*.m4a")
"""What is made of a result whenever it is missing."""


@dataclass(frozen=True)
class Content:
    """What went into a backup, or came out of it."""

    jobs: int
    bytes: int
    passages: int | None


def backup(settings: Settings, target: Path, library: bool = True) -> Content:
    """Write everything to a tar at `target`, whole or not at all, while the server works.

    The store is copied first and the files after it: a job that is done in the copy has its
    result in the archive. What ends meanwhile is queued in the copy, and done again after a
    restore. What somebody deletes meanwhile is deleted in the copy too.

    Args:
        library: Also the library; without it a restored instance indexes everything again.

    Raises:
        BackupError: the store is no SQLite database of ours, or a result is missing.
    """
    store = _store_file(settings)
    passages = None
    with scratch_dir("backup-") as scratch, operations.atomic_writer(target) as handle:
        with tarfile.TarFile(fileobj=handle, mode="w") as tar:
            copy = scratch / STORE
            with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(copy)) as to:
                source.backup(to)
            _add_text(tar, MANIFEST, _manifest(settings))
            _add_results(tar, settings, copy)
            if library and settings.library and settings.library_dir.is_dir():
                passages = _add_library(tar, settings, scratch / PASSAGES)
            with closing(sqlite3.connect(copy)) as whole:  # one file, without a log beside it
                whole.execute("PRAGMA journal_mode=DELETE")
                (jobs,) = whole.execute("SELECT count(*) FROM jobs").fetchone()
            _add_file(tar, copy, STORE)
        size = handle.tell()
    return Content(jobs, size, passages)


def restore(settings: Settings, source: Path, force: bool = False) -> Content:
    """Put a backup into the data directory of the settings; its server must not run.

    Everybody is signed out, and tokens and links end: some may have been ended after the backup.
    The accounts are as they were then. Where the backup has no library, everything is indexed
    again at the next start. Nothing is deleted: what was there before is kept in a directory
    beside it.

    Args:
        force: Also where the data directory holds something.

    Raises:
        BackupError: it is no whole backup, or the directory is not empty; nothing was changed.
        DirectoryInUse: a server runs on it.
        DiskFull: there is no room for what it holds.
    """
    store = _store_file(settings, there=False)
    with _alone(settings):
        old = [p for p in (store, settings.results_dir, settings.library_dir) if _holds(p)]
        if old and not force:
            raise BackupError(
                f"{settings.data_dir} holds data already. Restore into an empty directory "
                "(SCRIPTORIUM_DATA), or say --force to put what is there aside."
            )
        part = settings.data_dir / f"{operations.PART}restore"
        operations.discard(part)
        try:
            manifest = _unpack(source, part, settings)
            try:
                jobs = _adapt(part, manifest, settings)
            except (BackupError, SettingsError) as error:
                raise BackupError(f"“{source.name}” cannot be put back: {error}") from error
            _put_in_place(part, settings, store, old)
            passages = _restore_library(part / PASSAGES, settings)
        finally:
            operations.discard(part)
    return Content(jobs, source.stat().st_size, passages)


# --- out ----------------------------------------------------------------------------------


def _store_file(settings: Settings, there: bool = True) -> Path:
    address = make_url(settings.store_url)
    if address.get_backend_name() != "sqlite" or not address.database:
        raise BackupError(
            f"The job store is a database of its own ({address.render_as_string()}): back it up "
            "and restore it with its own tools, such as pg_dump, and copy the directory "
            f"{settings.results_dir} after that."
        )
    path = Path(address.database)
    if there and not path.is_file():
        raise BackupError(f"There is nothing to back up: {path} does not exist.")
    return path


def _manifest(settings: Settings) -> dict[str, Any]:
    return {
        "version": VERSION,
        "made_at": time.time(),
        "data_dir": str(settings.data_dir),
        "temp_root": str(settings.temp_root),
    }


def _add_results(tar: tarfile.TarFile, settings: Settings, copy: Path) -> None:
    """Add what the copied store speaks of, and take out of it what was deleted meanwhile."""
    url = f"sqlite:///{copy.as_posix()}"
    with closing(Database(url)) as database, database.read() as session:
        done = list(session.scalars(select(JobRow.id).where(JobRow.result_at.is_not(None))))
    gone = []
    for job_id in done:
        directory = settings.results_dir / job_id
        names = _add_tree(tar, directory, f"{RESULTS}/{job_id}")
        if "result.json" not in names:
            gone.append(job_id)
    with closing(StoreReader(settings.store_url)) as live:
        if lost := [job_id for job_id in gone if live.job(job_id) is not None]:
            raise BackupError(
                f"{len(lost)} results are missing in {settings.results_dir}, the first of the job "
                f"{lost[0]}. Run it again or delete it, and then back up again."
            )
    with closing(JobStore(url)) as copied:
        copied.delete({job_id: settings.results_dir / job_id for job_id in gone})
        for workspace in sorted(copied.workspaces(leased=True)):
            _add_tree(tar, workspace, f"{UPLOADS}/{workspace.name}")


def _add_library(tar: tarfile.TarFile, settings: Settings, scratch: Path) -> int:
    shelf = Library(settings.library_dir, settings.embedding_model, settings.device, writes=False)
    with closing(shelf):
        count = shelf.backup(scratch)
    _add_file(tar, scratch, PASSAGES)
    return count


def _add_tree(tar: tarfile.TarFile, directory: Path, name: str) -> set[str]:
    """Add the files of a directory; return the names of those in it that were there."""
    found: set[str] = set()
    if not directory.is_dir():
        return found
    for path in sorted(directory.iterdir()):
        if any(map(path.match, (*_MADE_AGAIN, f"{operations.PART}*"))):
            continue
        if path.is_file() and not operations.is_link(path):
            try:
                _add_file(tar, path, f"{name}/{path.name}")
            except FileNotFoundError:
                continue  # deleted meanwhile
            found.add(path.name)
    return found


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    with operations.open_to_read(path) as content:
        tar.addfile(tar.gettarinfo(arcname=name, fileobj=content), content)


def _add_text(tar: tarfile.TarFile, name: str, value: dict[str, Any]) -> None:
    data = json.dumps(value, indent=2).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(data), int(time.time())
    tar.addfile(member, io.BytesIO(data))


# --- back ---------------------------------------------------------------------------------


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep every server off the data directory."""
    lock = FileLock(operations.make_dir(settings.data_dir) / LOCK, timeout=1.0)
    try:
        with lock:
            yield
    except Timeout:
        raise DirectoryInUse(
            f"A server runs on {settings.data_dir}. Stop it first.", settings.data_dir
        ) from None


def _holds(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _unpack(source: Path, part: Path, settings: Settings) -> dict[str, Any]:
    try:
        archive.unpack_files(source, part, settings.disk_reserve)
        manifest = json.loads((part / MANIFEST).read_text(encoding="utf-8"))
        if (part / STORE).is_file():
            _require_store(part / STORE)
    except (*_DAMAGED, sqlite3.DatabaseError) as error:
        raise BackupError(f"“{source.name}” is no backup, or damaged ({error}).") from error
    known = isinstance(manifest, dict) and manifest.get("version") == VERSION
    if not known or not all(isinstance(manifest.get(root), str) for root in _ROOTS):
        raise BackupError(f"“{source.name}” is no whole backup of this version.")
    if not (part / STORE).is_file():
        raise BackupError(f"“{source.name}” is no whole backup: the job store is missing in it.")
    return dict(manifest)


def _require_store(copy: Path) -> None:
    """Check that a file is a job store, and whole.

    Raises:
        sqlite3.DatabaseError: it is not.
    """
    if copy.stat().st_nlink > 1:  # else whoever sees the other file would see all of it
        raise sqlite3.DatabaseError("the job store is also another file")
    with closing(sqlite3.connect(copy)) as whole:
        whole.execute("SELECT version_num FROM alembic_version")
        (found,) = whole.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _adapt(part: Path, manifest: dict[str, Any], settings: Settings) -> int:
    """End sessions, tokens and links; lead the paths in the store to where the files are now.

    Raises:
        BackupError: results are missing.
        SettingsError: the store was made by a newer version.
    """
    copy, results = part / STORE, Results(part / RESULTS)
    moved = {
        manifest["temp_root"]: str(settings.temp_root),
        manifest["data_dir"]: str(settings.data_dir),
    }
    url = f"sqlite:///{copy.as_posix()}"
    with closing(StoreReader(url)):
        pass  # one of an earlier version is brought up to date
    with closing(Database(url)) as database, database.write() as session:
        done = session.scalars(select(JobRow.id).where(JobRow.result_at.is_not(None)))
        if lost := [id for id in done if not results.file(id).is_file()]:
            raise BackupError(f"{len(lost)} results are missing, the first of the job {lost[0]}.")
        session.execute(delete(SessionRow))
        session.execute(delete(TokenRow))
        passing = (Audience.LINK, Audience.ADMIN)
        session.execute(delete(ShareRow).where(ShareRow.audience.in_(passing)))
        session.execute(delete(RemovalRow))  # the archive does not hold what was deleted
        for column in (BatchRow.workspace, JobRow.path, WatchedRow.workspace):
            for path in session.scalars(select(column).distinct()).all():
                if (new := _moved(path, moved)) != path:
                    session.execute(
                        update(column.class_).where(column == path).values({column.key: new})
                    )
        jobs = session.scalar(select(func.count()).select_from(JobRow)) or 0
    with closing(sqlite3.connect(copy)) as whole:
        whole.execute("PRAGMA journal_mode=DELETE")
    return jobs


def _moved(path: str, roots: dict[str, str]) -> str:
    """Return a path below one of the old roots as it is below the new one, on any system."""
    for old, new in roots.items():
        kind = PureWindowsPath if PureWindowsPath(old).drive else PurePosixPath
        try:
            return str(Path(new, *kind(path).relative_to(old).parts))
        except ValueError:
            continue
    return path


def _put_in_place(part: Path, settings: Settings, store: Path, old: Iterable[Path]) -> None:
    aside = settings.data_dir / f"before-restore-{time.strftime('%Y%m%d-%H%M%S')}"
    for path in old:
        beside = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
        for one in beside:
            if one.exists():
                operations.make_dir(aside)
                _move(one, aside / one.name)
    for upload in sorted((part / UPLOADS).glob(f"{PREFIX}*")):
        operations.make_dir(settings.temp_root)
        _move(upload, settings.temp_root / upload.name)
    if (part / RESULTS).is_dir():
        _move(part / RESULTS, settings.results_dir)
    operations.make_dir(store.parent)
    _move(part / STORE, store)


def _move(source: Path, target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        operations.remove_tree(target)
    if target.exists():
        return  # an upload that is there already, under a name that nobody else could choose
    try:
        operations.replace(source, target)
    except OSError:  # another disk
        if source.is_dir():
            for path in source.iterdir():
                operations.link_or_copy(path, target / path.name)
        else:
            operations.link_or_copy(source, target)


def _restore_library(passages: Path, settings: Settings) -> int | None:
    """Put the library back, and have whatever it lacks indexed at the next start."""
    if not settings.library:
        return None
    if not passages.is_file():
        with closing(IndexEntries(settings.store_url, "")) as entries:
            entries.again()
        return None
    with closing(Library(settings.library_dir, settings.embedding_model, settings.device)) as shelf:
        shelf.restore(passages)
    with closing(Front(settings)) as front:
        front.check_library(repair=True)
        return front.library.table.count() if front.library.table.exists else 0
