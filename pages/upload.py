"""New batch: choose files, see what they are, run them."""

from __future__ import annotations

import streamlit as st

from pages import components, context, options, receiving
from services.errors import AlreadySubmitted, ScriptoriumError
from services.people.models import Scope

runtime = context.runtime()
state = st.session_state

if "round" not in state:
    receiving.begin_round(0)
if state.workspace is not None and not state.workspace.exists:
    st.warning("Your uploads waited too long and were removed. Choose the files again.")
    receiving.begin_round(state.round + 1)
receiving.resume(runtime)

st.title("New batch")
settings = runtime.settings
where = "on this machine" if settings.mode == "local" else "on your team's own server"
st.caption(
    f"Audio, video and PDFs become text {where}."
    # With a language model their text is sent to it, wherever that is.
    + ("" if settings.llm_url else " Nothing leaves it.")
)
context.offline_banner(
    runtime.engine_choice(runtime.default_options()),
    link=runtime.person.may(Scope.ADMIN),
    new=True,
)

simple = state.get("simple", False)
source = st.segmented_control(
    "Source",
    ["Files", "Folder", "Microphone"] if simple else ["Files", "Microphone"],
    default="Files",
    required=True,
    label_visibility="collapsed",
)
under_way = receiving.ask(runtime, simple, source)
if source != "Microphone":
    st.toggle(
        "Trouble uploading? Use the simple way",
        key="simple",
        help="The page's own uploader: it begins again when the connection is lost, and each file "
        "passes through the server's memory.",
    )

uploads: dict[str, receiving.Received] = {
    file_id: upload for file_id, upload in state.received.items() if file_id not in state.removed
}
usable = [upload.file for upload in uploads.values() if not upload.found.problem]
earlier = runtime.earlier({file.sha256 for file in usable})
if uploads:
    unusable = len(uploads) - len(usable)
    st.header(context.plural(len(uploads), "file") + (f", {unusable} unusable" if unusable else ""))
    clicked = components.rows(
        [
            components.row(
                file_id,
                upload.file.name,
                icon=context.KIND_ICONS[upload.found.kind],
                detail=" · ".join(
                    part
                    for part in (
                        str(upload.found.kind),
                        context.length(upload.found.kind, upload.found.length),
                        context.size(upload.file.size),
                        context.plural(upload.found.tracks, "sound track")
                        if upload.found.tracks > 1
                        else "",
                        "needs its password after the start" if upload.found.locked else "",
                    )
                    if part
                ),
                problem=upload.found.problem or "",
                status="done before" if upload.file.sha256 in earlier else "",
                actions=[
                    *([("open", "See the result")] if upload.file.sha256 in earlier else []),
                    ("remove", "Remove"),
                ],
            )
            for file_id, upload in uploads.items()
        ],
        key="uploads",
    )
    if clicked and clicked[1] not in uploads:
        clicked = None
    if clicked and clicked[0] == "open":
        found = earlier[uploads[clicked[1]].file.sha256]
        st.switch_page(context.RESULT, query_params={"job": found.id})
    if clicked:
        # The widget still holds it, so that it was taken out has to be remembered.
        state.removed.add(clicked[1])
        gone = uploads[clicked[1]].file
        if not any(u.file.path == gone.path for i, u in uploads.items() if i != clicked[1]):
            state.workspace.remove(gone)
        st.rerun()
    with st.expander("Settings for this batch", icon=":material/tune:"):
        kinds = {upload.found.kind for upload in uploads.values() if not upload.found.problem}
        chosen = options.choose(runtime, "new", runtime.default_options(), kinds)
    wanted = [file for file in usable if file.sha256 not in earlier]
    known = len(usable) - len(wanted)
    if known and st.toggle(
        f"Process {context.plural(known, 'file')} again that "
        f"{'was' if known == 1 else 'were'} done before"
    ):
        wanted = usable
    if under_way:
        st.caption("Some files are still on their way: let them arrive, or cancel them, to run.")
    st.button(
        f"Run {context.plural(len(wanted), 'file')}",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not wanted or under_way,
        key="run",  # the same button whatever its label counts: no click is lost
        on_click=lambda: state.update(asked=True),  # nor by a run that a newer one overtakes
    )
    if state.pop("asked", False) and wanted:
        try:
            batch = runtime.submit(wanted, options=chosen, workspace=state.workspace)
        except ScriptoriumError as error:
            if isinstance(error, AlreadySubmitted):
                receiving.begin_round(state.round + 1)  # these files are that batch's
            st.error(context.plain(runtime.said(error)), icon=":material/error:")
            st.stop()
        # A new round: new widgets, so that Streamlit frees what the old ones hold in memory,
        # and a new workspace, because this one now belongs to the batch.
        receiving.begin_round(state.round + 1)
        st.switch_page(context.BATCH, query_params={"batch": batch.id})
