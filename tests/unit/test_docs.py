"""The guides name every setting, command and page there is: they and the code cannot drift."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.cli.main import Exit, app
from services.config import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (`SCRIPTORIUM_\w+` \| [^|]+) \|", SETTINGS, re.M))


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name):
    variable, default = ROWS[name].split(" | ")
    assert variable.strip("`") in (f"SCRIPTORIUM_{name.upper()}", "SCRIPTORIUM_DATA")
    value = Settings.model_fields[name].default
    if isinstance(value, bool):
        assert default == f"`{str(value).lower()}`"
    elif isinstance(value, int | float):
        assert float(default) == value
    elif isinstance(value, tuple):
        assert default == f"`{list(value)}`"
    elif isinstance(value, str):
        assert default == f"`{value}`"


def test_no_setting_is_documented_that_does_not_exist():
    assert set(ROWS) == set(Settings.model_fields)


def test_the_two_commands_stand_on_the_first_screen():
    first_screen = README.splitlines()[:20]
    assert "    pip install -r requirements.txt && streamlit run main.py" in first_screen
    assert "    pip install -r requirements-dev.txt && pytest" in first_screen


def test_every_command_and_exit_code_is_documented():
    commands = {command.callback.__name__ for command in app.registered_commands}
    assert set(re.findall(r"^\| `(\w+)(?: [A-Z\[][^`]*)?` \| [^`]", COMMANDS, re.M)) >= commands
    assert set(map(int, re.findall(r"^\| (\d+) \|", COMMANDS, re.M))) == set(Exit)


GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_links_between_the_guides_lead_somewhere(guide):
    links = re.findall(r"\]\(([^)]+)\)", guide.read_text(encoding="utf-8"))
    files = [link.partition("#")[0] for link in links if "://" not in link]
    assert all((guide.parent / file).exists() for file in files), files


def test_the_readme_leads_to_every_guide():
    linked = {(ROOT / link).resolve() for link in re.findall(r"\]\((docs/[^)#]+)", README)}
    assert linked >= set(GUIDES[1:])
