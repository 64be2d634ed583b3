"""Runs tests in the Windows Python under Wine and reads what happened to each."""

from __future__ import annotations

import re
import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.windows.wine import Wine, windows_path

MOST_SECONDS = 900.0
ONE_TEST_SECONDS = 120
_SHOWN = 6000


@dataclass(frozen=True)
class Outcome:
    """What happened to one test; `text` is its traceback, or why it was skipped."""

    state: Literal["passed", "failed", "skipped"]
    text: str = ""
    output: str = ""
    seconds: float = 0.0


def run_in_wine(
    wine: Wine, nodeids: Sequence[str], root: Path, conftests: Path
) -> dict[str, Outcome]:
    """Run tests of the project at `root` in one pytest under Wine; return what happened to each.

    Only the conftest files in and under `conftests` are used. A test that the run says nothing
    of, because it broke off, has failed.
    """
    temp = Path(tempfile.mkdtemp(prefix="wine-tests-"))
    try:
        output = _run_pytest(wine, nodeids, root, conftests, temp)
        report = temp / "report.xml"
        found = read_report(report.read_text(encoding="utf-8")) if report.is_file() else {}
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    missing = Outcome("failed", f"The run under Wine broke off. Its end:\n{output[-_SHOWN:]}")
    return {nodeid: found.get(address(nodeid), missing) for nodeid in nodeids}


def _run_pytest(wine: Wine, nodeids: Sequence[str], root: Path, conftests: Path, temp: Path) -> str:
    chosen = temp / "chosen.txt"  # too many for a command line of Windows
    chosen.write_text("\n".join(nodeids), encoding="utf-8")
    arguments = [
        "-m",
        "pytest",
        f"@{windows_path(chosen)}",
        "-v",
        "-p",
        "no:cacheprovider",
        f"--confcutdir={windows_path(conftests)}",
        f"--basetemp={windows_path(temp / 'base')}",
        f"--junitxml={windows_path(temp / 'report.xml')}",
        f"--timeout={ONE_TEST_SECONDS}",
        "--override-ini=addopts=-ra --strict-markers",  # one process does
        # What it wrote is needed for the tests that fail; a report of all is megabytes.
        "--override-ini=junit_log_passing_tests=false",
        "--override-ini=junit_logging=all",
        "--override-ini=junit_duration_report=total",
    ]
    try:
        _, output = wine.run_python(arguments, cwd=root, timeout=MOST_SECONDS)
    except TimeoutError as error:
        return str(error)
    return output


def address(nodeid: str) -> tuple[str, str]:
    """Return the class name and the name that a JUnit report gives to a test."""
    path, *names = nodeid.partition("[")[0].split("::")
    parameters = nodeid[len(nodeid.partition("[")[0]) :]
    module = path.removesuffix(".py").replace("/", ".")
    return ".".join([module, *names[:-1]]), names[-1] + parameters


def read_report(xml: str) -> dict[tuple[str, str], Outcome]:
    """Read a JUnit report: what happened to each test, by class name and name."""
    return {
        (case.get("classname", ""), case.get("name", "")): _outcome(case)
        for case in ElementTree.fromstring(xml).iter("testcase")
    }


def _outcome(case: ElementTree.Element) -> Outcome:
    seconds = float(case.get("time", 0))
    written = (part.text or "" for part in case if part.tag.startswith("system-"))
    output = "\n".join(text for text in map(_without_titles, written) if text)
    failures = [part for part in case if part.tag in ("failure", "error")]
    if failures:
        text = "\n".join(part.text or part.get("message", "") for part in failures)
        return Outcome("failed", text, output, seconds)
    skipped = case.find("skipped")
    if skipped is not None:
        return Outcome("skipped", skipped.get("message", ""), "", seconds)
    return Outcome("passed", seconds=seconds)


def _without_titles(output: str) -> str:
    """Return what a test wrote, without the lines that only say where it wrote it."""
    lines = [line for line in output.splitlines() if not re.fullmatch(r"-+ Captured \w+ -+", line)]
    return "\n".join(lines).strip()
