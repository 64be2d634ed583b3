"""Settings: from environment variables and a TOML file, all validated at start."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import (
    AliasChoices,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from services.audio.settings import SpeechSettings
from services.documents.settings import DocumentSettings
from services.errors import SettingsError
from services.library.settings import LibrarySettings
from services.people.settings import PeopleSettings
from services.watch.folder import OWNER, WatchedFolder, check_folders
from services.webhooks.settings import WebhookSettings

PREFIX = "SCRIPTORIUM_"


def config_file() -> Path:
    """Return the TOML file of the settings: SCRIPTORIUM_CONFIG, or the one beside main.py."""
    beside = Path(__file__).parents[1] / "scriptorium.toml"
    return Path(os.environ.get(f"{PREFIX}CONFIG", beside)).absolute()


Step = Literal["images", "earlier", "failed", "originals", "results"]


class Settings(
    BaseSettings,
    SpeechSettings,
    DocumentSettings,
    LibrarySettings,
    PeopleSettings,
    WebhookSettings,
):
    """Every setting of the server: those of its parts, and its own.

    The environment wins over the TOML file. Each field `name` is read from the variable
    SCRIPTORIUM_NAME or the key `name` in the file; `data_dir` also from SCRIPTORIUM_DATA.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", populate_by_name=True)

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("scriptorium", appauthor=False),
        validation_alias=AliasChoices(f"{PREFIX}DATA", f"{PREFIX}DATA_DIR", "data_dir"),
    )
    """Where the job store, the results and the workspaces live."""

    temp_dir: Path | None = None
    """Where temporary files go; `temp` in the data directory when unset."""

    database_url: str | None = None
    """SQLAlchemy URL of the job store; SQLite in the data directory when unset."""

    log_format: Literal["text", "json"] = "text"
    """How the server's log is written: lines for people, or a JSON object each for programs."""

    attempts: int = Field(3, ge=1, le=20)
    """Server crashes in a row, each while a job ran, after which it runs alone."""

    job_retry_waits: tuple[float, ...] = (10.0, 60.0, 300.0)
    """Pauses before a job that failed for a passing reason is tried again by itself, in seconds."""

    owner_limit: int | None = Field(None, ge=1)
    """Jobs of one owner that may run at the same time; any number when unset."""

    keep_failed_days: float | None = Field(None, gt=0)
    """Days that originals of failed and cancelled jobs are kept; until discarded when unset."""

    keep_audio_days: float | None = Field(None, gt=0)
    """Days after its end that a recording is kept, with its result; until deleted when unset."""

    keep_document_days: float | None = Field(None, gt=0)
    """Days after its end that a document is kept, with its result; until deleted when unset."""

    audit_days: float | None = Field(None, gt=0)
    """Days that the lines of the audit log are kept; for ever when unset."""

    data_limit_gb: float | None = Field(None, gt=0)
    """Room that results, originals and library may take, in GB: beyond it no more uploads are
    taken."""

    make_room: tuple[Step, ...] = ("images",)
    """What is removed, in this order, when the data take nine tenths of their room: `images` of
    pages and other copies that can be made again, `earlier` results, originals of what `failed`,
    `originals` of what is done, `results`."""

    retry_waits: tuple[float, ...] = (0.2, 0.4, 0.6)
    """Pauses between tries of a file operation that met a lock, in seconds."""

    disk_reserve_mb: int = Field(500, ge=0)
    """Free space that is always left on the disks of data and temporary files, in MB."""

    temp_limit_gb: float | None = Field(None, gt=0)
    """Room that temporary files may take, in GB; as much as fits when unset."""

    upload_limit_gb: float | None = Field(None, gt=0)
    """Size that one uploaded file may have, in GB; as much as fits when unset."""

    owner_upload_limit_gb: float | None = Field(None, gt=0)
    """Room that the uploads of one person may take at once, in GB; as much as fits when unset."""

    workspace_hours: float = Field(24.0, gt=0)
    """Age at which an upload that nobody submitted is removed, in hours."""

    watch: tuple[WatchedFolder, ...] = ()
    """Watched folders: a table `[[watch]]` for each in the file, a JSON list in the variable."""

    watch_still_seconds: float = Field(5.0, gt=0, le=3600)
    """Seconds for which a file in a watched folder must not change before it is taken."""

    watch_rescan_seconds: float = Field(300.0, ge=1)
    """Seconds between two looks through a watched folder when nothing is told of it."""

    @field_validator("data_dir", "temp_dir", mode="after")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # NeMo changes the working directory while it loads a checkpoint, so no path of
        # ours may depend on it.
        return None if path is None else path.expanduser().absolute()

    @field_validator(
        "nemo_model",
        "whisper_model",
        "diarization_model",
        "embedding_model",
        "rerank_model",
        mode="after",
    )
    @classmethod
    def _absolute_model(cls, model: str | None) -> str | None:
        # A name on the hub is not a path, unless something lies there.
        return str(Path(model).absolute()) if model and Path(model).exists() else model

    @field_validator("database_url", mode="after")
    @classmethod
    def _absolute_database(cls, url: str | None) -> str | None:
        scheme, found, path = (url or "").partition(":///")
        if scheme.startswith("sqlite") and found and path and not path.startswith(":"):
            return f"{scheme}:///{Path(path).absolute().as_posix()}"
        return url

    @field_validator("retry_waits", "transcription_waits", "job_retry_waits", mode="after")
    @classmethod
    def _not_negative(cls, waits: tuple[float, ...]) -> tuple[float, ...]:
        if any(wait < 0 for wait in waits):
            raise ValueError("a pause cannot be negative")
        return waits

    @model_validator(mode="after")
    def _folders_apart(self) -> Settings:
        check_folders(self.watch, self.data_dir, self.temp_root)
        for folder in self.watch:
            if self.mode != "local" and folder.owner == OWNER:
                raise ValueError(
                    f"the watched folder {folder.path} needs an owner: where people sign in, "
                    "nobody else sees what becomes of its files"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, config_file())
        return init_settings, env_settings, toml

    @property
    def temp_root(self) -> Path:
        """The directory that holds every temporary file of this server."""
        return self.temp_dir or self.data_dir / "temp"

    @property
    def disk_reserve(self) -> int:
        """Bytes that always stay free on the disk."""
        return self.disk_reserve_mb * 1_000_000

    @property
    def results_dir(self) -> Path:
        """The directory that holds a folder per finished job."""
        return self.data_dir / "results"

    @property
    def library_dir(self) -> Path:
        """The directory of the library's database."""
        return self.data_dir / "library"

    @property
    def models_dir(self) -> Path:
        """The directory that unpacked checkpoints are kept in."""
        return self.data_dir / "models"

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the job store."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'scriptorium.db').as_posix()}"

    @property
    def places(self) -> tuple[Path, ...]:
        """Where the server keeps what it has; of these only admins read the paths."""
        scheme, _, path = self.store_url.partition(":///")
        stores = [Path(path.partition("?")[0])] if scheme.startswith("sqlite") else []
        return (self.data_dir, self.temp_root, *stores)


