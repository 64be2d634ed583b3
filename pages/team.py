"""The team, for its admins: people, everybody's batches, the audit log."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from pages import components, context
from pages.views import audit_log
from services.errors import ScriptoriumError
from services.jobs.models import BatchSummary
from services.people.accounts import User
from services.people.models import Role
from services.people.shares import Share

PER_PAGE = 20

runtime = context.runtime()
admin = runtime.admin


def user_row(user: User) -> dict[str, object]:
    """Return a person's row."""
    parts = [
        "signs in with a provider" if user.subject else "signs in with a password",
        f"last here {datetime.fromtimestamp(user.seen_at):%d %b %Y, %H:%M}"
        if user.seen_at
        else "never here",
    ]
    actions = [("enable", "Open account")] if user.disabled else [("disable", "Close account")]
    if user.subject is None:
        actions.append(("password", "New password"))
        promoted = user.role is Role.ADMIN
        actions.append(("person", "Remove admin") if promoted else ("admin", "Make admin"))
    return components.row(
        user.name,
        user.name,
        icon="shield_person" if user.role is Role.ADMIN else "person",
        detail=" · ".join(parts),
        status="closed" if user.disabled else str(user.role),
        tone="bad" if user.disabled else "",
        actions=actions,
    )


@st.dialog("Add a person")
def add() -> None:
    """Let the admin add somebody."""
    with st.form("add-person", border=False):  # by keyboard too: it sends what stands in it
        name = st.text_input("Name", placeholder="ana")
        password = st.text_input("Password", type="password", autocomplete="new-password")
        role = st.radio("Role", list(Role), format_func=str.capitalize, index=0, horizontal=True)
        wanted = st.form_submit_button("Add", type="primary")
    if wanted:
        try:
            context.runtime().admin.add_user(name, password, role or Role.PERSON)
        except ScriptoriumError as error:
            st.error(context.plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


@st.dialog("New password")
def new_password(name: str) -> None:
    """Let the admin give somebody a new password."""
    st.caption(
        f"{context.plain(name)} is signed out everywhere, and their tokens end. Tell them the new "
        "one yourself."
    )
    with st.form("new-password", border=False):
        password = st.text_input("Password", type="password", autocomplete="new-password")
        wanted = st.form_submit_button("Set", type="primary")
    if wanted:
        try:
            context.runtime().admin.set_password(name, password)
        except ScriptoriumError as error:
            st.error(context.plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def change(action: str, name: str) -> None:
    """Do what was clicked in a person's row."""
    if action == "password":
        new_password(name)
        return
    try:
        if action in ("admin", "person"):
            admin.set_role(name, Role(action))
        else:
            admin.disable(name, action == "disable")
    except ScriptoriumError as error:
        st.error(context.plain(str(error)), icon=":material/error:")
    else:
        st.rerun()


def batch_row(summary: BatchSummary) -> dict[str, object]:
    """Return the row of somebody's batch, without what is in it."""
    batch = summary.batch
    states = ", ".join(f"{count} {state}" for state, count in summary.counts.items())
    mine = batch.owner == runtime.person.name
    return components.row(
        batch.id,
        f"{batch.owner}: {context.plural(summary.total, 'file')}",
        icon="folder",
        detail=f"{datetime.fromtimestamp(batch.created_at):%d %b %Y, %H:%M} · {states}",
        actions=[] if mine else [("open", "Open")],
    )


@st.dialog("Open somebody's batch?")
def open_batch(batch_id: str) -> None:
    """Ask why; the audit log keeps it."""
    st.write("You see it for an hour. The audit log says that you did, and why.")
    with st.form("open-batch", border=False):
        reason = st.text_input("Why", placeholder="They asked me to look at the second file")
        wanted = st.form_submit_button("Open", type="primary")
    if wanted:
        try:
            context.runtime().admin.open_batch(batch_id, reason)
        except ScriptoriumError as error:
            st.error(context.plain(str(error)), icon=":material/error:")
        else:
            st.switch_page(context.BATCH, query_params={"batch": batch_id})


def show_people() -> None:
    """Show everybody."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.header("People", width="content")
        if runtime.settings.mode == "accounts" and st.button(
            "Add a person", icon=":material/person_add:", type="tertiary"
        ):
            add()
    users = admin.users()
    first = context.first_shown(len(users), PER_PAGE, "people-page")
    shown = [user_row(user) for user in users[first : first + PER_PAGE]]
    if clicked := components.rows(shown, key="people"):
        change(*clicked)


def show_batches() -> None:
    """Show everybody's batches."""
    st.header("Everybody's batches")
    first = context.first_shown(admin.count_batches(), PER_PAGE, "batches-page")
    found = admin.batches(PER_PAGE, first)
    if not found:
        st.caption("None yet.")
    elif clicked := components.rows([batch_row(one) for one in found], key="all-batches"):
        open_batch(clicked[1])


def link_row(share: Share) -> dict[str, object]:
    """Return the row of somebody's link."""
    ends = f"{datetime.fromtimestamp(share.expires_at):%d %b %Y, %H:%M}" if share.expires_at else ""
    what = "one file of the batch" if share.job_id else "the batch"
    return components.row(
        share.id,
        f"{share.by}: {what} {share.batch_id[:8]}",
        icon="link",
        detail=f"made {datetime.fromtimestamp(share.created_at):%d %b %Y, %H:%M} · "
        + (f"until {ends}" if ends else "until somebody ends it"),
        actions=[("end", "End")],
    )


def show_links() -> None:
    """Show everybody's links, so that an admin can end them."""
    st.header("Links")
    first = context.first_shown(admin.count_links(), PER_PAGE, "links-page")
    found = admin.links(PER_PAGE, first)
    st.caption(
        "Whoever has one sees what it shows, without signing in." if found else "None at present."
    )
    if found and (clicked := components.rows([link_row(one) for one in found], key="links")):
        admin.end_link(clicked[1])
        st.rerun()


st.title("Team")
show_people()
show_batches()
show_links()
audit_log.show(admin)
