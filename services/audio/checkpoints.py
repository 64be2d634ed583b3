"""Where NeMo checkpoints come from: a path, this project, the hub's cache, the hub."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePath

from services.audio import cached, fetching, hub_errors
from services.errors import DiskFull, ModelUnavailable
from services.files.archive import unpack_once

log = logging.getLogger(__name__)

DIGITS = "spoken-digits"
"""The small model in this project that hears only the ten digits, for tests."""

CONFIG_FILE = "model_config.yaml"

_DIGITS_FILE = Path(__file__).parents[2] / "models" / DIGITS / f"{DIGITS}.nemo"


def find(model: str) -> Path | None:
    """Return the checkpoint's .nemo file or unpacked directory if it is on this machine."""
    if model == DIGITS:
        return _DIGITS_FILE
    if looks_like_path(model):
        return _at_path(Path(model).expanduser().absolute())
    return cached.nemo_file(model)


def looks_like_path(model: str) -> bool:
    """Whether `model` names a file or directory rather than a repository on the hub."""
    return model.endswith(".nemo") or model.count("/") != 1 or Path(model).exists()


def shown(model: str) -> str:
    """Return what people call a model: its name on the hub, or its file's, not where that lies."""
    path = PurePath(model)
    return path.name if path.is_absolute() else model


def hub_lacks(model: str, timeout: float) -> str | None:
    """Ask the hub whether it has `model`; return why not, None when it has.

    No answer within `timeout` seconds means no.
    """
    if looks_like_path(model):
        return f"nothing is asked of it, for nemo_model is a path, {model}, where no checkpoint is"
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(model, timeout=timeout)
    except Exception as error:  # no network, no such model, offline mode, …
        return hub_errors.why(error)
    return None


def hub_size(model: str, timeout: float) -> int | None:
    """Ask the hub how large a checkpoint is, in bytes; None when it does not say in time."""
    from huggingface_hub import HfApi

    try:
        found = HfApi().model_info(model, timeout=timeout, files_metadata=True)
    except Exception as error:  # no network, no such model, offline mode, …
        log.info("no size of %s: %s", model, hub_errors.why(error))
        return None
    sizes = {part.rfilename: part.size for part in found.siblings or ()}
    return sizes.get(fetching.nemo_file(model, list(sizes)) or "model.bin")


def download(
    model: str,
    progress: Callable[[float], None],
    setting: str = "nemo_model",
    stopping: Callable[[], bool] = lambda: False,
) -> Path:
    """Fetch a model from the hub into the hub's own cache; one that broke off goes on.

    Args:
        model: A repository, `owner/name`, that holds a .nemo file or a faster-whisper model.
        progress: Called with the share that is here, from 0 to 1.
        setting: The setting that names it, for messages.
        stopping: Whether to stop now.

    Raises:
        ModelUnavailable: it is a path where nothing is, or the hub did not give it.
        Cancelled: it was to stop.
    """
    if looks_like_path(model):
        raise ModelUnavailable(
            f"There is no NeMo checkpoint at {model}. Give a .nemo file, an unpacked directory, "
            f"or the name of a model on the hub (setting {setting})."
        )
    try:
        return fetching.fetch(model, progress, stopping)
    except (fetching.Cancelled, ModelUnavailable):
        raise
    except DiskFull as error:
        raise ModelUnavailable(f"The model {model} could not be downloaded. {error}") from error
    except Exception as error:  # network, hub and disk errors, of several libraries
        raise ModelUnavailable(
            f"The model {model} is not on this machine and could not be downloaded: "
            f"{hub_errors.why(error)}. Or download the .nemo file elsewhere and give its path in "
            f"the setting {setting}."
        ) from error


def unpacked(checkpoint: Path, models_dir: Path, reserve: int = 0) -> Path:
    """Return the directory with a checkpoint's parts, unpacked once into `models_dir`.

    NeMo alone would unpack it into the temporary directory at every load. `reserve` bytes stay
    free on the disk.
    """
    if checkpoint.is_dir():
        return checkpoint
    try:
        return unpack_once(checkpoint, models_dir, reserve)
    except tarfile.TarError as error:
        raise ModelUnavailable(
            f"{checkpoint} is not a NeMo checkpoint, or is damaged ({error}). Download it again."
        ) from error


def _at_path(path: Path) -> Path | None:
    if path.is_file() or (path / CONFIG_FILE).is_file():
        return path
    inside = sorted(path.glob("*.nemo")) if path.is_dir() else []
    return inside[0] if len(inside) == 1 else None
