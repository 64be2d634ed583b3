"""Showing a batch or a file to others: the dialog in which its owner says to whom."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from pages import components, context
from services.errors import ScriptoriumError
from services.people.shares import Audience, Share
from services.runtime import Runtime

AUDIENCES = {
    Audience.TEAM: "Everybody in the team",
    Audience.PERSON: "One person",
    Audience.LINK: "Whoever has a link",
}
ENDS = {"Never": None, "In a day": 1.0, "In a week": 7.0, "In a month": 30.0}


def button(runtime: Runtime, batch_id: str, job_id: str | None = None) -> None:
    """Offer to share what is shown; an instance of one person has nobody to share with."""
    if runtime.settings.mode != "local" and st.button("Share", icon=":material/group_add:"):
        _dialog(runtime, batch_id, job_id)


@st.dialog("Share", width="medium")
def _dialog(runtime: Runtime, batch_id: str, job_id: str | None) -> None:
    st.caption(
        "They see it, hear it and find it in their search. Only you can run, share or delete it."
    )
    audience = st.radio(
        "With whom", list(AUDIENCES), format_func=AUDIENCES.__getitem__, horizontal=True
    )
    person = ""
    if audience is Audience.PERSON:
        person = st.text_input("Their name here", placeholder="ana")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = ENDS[st.selectbox("Ends", list(ENDS), index=2 if audience is Audience.LINK else 0)]
        editing = audience is not Audience.LINK and st.checkbox("They may correct it too")
    if st.button("Share", type="primary", icon=":material/group_add:", key="share-now"):
        try:
            _, secret = runtime.share(batch_id, job_id, audience, person, editing, days)
        except ScriptoriumError as error:
            st.error(context.plain(str(error)), icon=":material/error:")
        else:
            if secret:
                base = runtime.settings.public_url or st.context.url or ""
                st.success("Copy the link now: it is not shown again.")
                st.code(f"{_origin(base)}/s/{secret}", language=None, wrap_lines=True)
    shares = runtime.shares(batch_id, job_id)
    if not shares:
        return
    st.markdown("**Shared**")
    clicked = components.rows([_row(share, job_id) for share in shares], key="shares")
    if clicked:
        runtime.unshare(clicked[1])
        st.rerun(scope="fragment")


def _row(share: Share, job_id: str | None) -> dict[str, object]:
    whole = job_id is not None and share.job_id is None
    parts = [
        "the whole batch" if whole else "",
        "may correct it" if share.editing else "",
        f"until {datetime.fromtimestamp(share.expires_at):%d %b %Y, %H:%M}"
        if share.expires_at
        else "",
    ]
    icons = {
        Audience.TEAM: "group",
        Audience.PERSON: "person",
        Audience.LINK: "link",
        Audience.ADMIN: "shield_person",
    }
    made = f"{datetime.fromtimestamp(share.created_at):%d %b %Y}"
    return components.row(
        share.id,
        {
            Audience.TEAM: "The team",
            Audience.LINK: f"A link of {made}",
            Audience.ADMIN: f"{share.person}, an admin who said why",
        }.get(share.audience, share.person or ""),
        icon=icons[share.audience],
        detail=" · ".join(part for part in parts if part),
        actions=[("revoke", "End")],
    )


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"
