"""How files reach a new batch: what was received, and what the page knows of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import streamlit as st

from pages import components, context
from services.errors import ScriptoriumError
from services.files.names import name_in_form
from services.files.uploads import Upload
from services.files.workspace import StoredFile
from services.jobs.inspect import Inspection
from services.runtime import Runtime
from services.uploads import metadata

KINDS = "Audio (WAV, FLAC, MP3, M4A, OGG, Opus, WMA, AIFF), video (MP4, MOV, MKV, WebM) or PDF"

# What file managers leave in folders; nobody means to upload it.
SYSTEM_FILES = {"thumbs.db", "desktop.ini", ".ds_store"}

state = st.session_state


@dataclass(frozen=True)
class Received:
    """A file that was received: stored in the session's workspace, and looked at."""

    file: StoredFile
    found: Inspection


def begin_round(number: int) -> None:
    """Forget what was received: it belongs to a batch now, or nothing was received yet."""
    state.round = number
    state.received, state.removed, state.workspace = {}, set(), None


def resume(runtime: Runtime) -> None:
    """After a reload, or a restart of the server: find the uploads that the address names."""
    if state.workspace is not None:
        # Another page that was looked at meanwhile had an address of its own.
        if "uploads" not in st.query_params:
            st.query_params["uploads"] = state.workspace.path.name
        return
    if "uploads" not in st.query_params:
        return
    state.workspace = runtime.open_workspace(st.query_params["uploads"])
    if state.workspace is None:
        del st.query_params["uploads"]
        return
    state.workspace.keep()
    uploads = runtime.uploads.of(state.workspace)
    named = {upload.stored.path for upload in uploads if upload.stored}
    look_at(runtime, uploads)
    for file in state.workspace.files():
        if file.path not in named:
            state.received[file.path.name] = Received(file, runtime.inspect(file))


def ask(runtime: Runtime, simple: bool, source: str | None) -> bool:
    """Let the person give files; return whether some are on their way to the server."""
    uploads: list[Upload] = []
    if state.workspace is not None:
        uploads = runtime.uploads.of(state.workspace)
        look_at(runtime, uploads)
    left = [left for upload in uploads if (left := _left(upload))]
    if source != "Microphone" and not simple:
        return components.uploads(
            workspace=state.workspace.path.name if state.workspace else None,
            hint=KINDS,
            limit=runtime.upload_limit,
            received=[upload.id for upload in uploads if upload.finished],
            left=left,
            ignored=sorted(SYSTEM_FILES),
            key=f"uploading-{state.round}",
            wanted=_guarded(runtime, lambda: _open_workspace(runtime)),
        )
    if source == "Microphone":
        recording = st.audio_input("Record", key=f"recording-{state.round}", sample_rate=48_000)
        if recording is not None:
            recording.name = f"Recording {datetime.now():%Y-%m-%d %H.%M.%S}.wav"
            _copy(runtime, [recording])
    else:
        files = st.file_uploader(
            KINDS,
            accept_multiple_files="directory" if source == "Folder" else True,
            key=f"{source}-{state.round}",
        )
        _copy(runtime, files or [])
    _refusal(runtime)
    return bool(left)  # the browser goes on with them, whatever is shown


def look_at(runtime: Runtime, uploads: list[Upload]) -> None:
    """Look at what has arrived since the last run; the same file twice is one."""
    new = [u for u in uploads if u.finished and u.id not in state.received]
    if not new:
        return
    with st.spinner(f"Looking at {context.plural(len(new), 'file')} …"):
        for upload in new:
            file = upload.stored
            if file is None:
                continue  # taken out before a reload
            shown = [r for id, r in state.received.items() if id not in state.removed]
            if any(file.path == received.file.path for received in shown):
                state.removed.add(upload.id)
                state.received[upload.id] = shown[0]
            else:
                state.received[upload.id] = Received(file, runtime.inspect(file))


def _copy(runtime: Runtime, files: list[Any]) -> None:
    """Copy new files from Streamlit's memory into the workspace at once, each one once."""
    new = [
        file
        for file in files
        if file.file_id not in state.received and file.name.lower() not in SYSTEM_FILES
    ]
    if not new:
        return
    if state.workspace is None:
        _open_workspace(runtime)
    with st.spinner(f"Looking at {context.plural(len(new), 'file')} …"):
        for file in new:
            try:
                runtime.uploads.require_allowed(file.name, file.size)
                runtime.uploads.require_share(file.name, file.size)
                stored = state.workspace.add(name_in_form(file.name), file, file.size)
            except (ScriptoriumError, OSError) as error:
                said = runtime.said(error)
                st.error(context.plain(f"“{file.name}” was not received: {said}"))
                continue
            state.received[file.file_id] = Received(stored, runtime.inspect(stored))


@context.refreshing("2s")
def _refusal(runtime: Runtime) -> None:
    """Show why a file was refused on its way: Streamlit's uploader itself names a status only."""
    if said := runtime.uploads.refusal:
        st.error(context.plain(said), icon=":material/error:")


def _open_workspace(runtime: Runtime) -> None:
    if state.workspace is None:
        state.workspace = runtime.new_workspace()
        st.query_params["uploads"] = state.workspace.path.name


def _guarded(runtime: Runtime, action: Callable[[], None]) -> Callable[[], None]:
    """Return `action` as a callback whose failure the page shows in place of a stack trace."""

    def call() -> None:
        try:
            action()
        except (ScriptoriumError, OSError) as error:
            st.error(
                context.plain(f"Nothing can be received now: {runtime.said(error)}"),
                icon=":material/error:",
            )

    return call


def _left(upload: Upload) -> dict[str, Any] | None:
    """Return what is known of an upload that waits for its rest; None of any other."""
    said = metadata.parse(upload.metadata)
    try:
        offset = upload.offset
    except FileNotFoundError:  # it has just been finished, or cancelled
        return None
    return (
        None
        if upload.finished
        else {
            "id": upload.id,
            "name": said.get("filename", upload.name),
            "path": said.get("path", ""),
            "size": upload.size,
            "modified": context.number(said.get("modified")) or 0,
            "offset": offset,
        }
    )
