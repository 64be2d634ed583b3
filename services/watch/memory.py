"""What became of the files of watched folders: one row a file, in the job store's database."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from services.jobs.diarization import searches
from services.jobs.models import State
from services.jobs.schema import UNSETTLED, BatchRow, JobRow, WatchedRow
from services.store.database import Database, portions
from services.watch.scan import Found

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 3600.0
"""Seconds until a step that failed is tried again; the pause doubles with each try."""


@dataclass(frozen=True)
class Content:
    """A file with the SHA-256 of what it holds."""

    found: Found
    sha256: str


@dataclass(frozen=True)
class Due:
    """A file whose job has ended, for better or worse; what follows from that is still to do.

    `path` is where it was taken, `place` where it lies now (None: nowhere that we know), `target`
    where it is being moved, `output` its results' path without extension. `state` is None when
    the job is not in the store any more.
    """

    id: int
    path: str
    size: int
    mtime_ns: int
    sha256: str
    job_id: str
    place: str | None
    target: str | None
    output: str | None
    tries: int
    state: State | None
    finished_at: float


_OF_JOB = ("state", "finished_at")
_OF_FILE = tuple(name for name in Due.__dataclass_fields__ if name not in _OF_JOB)


class Memory(Database):
    """The table of watched files. Each method is one transaction; any thread may call it.

    Args:
        url: SQLAlchemy URL of the job store, whose tables are there already.
    """

    # --- taking files -----------------------------------------------------------------

    def known(self, root: str) -> dict[str, tuple[int, int]]:
        """Return size and time of change of the files that lie where they were seen, by path."""
        query = select(WatchedRow.path, WatchedRow.size, WatchedRow.mtime_ns).where(
            WatchedRow.root == root, WatchedRow.place == WatchedRow.path, ~WatchedRow.replaced
        )
        with self.read() as session:
            return {path: (size, mtime_ns) for path, size, mtime_ns in session.execute(query)}

    def may_know(self, root: str, scope: str, size: int) -> bool:
        """Whether a content of this size was seen, so that it is worth its SHA-256."""
        query = select(WatchedRow.id).where(
            WatchedRow.size == size, (WatchedRow.root == root) | (WatchedRow.scope == scope)
        )
        with self.read() as session:
            return session.scalar(query.limit(1)) is not None

    def knows(self, root: str, scope: str, sha256: str) -> bool:
        """Whether this content became a job of the root, or of one with the same scope."""
        with self.read() as session:
            return self._earlier(session, root, scope, sha256) is not None

    def claim(
        self,
        root: str,
        scope: str,
        workspace: str,
        contents: Iterable[Content],
        copied: Container[str],
        now: float,
    ) -> tuple[list[Content], list[Content]]:
        """Remember files as seen; return those that are new work, and those whose job is known.

        A content is known when a file of this root had it, or one of any root with the same
        `scope` (owner and settings). One that is just being submitted is in neither list, nor is
        a new one that was not copied: their turn comes in the next round.

        Args:
            workspace: Where the copies lie; it finds their jobs after a crash.
            copied: The SHA-256 of what lies there.
        """
        new: list[Content] = []
        known: list[Content] = []
        with self.write() as session:
            for content in contents:
                found, sha256 = content.found, content.sha256
                earlier = self._earlier(session, root, scope, sha256)
                if earlier.job_id is None if earlier else sha256 not in copied:
                    continue
                job_id = earlier.job_id if earlier else None
                row = self._row(session, root, found.path, sha256)
                row.size, row.mtime_ns, row.scope = found.size, found.mtime_ns, scope
                row.place, row.target, row.settled_at = found.path, None, None
                row.replaced, row.again_at, row.tries, row.error = False, 0.0, 0, None
                row.job_id, row.workspace = job_id, workspace if job_id is None else ""
                row.taken_at = now
                session.flush()
                (known if job_id else new).append(content)
        return new, known

    def find_jobs(self, workspace: str | None = None) -> None:
        """Note the jobs that claimed files became, and forget the files that became none.

        After a submission for its workspace; at start for all, which the server's end cut short.
        """
        claimed = select(WatchedRow).where(WatchedRow.job_id.is_(None))
        if workspace is not None:
            claimed = claimed.where(WatchedRow.workspace == workspace)
        with self.write() as session:
            rows = session.scalars(claimed).all()
            jobs = (
                select(BatchRow.workspace, JobRow.sha256, JobRow.id)
                .join(BatchRow, BatchRow.id == JobRow.batch_id)
                .where(BatchRow.workspace.in_({row.workspace for row in rows}))
            )
            found = {(place, sha256): id for place, sha256, id in session.execute(jobs)}
            for row in rows:
                row.job_id = found.get((row.workspace, row.sha256))
                if row.job_id is None:
                    session.delete(row)

    # --- what follows from a job's end ------------------------------------------------

    def reopen(self, root: str, thorough: bool = False) -> None:
        """Take up the files whose job was run again.

        Args:
            thorough: Find those whose job has ended again meanwhile, among all that are settled;
                otherwise those whose job waits or runs now.
        """
        with self.read() as session:
            if thorough:
                later = (
                    select(WatchedRow.id)
                    .join(JobRow, JobRow.id == WatchedRow.job_id)
                    .where(WatchedRow.root == root, JobRow.finished_at > WatchedRow.settled_at)
                )
                ids = list(session.scalars(later))
            else:
                # From the few jobs that wait or run to their files, and not the other way round:
                # so nothing else is asked of the database, which would take the longer way.
                active = select(JobRow.id).where(JobRow.state.in_((State.QUEUED, State.RUNNING)))
                rows = session.execute(
                    select(WatchedRow.id, WatchedRow.root, WatchedRow.settled_at).where(
                        WatchedRow.job_id.in_(active)
                    )
                )
                ids = [row.id for row in rows if row.root == root and row.settled_at is not None]
        if ids:
            with self.write() as session:
                for some in portions(ids):
                    session.execute(
                        update(WatchedRow).where(WatchedRow.id.in_(some)).values(**UNSETTLED)
                    )

    def due(self, root: str, now: float, limit: int = 500) -> list[Due]:
        """Return files whose job has ended, or is gone, and for which something is still to do.

        A recording whose speakers are looked for has not ended: they belong into its results.
        """
        query = (
            select(
                *(
                    getattr(WatchedRow, name)
                    for name in Due.__dataclass_fields__
                    if name not in _OF_JOB
                ),
                JobRow.state,
                func.coalesce(JobRow.finished_at, now).label("finished_at"),
            )
            .outerjoin(JobRow, JobRow.id == WatchedRow.job_id)
            .where(
                self._open(root),
                WatchedRow.job_id.is_not(None),
                WatchedRow.again_at <= now,
                JobRow.state.is_(None) | JobRow.state.in_([s for s in State if s.over]),
                WatchedRow.job_id.not_in(searches()),
            )
            .order_by(WatchedRow.id)
            .limit(limit)
        )
        with self.read() as session:
            rows = [row._asdict() for row in session.execute(query)]
        for row in rows:
            row["state"] = State(row["state"]) if row["state"] else None
        return [Due(**row) for row in rows]

    def intend_move(self, due: Due, target: str) -> None:
        """Write down where a file is about to be moved, so that a crash loses no trace of it."""
        with self.write() as session:
            session.execute(update(WatchedRow).where(WatchedRow.id == due.id).values(target=target))

    def name_output(self, due: Due, names: Iterable[str]) -> str:
        """Give a file's results the first of `names` that no other file's have; return it."""
        with self.write() as session:
            for name in names:
                others = select(WatchedRow.id).where(
                    WatchedRow.output_key == name.casefold(), WatchedRow.id != due.id
                )
                if session.scalar(others.limit(1)) is None:
                    session.execute(
                        update(WatchedRow)
                        .where(WatchedRow.id == due.id)
                        .values(output=name, output_key=name.casefold())
                    )
                    return name
        raise ValueError("no name was free")

    def settle(self, done: Sequence[tuple[Due, str | None]]) -> None:
        """Note that nothing is left to do for these files, and where each lies now."""
        with self.write() as session:
            for due, place in done:
                session.execute(
                    update(WatchedRow)
                    .where(WatchedRow.id == due.id)
                    .values(place=place, target=None, settled_at=due.finished_at, error=None)
                )

    def put_off(self, due: Due, error: str, now: float) -> None:
        """Note why the next step failed; it is tried again after a pause that grows."""
        pause = min(FIRST_PAUSE * 2 ** min(due.tries, 20), LONGEST_PAUSE)
        with self.write() as session:
            session.execute(
                update(WatchedRow)
                .where(WatchedRow.id == due.id)
                .values(error=error, tries=due.tries + 1, again_at=now + pause)
            )

    def unsettled(self, root: str) -> tuple[int, list[str]]:
        """Return how many files are not settled, and why steps for them failed."""
        with self.read() as session:
            count = session.scalar(select(func.count()).where(self._open(root))) or 0
            errors = session.scalars(
                select(WatchedRow.error).where(self._open(root), WatchedRow.error.is_not(None))
            )
            return count, [error for error in errors.fetchmany(5) if error]

    # --- inside -----------------------------------------------------------------------

    @staticmethod
    def _open(root: str) -> ColumnElement[bool]:
        return and_(WatchedRow.root == root, WatchedRow.settled_at.is_(None), ~WatchedRow.replaced)

    @staticmethod
    def _earlier(session: Session, root: str, scope: str, sha256: str) -> WatchedRow | None:
        """Return a row of this content whose job counts for the root too; its own rows first.

        A row whose job was deleted does not count: the content is new work again.
        """
        own = WatchedRow.root == root
        query = (
            select(WatchedRow)
            .outerjoin(JobRow, JobRow.id == WatchedRow.job_id)
            .where(
                WatchedRow.sha256 == sha256,
                own | (WatchedRow.scope == scope),
                WatchedRow.job_id.is_(None) | JobRow.id.is_not(None),
            )
            .order_by(own.desc(), WatchedRow.job_id.is_(None), WatchedRow.id.desc())
        )
        return session.scalars(query.limit(1)).one_or_none()

    @staticmethod
    def _row(session: Session, root: str, path: str, sha256: str) -> WatchedRow:
        """Return the row for this content at this path, made if need be.

        A content that was overwritten is replaced by it, and gives it the name of its results. One
        that was moved away is another file, which only had the same name.
        """
        rows = session.scalars(
            select(WatchedRow).where(WatchedRow.root == root, WatchedRow.path == path)
        ).all()
        same = [row for row in rows if row.sha256 == sha256]
        mine = next((row for row in same if row.place in (path, None)), None)
        if mine is None:
            mine = WatchedRow(root=root, path=path, sha256=sha256)
            session.add(mine)
        overwritten = [row for row in rows if row is not mine and row.place == path]
        for other in [*same, *overwritten]:
            if other.output is not None:
                mine.output, mine.output_key = other.output, other.output_key
        for other in overwritten:
            other.replaced, other.place, other.output, other.output_key = True, None, None, None
        return mine
