"""The machine, the engine and the queue."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import streamlit as st

from pages import context
from services import system
from services.audio import languages
from services.audio.catalog import Model
from services.jobs.models import Kind, State
from services.making_room import TEXTS
from services.retention import kept_text
from services.watch.root import RootState, RootStatus

runtime = context.runtime()

MOST_PROBLEMS = 5

GET_PARAKEET = """
**On a machine that reaches the hub** there is nothing to do: the first recording downloads
`nvidia/parakeet-tdt-0.6b-v3` (2.5 GB), and the batch page shows how far it is.

**Without a network**, download `parakeet-tdt-0.6b-v3.nemo` from
huggingface.co/nvidia/parakeet-tdt-0.6b-v3 on another machine, copy it here, and set its path:

```toml
# scriptorium.toml, beside main.py
nemo_model = "/models/parakeet-tdt-0.6b-v3.nemo"
```

Then restart the server. Any other NeMo speech recognition checkpoint works the same way.
A checkpoint can run code when it is loaded: take it only from a source that you trust.
"""


def watched(root: RootStatus) -> str:
    """Return what a watched folder does, in one line."""
    now = time.time()
    doing = {
        RootState.STARTING: "Starting",
        RootState.WATCHING: "Watching",
        RootState.MISSING: ":red[**Not there**]",
    }[root.state]
    parts = [f"{doing} for {context.duration(now - root.since)}"]
    if root.waiting:
        parts.append(f"{context.plural(root.waiting, 'file')} waiting to be whole")
    if root.in_work:
        parts.append(f"{context.plural(root.in_work, 'file')} in work")
    if root.last_taken is not None:
        ago = context.duration(now - root.last_taken)
        parts.append(f"{context.plural(root.taken, 'file')} taken, the last {ago} ago")
    if root.polling:
        parts.append("looked through every few seconds")
    return " · ".join(parts)


def watched_folders() -> None:
    """Show each watched folder and what is wrong with it."""
    roots = runtime.watched_folders()
    if not roots:
        return
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.subheader("Watched folders", width="content")
        st.button(
            "Look now",
            icon=":material/refresh:",
            on_click=runtime.scan_watched_folders,
            type="tertiary",
        )
    st.table(
        {context.plain(str(root.path)): watched(root) for root in roots},
        border="horizontal",
        hide_header=True,
    )
    for root in roots:
        for problem in root.problems[:MOST_PROBLEMS]:
            st.warning(context.plain(problem), icon=":material/folder_off:")
        if (more := len(root.problems) - MOST_PROBLEMS) > 0:
            st.caption(f"{context.plural(more, 'more problem')} in {context.plain(str(root.path))}")


def of(limit_gb: float | None) -> str:
    """Return how a limit follows what is used of it."""
    return f" of {limit_gb:g} GB" if limit_gb else ""


def keeping() -> dict[str, str]:
    """Return what is kept how long."""
    found, settings = runtime.retention(), runtime.settings
    failed, audit = settings.keep_failed_days, settings.audit_days
    rows = {
        "Recordings": kept_text(found, Kind.AUDIO),
        "Documents": kept_text(found, Kind.DOCUMENT),
        "Originals of what failed": f"for {failed:g} days" if failed else "until discarded",
    }
    if settings.data_limit_gb:
        plan = "; then ".join(TEXTS[step] for step in settings.make_room)
        rows["Goes first near the limit"] = plan or "nothing by itself"
    if settings.mode != "local":
        rows["Audit log"] = f"for {audit:g} days" if audit else "for ever"
    return rows


@context.refreshing("3s")
def live() -> None:
    """Show what changes."""
    status = runtime.engine_status()
    choice = runtime.engine_choice(runtime.default_options())
    st.subheader("Speech engine")
    loaded = {"idle": "Not loaded: the first recording loads it", "ready": "Ready"}.get(
        status.state, status.detail.capitalize()
    )
    rows = {
        "State": loaded + (f" ({status.progress:.0%})" if status.progress is not None else ""),
        "Engine": status.engine or (choice.engine if choice else "asking the model hub …"),
        "Model": status.model or (choice.model if choice else "asking the model hub …"),
        "Device": status.device or runtime.settings.device,
    }
    st.table(rows, border="horizontal", hide_header=True)
    if status.state == "ready":
        minutes = runtime.settings.model_idle_minutes
        kept = (
            "It stays loaded."
            if minutes is None
            else (f"It is freed after {minutes:g} minutes without work.")
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Unload now", icon=":material/eject:"):
                runtime.free_model()
            st.caption(f"{kept} Work that is under way ends first.")

    st.subheader("Queue")
    context.paused_banner(runtime)
    # Callbacks come first in a run: a click is not lost where the next round overtakes it.
    if runtime.queue_pause():
        st.button(
            "Resume the queue",
            icon=":material/play_arrow:",
            type="primary",
            on_click=runtime.resume,
        )
    else:
        st.button(
            "Pause the queue",
            icon=":material/pause:",
            help="What runs goes on.",
            on_click=runtime.pause,
        )
    counts = runtime.counts()
    with st.container(horizontal=True, gap="large"):
        for state in (State.QUEUED, State.RUNNING, State.DONE, State.FAILED):
            total = sum(counts.get((kind, state), 0) for kind in Kind)
            st.metric(state.capitalize(), total, width="content")

    watched_folders()

    st.subheader("Machine")
    settings = runtime.settings
    machine = system.machine(settings.data_dir, settings.temp_root)
    st.table(
        {
            "Memory": f"{context.size(machine.memory_used)} of "
            f"{context.size(machine.memory_total)} in use, {context.size(machine.server_memory)} "
            "by this server",
            "Disk": f"{context.size(machine.disk_free)} of {context.size(machine.disk_total)} free",
            "Data": f"{context.size(machine.data_used)}{of(settings.data_limit_gb)} "
            f"in {context.plain(str(settings.data_dir))}",
            "Temporary files": f"{context.size(machine.temp_used)}{of(settings.temp_limit_gb)} "
            f"in {context.plain(str(settings.temp_root))}",
            "GPU": machine.gpu or "none",
            "CPUs": str(machine.cpus),
        },
        border="horizontal",
        hide_header=True,
    )
    st.subheader("What is kept")
    st.table(keeping(), border="horizontal", hide_header=True)
    if problem := runtime.data_problem():
        st.warning(context.plain(problem), icon=":material/database:")
    if trouble := runtime.webhook_trouble():
        next_try = (
            "It is not tried again."
            if trouble.again_at is None
            else f"It is tried again at {datetime.fromtimestamp(trouble.again_at):%H:%M:%S}."
        )
        st.warning(
            f"A webhook was not delivered (tried {context.plural(trouble.tries, 'time')}): "
            f"{context.plain(trouble.error)} {next_try}",
            icon=":material/webhook:",
        )
    for path, waiting in runtime.waiting_workspaces().items():
        again = datetime.fromtimestamp(waiting.again_at)
        tried = f"tried {context.plural(waiting.tries, 'time')}, again at {again:%H:%M}"
        st.warning(
            context.plain(f"{path.name} cannot be removed yet ({tried}). {waiting.reason}"),
            icon=":material/lock_clock:",
        )


@context.refreshing("2s")
def models() -> None:
    """Show the speech models, and fetch those that are not here."""
    downloads = runtime.downloads
    if downloads.share is not None:
        st.progress(downloads.share, f"Downloading {downloads.model} ({downloads.share:.0%})")
    elif downloads.problem:
        st.error(context.plain(downloads.problem), icon=":material/error:")
    found = runtime.speech_models()
    sizes = st.session_state.get("hub_sizes", {})
    st.table(
        {
            Path(model.name).name if model.path else model.name: described(
                model, model.size or sizes.get(model.name)
            )
            for model in found
        },
        border="horizontal",
        hide_header=True,
    )
    missing = [model.name for model in found if not model.here and "/" in model.name]
    if missing:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            wanted = st.selectbox("Model", missing, key="model-to-download")
            if st.button(
                "Download", icon=":material/download:", disabled=downloads.share is not None
            ):
                runtime.downloads.start(wanted)
                st.rerun(scope="fragment")
            if st.button("Ask the hub for sizes", icon=":material/straighten:"):
                with st.spinner("Asking the hub …"):
                    asked = runtime.speech_models_with_sizes()
                st.session_state.hub_sizes = {model.name: model.size for model in asked}
                if not any(model.size for model in asked if not model.here):
                    st.toast("The hub did not answer.")
                else:
                    st.rerun(scope="fragment")
        st.caption("A download that broke off goes on where it was.")


def described(model: Model, size: int | None) -> str:
    """Return where a model is, how large, and which languages it hears, for people."""
    known = [languages.name(code) for code in model.languages or ()]
    parts = [
        "on this machine" if model.here else "on the hub",
        context.size(size) if size else "",
        ", ".join(known) if len(known) <= 4 else f"{len(known)} languages",
    ]
    return " · ".join(part for part in parts if part)


st.title("System")
context.offline_banner(runtime.engine_choice(runtime.default_options()), link=False)
live()
st.subheader("Speech models")
models()
with st.expander("How to get Parakeet", icon=":material/download:"):
    st.markdown(GET_PARAKEET)
with st.expander("Versions", icon=":material/info:"):
    st.table(system.versions(), border="horizontal", hide_header=True)
