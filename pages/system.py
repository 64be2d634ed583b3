"""The machine, the engine and the queue."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from pages import context
from pages.views import speech_models, terms, watched_folders
from services import system
from services.audio.checkpoints import shown
from services.audio.engines.host import Choice
from services.jobs.models import Kind, State
from services.making_room import TEXTS
from services.people.models import Scope
from services.retention import kept_text

runtime = context.runtime()
runtime.require(Scope.ADMIN)


def of(limit_gb: float | None) -> str:
    """Return how a limit follows what is used of it."""
    return f" of {limit_gb:g} GB" if limit_gb else ""


def limits() -> dict[str, str]:
    """Return what files and people may take."""
    settings = runtime.settings
    size, owner = settings.upload_limit_gb, settings.owner_upload_limit_gb
    jobs, hours = settings.owner_limit, settings.recording_hours
    return {
        "One file": f"{size:g} GB" if size else "as much as there is room",
        "One person's files, until they are done": f"{owner:g} GB" if owner else "as much as fits",
        "One person's files in work at once": str(jobs) if jobs else "any number",
        "One recording": f"{hours:g} hours" if hours else "any length",
    }


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


def used_next(choice: Choice | None) -> str:
    """Return the model that new batches get."""
    if choice is None:
        return "asking the model hub …"
    return context.plain(f"{speech_models.ENGINES[choice.engine]}, {shown(choice.model)}")


@context.refreshing("3s")
def live() -> None:
    """Show what changes."""
    status = runtime.engine_status()
    choice = runtime.engine_choice(runtime.default_options())
    st.header("Speech engine")
    loaded = {"idle": "Not loaded: the first recording loads it", "ready": "Ready"}.get(
        status.state, status.detail.capitalize()
    )
    rows = {
        "State": loaded + (f" ({status.progress:.0%})" if status.progress is not None else ""),
        **({"Engine": status.engine, "Model": shown(status.model)} if status.model else {}),
        "Device": status.device or runtime.settings.device,
        "New batches": used_next(choice),
    }
    if problem := runtime.hub_problem():
        rows["Model hub"] = context.plain(f"{problem[0].upper()}{problem[1:]}.")
    st.table(rows, border="horizontal", hide_header=True)
    settings = runtime.settings
    machine = system.machine(settings.data_dir, settings.temp_root)
    unused = system.unused_gpu(machine.gpu, status.engine, status.device, settings.device)
    if unused:
        st.warning(context.plain(unused), icon=":material/speed:")
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

    st.header("Queue")
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
    with st.container(horizontal=True, gap="medium"):
        for state in (State.QUEUED, State.RUNNING, State.DONE, State.FAILED):
            total = sum(counts.get((kind, state), 0) for kind in Kind)
            st.metric(state.capitalize(), total, width="content")

    watched_folders.show(runtime)

    st.header("Machine")
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
    st.header("Limits")
    st.table(limits(), border="horizontal", hide_header=True)
    st.header("What is kept")
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


st.title("System")
context.offline_banner(runtime.engine_choice(runtime.default_options()), link=False, new=True)
live()
speech_models.show(runtime)
terms.show(runtime)
with st.expander("Versions", icon=":material/info:"):
    st.table(system.versions(), border="horizontal", hide_header=True)
