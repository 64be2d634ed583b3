"""Hybrid search: words and meanings, fused by reciprocal rank."""

from __future__ import annotations

import bisect
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from services.library.chunks import in_context
from services.library.models import EVERYTHING, Filters, Found, Group, Hit
from services.library.query import (
    RESPELLED_FROM,
    Query,
    best_place,
    parse,
    respelled,
    spans,
    stem,
    stems,
)
from services.library.sql import quoted, where
from services.library.table import COLUMNS, Table, vector_column

RANK_CONSTANT = 10
"""Cormack, Clarke and Büttcher, Reciprocal Rank Fusion, SIGIR 2009. They take 60; with 10 the
first few ranks count for more, which `benchmarks.library quality` prefers."""

WEIGHED = 100
"""Candidates by words whose share of the question's words is counted."""

WORD_CANDIDATES = 400
MEANING_CANDIDATES = 100

PARTITIONS = 20
"""Partitions of an index of vectors that are searched at least."""

LEAST_SIMILARITY = 0.25
"""Cosine below which a passage has nothing to do with the question: MiniLM gives unrelated
sentences about 0.05 and related ones about 0.6."""

RERANKED = 30
"""Passages that a reranking model reads: on two cores about as many as it does in a second."""

HITS_PER_SOURCE = 3
FACETS = ("kind", "owner", "batch", "language", "speaker", "tags", "collections")
_LISTS = ("tags", "collections")

_SHOWN = tuple(name for name in COLUMNS if name != "model")
Row = dict[str, Any]
Rerank = Callable[[str, list[str]], list[float] | None]
"""Returns how well each text answers a question, or None where it cannot be had."""


def search(
    table: Table,
    typed: str,
    vector: Any = None,
    model: str = "",
    filters: Filters = EVERYTHING,
    limit: int = 10,
    offset: int = 0,
    words: bool = True,
    rerank: Rerank | None = None,
) -> Found:
    """Return the sources that match best, each with its best passages.

    Args:
        vector: The question's vector by `model`, of length 1; None compares words only.
        limit: Sources on this page.
        offset: Sources before it.
        words: Whether to compare words at all.
        rerank: Judges the best of what was found once more.
    """
    query = parse(typed)
    semantic = vector is not None
    if not table.exists or not (query.words or query.phrases):
        return Found(semantic=semantic)
    rows = _fused(table, query, vector, model, filters, words)
    instead = ""
    if words and not rows and not _knows(table, query, filters):
        instead = respelled(query, _nearby(table, query, filters))
    if instead:
        query = parse(instead)
        rows = _fused(table, query, vector, model, filters, words)
    if rerank is not None and rows:
        rows = _reranked(rows, query, rerank)
    groups = _grouped(rows)
    page = [
        Group(source, tuple(_hit(row, query) for row in _apart(found)))
        for source, found in groups[offset : offset + limit]
    ]
    facets = _facets(table, query, vector, model, filters, words, rows)
    return Found(tuple(page), len(groups), facets, semantic, instead)


def similar(table: Table, key: str, filters: Filters = EVERYTHING, limit: int = 5) -> list[Hit]:
    """Return the passages of other sources whose meaning is nearest to that of one."""
    conditions = [f"key = {quoted(key)}" if key.isalnum() else "false", where(filters)]
    condition = " AND ".join(f"({one})" for one in conditions if one)
    found = table.query().where(condition).limit(1).to_arrow().to_pylist() if table.exists else []
    if not found:
        return []
    row = found[0]
    column = next(name for name in row if name.startswith("vector_") and row[name])
    rows = _by_meaning(
        table, row[column], row["model"], filters, limit * 5, f"source <> {quoted(row['source'])}"
    )
    return [_hit(one, Query("")) for one in rows[:limit]]


# --- candidates ---------------------------------------------------------------------------


def _fused(
    table: Table, query: Query, vector: Any, model: str, filters: Filters, words: bool
) -> list[Row]:
    by_words = _by_words(table, query, filters) if words or query.phrases else []
    by_meaning = []
    if vector is not None:
        by_meaning = _by_meaning(table, vector, model, filters, MEANING_CANDIDATES)
    if query.phrases:  # what is in quotation marks must be there
        with_phrase = {row["key"] for row in by_words}
        by_meaning = [row for row in by_meaning if row["key"] in with_phrase]
    if by_meaning:
        _weigh(by_words, query)
    return fuse(by_words if words else [], by_meaning)


def _weigh(by_words: list[Row], query: Query) -> None:
    """Let a passage count by the square of the share of the question's words that it has.

    One word of five says little beside a meaning that agrees.
    """
    wanted = query.all_stems
    for row in by_words[:WEIGHED]:
        share = len(wanted & stems(row["text"])) / len(wanted)
        row["weight"] = share**2
    for row in by_words[WEIGHED:]:
        row["weight"] = 1 / len(wanted) ** 2


def fuse(*rankings: list[Row]) -> list[Row]:
    """Return the rows of several rankings, the best first, each with its `fused` score.

    A row counts by its rank, and by its `weight` in that ranking where it has one.
    """
    scores: dict[str, float] = defaultdict(float)
    rows: dict[str, Row] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row["key"]] += row.get("weight", 1.0) / (RANK_CONSTANT + rank)
            rows[row["key"]] = {**rows.get(row["key"], {}), **row}
    order = sorted(rows, key=lambda key: (-scores[key], key))
    return [{**rows[key], "fused": scores[key]} for key in order]


