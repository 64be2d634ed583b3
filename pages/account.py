"""One's own account: password, tokens for programs, signing out, one's own data."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from pages import components, context
from services.api.door import SIGN_IN
from services.errors import ScriptoriumError
from services.people.models import SCOPES, Scope
from services.people.tokens import Token

SCOPE_NAMES = {
    Scope.READ: "see and search",
    Scope.SUBMIT: "submit and change",
    Scope.ADMIN: "run the instance",
}
ENDS = {"In a month": 30.0, "In a year": 365.0, "Never": None}

runtime = context.runtime()
account = runtime.account
user = account.user()


def token_row(token: Token) -> dict[str, object]:
    """Return a token's row."""
    used = f"last used {datetime.fromtimestamp(token.seen_at):%d %b %Y}" if token.seen_at else ""
    ends = f"ends {datetime.fromtimestamp(token.expires_at):%d %b %Y}" if token.expires_at else ""
    may = ", ".join(name for scope, name in SCOPE_NAMES.items() if scope in token.scopes)
    return components.row(
        token.id,
        token.label,
        icon="key",
        detail=" · ".join(part for part in (may, used or "never used", ends) if part),
        actions=[("revoke", "Revoke")],
    )


@st.dialog("New token")
def create_token() -> None:
    """Let the person make a token, and show it once."""
    label = st.text_input("What it is for", placeholder="Nightly upload", max_chars=200)
    offered = [scope for scope in Scope if scope in SCOPES[user.role]]
    scopes = st.pills(
        "It may",
        offered,
        default=[Scope.READ, Scope.SUBMIT],
        selection_mode="multi",
        format_func=SCOPE_NAMES.__getitem__,
    )
    days = ENDS[st.selectbox("Ends", list(ENDS))]
    if st.button("Make it", type="primary", disabled=not scopes):
        try:
            secret, _ = context.runtime().account.create_token(label, scopes, days)
        except ScriptoriumError as error:
            st.error(context.plain(str(error)), icon=":material/error:")
        else:
            st.success("Copy it now: it is not shown again.")
            st.code(secret, language=None, wrap_lines=True)


@st.dialog("Revoke this token?")
def revoke(token: Token) -> None:
    """Ask once more, and end a token."""
    st.write(
        f"Programs that send “{context.plain(token.label)}” are refused from then on. "
        "This cannot be undone."
    )
    if st.button("Revoke", type="primary", icon=":material/key_off:"):
        context.runtime().account.revoke_token(token.id)
        st.rerun()


@st.dialog("Change your password")
def change_password() -> None:
    """Let the person choose another password."""
    st.caption("You are signed out everywhere, here too.")
    with st.form("change-password", border=False):
        old = st.text_input("Old password", type="password", autocomplete="current-password")
        new = st.text_input("New password", type="password", autocomplete="new-password")
        wanted = st.form_submit_button("Change", type="primary")
    if wanted:
        try:
            context.runtime().account.set_password(old, new)
        except ScriptoriumError as error:
            st.error(context.plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


@st.dialog("Delete everything of yours?")
def delete_mine() -> None:
    """Ask once more, and delete."""
    st.write(
        "All your batches with their results, originals and history, and what you shared. What "
        "still runs is cancelled. This cannot be undone."
    )
    typed = st.text_input(f"Type your name, {user.name}, to confirm")
    if st.button("Delete", type="primary", icon=":material/delete:", disabled=typed != user.name):
        count = context.runtime().delete_mine()
        st.toast(f"{context.plural(count, 'file')} deleted", icon=":material/delete:")
        st.rerun()


st.title(context.plain(user.name))
st.caption(
    f"{user.role.capitalize()} · signs in with {'a provider' if user.subject else 'a password'}"
)
with st.container(horizontal=True, vertical_alignment="center"):
    context.leave("Sign out", "/sign-out")
    if user.subject is None and st.button("Change password", icon=":material/password:"):
        change_password()
    if st.button("Sign out everywhere", icon=":material/devices:"):
        account.sign_out_everywhere()
        st.html(f'<meta http-equiv="refresh" content="0;url={SIGN_IN}">')
        st.rerun()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.header("Tokens for programs", width="content")
    if st.button("New token", icon=":material/add:", type="tertiary"):
        create_token()
st.caption(
    "A program that sends one acts for you, within what it allows. "
    "[What programs can do](/api/v1/docs)"
)
tokens = account.tokens()
if not tokens:
    st.caption("None yet.")
elif clicked := components.rows([token_row(token) for token in tokens], key="tokens"):
    revoke(next(token for token in tokens if token.id == clicked[1]))

st.header("Your data")
st.caption("What you submitted and what was made of it.")
if st.button("Delete all my data", icon=":material/delete_forever:"):
    delete_mine()