def load_settings(**values: Any) -> Settings:
    """Read and validate the settings.

    Raises:
        SettingsError: a value is wrong or a name unknown; the message names each of them.
    """
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    known |= {f"{PREFIX}DATA", f"{PREFIX}CONFIG"}
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise SettingsError(
            f"Scriptorium cannot start: the environment sets {', '.join(unknown)}, "
            "which is no setting. Remove it or correct its name."
        )
    try:
        return Settings(**values)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"Scriptorium cannot start: {config_file()} is not valid TOML ({error}). "
            "Correct the file and start again."
        ) from error
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except ValueError as error:  # a JSON list in a variable that cannot be parsed
        raise SettingsError(f"Scriptorium cannot start: {error}.") from error


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "settings"
        ours = item["type"] == "value_error"  # a sentence of ours, which may name paths
        reason = str(item["ctx"]["error"]) if ours else item["msg"].lower()
        # All the settings together, one that is missing, or what may hold a secret: not for a log.
        private = any(part in name.lower() for part in ("secret", "key", "url"))
        hidden = not item["loc"] or item["type"] == "missing" or private
        plain = isinstance(item["input"], str | int | float | tuple | list)
        value = f" is {item['input']!r}" if plain and not hidden else ""
        lines.append(f"{name}{value}: {reason}")
    return (
        "Scriptorium cannot start, a setting is wrong:\n  "
        + "\n  ".join(lines)
        + f"\nCorrect it in {config_file()} or in the variable {PREFIX}<NAME>."
    )
