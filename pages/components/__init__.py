"""Small components of ours: plain JavaScript and CSS beside this file, no build step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

_HERE = Path(__file__).parent


def _register(name: str) -> Any:
    return st.components.v2.component(
        f"scriptorium_{name}",
        css=(_HERE / f"{name}.css").read_text(encoding="utf-8"),
        js=(_HERE / f"{name}.js").read_text(encoding="utf-8"),
    )


_rows = _register("rows")
_player = _register("player")
_jumps = _register("jumps")


class Jump(NamedTuple):
    """A place in a document: its title in parts, every second one marked, and its page."""

    parts: list[str]
    page: int
    label: str
    level: int = 1


def row(
    id: str,
    title: str,
    *,
    icon: str = "",
    detail: str = "",
    status: str = "",
    tone: str = "",
    share: float | None = None,
    problem: str = "",
    opens: bool = False,
    actions: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return one row of `rows`.

    Args:
        icon: Name of a Material symbol.
        detail: Small text below the title.
        status: What happens to it, on the right.
        tone: `good`, `bad`, `busy` or empty: the colour of the status.
        share: Progress from 0 to 1, shown as a bar.
        problem: A sentence below it, in the colour of errors.
        opens: Whether a click on the title is an action named `open`.
        actions: (name, label) of the row's buttons.
    """
    return {
        "id": id,
        "title": title,
        "icon": icon,
        "detail": detail,
        "status": status,
        "tone": tone,
        "share": share,
        "problem": problem,
        "opens": opens,
        "actions": [{"name": name, "label": label} for name, label in actions],
    }


def rows(items: list[dict[str, Any]], key: str) -> tuple[str, str] | None:
    """Show a list; return (action, row id) in the run that follows a click."""
    clicked = _rows(data={"rows": items}, key=key, on_clicked_change=_nothing).clicked
    return (clicked["action"], clicked["id"]) if clicked else None


def player(source: str, video: bool, segments: list[dict[str, Any]], key: str) -> None:
    """Show a player, and below it the segments: a click on one plays from there."""
    _player(data={"source": source, "video": video, "segments": segments}, key=key)


def jumps(
    name: str, entries: list[Jump], current: int, key: str, jump: Callable[[int], None]
) -> None:
    """Show places in a document; `jump` is called with the page of the one that is clicked."""

    def clicked() -> None:
        page = st.session_state[key].clicked
        if page:
            jump(page)

    data = {"name": name, "current": current, "entries": [entry._asdict() for entry in entries]}
    _jumps(data=data, key=key, on_clicked_change=clicked)


def _nothing() -> None:
    """Be the callback that a trigger needs."""
