"""What the System page shows of the names and terms that every new batch listens for."""

from __future__ import annotations

import streamlit as st

from pages import context
from services.errors import EditConflict, OverLimit
from services.people.terms import of_lines
from services.runtime import Runtime


def show(runtime: Runtime) -> None:
    """Show the team's list, and let an admin change it."""
    state = st.session_state
    st.header("Names and terms")
    st.caption("Every new batch listens for them; who submits it can still change its list.")
    if "terms" not in state:  # the page was not shown before this run
        state.terms_seen = runtime.admin.terms()
        state.terms = "\n".join(state.terms_seen)
    with st.form("names-and-terms", border=False):
        st.text_area("One a line", key="terms", height=160)
        st.form_submit_button("Save", icon=":material/save:", on_click=_save, args=(runtime,))
    if problem := state.pop("terms_problem", None):
        st.error(context.plain(problem), icon=":material/error:")
    if more := runtime.settings.hotwords:
        st.caption(f"The server's settings add: {context.plain(', '.join(more))}.")


def _save(runtime: Runtime) -> None:
    """Save what was written: a callback, which no other run of the page overtakes."""
    state = st.session_state
    terms = of_lines(state.terms)
    try:
        runtime.admin.set_terms(terms, state.terms_seen)
    except (EditConflict, OverLimit) as error:
        state.terms_problem = str(error)
    else:
        state.terms_seen, state.terms = terms, "\n".join(terms)
        st.toast("Saved: new batches listen for them.", icon=":material/check:")
