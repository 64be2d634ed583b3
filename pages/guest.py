"""What somebody sees who came by a link and went on to the first page."""

from __future__ import annotations

import streamlit as st

from pages import context
from services.api.door import SIGN_IN

st.title("Scriptorium")
context.empty(
    "link",
    "You are a guest here",
    "Open the link that you were sent again to see what was shared with you.",
)
with st.container(horizontal_alignment="center"):
    context.leave("Sign in", SIGN_IN)
