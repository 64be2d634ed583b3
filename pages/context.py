"""What every page needs: the runtime, the pages' addresses, the words for sizes and times."""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import ParamSpec
from urllib.parse import urlencode, urlsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import services.runtime
from services.api.door import COOKIE, SIGN_IN
from services.audio.checkpoints import shown
from services.audio.engines.host import Choice
from services.audio.engines.whisper import OFFLINE_MODEL
from services.audio.exports import clock
from services.errors import NotAllowed, SignedOut, StoreUnavailable
from services.jobs.models import Kind
from services.library import query
from services.people.models import Scope
from services.runtime import Runtime

UPLOAD, BATCHES, FILES = "upload.py", "batches.py", "files.py"
SEARCH, SYSTEM = "search.py", "system.py"
TEAM, ACCOUNT, GUEST = "team.py", "account.py", "guest.py"
BATCH, RESULT = "batch.py", "result.py"

P = ParamSpec("P")

_by_itself: ContextVar[bool] = ContextVar("by_itself", default=False)
"""Whether a part of a page runs that nobody may have asked for."""

KIND_ICONS = {Kind.AUDIO: "graphic_eq", Kind.DOCUMENT: "description", Kind.UNKNOWN: "help"}


@functools.cache
def text(name: str) -> str:
    """Return the text of a file beside the pages; every run of every page shows some."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def runtime() -> Runtime:
    """Return the runtime as the person of this session sees it, or end the page with a sentence."""
    if not services.runtime.running:
        st.error("The server is starting or stopping. Reload this page in a moment.")
        st.stop()
    seen = seen_by_session()
    if seen is None:
        st.title("You are signed out")
        st.caption("Sign in to come back to this page. What you submitted goes on meanwhile.")
        leave("Sign in", f"{SIGN_IN}?{urlencode({'next': _here()})}")
        st.stop()
    return seen


def _here() -> str:
    """Return the address of the page that this session shows, without the server's name."""
    path = urlsplit(st.context.url or "").path or "/"
    given = st.query_params
    asked = urlencode([(name, value) for name in given for value in given.get_all(name)])
    return f"{path}?{asked}" if asked else path


def seen_by_session() -> Runtime | None:
    """Return the runtime as the person of this session sees it; None while there is neither."""
    if not services.runtime.running:
        return None
    server = services.runtime.running[0]
    if server.settings.mode == "local":
        return server
    person = server.people.identify(cookies().get(COOKIE), None, touch=not _by_itself.get())
    return server.seen_by(person) if person else None


def cookies() -> Mapping[str, str]:
    """Return what this browser was given to keep."""
    return st.context.cookies


def refreshing(every: str | None) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Run a part of the page by itself, again and again.

    Such a run makes no session last: Streamlit does not tell it from one that follows a click. The
    page itself, its dialogs and what a click calls back do. When the session has ended meanwhile,
    the whole page runs again, which says so. What its person may not see any more, and that the
    store cannot be reached, stands in the place of the part.
    """

    def made(part: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(part)
        def run(*args: P.args, **more: P.kwargs) -> None:
            before = _by_itself.set(True)
            try:
                part(*args, **more)
            except SignedOut:
                st.rerun()
            except NotAllowed as error:
                not_allowed(error)
            except StoreUnavailable as error:
                store_away(error)
            finally:
                _by_itself.reset(before)

        return st.fragment(run, run_every=every)

    return made


def not_allowed(error: NotAllowed) -> None:
    """Say what this person may not do."""
    st.error(plain(str(error)), icon=":material/lock:")


def store_away(error: StoreUnavailable) -> None:
    """Say that the store cannot be reached now."""
    st.error(plain(str(error)), icon=":material/cloud_off:")


def plain(text: str) -> str:
    """Return text that somebody else wrote so that Markdown shows it as it is.

    A name or a title must make no link, picture or formula on the page of who reads it. (An address
    becomes a link all the same, to itself.)
    """
    return re.sub(r"([\\`*_{}\[\]()#+\-.!:|~$<>&@])", r"\\\1", text)


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    value = float(count)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def length(kind: Kind, value: float | None) -> str:
    """Return a file's length: minutes of sound, or pages."""
    if value is None:
        return ""
    if kind is Kind.DOCUMENT:
        return "1 page" if value == 1 else f"{value:.0f} pages"
    return f"{value:.1f} s" if value < 10 else clock(value)


