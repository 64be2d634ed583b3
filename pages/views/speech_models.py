"""What the System page shows of speech models: those here, those on the hub, and how to get one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages import context
from services.audio import languages
from services.audio.catalog import Model
from services.runtime import Runtime

ENGINES = {"auto": "NeMo, else Whisper", "nemo": "NeMo", "whisper": "Whisper"}

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
    st.subheader("Speech models")
    models(runtime)
    with st.expander("How to get Parakeet", icon=":material/download:"):
        st.markdown(GET_PARAKEET)


@context.refreshing("2s")
def models(runtime: Runtime) -> None:
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


def short(model: str) -> str:
    """Return a model's name on the hub, or that of its file."""
    return Path(model).name if Path(model).is_absolute() else model


def described(model: Model, size: int | None) -> str:
    """Return where a model is, how large, and which languages it hears, for people."""
    known = [languages.name(code) for code in model.languages or ()]
    parts = [
        "on this machine" if model.here else "on the hub",
        context.size(size) if size else "",
        ", ".join(known) if len(known) <= 4 else f"{len(known)} languages",
    ]
    return " · ".join(part for part in parts if part)
