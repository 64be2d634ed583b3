"""The library as files: exports for other programs, and backups that can be put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.errors import LibraryError
from services.files import operations
from services.library.table import COLUMNS, Table

BATCH = 2000
EXPORTS = ("parquet", "jsonl")


def export(table: Table, target: Path) -> int:
    """Write every passage to a Parquet or JSON Lines file, by its suffix; return how many.

    Raises:
        LibraryError: it has another suffix.
    """
    kind = target.suffix.lstrip(".")
    if kind not in EXPORTS:
        raise LibraryError(f"“{target.name}” must end in .parquet or .jsonl.")
    count = 0
    with operations.atomic_writer(target) as handle:
        if kind == "jsonl":
            for batch in _batches(table, COLUMNS):
                for row in batch.to_pylist():
                    handle.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
                count += batch.num_rows
            return count
        import pyarrow.parquet as pq

        writer = None
        for batch in _batches(table, None):  # with the vectors
            writer = writer or pq.ParquetWriter(handle, batch.schema)
            writer.write_batch(batch)
            count += batch.num_rows
        if writer is not None:
            writer.close()
    return count


def backup(table: Table, target: Path) -> int:
    """Write the library to an Arrow stream while it is used; return its number of passages.

    It holds one version of the table: what is written meanwhile is not in it.
    """
    import pyarrow as pa

    count = 0
    with operations.atomic_writer(target) as handle:
        stream = None
        for batch in _batches(table, None):
            stream = stream or pa.ipc.new_stream(handle, batch.schema)
            stream.write_batch(batch)
            count += batch.num_rows
        if stream is not None:
            stream.close()
    return count


def backed_up(source: Path) -> Iterator[Any]:
    """Yield the passages in a backup, batch by batch; none for an empty file.

    Raises:
        LibraryError: it is no backup, or damaged.
    """
    import pyarrow as pa

    if source.stat().st_size == 0:  # of a library that was never written
        return
    try:
        with operations.open_to_read(source) as handle:
            yield from pa.ipc.open_stream(handle)
    except (pa.ArrowInvalid, OSError) as error:
        raise LibraryError(
            f"“{source.name}” is no backup of a library, or damaged ({error})."
        ) from error


def _batches(table: Table, columns: tuple[str, ...] | None) -> Iterator[Any]:
    if table.exists:
        query = table.snapshot().search()
        yield from (query.select(list(columns)) if columns else query).to_batches(BATCH)
