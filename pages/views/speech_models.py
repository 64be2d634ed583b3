"""What the System page shows of speech models: those here, those on the hub, and how to get one."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages import context
from services.audio import languages
from services.audio.catalog import SPEAKERS, Model
from services.audio.checkpoints import looks_like_path, shown
from services.errors import ModelUnavailable
from services.runtime import Runtime

ENGINES = {"auto": "NeMo, else Whisper", "nemo": "NeMo", "whisper": "Whisper"}

OTHER = "Another one"

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


def show(runtime: Runtime) -> None:
    """Show the speech models, and how to get one without the hub."""
    st.header("Speech models")
    models(runtime)
    with st.expander("How to get Parakeet", icon=":material/download:"):
        st.markdown(GET_PARAKEET)


@context.refreshing("2s")
def models(runtime: Runtime) -> None:
    """Show the speech models, and fetch others."""
    sizes = st.session_state.get("hub_sizes", {})
    found = [replace(one, size=one.size or sizes.get(one.name)) for one in runtime.every_model()]
    answers = runtime.hub_answers()
    context.named({shown(one.name): described(one, answers) for one in found}, "speech-models")
    _under_way(runtime)
    missing = [one.name for one in found if not one.here and not looks_like_path(one.name)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offered = [*missing, OTHER]
        chosen = st.selectbox("Download a model from the hub", offered, key="hub-choice")
        if chosen == OTHER:
            st.text_input(
                "Its name on the hub",
                placeholder="owner/name",
                help="A repository that holds a .nemo file or a faster-whisper model.",
                key="hub-name",
            )
        st.button(
            "Download",
            icon=":material/download:",
            disabled=runtime.downloads.share is not None,
            on_click=_download,
            args=(runtime,),
        )
        if missing and st.button("Ask the hub for sizes", icon=":material/straighten:"):
            with st.spinner("Asking the hub …"):
                asked = runtime.models_with_sizes()
            st.session_state.hub_sizes = {one.name: one.size for one in asked}
            if not any(one.size for one in asked if not one.here):
                st.toast("The hub did not answer.")
            else:
                st.rerun(scope="fragment")
    st.caption(
        "A checkpoint can run code when it is loaded: take it only from a source that you trust. "
        "A download that broke off or was cancelled goes on where it was."
    )


def _under_way(runtime: Runtime) -> None:
    """Show how far a download is, or why there is none."""
    downloads = runtime.downloads
    share, name = downloads.share, context.plain(downloads.model or "")
    if share is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            doing = "Stopping" if downloads.stopping else "Downloading"
            st.progress(share, f"{doing} {name} ({share:.0%})")
            st.button(
                "Cancel",
                icon=":material/close:",
                key="cancel-download",
                disabled=downloads.stopping,
                on_click=runtime.stop_download,
            )
    elif problem := st.session_state.get("download_problem") or downloads.problem:
        st.error(context.plain(problem), icon=":material/error:")


def _download(runtime: Runtime) -> None:
    """Begin a download: a callback, which no other run of the page overtakes."""
    name = st.session_state["hub-choice"]
    if name == OTHER:
        name = st.session_state.get("hub-name", "").strip()
    st.session_state.download_problem = None
    try:
        runtime.download_model(name)
    except ModelUnavailable as error:
        st.session_state.download_problem = str(error)


def described(model: Model, hub_answers: bool) -> str:
    """Return where a model is, how large, and what it hears, for people."""
    where = "on this machine"
    if not model.here:
        where = "on the hub" if hub_answers or model.size else "not here"
    known = [languages.name(code) for code in model.languages or ()]
    parts = [
        where,
        context.size(model.size) if model.size else "",
        "tells speakers apart" if model.purpose == SPEAKERS else "",
        ", ".join(known) if len(known) <= 4 else f"{len(known)} languages",
    ]
    return " · ".join(part for part in parts if part)