def _reranked(rows: list[Row], query: Query, rerank: Rerank) -> list[Row]:
    """Return the rows with the first of them in the order that a reranking model finds.

    They share the scores that they had, the highest for the best.
    """
    first = rows[:RERANKED]
    found = rerank(query.text, [in_context(row["text"], row["headings"]) for row in first])
    if found is None:
        return rows
    order = sorted(range(len(first)), key=lambda n: (-found[n], n))
    ordered = [{**first[n], "fused": row["fused"]} for n, row in zip(order, first, strict=True)]
    return ordered + rows[RERANKED:]


def _by_words(
    table: Table, query: Query, filters: Filters, shown: Sequence[str] = _SHOWN
) -> list[Row]:
    from lancedb.query import BooleanQuery, MatchQuery, Occur, PhraseQuery

    parts: list[Any] = [(Occur.MUST, PhraseQuery(phrase, "text")) for phrase in query.phrases]
    if query.words:
        match = MatchQuery(" ".join(query.words), "text")
        parts.append((Occur.SHOULD if parts else Occur.MUST, match))
    what = parts[0][1] if len(parts) == 1 else BooleanQuery(parts)
    built = table.query(what).select([*shown, "_score"]).limit(WORD_CANDIDATES)
    rows: list[Row] = _filtered(built, where(filters)).to_arrow().to_pylist()
    return sorted(rows, key=lambda row: (-row["_score"], row["key"]))


def _knows(table: Table, query: Query, filters: Filters) -> bool:
    """Whether some passage has one of the words, though the filters may leave it out."""
    return bool(_by_words(table, query, replace(EVERYTHING, reach=filters.reach), ("key",)))


def _nearby(table: Table, query: Query, filters: Filters) -> list[str]:
    """Return texts that have words which differ from the query's by two letters at most."""
    from lancedb.query import MatchQuery

    # Stems, for the index holds such and does not make them of a query that is not exact.
    long = [stem(word) for word in query.words if len(word) >= RESPELLED_FROM]
    if not long or query.phrases:
        return []
    match = MatchQuery(" ".join(long), "text", fuzziness=2, prefix_length=1)
    built = table.query(match).select(["text", "_score"]).limit(WORD_CANDIDATES)
    found: list[str] = _filtered(built, where(filters)).to_arrow()["text"].to_pylist()
    return found


def _by_meaning(
    table: Table, vector: Any, model: str, filters: Filters, limit: int, more: str = ""
) -> list[Row]:
    if not table.has_vectors(len(vector)):
        return []

    def nearest(*conditions: str | None) -> list[Row]:
        built = (
            table.query(vector, vector_column(len(vector)))
            .distance_type("cosine")
            .minimum_nprobes(PARTITIONS)
            .maximum_nprobes(0)  # more where a filter leaves too few: no passage is out of reach
            .select([*COLUMNS, "_distance"])
            .limit(limit)
        )
        condition = " AND ".join(one for one in conditions if one)
        found: list[Row] = _filtered(built, condition).to_arrow().to_pylist()
        return found

    found = nearest(where(filters), more)
    # A condition on the model would be looked up in every passage, and nearly always all have it.
    if any(row["model"] != model for row in found):
        found = nearest(where(filters), more, f"model = {quoted(model)}")
    rows = [{**row, "similarity": 1 - row["_distance"]} for row in found]
    return [row for row in rows if row["similarity"] >= LEAST_SIMILARITY]


def _filtered(built: Any, condition: str | None) -> Any:
    # Before the search, not after it: otherwise a filter could leave nothing of the nearest.
    return built.where(condition, prefilter=True) if condition else built


# --- what is shown ------------------------------------------------------------------------


def _grouped(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["source"], []).append(row)
    return list(groups.items())


def _apart(rows: list[Row]) -> list[Row]:
    """Return the best rows, none of them beside a better one: neighbours overlap."""
    kept: list[Row] = []
    for row in rows:
        if all(abs(row["ordinal"] - one["ordinal"]) > 1 for one in kept):
            kept.append(row)
        if len(kept) == HITS_PER_SOURCE:
            break
    return kept


def _hit(row: Row, query: Query) -> Hit:
    found = spans(row["text"], query)
    same = {name: row[name] for name in _SHOWN if name in Hit.__dataclass_fields__}
    same |= {name: tuple(row[name] or ()) for name in _LISTS}
    same["start"] = _second(row, best_place(found))
    return Hit(
        **same,
        score=row["fused"] if "fused" in row else row["similarity"],
        similarity=row.get("similarity"),
        spans=found,
    )


def _second(row: Row, offset: int) -> float | None:
    """Return when the sentence at `offset` of a spoken passage begins."""
    if row["start"] is None:
        return None
    marks = json.loads(row["marks"] or "[]")
    at = bisect.bisect_right(marks, offset, key=lambda mark: mark[0]) - 1
    return float(marks[at][1]) if marks else float(row["start"])


def _facets(
    table: Table,
    query: Query,
    vector: Any,
    model: str,
    filters: Filters,
    words: bool,
    rows: list[Row],
) -> dict[str, dict[str, int]]:
    """Count sources per value; a facet that is chosen also counts what it leaves out."""
    counted = {}
    for facet in FACETS:
        found = rows
        if getattr(filters, facet):
            nothing: Any = () if facet in _LISTS else None
            opened = replace(filters, **{facet: nothing})
            # By words alone where there are such: this is only counted.
            found = _by_words(table, query, opened, ("key", "source", facet)) if words else []
            if not found and vector is not None:
                found = _by_meaning(table, vector, model, opened, MEANING_CANDIDATES)
        counted[facet] = _count(found, facet)
    return counted


def _count(rows: Iterable[Row], name: str) -> dict[str, int]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        values = row[name] if name in _LISTS else [row[name]]
        seen |= {(value, row["source"]) for value in values or () if value}
    return dict(Counter(value for value, _ in seen).most_common())
