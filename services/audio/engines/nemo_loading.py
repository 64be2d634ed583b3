"""Brings NeMo checkpoints into memory, without NeMo's own temporary files."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
from typing import Any

from services.audio import checkpoints
from services.audio.engines import Report
from services.config import Settings
from services.errors import ModelUnavailable, OutOfMemory
from services.gpu import choose, memory_errors, require_answer
from services.heap import give_back

_SHAPES = "64"
"""Shapes for which oneDNN keeps compiled code on a CPU. By itself it keeps a thousand, and clips
are of any length: that is a tenth of all memory after hours of sound."""

_NO_MEMORY = (
    "There was not enough memory to load “{model}”. It is tried again; if it stays so, close other "
    "programs that use the GPU, choose a smaller model, or set device to cpu."
)


def restore(model: str, kind: str, settings: Settings, report: Report, setting: str) -> Any:
    """Return a checkpoint's model, ready to be used: a .nemo file, a directory, a name on the hub.

    Args:
        kind: The class of `nemo.collections.asr.models` that it is, or a parent of that.
        setting: The setting that names it, for messages.

    Raises:
        ModelUnavailable: it is not at hand and cannot be fetched, or NeMo cannot load it.
        OutOfMemory: there is not enough memory for it now.
        DeviceLost: the GPU does not answer any more.
    """
    found = checkpoints.find(model)
    if found is None:
        report(f"downloading {model}", 0.0)
        found = checkpoints.download(
            model, lambda done: report(f"downloading {model}", done), setting
        )
    report("unpacking the model", None)
    directory = checkpoints.unpacked(found, settings.models_dir, settings.disk_reserve)
    report("loading NeMo", None)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _SHAPES)  # read at its first use
    import torch
    from nemo.collections.asr import models

    # NeMo's own setLevel would change the handlers, which other loggers share.
    logging.getLogger("nemo_logger").setLevel(logging.ERROR)
    device = choose(settings.device)
    report(f"loading {model} on {device}", None)
    # With an unpacked directory NeMo needs no temporary one of its own.
    connector = _connector()
    connector.model_extracted_dir = str(directory)
    try:
        with memory_errors(_NO_MEMORY.format(model=model)):
            loaded = getattr(models, kind).restore_from(
                str(directory), map_location=torch.device(device), save_restore_connector=connector
            )
    except OutOfMemory:
        raise
    except Exception as error:  # NeMo raises what its parts raise: KeyError, RuntimeError, …
        require_answer(device)
        raise ModelUnavailable(
            f"NeMo could not load “{model}” from {found}: {error}. "
            f"Check that it is a checkpoint for NeMo 3 of the kind {kind}."
        ) from error
    if not isinstance(loaded, getattr(models, kind)):
        raise ModelUnavailable(
            f"“{model}” is a checkpoint of the kind {type(loaded).__name__}, not of the kind "
            f"{kind}. Choose another one (setting {setting})."
        )
    free_memory()  # what loading took beside the model
    return loaded.eval()


def _connector() -> Any:
    """Return NeMo's reader of checkpoints, whose weights stay on the disk until they are copied.

    NeMo's own has them in memory twice while a model is loaded. Weights are pickled, and here they
    can name no program to run, whatever the environment says.
    """
    import torch
    from nemo.core.connectors.save_restore_connector import SaveRestoreConnector

    class Mapped(SaveRestoreConnector):  # type: ignore[misc]
        @staticmethod
        def _load_state_dict_from_disk(model_weights: str, map_location: Any = "cpu") -> Any:
            read = functools.partial(
                torch.load, model_weights, map_location=map_location, weights_only=True
            )
            try:
                return read(mmap=True)
            except RuntimeError as error:  # a file of before PyTorch 1.6
                if "mmap can only be used" not in str(error):
                    raise
                return read()

    return Mapped()


def free_memory() -> None:
    """Collect what is not used any more, and empty the GPU's cache."""
    import torch

    gc.collect()
    give_back()
    if torch.cuda.is_available():
        with contextlib.suppress(RuntimeError):  # one that does not answer has nothing to give
            torch.cuda.empty_cache()
