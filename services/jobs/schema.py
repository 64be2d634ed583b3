"""The tables of the job store."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from services.jobs.models import Batch, Job, Kind, Options, State
from services.store.base import Base

Bytes = Integer().with_variant(BigInteger, "postgresql")
"""A size of a file; SQLite's integers have 64 bits anyway."""


class BatchRow(Base):
    """A batch; see `models.Batch`."""

    __tablename__ = "batches"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[float] = mapped_column(Float, index=True)
    workspace: Mapped[str] = mapped_column(Text, index=True)
    options: Mapped[dict[str, object]] = mapped_column(JSON)
    discarded: Mapped[bool] = mapped_column(Boolean, default=False)
    turn: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    keep_days: Mapped[float | None] = mapped_column(Float)


class JobRow(Base):
    """A job; see `models.Job`."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "kind", "state", "owner", "batch_id", "queued_at", "position"),
        Index(None, "kind", "state", "priority"),
        Index(None, "batch_id", "position"),
        Index(None, "batch_id", "state"),
        Index(None, "state", "created_at"),
        Index(None, "created_at"),
        Index(None, "sha256"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id"))
    position: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(Bytes)
    length: Mapped[float | None] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(80), default="")
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    crashes: Mapped[int] = mapped_column(Integer, default=0)
    retries: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str | None] = mapped_column(Text)
    error_kind: Mapped[str | None] = mapped_column(String(16))
    note: Mapped[str | None] = mapped_column(Text)
    engine: Mapped[str | None] = mapped_column(String(80))
    model: Mapped[str | None] = mapped_column(Text)
    options: Mapped[dict[str, object]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Float)
    queued_at: Mapped[float] = mapped_column(Float)
    took: Mapped[float | None] = mapped_column(Float)
    started_at: Mapped[float | None] = mapped_column(Float)
    finished_at: Mapped[float | None] = mapped_column(Float)
    run: Mapped[str | None] = mapped_column(String(32))
    seen_at: Mapped[float | None] = mapped_column(Float)
    priority: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    result_at: Mapped[float | None] = mapped_column(Float)


JOBS = cast(Table, JobRow.__table__)


class EventRow(Base):
    """A change of a job's state; see `models.Event`."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    at: Mapped[float] = mapped_column(Float)
    state: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str | None] = mapped_column(Text)


class EndingRow(Base):
    """An end of a batch, and who has been told; see `endings.Ending`."""

    __tablename__ = "endings"
    __table_args__ = (Index(None, "owner", "at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(32))
    owner: Mapped[str] = mapped_column(String(200))
    at: Mapped[float] = mapped_column(Float)
    due_at: Mapped[float | None] = mapped_column(Float, index=True)
    body: Mapped[str | None] = mapped_column(Text)
    told: Mapped[dict[str, dict[str, Any]]] = mapped_column(JSON)


class KeyRow(Base):
    """The key of a submission, so that one that is sent again makes no second batch; see `once`."""

    __tablename__ = "submission_keys"

    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    batch_id: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[float] = mapped_column(Float, index=True)


class TurnRow(Base):
    """An owner's last turn to get a job of a kind: whoever waited longest comes next."""

    __tablename__ = "turns"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)


class PauseRow(Base):
    """What does not go on until a person says so: since when, and who stopped it."""

    __tablename__ = "pauses"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    since: Mapped[float] = mapped_column(Float)
    by: Mapped[str] = mapped_column(String(200))


class RemovalRow(Base):
    """A directory of something deleted, until the janitor has removed it."""

    __tablename__ = "removals"

    path: Mapped[str] = mapped_column(String(2000), primary_key=True)
    asked_at: Mapped[float] = mapped_column(Float)


UNSETTLED = {"settled_at": None, "again_at": 0.0, "tries": 0, "error": None}
"""What a watched file becomes when there is something to do for it once more."""


class WatchedRow(Base):
    """A content that was seen at a path of a watched folder, and the job it became.

    `place` is where the file lies now, `target` where it is being moved, `output` the path of its
    results without extension (`output_key` the same without case); `settled_at` is the end of the
    job of which nothing is left to do. `replaced` says that the path holds another content now.
    """

    __tablename__ = "watched"
    __table_args__ = (
        Index(None, "root", "path"),
        Index(None, "root", "settled_at"),
        Index(None, "sha256"),
        Index(None, "size"),
        Index(None, "job_id"),
        Index(None, "output_key"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    root: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(Text)
    workspace: Mapped[str] = mapped_column(Text)
    job_id: Mapped[str | None] = mapped_column(String(32))
    taken_at: Mapped[float] = mapped_column(Float)
    place: Mapped[str | None] = mapped_column(Text)
    target: Mapped[str | None] = mapped_column(Text)
    output: Mapped[str | None] = mapped_column(Text)
    output_key: Mapped[str | None] = mapped_column(Text)
    replaced: Mapped[bool] = mapped_column(Boolean, default=False)
    settled_at: Mapped[float | None] = mapped_column(Float)
    again_at: Mapped[float] = mapped_column(Float, default=0.0)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str | None] = mapped_column(Text)


class IndexRow(Base):
    """What the library has of a job; see `entries.Entry`. It may outlive the job for a moment."""

    __tablename__ = "index_entries"

    job_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    error: Mapped[str | None] = mapped_column(Text)
    chunks: Mapped[int] = mapped_column(Integer, default=0)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[float] = mapped_column(Float, default=0.0)
    made_with: Mapped[str] = mapped_column(Text, default="")
    result_at: Mapped[float | None] = mapped_column(Float)
    changed_at: Mapped[float] = mapped_column(Float)
    title: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(16))
    summary: Mapped[str | None] = mapped_column(Text)
    keywords: Mapped[list[str]] = mapped_column(JSON, default=list)
    actions: Mapped[list[str]] = mapped_column(JSON, default=list)
    enriched_by: Mapped[str | None] = mapped_column(Text)


class LabelRow(Base):
    """What people call a job's result; the library has it as it was at `written_at`."""

    __tablename__ = "labels"

    job_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    collections: Mapped[list[str]] = mapped_column(JSON, default=list)
    changed_at: Mapped[float] = mapped_column(Float)
    written_at: Mapped[float] = mapped_column(Float, default=0.0)


class DiarizationRow(Base):
    """How far the search for a recording's speakers is; see `diarization.Diarization`."""

    __tablename__ = "diarizations"

    job_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    stage: Mapped[str] = mapped_column(Text, default="")
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(Text)
    speakers: Mapped[int] = mapped_column(Integer, default=0)
    asked_at: Mapped[float] = mapped_column(Float)


def to_batch(row: BatchRow) -> Batch:
    """Return the batch that a row holds."""
    return Batch(
        id=row.id,
        owner=row.owner,
        created_at=row.created_at,
        workspace=Path(row.workspace),
        options=Options.from_dict(row.options),
        discarded=row.discarded,
        keep_days=row.keep_days,
    )


def to_job(row: Row[Any]) -> Job:
    """Return the job that a row of the table `jobs` holds."""
    values = row._asdict()
    values["kind"] = Kind(values["kind"])
    values["state"] = State(values["state"])
    values["path"] = Path(values["path"])
    values["options"] = Options.from_dict(values["options"])
    return Job(**{name: values[name] for name in Job.__dataclass_fields__})
