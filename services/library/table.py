"""The table of passages in LanceDB."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.files import operations
from services.library.models import Chunk, Source
from services.library.sql import array, listed, quoted

NAME = "chunks"

COLUMNS = (
    *("key", "source", "name", "owner", "batch", "kind", "added", "language", "tags"),
    *("collections", "ordinal", "text", "headings", "page", "start", "end", "speaker", "marks"),
    "model",
)
"""All but the vectors, which stand in one column per dimension: `vector_384`."""

VECTOR_INDEX_FROM = 20_000
"""Passages from which on vectors get an index; up to here all are compared, which is exact.

Measured on two cores with 100,000: 40 ms without; with IVF_SQ 6 ms, and 99 of the 100 nearest.
"""

NO_VECTOR = "null"
"""What LanceDB does with a passage without a vector: each has one of a model's, none of others'."""

TRAINED_FOR = 4
"""An index is made anew when there are this many times the passages that it was made from."""

INDEX_CACHE, METADATA_CACHE = 512 << 20, 16 << 20
"""Bytes that LanceDB may keep of indexes, and of what it knows of files and versions.

Of the latter each commit leaves 35 KB behind: by its own limits it would keep gigabytes.
"""


def vector_column(dimension: int) -> str:
    """Return the name of the column that holds the vectors of a dimension."""
    return f"vector_{dimension}"


class Table:
    """The passages under one directory. Any thread may read; only the writer's calls the rest.

    Args:
        directory: Where the database lies; a local disk, not a network share.
        interval: Seconds after which changes by other processes are seen; None for never.
    """

    def __init__(self, directory: Path, interval: float | None = None) -> None:
        import lancedb  # here, because it takes seconds

        operations.make_dir(directory)
        every = None if interval is None else timedelta(seconds=interval)
        caches = lancedb.Session(INDEX_CACHE, METADATA_CACHE)
        self._database = lancedb.connect(
            str(directory), read_consistency_interval=every, session=caches
        )
        self._table: Any = None
        if NAME in self._database.list_tables().tables:
            self._table = self._database.open_table(NAME)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self._table is not None

    def reopen(self) -> None:
        """See what others wrote."""
        if self._table is not None:
            self._table.checkout_latest()

    # --- reading ------------------------------------------------------------------------

    def query(self, what: Any = None, column: str | None = None) -> Any:
        """Return LanceDB's query builder, for the newest version."""
        if column is None:
            return self._table.search(what)
        return self._table.search(what, vector_column_name=column)

    def has_vectors(self, dimension: int) -> bool:
        """Whether there is a column for vectors of this dimension."""
        return self.exists and vector_column(dimension) in self._table.schema.names

    def count(self, where: str | None = None) -> int:
        """Return the number of passages."""
        return int(self._table.count_rows(where)) if self.exists else 0

    def keys(self) -> dict[str, list[str]]:
        """Return the keys of all passages by source; one that is doubled is there twice."""
        found: dict[str, list[str]] = {}
        if self.exists:
            rows = self.query().select(["source", "key"]).limit(self.count()).to_arrow()
            pairs = zip(rows["source"].to_pylist(), rows["key"].to_pylist(), strict=True)
            for source, key in pairs:
                found.setdefault(source, []).append(key)
        return found

    def versions(self) -> int:
        """Return the number of versions that are kept."""
        return len(self._table.list_versions()) if self.exists else 0

    def snapshot(self) -> Any:
        """Return LanceDB's table of another handle that stays at today's version."""
        table = self._database.open_table(NAME)
        table.checkout(table.version)
        return table

    # --- writing: the writer's thread only ------------------------------------------------

    def put(self, rows: Any) -> None:
        """Make `rows` all that there is of their sources; each source changes in one commit.

        New sources are added, which costs the same however large the table is. Of those that are
        there already keys are updated or inserted, and the rest of what they had is deleted. There
        is no scalar index on `key` on purpose: with one, `merge_insert` was seen to miss rows
        after a compaction (lancedb/lancedb#3177).
        """
        import pyarrow as pa
        from pyarrow import compute

        sources = set(rows["source"].to_pylist())
        condition = f"source IN ({listed(sorted(sources))})"
        found = self.query().where(condition).select(["source"]).limit(self.count(condition))
        there = set(found.to_arrow()["source"].to_pylist())
        is_there = compute.is_in(rows["source"], pa.array(sorted(there), pa.string()))
        if sources - there:
            self._table.add(rows.filter(compute.invert(is_there)), on_bad_vectors=NO_VECTOR)
        if there:
            (
                self._table.merge_insert("key")
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .when_not_matched_by_source_delete(f"source IN ({listed(sorted(there))})")
                .execute(rows.filter(is_there), on_bad_vectors=NO_VECTOR)
            )

    def restore(self, batches: Iterable[Any]) -> None:
        """Make these batches, of a backup, all that there is, in one commit."""
        import pyarrow as pa

        found = list(batches)
        if not found:
            self.delete_all()
            return
        rows = pa.Table.from_batches(found)
        for field in rows.schema:
            if field.name.startswith("vector_"):
                self.ready_for(field.type.list_size)
        names, schema = set(rows.schema.names), self._table.schema
        columns = [
            rows[field.name].cast(field.type)
            if field.name in names
            else pa.nulls(len(rows), field.type)
            for field in schema
        ]
        (
            self._table.merge_insert("key")
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .when_not_matched_by_source_delete()
            .execute(pa.Table.from_arrays(columns, schema=schema), on_bad_vectors=NO_VECTOR)
        )

    def delete_all(self) -> None:
        """Delete every passage."""
        if self.exists:
            self._table.delete("true")

    def delete(self, sources: Sequence[str]) -> None:
        """Delete all passages of these sources."""
        if self.exists and sources:
            self._table.delete(f"source IN ({listed(sources)})")

    def label(
        self, source: str, name: str, tags: Sequence[str], collections: Sequence[str]
    ) -> None:
        """Change the name, the tags and the collections of a source."""
        if self.exists:
            self._table.update(
                where=f"source = {quoted(source)}",
                values_sql={
                    "name": quoted(name),
                    "tags": array(tags),
                    "collections": array(collections),
                },
            )

    def ready_for(self, dimension: int) -> None:
        """Make the table, its full-text index and the column for these vectors, if missing."""
        import pyarrow as pa
        from lancedb.index import FTS

        column = pa.field(vector_column(dimension), pa.list_(pa.float32(), dimension))
        if not self.exists:
            schema = pa.schema([*_fields(), column])
            self._table = self._database.create_table(NAME, schema=schema)
            # Positions for phrases. Stop words stay: "to be or not to be" is a phrase too.
            fts = FTS(with_position=True, remove_stop_words=False, base_tokenizer="simple")
            self._table.create_index("text", config=fts)
        elif column.name not in self._table.schema.names:
            self._table.add_columns(pa.schema([column]))

    def rows(self, source: Source, chunks: Sequence[Chunk], vectors: Any, model: str) -> Any:
        """Return passages as this table holds them.

        Args:
            vectors: float32 of shape (len(chunks), dimension).
        """
        import pyarrow as pa

        count, dimension = len(chunks), vectors.shape[1]
        same = {**asdict(source), "model": model}
        same["source"] = same.pop("id")
        own = {
            "key": [_key(source.id, number, one) for number, one in enumerate(chunks)],
            "ordinal": range(count),
            "text": [one.text for one in chunks],
            "headings": [" › ".join(one.headings) for one in chunks],
            "page": [one.page for one in chunks],
            "start": [one.start for one in chunks],
            "end": [one.end for one in chunks],
            "speaker": [one.speaker for one in chunks],
            "marks": [json.dumps(one.marks) if one.marks else None for one in chunks],
        }

        def column(field: Any) -> Any:
            if field.name == vector_column(dimension):
                numbers = pa.array(vectors.reshape(-1), pa.float32())
                return pa.FixedSizeListArray.from_arrays(numbers, type=field.type)
            if field.name in own:
                return pa.array(own[field.name], field.type)
            # What no passage has are the vectors of another model.
            return pa.array([same.get(field.name)] * count, field.type)

        schema = self._table.schema
        return pa.Table.from_arrays([column(field) for field in schema], schema=schema)

    def compact(self, keep_seconds: float, alone: bool = False) -> None:
        """Merge small files, bring the indexes up to date, remove versions older than that.

        Args:
            alone: No other write can be under way anywhere: also remove what killed ones left.
        """
        if not self.exists:
            return
        self._index_vectors()
        self._table.optimize(
            cleanup_older_than=timedelta(seconds=keep_seconds), delete_unverified=alone
        )

    def _index_vectors(self) -> None:
        count = self.count()
        if count < VECTOR_INDEX_FROM:
            return
        from lancedb.index import IvfSq

        indexes = [index.name for index in self._table.list_indices()]
        for column in self._table.schema.names:
            if not column.startswith("vector_"):
                continue
            made = [name for name in indexes if name.startswith(f"{column}_of_")]
            if any(count < TRAINED_FOR * int(name.rpartition("_")[2]) for name in made):
                continue
            # Its name says from how many passages it was made.
            self._table.create_index(
                column, config=IvfSq(distance_type="cosine"), name=f"{column}_of_{count}"
            )
            for name in made:
                self._table.drop_index(name)


def _fields() -> list[Any]:
    import pyarrow as pa

    text, number = pa.string(), pa.int32()
    # Declared so, two merges of one new key leave one row; otherwise they may leave two.
    key = {"lance-schema:unenforced-primary-key": "true"}
    types = {
        "added": pa.float64(),
        "tags": pa.list_(text),
        "collections": pa.list_(text),
        "ordinal": number,
        "page": number,
        "start": pa.float64(),
        "end": pa.float64(),
    }
    return [
        pa.field(name, text, nullable=False, metadata=key)
        if name == "key"
        else pa.field(name, types.get(name, text))
        for name in COLUMNS
    ]


def _key(source: str, number: int, one: Chunk) -> str:
    """Return the key of a passage: its source, place and content."""
    place = f"{source}\0{number}\0{one.page}\0{one.start}\0{one.text}"
    return hashlib.sha256(place.encode()).hexdigest()[:32]
