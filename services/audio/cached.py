"""The speech models in the hub's cache on this machine, whoever put them there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from services.audio.fetching import nemo_file as nemo_file_among

_OF_WHISPER = frozenset({"alignment_heads", "lang_ids", "suppress_ids", "suppress_ids_begin"})
"""What the configuration of a CTranslate2 Whisper has, and that of a translator has not."""


@dataclass(frozen=True)
class Cached:
    """A model in the cache: its repository, its .nemo file or Whisper's directory, its bytes."""

    engine: str
    name: str
    path: Path
    size: int


def models() -> list[Cached]:
    """Return the NeMo and faster-whisper models that are whole in the hub's cache, by name."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    # A look at a large cache takes long, and pages ask every second or two.
    looked_at = (*cache.glob("models--*/snapshots/*"), *cache.glob("models--*/refs/main"))
    return list(_scanned(cache, tuple(sorted((str(path), _changed(path)) for path in looked_at))))


def nemo_file(model: str) -> Path | None:
    """Return the .nemo file of a repository from the cache; None where it is not there."""
    snapshot = _snapshot(model)
    names = [path.name for path in snapshot.glob("*.nemo") if path.exists()] if snapshot else []
    name = nemo_file_among(model, names)
    return snapshot / name if snapshot and name else None


def whisper_directory(model: str) -> Path | None:
    """Return the directory of a repository's faster-whisper model; None where it is not there."""
    if model.count("/") != 1:
        return None
    snapshot = _snapshot(model)
    return snapshot if snapshot and is_whisper(snapshot) else None


def is_whisper(directory: Path) -> bool:
    """Whether a directory holds a Whisper model for CTranslate2."""
    if not (directory / "model.bin").exists():
        return False
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and not _OF_WHISPER.isdisjoint(config)


def _snapshot(model: str) -> Path | None:
    """Return the directory with the files of a repository's main branch."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = repo_folder_name(repo_id=model, repo_type="model")
    repository: Path = Path(constants.HF_HUB_CACHE) / folder
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return repository / "snapshots" / commit


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # just removed
        return 0


@lru_cache(maxsize=4)
def _scanned(cache: Path, state: tuple[tuple[str, int], ...]) -> tuple[Cached, ...]:
    """Look through the cache; `state` is another one whenever something in it has changed."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir(cache).repos
    except CacheNotFound:
        return ()
    found = []
    for repository in sorted(repositories, key=lambda one: one.repo_id):
        main = repository.refs.get("main")
        if repository.repo_type != "model" or main is None:
            continue
        name, directory = repository.repo_id, main.snapshot_path
        if path := nemo_file(name):
            found.append(Cached("nemo", name, path, path.stat().st_size))
        elif is_whisper(directory):
            found.append(Cached("whisper", name, directory, main.size_on_disk))
    return tuple(found)
