"""A long history costs nothing: no query reads a whole table of jobs or events."""

from __future__ import annotations

import pytest

from benchmarks.plans import Plan, query_plans

COUNTED = {"system page: counts"}
"""These count all jobs. They read an index from its beginning to its end, and no row."""


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> list[Plan]:
    return query_plans(tmp_path_factory.mktemp("store") / "jobs.db")


def test_no_query_reads_the_whole_history(plans):
    reading = {f"{plan.caller}: {step}" for plan in plans for step in plan.scans}
    allowed = {
        text
        for text in reading
        if text.split(": SCAN")[0] in COUNTED and "USING COVERING INDEX" in text
    }
    assert reading - allowed == set()


def test_a_scan_would_be_seen():
    assert Plan("", "", ("SCAN jobs",)).scans
    assert Plan("", "", ("SCAN events USING INDEX x",)).scans
    newest = "SELECT id FROM jobs ORDER BY created_at LIMIT 50"
    assert Plan("", newest, ("SCAN jobs",)).scans
    assert Plan("", newest, ("SCAN jobs USING INDEX x", "USE TEMP B-TREE FOR ORDER BY")).scans
    assert not Plan("", newest, ("SCAN jobs USING INDEX x",)).scans
    assert not Plan("", "", ("SEARCH jobs USING INDEX x (id=?)", "SCAN batches")).scans


def test_the_plans_are_of_what_is_used(plans):
    tables = ("jobs", "events", "batches", "endings", "removals")
    assert {t for t in tables if any(f" {t}" in p.statement for p in plans)} == set(tables)
    assert len(plans) > 50
