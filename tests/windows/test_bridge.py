"""The bridge to Wine itself: what fails there must fail here, and so must what does not run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.windows.report import Outcome, run_in_wine
from tests.windows.wine import Wine, set_up

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows needs no Wine")

SAMPLE = """
import sys
import pytest

def test_is_windows():
    assert sys.platform == "win32"

@pytest.mark.parametrize("number", [1, 2])
def test_fails_at_two(number):
    print("it is", number)
    assert number == 1

class TestInside:
    @pytest.fixture
    def broken(self):
        raise LookupError("no such thing")

    def test_errs(self, broken):
        pass

def test_skips():
    pytest.skip("not here")
"""
NODES = [
    "test_sample.py::test_is_windows",
    "test_sample.py::test_fails_at_two[1]",
    "test_sample.py::test_fails_at_two[2]",
    "test_sample.py::TestInside::test_errs",
    "test_sample.py::test_skips",
]

Run = Callable[[str, list[str]], list[Outcome]]


@pytest.fixture
def run(wine: Wine, tmp_path: Path) -> Run:
    """Runs tests of a module with this content; returns their outcomes in order."""

    def run_sample(content: str, nodes: list[str]) -> list[Outcome]:
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_sample.py").write_text(content)
        found = run_in_wine(wine, nodes, root=tmp_path, conftests=tmp_path)
        return [found[node] for node in nodes]

    return run_sample


def test_every_outcome_comes_back(run: Run) -> None:
    windows, one, two, errs, skips = run(SAMPLE, NODES)
    assert (windows.state, one.state) == ("passed", "passed")
    assert (two.state, two.output) == ("failed", "it is 2")
    assert "assert 2 == 1" in two.text
    assert errs.state == "failed"
    assert "LookupError: no such thing" in errs.text
    assert (skips.state, skips.text) == ("skipped", "not here")


def test_a_run_that_breaks_off_is_a_failure(run: Run) -> None:
    dies = "import os\nprint('last words', flush=True)\nos._exit(0)\n"
    (outcome,) = run(dies, ["test_sample.py::test_anything"])
    assert outcome.state == "failed"
    assert "broke off" in outcome.text


def test_setting_up_again_does_nothing(wine: Wine) -> None:
    before = wine.python.stat().st_mtime_ns
    assert set_up() == wine
    assert wine.python.stat().st_mtime_ns == before
