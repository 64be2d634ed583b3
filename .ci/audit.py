"""Fails when a package of this environment has a known vulnerability.

    python .ci/audit.py

pip-audit asks OSV, the database that holds PyPI's advisories and others. Where it cannot be
reached, nothing was audited: that is said, and fails nothing, because the change is not at fault.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ACCEPTED: dict[str, str] = {}
"""Advisories that do not concern us, by their id, and why."""


def ask(report: Path) -> str | None:
    """Have pip-audit write its report; return why there is none, or None."""
    where = ["--osv-url", url] if (url := os.environ.get("OSV_URL")) else []
    ignored = [part for known in ACCEPTED for part in ("--ignore-vuln", known)]
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off"),
            *("--vulnerability-service", "osv", "--format", "json", "--output", str(report)),
            *where,
            *ignored,
        ],
        capture_output=True,
        text=True,
    )
    return None if report.is_file() else (run.stderr.strip().splitlines() or ["no answer"])[-1]


def judge(packages: list[dict[str, Any]]) -> int:
    """Print what was found; return the exit status."""
    found = [(one, bug) for one in packages for bug in one.get("vulns", ())]
    for package, bug in found:
        fixed = ", ".join(bug["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {bug['id']}, fixed in {fixed}")
    left_out = [package["name"] for package in packages if "skip_reason" in package]
    print(
        f"{len(packages) - len(left_out)} packages audited, known vulnerabilities: {len(found)}",
        end="",
    )
    print(f"; not known: {', '.join(left_out)}" if left_out else "")
    return 1 if found else 0


def main() -> int:
    """Audit this environment."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        if problem := ask(report):
            print(f"The packages were not audited, because OSV does not answer: {problem}")
            return 0
        return judge(json.loads(report.read_text())["dependencies"])


if __name__ == "__main__":
    sys.exit(main())
