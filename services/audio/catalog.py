"""Which speech models there are: part of Scriptorium, on this machine, on the hub."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from services.audio import checkpoints
from services.audio.engines.whisper import OFFLINE_MODEL
from services.audio.languages import EUROPEAN
from services.errors import ModelUnavailable

KNOWN = {
    "nvidia/parakeet-tdt-0.6b-v3": EUROPEAN,
    "nvidia/parakeet-tdt-0.6b-v2": ("en",),
    "nvidia/canary-1b-v2": EUROPEAN,
    "nvidia/canary-180m-flash": ("en", "de", "fr", "es"),
}
"""Checkpoints on the hub that are worth a look, and their languages after their model cards."""


@dataclass(frozen=True)
class Model:
    """A speech model: its engine, where it is, its size in bytes and its languages where known.

    `path` is None for one that would have to be downloaded.
    """

    engine: str
    name: str
    path: Path | None = None
    size: int | None = None
    languages: tuple[str, ...] | None = None

    @property
    def here(self) -> bool:
        """Whether it can be used without a download."""
        return self.path is not None or self.name == OFFLINE_MODEL


def models(configured: str, models_dir: Path) -> list[Model]:
    """Return the models on this machine, and those known that are not; nothing is asked of a hub.

    Args:
        configured: The NeMo model of the settings.
        models_dir: A directory of ours; .nemo files that somebody put there are found.
    """
    ours = [str(path) for path in sorted(models_dir.glob("*.nemo"))]
    names = dict.fromkeys([configured, *ours, *KNOWN, checkpoints.DIGITS])
    found = [model_at(name) for name in names]
    whisper = Model("whisper", OFFLINE_MODEL, languages=("en",))
    return sorted([*found, whisper], key=lambda model: not model.here)


def model_at(name: str) -> Model:
    """Return a NeMo model by its name or path."""
    path = checkpoints.find(name)
    size = path.stat().st_size if path and path.is_file() else None
    return Model("nemo", name, path, size, KNOWN.get(name))


def with_sizes(found: Iterable[Model], timeout: float) -> list[Model]:
    """Ask the hub for the sizes of those models that are not here; it may take `timeout` each."""
    return [
        model if model.here else replace(model, size=checkpoints.hub_size(model.name, timeout))
        for model in found
    ]


class Downloads:
    """Fetches checkpoints in the background, one at a time; a broken one goes on where it broke."""

    def __init__(
        self, download: Callable[[str, Callable[[float], None]], Path] = checkpoints.download
    ) -> None:
        self._download = download
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.model: str | None = None
        """The model that is or was fetched last."""
        self.share: float | None = None
        """How much of it is here, from 0 to 1; None when nothing is being fetched."""
        self.problem: str | None = None
        """Why it could not be fetched."""

    def start(self, model: str) -> bool:
        """Begin to fetch a model; False while another one is on its way."""
        with self._lock:
            if self.share is not None:
                return False
            self.model, self.share, self.problem = model, 0.0, None
            # A daemon: the hub's library cannot be interrupted, and its part files wait.
            self._thread = threading.Thread(target=self._run, name="download", daemon=True)
            self._thread.start()
            return True

    def _run(self) -> None:
        def progress(share: float) -> None:
            self.share = share

        assert self.model is not None
        try:
            self._download(self.model, progress)
        except ModelUnavailable as error:
            self.problem = str(error)
        finally:
            self.share = None
