"""Runs the tests in `inside/` on Windows: on Linux, through Wine.

They are collected here like any others, so every name, `-k` and `::` works. On Windows they
simply run. Elsewhere the first one runs all that were chosen, in one Windows Python, and each
then reports what happened to it there.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tests.windows.report import Outcome, run_in_wine
from tests.windows.wine import Wine, WineUnavailable, set_up

INSIDE = Path(__file__).parent / "inside"
_OUTCOMES = pytest.StashKey[dict[str, Outcome]]()


def _without_wine() -> Literal["failed", "skipped"]:
    # In CI a missing Wine must not look like success.
    return "failed" if os.environ.get("CI") == "true" else "skipped"


@pytest.fixture(scope="session")
def wine() -> Wine:
    try:
        return set_up()
    except WineUnavailable as error:
        if _without_wine() == "failed":
            raise
        pytest.skip(str(error))


def is_inside(item: pytest.Item) -> bool:
    return INSIDE in item.path.parents


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if sys.platform == "win32":
        return
    # What Wine cannot do is not skipped there but left to real Windows: a skip in CI has failed.
    elsewhere = [item for item in items if item.get_closest_marker("real_windows")]
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = [item for item in items if item not in elsewhere]
    for item in items:
        if is_inside(item):
            # The first one waits for all of them.
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    if sys.platform == "win32" or not is_inside(item):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    outcome = _outcomes(item.session)[item.nodeid]
    item.ihook.pytest_runtest_logreport(report=_report(item, outcome))
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _outcomes(session: pytest.Session) -> dict[str, Outcome]:
    if _OUTCOMES not in session.stash:
        chosen = [item.nodeid for item in session.items if is_inside(item)]
        try:
            # The conftest of all tests builds the whole house, which does not import there.
            found = run_in_wine(set_up(), chosen, session.config.rootpath, conftests=INSIDE)
        except WineUnavailable as error:
            found = dict.fromkeys(chosen, Outcome(_without_wine(), str(error)))
        session.stash[_OUTCOMES] = found
    return session.stash[_OUTCOMES]


def _report(item: pytest.Item, outcome: Outcome) -> pytest.TestReport:
    path, line, _ = item.location
    if outcome.state == "skipped":
        outcome = replace(outcome, state=_without_wine())
    detail = {
        "passed": None,
        "failed": outcome.text,
        "skipped": (path, (line or 0) + 1, f"Skipped: {outcome.text}"),
    }[outcome.state]
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome=outcome.state,
        longrepr=detail,
        when="call",
        duration=outcome.seconds,
        sections=[("Captured output under Wine", outcome.output)] if outcome.output else [],
    )
