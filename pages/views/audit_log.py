"""What the Team page shows of the audit log: who did what, and when."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial

import streamlit as st

from pages import context
from services.admin import Admin
from services.people.audit import Wanted

PER_PAGE = 20
DAY = 86_400.0
WHEN = {"Any time": None, "Today": DAY, "Last 7 days": 7 * DAY, "Last 30 days": 30 * DAY}
ANYTHING = "Anything"


def show(admin: Admin) -> None:
    """Show who did what."""
    st.header("Audit log")
    if not admin.count_audit():
        st.caption("Nothing yet.")
        return
    wanted = _choose(admin)
    total = admin.count_audit(wanted)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.caption(context.plural(total, "line"), width="content")
        st.download_button(
            "CSV",
            partial(admin.audit_csv, wanted),  # when it is clicked
            "audit-log.csv",
            "text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    lines = admin.audit(PER_PAGE, context.first_shown(total, PER_PAGE, "audit-page"), wanted)
    if not lines:
        return
    with st.container(key="audit-log"):
        st.table(
            {
                "When": [f"{datetime.fromtimestamp(line.at):%d %b %Y, %H:%M:%S}" for line in lines],
                "Who": [context.plain(line.who) for line in lines],
                "What": [line.action for line in lines],
                "Of": [context.plain(line.object) for line in lines],
                "Detail": [context.plain(line.detail) for line in lines],
            },
            border="horizontal",
            hide_index=True,
        )


def _choose(admin: Admin) -> Wanted:
    """Let the admin say which lines are meant."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        who = st.text_input("Who", placeholder="Part of a name", icon=":material/search:")
        action = st.selectbox("What", [ANYTHING, *admin.audit_actions()])
        age = WHEN[st.selectbox("When", list(WHEN))]
    return Wanted(
        who.strip(),
        "" if action == ANYTHING else action,
        None if age is None else time.time() - age,
    )
