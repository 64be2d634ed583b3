"""Fetching speech models from the hub into its own cache, going on where a download broke off.

The hub's library throws away what it has of a file when a connection breaks for good, or when the
server stops. Here the part stays beside the cache's files, and the library is called when the
file is whole, to put it in its place.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from services.errors import ModelUnavailable
from services.files import operations, resuming
from services.files.retry import raise_if_full

log = logging.getLogger(__name__)

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
"""The name of a repository on the hub, `owner/name`."""

WHISPER = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.bin")
"""Files of a faster-whisper model, beside its vocabulary; the weights come last."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEAD_TRIES = 2
"""Tries in a row that brought nothing, after which a download has failed."""


class Cancelled(Exception):
    """Somebody does not want the model any more."""


@dataclass(frozen=True)
class _Part:
    """A file on the hub: its commit, its name, where it is now, its hash and its bytes."""

    commit: str
    name: str
    location: str
    etag: str
    size: int


def files_of(model: str, timeout: float = 10.0) -> list[str]:
    """Ask the hub for the files that make up a model: a .nemo file, or those of faster-whisper.

    Raises:
        ModelUnavailable: the hub has no such model, or it holds neither.
        Exception: the hub cannot be asked, in the many ways of its library.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = HfApi().model_info(model, timeout=timeout)
    except RepositoryNotFoundError:
        raise ModelUnavailable(
            f"The hub has no model {model}, or shows it only to people who are signed in there. "
            "Check its name; it has the form owner/name."
        ) from None
    names = [part.rfilename for part in found.siblings or ()]
    if nemo := nemo_file(model, names):
        return [nemo]
    if {"config.json", "model.bin"} <= set(names):
        more = [name for name in names if name.startswith("vocabulary.")]
        return [*more, *(name for name in WHISPER if name in names)]
    raise ModelUnavailable(
        f"{model} holds neither a .nemo file nor a faster-whisper model (config.json and "
        "model.bin), so it cannot be used here. Choose another one."
    )


def nemo_file(model: str, names: list[str]) -> str | None:
    """Return which of these files is the checkpoint: that of its name, or the only one."""
    found = [name for name in names if name.endswith(".nemo") and "/" not in name]
    own = f"{model.rsplit('/', 1)[-1]}.nemo"
    if own in found:
        return own
    return found[0] if len(found) == 1 else None


def fetch(
    model: str,
    progress: Callable[[float], None],
    stopping: Callable[[], bool] = lambda: False,
) -> Path:
    """Fetch a model into the hub's cache; return its .nemo file, or a Whisper's directory.

    Args:
        model: A repository, `owner/name`.
        progress: Called with the share that is here, from 0 to 1.
        stopping: Whether to stop now; asked whenever something has come.

    Raises:
        Cancelled: it was to stop; what has come stays for the next time.
        ModelUnavailable: the hub has no such model, or what came is damaged.
        DiskFull: there is no room for it.
        Exception: the hub cannot be reached, in the many ways of its library.
    """
    parts = [_look_up(model, name) for name in files_of(model)]
    total = sum(part.size for part in parts) or 1
    before = 0

    def told(here: int) -> None:
        progress(min(1.0, (before + here) / total))

    for part in parts:
        _fetch_part(model, part, told, stopping)
        before += part.size
    from huggingface_hub import hf_hub_download

    placed = [Path(hf_hub_download(model, part.name)) for part in parts]
    progress(1.0)
    return placed[0] if placed[0].suffix == ".nemo" else placed[0].parent


def _look_up(model: str, name: str) -> _Part:
    """Ask the hub where a file is now, and what it must be."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    found = get_hf_file_metadata(hf_hub_url(model, name))
    if not found.commit_hash or not found.etag or found.size is None:
        raise ModelUnavailable(f"The hub does not say how large {name} of {model} is.")
    return _Part(found.commit_hash, name, found.location, found.etag, found.size)


def _fetch_part(
    model: str, part: _Part, progress: Callable[[int], None], stopping: Callable[[], bool]
) -> None:
    """Bring one file into the cache, to where the hub's library finds it whole."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import are_symlinks_supported, repo_folder_name

    cache = Path(constants.HF_HUB_CACHE)
    repository = repo_folder_name(repo_id=model, repo_type="model")
    blob = operations.make_dir(cache / repository / "blobs") / part.etag
    placed = cache / repository / "snapshots" / part.commit / part.name
    incomplete = blob.with_name(f"{part.etag}.incomplete")
    # The lock that the hub's library takes too.
    lock = FileLock(operations.make_dir(cache / ".locks" / repository) / f"{part.etag}.lock")
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except Timeout:  # another program fetches it
            _go_on(stopping)
    try:
        if not blob.exists() and not placed.exists():
            _bring(model, part, incomplete, progress, stopping)
            _check(model, part, incomplete)
            if are_symlinks_supported(cache):
                operations.replace(incomplete, blob)
            else:  # as on Windows, where the library would make a second copy of it
                operations.make_dir(placed.parent)
                operations.replace(incomplete, placed)
    finally:
        lock.release()
    progress(part.size)


def _bring(
    model: str,
    part: _Part,
    incomplete: Path,
    progress: Callable[[int], None],
    stopping: Callable[[], bool],
) -> None:
    """Write a file's bytes behind those that are there, over as many connections as it takes."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers
    from tqdm import tqdm

    # The hub's own class of bars counts nothing where there is no terminal; tqdm's does.
    class Bar(tqdm):  # type: ignore[misc,type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs, file=io.StringIO())

        def update(self, n: float | None = 1) -> None:
            super().update(n)
            _go_on(stopping)
            progress(int(self.n))

    dead = 0
    while (here := resuming.size_of(incomplete)) != part.size:
        _go_on(stopping)
        if here > part.size:  # of something else
            operations.discard(incomplete)
            here = 0
        progress(here)
        headers = build_hf_headers()
        if not part.location.startswith(f"{constants.ENDPOINT}/"):
            headers.pop("authorization", None)  # it is the hub's, and nobody else's
        try:
            with resuming.continued(incomplete) as handle:
                http_get(
                    part.location,
                    handle,
                    resume_size=here,
                    headers=headers,
                    expected_size=part.size,
                    tqdm_class=Bar,
                )
        except Cancelled:
            raise
        except Exception as error:
            if isinstance(error, OSError):
                raise_if_full(error, incomplete)
            dead = 0 if resuming.size_of(incomplete) > here else dead + 1
            if dead >= _DEAD_TRIES:
                raise
            log.info("%s of %s broke off (%s): going on", part.name, model, type(error).__name__)
            part = _look_up(model, part.name)  # addresses on the hub are good for a while only


def _check(model: str, part: _Part, path: Path) -> None:
    """Compare a file with its SHA-256 where the hub says that: it came in parts."""
    if _SHA256.fullmatch(part.etag) and operations.sha256_of(path) != part.etag:
        operations.discard(path)
        raise ModelUnavailable(
            f"{part.name} of {model} came damaged and was removed. Download it again."
        )


def _go_on(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise Cancelled
