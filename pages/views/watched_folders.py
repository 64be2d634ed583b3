"""What the System page shows of watched folders."""

from __future__ import annotations

import time

import streamlit as st

from pages import context
from services.runtime import Runtime
from services.watch.root import RootState, RootStatus

MOST_PROBLEMS = 5


def described(root: RootStatus) -> str:
    """Return what a watched folder does, in one line."""
    now = time.time()
    doing = {
        RootState.STARTING: "Starting",
        RootState.WATCHING: "Watching",
        RootState.MISSING: ":red[**Not there**]",
    }[root.state]
    parts = [f"{doing} for {context.duration(now - root.since)}"]
    if root.waiting:
        parts.append(f"{context.plural(root.waiting, 'file')} waiting to be whole")
    if root.in_work:
        parts.append(f"{context.plural(root.in_work, 'file')} in work")
    if root.last_taken is not None:
        ago = context.duration(now - root.last_taken)
        parts.append(f"{context.plural(root.taken, 'file')} taken, the last {ago} ago")
    if root.polling:
        parts.append("looked through every few seconds")
    return " · ".join(parts)


def show(runtime: Runtime) -> None:
    """Show each watched folder and what is wrong with it."""
    roots = runtime.watched_folders()
    if not roots:
        return
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.header("Watched folders", width="content")
        st.button(
            "Look now",
            icon=":material/refresh:",
            on_click=runtime.scan_watched_folders,
            type="tertiary",
        )
    context.named({str(root.path): described(root) for root in roots}, "watched-folders")
    for root in roots:
        for problem in root.problems[:MOST_PROBLEMS]:
            st.warning(context.plain(problem), icon=":material/folder_off:")
        if (more := len(root.problems) - MOST_PROBLEMS) > 0:
            st.caption(f"{context.plural(more, 'more problem')} in {context.plain(str(root.path))}")
