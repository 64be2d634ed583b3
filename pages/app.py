"""The frame around every page: title, navigation, and the styles that pages share."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages import context, told
from services.errors import NotAllowed, StoreUnavailable
from services.files.workspace import Workspace
from services.people.models import Scope
from services.runtime import Runtime


@st.cache_resource(scope="session", on_release=lambda workspace: workspace.release(time.time()))
def hold(path: Path) -> Workspace:
    """Keep a workspace while its session lives; Streamlit releases it at every disconnect."""
    workspace: Workspace = st.session_state.workspace
    workspace.keep()
    return workspace


if st.session_state.get("workspace") is not None:
    hold(st.session_state.workspace.path)

st.set_page_config(page_title="Scriptorium", page_icon=context.text("icon.svg"), layout="wide")
st.logo(context.text("logo.svg"), size="large")
st.html(f"<style>{context.text('style.css')}</style>")


def pages(runtime: Runtime) -> list[StreamlitPage]:
    """Return the pages that this person has."""
    person, alone = runtime.person, runtime.settings.mode == "local"
    shown = []
    if person.is_guest:
        shown += [st.Page(context.GUEST, title="Shared with you", icon=":material/link:")]
    else:
        shown += [
            st.Page(context.UPLOAD, title="New batch", icon=":material/upload_file:", default=True),
            st.Page(context.BATCHES, title="Batches", icon=":material/inbox:"),
            st.Page(context.FILES, title="Files", icon=":material/list:"),
            st.Page(context.SEARCH, title="Search", icon=":material/search:"),
        ]
    if person.may(Scope.ADMIN):
        shown += [st.Page(context.SYSTEM, title="System", icon=":material/monitor_heart:")]
    if person.may(Scope.ADMIN) and not alone:
        shown += [st.Page(context.TEAM, title="Team", icon=":material/group:")]
    if not alone and not person.is_guest:
        shown += [st.Page(context.ACCOUNT, title=person.name, icon=":material/account_circle:")]
    return [
        *shown,
        st.Page(context.BATCH, title="Batch", visibility="hidden"),
        st.Page(context.RESULT, title="Result", visibility="hidden"),
    ]


try:
    runtime = context.runtime()
    if not runtime.person.is_guest:
        with st.container(key="told"):
            told.tell()
    kept = st.session_state.get("pages")
    if kept is None or kept[0] != runtime.person:  # each page looks for its file: not every time
        kept = st.session_state.pages = (runtime.person, pages(runtime))
    page = st.navigation(kept[1], position="top")
    st.set_page_config(page_title=f"{page.title} · Scriptorium")  # to tell tabs apart
    page.run()
except NotAllowed as error:
    context.not_allowed(error)
except StoreUnavailable as error:
    context.store_away(error)
    st.button("Try again", icon=":material/refresh:")
