"""Processes that are told what to do through standard input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
from services.processes import take_input
lines = take_input()
print([line.strip() for line in lines], repr(sys.stdin.read()))
"""


def test_what_a_process_is_told_is_read_apart_from_standard_input():
    """What the process loads or starts finds standard input empty, and waits for nobody."""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", PROGRAM],
        cwd=ROOT,
        input="eins\nzwölf\n",
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stdout.strip() == "['eins', 'zwölf'] ''", done.stderr
