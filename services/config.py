"""Settings: from environment variables and a TOML file, all validated at start."""

from __future__ import annotations

import base64
import os
import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
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

from services.addresses import is_web_address
from services.errors import SettingsError
from services.people.settings import PeopleSettings
from services.watch.folder import OWNER, WatchedFolder, check_folders

PREFIX = "SCRIPTORIUM_"


def config_file() -> Path:
    """Return the TOML file of the settings: SCRIPTORIUM_CONFIG, or the one beside main.py."""
    beside = Path(__file__).parents[1] / "scriptorium.toml"
    return Path(os.environ.get(f"{PREFIX}CONFIG", beside)).absolute()


Step = Literal["images", "earlier", "failed", "originals", "results"]


class Settings(BaseSettings, PeopleSettings):
    """Every setting of the server. The environment wins over the TOML file.

    Each field `name` is read from the variable SCRIPTORIUM_NAME or the key `name` in the
    file; `data_dir` also from SCRIPTORIUM_DATA.
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

    engine: Literal["auto", "nemo", "whisper"] = "auto"
    """Speech engine for new batches."""

    nemo_model: str = "nvidia/parakeet-tdt-0.6b-v3"
    """NeMo checkpoint: a hub name, a .nemo file, or a directory that a .nemo was unpacked to."""

    nemo_input: Literal["arrays", "manifest"] = "arrays"
    """How audio reaches NeMo. `manifest` is only for models that cannot take arrays."""

    whisper_model: str | None = None
    """faster-whisper model by name or path; the offline tiny.en when unset."""

    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where speech models run."""

    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Number format that NeMo models compute in; `auto` is bfloat16 on a GPU that has it, and
    float32 on a CPU, where bfloat16 is faster if the processor has it (AVX512-BF16, AMX)."""

    hub_timeout: float = Field(3.0, gt=0, le=60)
    """Seconds that the model hub has to answer before it counts as out of reach."""

    diarization_model: str = "nvidia/diar_streaming_sortformer_4spk-v2"
    """Streaming Sortformer that tells speakers apart: a hub name, a .nemo file, or a directory."""

    speakers: bool = False
    """Whether speakers are told apart in new batches."""

    track: int = Field(1, ge=0, le=32)
    """Which sound track of a recording new batches read; 0 for all of them, mixed."""

    hotwords: tuple[str, ...] = ()
    """Names and terms of the team's, which every new batch listens for unless it is changed."""

    model_idle_minutes: float | None = Field(30.0, ge=0)
    """Time without work after which the speech model is freed, in minutes; never when unset."""

    clip_seconds: float = Field(30.0, ge=5, le=300)
    """Longest stretch of speech given to a model at once, in seconds; a recording that is a tenth
    longer stays whole."""

    recording_hours: float | None = Field(24.0, gt=0)
    """Hours of sound that one recording may have; a longer one fails with a sentence."""

    batch_seconds: float | None = Field(None, ge=5, le=3600)
    """Audio in one NeMo call at most, padding included, in seconds; when unset, 120 on a CPU, and
    on a GPU what its free memory holds."""

    document_workers: int = Field(2, ge=1, le=64)
    """Processes that read documents at the same time."""

    document_memory_mb: int = Field(1024, ge=256)
    """Memory that one document process may take, in MiB."""

    document_reader: Literal["auto", "pypdf", "pdfium"] = "auto"
    """What reads the text of PDFs, for new batches."""

    document_timeout: float = Field(3600.0, gt=0)
    """Seconds that one document may take; what is not read then is missing from its result."""

    ocr: Literal["auto", "tesseract", "rapidocr", "off"] = "auto"
    """What reads scanned pages, for new batches; `auto` is Tesseract where it is installed."""

    ocr_languages: str = Field("eng", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$")
    """Languages of scanned pages, as Tesseract names them, joined by `+`."""

    ocr_timeout: float = Field(60.0, gt=0)
    """Seconds that one scanned page may take."""

    ocr_memory_mb: int = Field(2048, ge=512)
    """Memory that one OCR process may take, in MiB."""

    page_timeout: float = Field(20.0, gt=0)
    """Seconds that one page of a document may take."""

    log_format: Literal["text", "json"] = "text"
    """How the server's log is written: lines for people, or a JSON object each for programs."""

    library: bool = True
    """Whether results are indexed and can be searched."""

    embedding_model: str | None = None
    """sentence-transformers model of the library, by name or path; the packaged one when unset."""

    rerank_model: str | None = None
    """Cross-encoder of sentence-transformers, by name or path, that orders the best hits anew."""

    llm_url: str | None = None
    """Base URL of an OpenAI-compatible language model, as of Ollama or vLLM; none when unset."""

    llm_local: bool = False
    """Whether the name in `llm_url` may lead to this machine itself or to link-local addresses;
    `localhost` always may."""

    llm_model: str = ""
    """Name of the language model there."""

    llm_key: SecretStr | None = None
    """Key for the language model's server, if it wants one."""

    llm_timeout: float = Field(120.0, gt=0)
    """Seconds that the language model has for an answer."""

    llm_shares_gpu: bool = False
    """Whether the language model computes on the GPU that transcribes: the two take turns then."""

    llm_price: float = Field(0.0, ge=0)
    """Price of a million tokens, of which the cost in the log is counted."""

    commit_chunks: int = Field(100, ge=1)
    """Passages after which the library's writer commits without waiting for more."""

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

    transcription_waits: tuple[float, ...] = (0.5, 1.0, 1.5)
    """Pauses between tries of a transcription that met a lock, in seconds."""

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

    webhook_urls: tuple[str, ...] = ()
    """Addresses that get a signed summary of each batch that has ended."""

    webhook_secret: SecretStr | None = Field(None, min_length=16)
    """What the summaries are signed with: `whsec_` and Base64, or any text of 16 characters."""

    webhook_local: bool = False
    """Whether webhooks may go to this machine itself and to link-local addresses."""

    @model_validator(mode="after")
    def _complete_webhooks(self) -> Settings:
        if self.webhook_urls and self.webhook_secret is None:
            raise ValueError("webhook_urls needs a webhook_secret to sign with")
        return self

    @field_validator("webhook_urls", mode="after")
    @classmethod
    def _web_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not is_web_address(url) or "@" in urlsplit(url).netloc:
                # Without the address itself, which may hold a password.
                raise ValueError("one of them is no address of the form https://host/path")
        return urls

    @field_validator("llm_url", mode="after")
    @classmethod
    def _model_address(cls, url: str | None) -> str | None:
        if url and not is_web_address(url):
            raise ValueError("it is no address of the form http://host:11434/v1")
        if "@" in urlsplit(url or "").netloc:
            raise ValueError("a name or a password in it would be shown; the key goes into llm_key")
        return url

    @field_validator("webhook_secret", mode="after")
    @classmethod
    def _usable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        text = secret.get_secret_value() if secret else ""
        if text.startswith("whsec_"):
            try:
                base64.b64decode(text.removeprefix("whsec_"), validate=True)
            except ValueError:
                raise ValueError("what follows whsec_ is not Base64") from None
        return secret

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
