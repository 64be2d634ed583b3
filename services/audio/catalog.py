"""Which speech models there are: part of Scriptorium, on this machine, on the hub."""

from __future__ import annotations

import re
import tarfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from services.audio import cached, checkpoints, languages
from services.audio.engines import whisper
from services.audio.engines.whisper import OFFLINE_MODEL
from services.audio.fetching import REPOSITORY, Cancelled
from services.errors import ModelUnavailable

KNOWN = (
    "nvidia/parakeet-tdt-0.6b-v3",
    "nvidia/parakeet-tdt-0.6b-v2",
    "nvidia/canary-1b-v2",
    "nvidia/canary-180m-flash",
)
"""Checkpoints on the hub that are worth a look."""

SPEECH, SPEAKERS = "speech", "speakers"

_SPEECH_MODELS = re.compile("CTC|RNNT|MultiTask|Transf")
"""In the names of NeMo's classes that write down what is said."""


@dataclass(frozen=True)
class Model:
    """A speech model: its engine, where it is, its size in bytes and its languages where known.

    `path` is None for one that would have to be downloaded. `purpose` is `speech`, or `speakers`
    for one that tells these apart.
    """

    engine: str
    name: str
    path: Path | None = None
    size: int | None = None
    languages: tuple[str, ...] | None = None
    purpose: str = SPEECH

    @property
    def here(self) -> bool:
        """Whether it can be used without a download."""
        return self.path is not None or self.name == OFFLINE_MODEL


def models(configured: str, diarization: str, models_dir: Path) -> list[Model]:
    """Return the models on this machine, and those known that are not; nothing is asked of a hub.

    Args:
        configured: The NeMo model of the settings.
        diarization: The model of the settings that tells speakers apart.
        models_dir: A directory of ours; .nemo files that somebody put there are found.
    """
    ours = [str(path) for path in sorted(models_dir.glob("*.nemo"))]
    in_cache = cached.models()
    names = dict.fromkeys(
        [
            *(configured, *ours, *KNOWN),
            *(one.name for one in in_cache if one.engine == "nemo"),
            *(checkpoints.DIGITS, diarization),
        ]
    )
    found = [model_at(name, SPEAKERS if name == diarization else None) for name in names]
    found += [
        Model("whisper", one.name, one.path, one.size, _of_whisper(one))
        for one in in_cache
        if one.engine == "whisper"
    ]
    found.append(Model("whisper", OFFLINE_MODEL, None, whisper.offline_size(), ("en",)))
    useful = [model for model in found if model.purpose in (SPEECH, SPEAKERS)]
    return sorted(useful, key=lambda model: (not model.here, model.purpose != SPEECH))


def model_at(name: str, purpose: str | None = None) -> Model:
    """Return a NeMo model by its name or path; its purpose is looked up where it is not given."""
    path = checkpoints.find(name)
    size = path.stat().st_size if path and path.is_file() else None
    config = _config(path) if path else {}
    heard = languages.of_model(name) or _of_tokenizer(config)
    return Model("nemo", name, path, size, heard, purpose or _purpose(config))


def _purpose(config: dict[str, Any]) -> str:
    """Return what a checkpoint is for after its configuration; speech where that says nothing."""
    kind = str(config.get("target") or "").rsplit(".", 1)[-1]
    if "Sortformer" in kind:
        return SPEAKERS
    return SPEECH if not kind or _SPEECH_MODELS.search(kind) else kind


def _of_tokenizer(config: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the languages of a model with a tokenizer for each, as Canary has them."""
    tokenizer = config.get("tokenizer")
    each = tokenizer.get("langs") if isinstance(tokenizer, dict) else None
    known = [str(code) for code in each if code in languages.NAMES] if each else []
    return tuple(known) or None


def _of_whisper(found: cached.Cached) -> tuple[str, ...] | None:
    """Return the languages of a Whisper model; those of its tokenizer, as far as they are known."""
    if heard := languages.of_model(found.name):
        return heard
    path = found.path / "tokenizer.json"
    return _in_tokenizer(path, path.stat().st_mtime_ns) if path.exists() else None


@lru_cache(maxsize=64)
def _in_tokenizer(path: Path, changed: int) -> tuple[str, ...] | None:
    said = set(re.findall(r"<\|([a-z]{2})\|>", path.read_text(encoding="utf-8")))
    return tuple(code for code in languages.NAMES if code in said) or None


def _config(path: Path) -> dict[str, Any]:
    """Return a checkpoint's configuration; nothing where it cannot be read at once."""
    try:
        return _read_config(path, path.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=256)
def _read_config(path: Path, changed: int) -> dict[str, Any]:
    found: object = None
    try:
        if path.is_dir():
            found = _yaml((path / checkpoints.CONFIG_FILE).read_bytes())
        else:
            with tarfile.open(path, "r:") as parts:  # a packed one would have to be read whole
                for part in parts:
                    if Path(part.name).name == checkpoints.CONFIG_FILE:
                        content = parts.extractfile(part)
                        found = _yaml(content.read()) if content else None
                        break
    except (OSError, tarfile.TarError, yaml.YAMLError):
        found = None
    return found if isinstance(found, dict) else {}


def _yaml(text: bytes) -> object:
    # Ten times as fast where it is there: some configurations list every word piece.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, loader)  # noqa: S506


def with_sizes(found: Iterable[Model], timeout: float) -> list[Model]:
    """Ask the hub for the sizes of those models that are not here; it may take `timeout` each."""
    return [
        model if model.here else replace(model, size=checkpoints.hub_size(model.name, timeout))
        for model in found
    ]


class Downloads:
    """Fetches models in the background, one at a time; one that broke off goes on where it was."""

    def __init__(self, download: Callable[..., Path] = checkpoints.download) -> None:
        self._download = download
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.model: str | None = None
        """The model that is or was fetched last."""
        self.share: float | None = None
        """How much of it is here, from 0 to 1; None when nothing is being fetched."""
        self.problem: str | None = None
        """Why it could not be fetched."""

    def start(self, model: str) -> bool:
        """Begin to fetch a model; False while another one is on its way.

        Raises:
            ModelUnavailable: that is not how models on the hub are called.
        """
        if not REPOSITORY.fullmatch(model):
            raise ModelUnavailable(
                f"“{model}” is no name of a model on the hub. It has the form owner/name, as "
                "nvidia/parakeet-tdt-0.6b-v3."
            )
        with self._lock:
            if self.share is not None:
                return False
            self._stop.clear()
            self.model, self.share, self.problem = model, 0.0, None
            # A daemon: a connection that hangs holds up no stop of the server.
            self._thread = threading.Thread(target=self._run, name="download", daemon=True)
            self._thread.start()
            return True

    def cancel(self) -> None:
        """End what is being fetched, as soon as its connection says something; its part stays."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether somebody ended what is still being fetched."""
        return self.share is not None and self._stop.is_set()

    def _run(self) -> None:
        def progress(share: float) -> None:
            self.share = share

        try:
            self._download(self.model, progress, stopping=self._stop.is_set)
        except Cancelled:
            pass
        except ModelUnavailable as error:
            self.problem = str(error)
        finally:
            self.share = None
