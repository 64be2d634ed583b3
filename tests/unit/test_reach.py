"""Search within what somebody may reach: hits, facets and similar passages."""

from __future__ import annotations

import numpy as np
import pytest

from services.library.models import Chunk, Filters, Source
from services.library.search import search, similar
from services.library.sql import where
from services.library.table import Table
from services.people.models import Reach

MODEL = "test"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Four files of three owners that say nearly the same."""
    made = Table(tmp_path_factory.mktemp("library"))
    made.ready_for(8)
    for id, owner, batch in (
        ("a1", "ana", "ba"),
        ("b1", "bo", "bb"),
        ("b2", "bo", "bb"),
        ("o1", "o'neil", "bo"),
    ):
        source = Source(id, f"{id}.pdf", owner, batch, "document", 1.0, tags=(f"tag-{id}",))
        vectors = np.eye(8, dtype="f4")[:1]
        made.put(made.rows(source, [Chunk(f"the budget of {id}", page=1)], vectors, MODEL))
    return made


SEEN = [
    (Reach("ana"), {"a1"}),
    (Reach("bo"), {"b1", "b2"}),
    (Reach("o'neil"), {"o1"}),
    (Reach("ana", batches=frozenset({"bb"})), {"a1", "b1", "b2"}),
    (Reach("ana", jobs=frozenset({"b2", "gone"})), {"a1", "b2"}),
    (Reach("", jobs=frozenset({"b1"})), {"b1"}),
    (Reach(""), set()),
    (Reach("x' OR '1'='1"), set()),
    (None, {"a1", "b1", "b2", "o1"}),
]


@pytest.mark.parametrize(("reach", "seen"), SEEN)
@pytest.mark.parametrize("by_meaning", [False, True])
def test_only_what_is_within_reach_is_found_and_counted(table, reach, seen, by_meaning):
    vector = np.eye(8, dtype="f4")[0] if by_meaning else None
    found = search(table, "budget", vector, MODEL, Filters(reach=reach))
    assert {group.source for group in found.groups} == seen and found.total == len(seen)
    tags = found.facets.get("tags", {})
    assert set(tags) == {f"tag-{id}" for id in seen}
    assert sum(found.facets.get("owner", {}).values()) == len(seen)


@pytest.mark.parametrize(("reach", "seen"), SEEN)
def test_a_filter_that_somebody_sets_widens_nothing(table, reach, seen):
    found = search(table, "budget", None, MODEL, Filters(owner="bo", reach=reach))
    assert {group.source for group in found.groups} == seen & {"b1", "b2"}
    assert set(found.facets.get("tags", {})) <= {f"tag-{id}" for id in seen}
    assert sum(found.facets.get("owner", {}).values()) == len(seen), "as if it were let go"


def test_passages_like_one_that_is_out_of_reach_are_not_told(table):
    keys = {row["source"]: row["key"] for row in table.query().limit(9).to_arrow().to_pylist()}
    mine = Filters(reach=Reach("bo"))
    assert similar(table, keys["a1"], mine) == []
    assert {hit.source for hit in similar(table, keys["b1"], mine)} == {"b2"}


def test_a_reach_of_everybody_adds_no_condition():
    assert where(Filters()) is None
    assert "owner = 'ana'" in str(where(Filters(reach=Reach("ana"))))