def duration(seconds: float) -> str:
    """Return how long something took or will take."""
    if seconds < 10:
        return f"{max(seconds, 0.1):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def number(typed: str | None) -> float | None:
    """Return a number in an address; None where there is none."""
    try:
        value = float(typed or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def marked(text: str, typed: str) -> str:
    """Return text as HTML with the words marked that somebody searched for."""
    parts = query.parts(text, query.spans(text, query.parse(typed)))
    return "".join(
        f"<mark>{html.escape(part)}</mark>" if found else html.escape(part) for part, found in parts
    )


def first_shown(total: int, per_page: int, key: str | None = None) -> int:
    """Let a person choose a page of a list, if it has several; return where that begins."""
    pages = max(1, -(-total // per_page))
    page: int = st.pagination(pages, key=key) if pages > 1 else 1
    return (page - 1) * per_page


def batch_name(first: str, total: int) -> str:
    """Return what a batch is called: its first file, and how many more there are."""
    if total <= 1:
        return first
    # A name that is written from right to left must not take the words behind it along.
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in first):
        first = f"\N{FIRST STRONG ISOLATE}{first}\N{POP DIRECTIONAL ISOLATE}"
    return f"{first} and {plural(total - 1, 'more file')}"


def leave(label: str, href: str) -> None:
    """Show a link that leads out of the pages, in the same tab."""
    st.html(
        '<a class="download leave" target="_self" '
        f'href="{html.escape(href)}">{html.escape(label)}</a>',
        width="content",
    )


def shared_by(runtime: Runtime, owner: str) -> str:
    """Say whose something is, where it is not one's own."""
    mine = runtime.person.everything or owner == runtime.person.name
    return "" if mine else f"shared by {owner}"


def menu() -> DeltaGenerator:
    """Return the menu of what is asked for less often; a page has one."""
    return st.popover("More", icon=":material/more_horiz:", key="menu", on_change="rerun")


def close_menu() -> None:
    """Close the menu: it would stand over the dialog that its button opens."""
    st.session_state.menu = False


def download_links(links: dict[str, str]) -> None:
    """Show links that download from the server, by label."""
    shown = "".join(
        f'<a class="download" href="{html.escape(href)}" download>{html.escape(label)}</a>'
        for label, href in links.items()
    )
    st.html(f'<div class="downloads"><span>Download</span>{shown}</div>')


def offline_banner(choice: Choice | None, link: bool, new: bool = False) -> None:
    """Say plainly when speech is read for want of NeMo's checkpoint by another model.

    Args:
        choice: What a batch gets.
        link: Whether to link to where an admin helps.
        new: Whether the batch is one that is still to come.
    """
    if choice is None or not choice.offline:
        return
    tiny = choice.model == OFFLINE_MODEL
    said = "New batches use the offline model" if new else "Offline model in use"
    model = "tiny.en, English only and less exact" if tiny else plain(shown(choice.model))
    st.info(
        f"**{said}:** Whisper {model}."
        + (" The model hub is asked again every minute." if new else "")
        + (" [How to get Parakeet](/system)" if link else ""),
        icon=":material/cloud_off:",
    )


def paused_banner(runtime: Runtime) -> None:
    """Say why nothing is being processed, where that is so."""
    if pause := runtime.queue_pause():
        since = datetime.fromtimestamp(pause.since)
        resumed = "an admin resumes it"
        if runtime.person.may(Scope.ADMIN):
            resumed = "somebody resumes it on the [System page](/system)"
        st.warning(
            f"**The queue is paused** since {since:%d %b, %H:%M}. What runs goes on; nothing new "
            f"begins until {resumed}.",
            icon=":material/pause_circle:",
        )
    if reason := runtime.paused():
        st.warning(f"**Paused.** {plain(reason)}", icon=":material/pause_circle:")


def named(described: Mapping[str, str], key: str) -> None:
    """Show things with long names, and what there is to say of each in Markdown.

    On a phone this stands below the name.
    """
    with st.container(key=f"named-{key}"):
        rows = {plain(name): said for name, said in described.items()}
        st.table(rows, border="horizontal", hide_header=True)


def empty(icon: str, title: str, text: str, page: str = "", label: str = "") -> None:
    """Show that there is nothing here, and with `page` and its `label` where to go instead."""
    with st.container(horizontal_alignment="center", gap="xsmall", key="empty"):
        st.space("large")
        st.html(f'<div class="empty-icon" aria-hidden="true">{icon}</div>', width="content")
        st.markdown(f"**{title}**", width="content")
        st.caption(text, width="content", text_alignment="center")
        if page:
            st.page_link(page, label=label)


def no_such(runtime: Runtime, what: str) -> None:
    """Show that something is not found, and why that may be."""
    why = "Its address is incomplete, or it was deleted."
    if runtime.settings.mode != "local":
        why = "Its address is incomplete, it was deleted, or it is not shared with you."
    page = "" if runtime.person.is_guest else BATCHES  # a guest has no such page
    empty("search_off", f"There is no such {what}", why, page, "All batches")


def nothing_yet() -> None:
    """Show that nothing was run yet."""
    empty(
        "inbox",
        "Nothing here yet",
        "What you run appears here, with its results.",
        UPLOAD,
        "New batch",
    )
