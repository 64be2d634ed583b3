"""Small components of ours: plain JavaScript and CSS beside this file, no build step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import streamlit as st

from pages import context

_HERE = Path(__file__).parent

KEPT_SECONDS = 10.0
"""Age of a click at which it is forgotten: a list that is shown again later is not meant by it."""


def _register(name: str, css: str, scripts: Sequence[str]) -> Any:
    """Register a component; several scripts are one module, in the order that they are given."""
    return st.components.v2.component(
        f"scriptorium_{name}",
        css=(_HERE / css).read_text(encoding="utf-8"),
        js="\n".join((_HERE / script).read_text(encoding="utf-8") for script in scripts),
    )


_READER = ("tools", "wave", "passages", "search", "edits", "places", "track", "reader")

_rows = _register("rows", "rows.css", ["rows.js"])
_news = _register("news", "news.css", ["news.js"])
_jumps = _register("jumps", "jumps.css", ["jumps.js"])
_hits = _register("hits", "hits.css", ["hits.js"])
_facets = _register("facets", "facets.css", ["facets.js"])
_UPLOADS = ("reader/tools", "uploads/sending", "uploads/chosen", "uploads/uploads")
_uploads = _register("uploads", "uploads/uploads.css", [f"{part}.js" for part in _UPLOADS])
_reader = _register("reader", "reader/reader.css", [f"reader/{part}.js" for part in _READER])


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
    note: str = "",
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
        note: What to know of it, below it, in the colour of warnings.
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
        "note": note,
        "problem": problem,
        "opens": opens,
        "actions": [{"name": name, "label": label} for name, label in actions],
    }


def rows(items: list[dict[str, Any]], key: str) -> tuple[str, str] | None:
    """Show a list; return (action, row id) in the run that follows a click."""
    clicked = _clicked(_rows, {"rows": items}, key)
    return (clicked["action"], clicked["id"]) if clicked else None


def reader(
    job_id: str,
    stamp: str,
    video: bool,
    duration: float,
    start: float,
    editable: bool,
    misplaced: bool,
    track: int,
    key: str,
) -> None:
    """Show a recording and its transcript, which follow each other; both come by our routes.

    Args:
        stamp: Is another for every result; another one is shown anew.
        duration: Length of the recording, in seconds.
        start: Where it shall begin, in seconds.
        editable: Whether this person may correct it.
        misplaced: Whether browsers play it at other times than those of the transcript.
        track: Which sound track the transcript is of; they play the first.
    """
    files = f"/files/{quote(job_id)}"
    data = {
        "source": f"{files}/original",
        "stamp": stamp,
        "video": video,
        "duration": duration,
        "start": start,
        "editable": editable,
        "misplaced": misplaced,
        "otherTrack": track != 1,
        "addresses": {
            "text": f"{files}/reader.json",
            "sound": f"{files}/sound.m4a",
            # Browsers keep it for a day.
            "peaks": f"{files}/peaks.bin?track={track}",
            "edits": f"{files}/edits",
        },
    }
    _reader(data=data, key=key)


def uploads(
    workspace: str | None,
    hint: str,
    limit: int | None,
    received: Sequence[str],
    left: Sequence[dict[str, Any]],
    ignored: Sequence[str],
    key: str,
    wanted: Callable[[], None],
) -> bool:
    """Show a place to drop files; return whether some are on their way to the server.

    The page runs again when a file has arrived.

    Args:
        workspace: Name of the workspace that they go to; without one, `wanted` is called.
        hint: Which files can be dropped.
        limit: Bytes that one file may have.
        received: Ids of the uploads that the page knows to be finished.
        left: Unfinished uploads: `id`, `name`, `path`, `size`, `modified` and `offset`.
        ignored: Names of files that nobody means to upload, in lower case.
    """
    # It is only known below, and the component wants to know what it told last.
    busy = bool(st.session_state.get(key, {}).get("busy"))
    data = {
        "workspace": workspace,
        "hint": hint,
        "limit": limit,
        "received": list(received),
        "left": list(left),
        "ignored": list(ignored),
        "busy": busy,
    }
    _uploads(
        data=data,
        key=key,
        on_busy_change=_nothing,
        on_wanted_change=wanted,
        on_arrived_change=_nothing,
    )
    return busy


def hits(groups: list[dict[str, Any]], key: str) -> tuple[str, str] | None:
    """Show what was found; return (action, id) in the run that follows a click on an action.

    A group has `id`, `name`, `href`, `icon`, `detail`, `tags`, `editable` and `hits`; a hit has
    `key`, `place`, `href`, `path`, `parts` of (text, marked) and `actions` of (name, label).
    """
    clicked = _clicked(_hits, {"groups": groups}, key)
    return (clicked["action"], clicked["id"]) if clicked else None


def facets(items: list[dict[str, Any]], key: str) -> tuple[str, str] | None:
    """Show filters; return (filter, value) in the run that follows a click.

    Each has `name`, `label` and `values` with `value`, `text`, `count` and `chosen`.
    """
    clicked = _clicked(_facets, {"facets": items}, key)
    return (clicked["name"], clicked["value"]) if clicked else None


def news(items: list[dict[str, str]], key: str, ask: bool = False) -> None:
    """Let the browser tell each of `items` once: `id`, `batch`, `title` and `text`.

    Args:
        ask: Show a button that asks for the permission, where it has not been asked for.
    """
    _news(data={"news": items, "ask": ask}, key=key)


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


def _clicked(component: Any, data: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Show a component; return what was clicked in it, once.

    A run that another one overtakes before it gets here must not take the click with it: the
    callback, which comes first in the run of the click, keeps it for the next.
    """
    kept = f"{key}-clicked"

    def keep() -> None:
        st.session_state[kept] = (st.session_state[key].clicked, time.monotonic())
        context.seen_by_session()  # a click makes the session last

    component(data=data, key=key, on_clicked_change=keep)
    clicked, at = st.session_state.pop(kept, (None, 0.0))
    return clicked if time.monotonic() - at < KEPT_SECONDS else None


def _nothing() -> None:
    """Be the callback that a trigger needs."""
