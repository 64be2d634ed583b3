"""The rules that the design draws between the parts, read from the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted((ROOT / "services").rglob("*.py"))
PAGES = sorted((ROOT / "pages").rglob("*.py"))

CHANGES = {
    *(
        "unlink",
        "rmdir",
        "rmtree",
        "mkdir",
        "makedirs",
        "mkdtemp",
        "mkstemp",
        "remove",
        "removedirs",
    ),
    *("rename", "renames", "touch", "write_text", "write_bytes", "symlink_to", "hardlink_to"),
    *("copy2", "copyfile", "copytree", "move", "truncate", "chmod"),
    *("NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile"),
}
"""Calls that create, move or delete files, under any module's name."""

EXCEPTIONS = {
    # NeMo makes a temporary directory of its own; it is led into one that services/files made.
    ("services/audio/engines/nemo.py", "TemporaryDirectory"),
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imported(path)}


def file_changes(path: Path) -> set[str]:
    """Return the calls in a module that change files by themselves."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = (
            function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        )
        owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        if owner == "operations":  # services.files.operations: what everyone shall use
            continue
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        # Path.replace has one argument, str.replace two, dataclasses.replace keywords.
        path_replace = called == "replace" and len(node.args) == 1 and not node.keywords
        if called in CHANGES or path_replace or (owner == "os" and called in ("replace", "link")):
            # collections have a `remove` too; theirs is not owned by os
            if called == "remove" and owner != "os":
                continue
            found.add(called)
        modes = [
            a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)
        ]
        if called == "open" and any(set(mode) & set("wax+") and len(mode) <= 3 for mode in modes):
            found.add("open")
    return found


def test_the_rules_have_something_to_look_at():
    assert len(SERVICES) > 30 and len(PAGES) > 3
    assert "unlink" in file_changes(ROOT / "services/files/operations.py")


@pytest.mark.parametrize("path", SERVICES, ids=name)
def test_services_never_import_streamlit_or_pages(path):
    assert not packages(path) & {"streamlit", "pages", "main", "tests"}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages_only_show(path):
    assert not packages(path) & {
        "torch",
        "nemo",
        "lancedb",
        "av",
        "numpy",
        "faster_whisper",
        "pypdf",
    }
    below = {
        f"services.{module}"
        for module in ("files.operations", "jobs.store", "jobs.claims", "jobs.lane")
    }
    assert not imported(path) & below


@pytest.mark.parametrize("path", [*SERVICES, *PAGES, ROOT / "main.py"], ids=name)
def test_one_place_touches_files(path):
    if path.is_relative_to(ROOT / "services/files"):
        return
    allowed = {call for module, call in EXCEPTIONS if module == name(path)}
    assert file_changes(path) == allowed


@pytest.mark.parametrize("path", SERVICES, ids=name)
def test_imports_point_one_way(path):
    """runtime → watch → jobs → audio, documents, library, people → store → files."""
    layers = [
        *("files", "store", "people", "audio", "documents", "library", "jobs", "watch"),
        *("runtime", "api"),
    ]
    mine = path.relative_to(ROOT / "services").parts[0].removesuffix(".py")
    if mine not in layers:
        return
    allowed = {
        "files": {"files"},
        "store": {"files", "store"},
        "people": {"files", "store", "people"},
        "audio": {"files", "audio"},
        "documents": {"files", "documents"},
        "library": {"files", "people", "library"},
        "jobs": {"files", "store", "people", "audio", "documents", "library", "jobs"},
        "watch": {"files", "store", "audio", "documents", "jobs", "watch"},
    }.get(mine, set(layers))
    if name(path) == "services/files/wav.py":  # the type of its argument, for checkers only
        allowed = {"files", "audio"}
    used = {m.split(".")[1] for m in imported(path) if m.startswith("services.")} & set(layers)
    assert used <= allowed


@pytest.mark.parametrize(
    "modules",
    [
        [name(p)[:-3].replace("/", ".") for p in SERVICES if p.parent.name == "files"],
        ["services.jobs.store", "services.jobs.models", "services.jobs.schema"],
        [name(p)[:-3].replace("/", ".") for p in SERVICES if p.parent.name == "watch"],
    ],
    ids=["files", "store", "watch"],
)
def test_they_import_without_the_heavy_libraries(modules):
    heavy = ("numpy", "torch", "streamlit", "nemo", "av", "pypdf", "faster_whisper", "lancedb")
    code = (
        f"import importlib, sys\nfor m in {modules!r}: importlib.import_module(m)\n"
        f"print(sorted(set(sys.modules) & set({heavy!r})))"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_runtime_is_imported_without_torch_and_streamlit():
    code = (
        "import services.runtime, sys\n"
        "print({'torch', 'nemo', 'streamlit', 'lancedb', 'pyarrow'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_training_and_its_measure_read_what_lies_beside_the_project():
    folder_beside = "sha" + "red"  # so that this file does not mention it
    beside = (f"../{folder_beside}", f'"{folder_beside}"')
    mention = {
        name(path)
        for folder in ("services", "pages", "tests", "benchmarks", "models")
        for path in (ROOT / folder).rglob("*.py")
        if any(text in path.read_text(encoding="utf-8") for text in beside)
    }
    allowed = {"models/spoken-digits/train.py", "tests/integration/test_digits.py"}
    assert mention <= allowed, "and of these the test skips where it is missing"
