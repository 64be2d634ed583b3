"""New batch: choose files, see what they are, run them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import streamlit as st

from pages import components, context, options
from services.errors import ScriptoriumError
from services.files.workspace import StoredFile
from services.jobs.inspect import Inspection
from services.people.models import Scope

# What file managers leave in folders; nobody means to upload it.
SYSTEM_FILES = {"thumbs.db", "desktop.ini", ".ds_store"}

runtime = context.runtime()
state = st.session_state


@dataclass(frozen=True)
class Upload:
    """A file that was received: stored in the session's workspace, and looked at."""

    file: StoredFile
    found: Inspection


def begin_round(number: int) -> None:
    """Forget what was received: it belongs to a batch now, or nothing was received yet."""
    state.round = number
    state.received, state.removed, state.workspace = {}, set(), None


def receive(files: list[Any]) -> None:
    """Copy new files into the workspace at once, each one once."""
    new = [
        file
        for file in files
        if file.file_id not in state.received and file.name.lower() not in SYSTEM_FILES
    ]
    if not new:
        return
    if state.workspace is None:
        state.workspace = runtime.new_workspace()
        st.query_params["uploads"] = state.workspace.path.name
    with st.spinner(f"Looking at {context.plural(len(new), 'file')} …"):
        for file in new:
            try:
                # Browsers write these three characters so, and only these.
                name = file.name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
                stored = state.workspace.add(name, file, file.size)
            except (ScriptoriumError, OSError) as error:
                st.error(f"“{file.name}” was not received: {error}")
                continue
            state.received[file.file_id] = Upload(stored, runtime.inspect(stored))


def resume() -> None:
    """After a reload, or a restart of the server: find the uploads that the address names."""
    if state.workspace is not None or "uploads" not in st.query_params:
        return
    state.workspace = runtime.open_workspace(st.query_params["uploads"])
    if state.workspace is None:
        del st.query_params["uploads"]
        return
    state.workspace.keep()
    for file in state.workspace.files():
        state.received[file.path.name] = Upload(file, runtime.inspect(file))


if "round" not in state:
    begin_round(0)
if state.workspace is not None and not state.workspace.exists:
    st.warning("Your uploads waited too long and were removed. Choose the files again.")
    begin_round(state.round + 1)
resume()

st.title("New batch")
st.caption(
    "Audio, video and PDFs become text on this machine. Nothing leaves it.",
)
context.offline_banner(
    runtime.engine_choice(runtime.default_options()), link=runtime.person.may(Scope.ADMIN)
)

source = st.segmented_control(
    "Source",
    ["Files", "Folder", "Microphone"],
    default="Files",
    required=True,
    label_visibility="collapsed",
)
if source == "Microphone":
    recording = st.audio_input("Record", key=f"recording-{state.round}", sample_rate=48_000)
    if recording is not None:
        recording.name = f"Recording {datetime.now():%Y-%m-%d %H.%M.%S}.wav"
        receive([recording])
else:
    files = st.file_uploader(
        "Audio (WAV, FLAC, MP3, M4A, OGG, Opus, WMA, AIFF), video (MP4, MOV, MKV, WebM) or PDF",
        accept_multiple_files="directory" if source == "Folder" else True,
        key=f"{source}-{state.round}",
    )
    receive(files or [])

uploads: dict[str, Upload] = {
    file_id: upload for file_id, upload in state.received.items() if file_id not in state.removed
}
usable = [upload.file for upload in uploads.values() if not upload.found.problem]
earlier = runtime.earlier({file.sha256 for file in usable})
if uploads:
    unusable = len(uploads) - len(usable)
    st.subheader(
        context.plural(len(uploads), "file") + (f", {unusable} unusable" if unusable else "")
    )
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
        chosen = options.choose(runtime, "new")
    wanted = [file for file in usable if file.sha256 not in earlier]
    known = len(usable) - len(wanted)
    if known and st.toggle(
        f"Process {context.plural(known, 'file')} again that "
        f"{'was' if known == 1 else 'were'} done before"
    ):
        wanted = usable
    if st.button(
        f"Run {context.plural(len(wanted), 'file')}",
        type="primary",
        icon=":material/play_arrow:",
        disabled=not wanted,
        key="run",  # the same button whatever its label counts: no click is lost
    ):
        try:
            batch = runtime.submit(wanted, options=chosen, workspace=state.workspace)
        except ScriptoriumError as error:
            st.error(str(error), icon=":material/error:")
            st.stop()
        # A new round: new widgets, so that Streamlit frees what the old ones hold in memory,
        # and a new workspace, because this one now belongs to the batch.
        begin_round(state.round + 1)
        st.switch_page(context.BATCH, query_params={"batch": batch.id})
