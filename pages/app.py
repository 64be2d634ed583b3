"""The frame around every page: title, navigation, and the styles that pages share."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from pages import context, told
from services.files.workspace import Workspace

HERE = Path(__file__).parent


@st.cache_resource(scope="session", on_release=lambda workspace: workspace.release(time.time()))
def hold(path: Path) -> Workspace:
    """Keep a workspace while its session lives; Streamlit releases it at every disconnect."""
    workspace: Workspace = st.session_state.workspace
    workspace.keep()
    return workspace


if st.session_state.get("workspace") is not None:
    hold(st.session_state.workspace.path)

st.set_page_config(page_title="Scriptorium", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), size="large")
st.html(HERE / "style.css")
with st.container(key="told"):
    told.tell()
st.navigation(
    [
        st.Page(context.UPLOAD, title="New batch", icon=":material/upload_file:", default=True),
        st.Page(context.BATCHES, title="Batches", icon=":material/inbox:"),
        st.Page(context.FILES, title="Files", icon=":material/list:"),
        st.Page(context.SEARCH, title="Search", icon=":material/search:"),
        st.Page(context.SYSTEM, title="System", icon=":material/monitor_heart:"),
        st.Page(context.BATCH, title="Batch", visibility="hidden"),
        st.Page(context.RESULT, title="Result", visibility="hidden"),
    ],
    position="top",
).run()
