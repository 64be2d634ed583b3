"""What the server writes down: lines that name their job, for people or for programs.

Secrets are taken out of every line, whoever wrote it: the ones of the settings wherever they
stand, and whatever looks like a token, a session or the link of a share.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from pydantic import SecretStr
from sqlalchemy.engine import make_url

from services.config import Settings
from services.errors import TransientError
from services.files.logs import RotatingLog

NAME = "server.log"
HIDDEN = "***"

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_job: ContextVar[str] = ContextVar("job", default="")

_SECRETS = re.compile(
    r"""(\bscr_ | /s/ | scriptorium_session= | scriptorium_oidc= | \bBearer\s+ | \bBasic\s+ )
        [\w.~+/=%-]{8,}""",
    re.VERBOSE | re.IGNORECASE,
)
_HIDING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What ends a line, drives a terminal, or turns the direction of what follows."""
_IN_ADDRESS = re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)")


class HasId(Protocol):
    """A job, or what stands for one."""

    @property
    def id(self) -> str:
        """Its id."""


@contextlib.contextmanager
def about(job_id: str) -> Iterator[None]:
    """Let every line that is logged in the block name this job."""
    token = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(token)


J = TypeVar("J", bound=HasId)


def about_job(
    method: Callable[Concatenate[S, J, P], R],
) -> Callable[Concatenate[S, J, P], R]:
    """Let every line that a method logs name the job that is its first argument."""

    @functools.wraps(method)
    def logged(self: S, job: J, *args: P.args, **more: P.kwargs) -> R:
        with about(job.id):
            return method(self, job, *args, **more)

    return cast(Callable[Concatenate[S, J, P], R], logged)


class _Lines(logging.Formatter):
    def formatException(self, ei: Any) -> str:
        """Return the stack trace of an error; of a cause that may pass only the sentence.

        While a disk is full or the store away, every thread that looks each second meets it.
        """
        if isinstance(ei[1], TransientError):
            return _HIDING.sub(_escaped, str(ei[1]))
        return super().formatException(ei)


class TextLines(_Lines):
    """Lines for people, without secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = tuple(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line itself; a stack trace follows it."""
        # A name that somebody gave a file must not look like another line.
        line = _HIDING.sub(_escaped, super().formatMessage(record))
        job = _job.get()
        return f"{line} [job {job}]" if job and job not in line else line

    def format(self, record: logging.LogRecord) -> str:
        """Return all that is written of a record."""
        return without_secrets(super().format(record), self._secrets)


class JsonLines(_Lines):
    """One JSON object a line: `at`, `level`, `logger`, `message`, `job`, `thread`, `error`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return all that is written of a record."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "job": _job.get() or None,
            "thread": record.threadName,
            "error": self.formatException(record.exc_info) if record.exc_info else None,
        }
        clean = {key: without_secrets(value, self._secrets) for key, value in line.items() if value}
        return json.dumps(clean, ensure_ascii=False)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text with these secrets, and what looks like one of ours, replaced by stars."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _SECRETS.sub(lambda found: found[1] + HIDDEN, text)
    return _IN_ADDRESS.sub(lambda found: found[1] + HIDDEN, text)


def secrets_of(settings: Settings) -> list[str]:
    """Return the secrets in the settings, the longest first."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
    if settings.database_url and (password := make_url(settings.database_url).password):
        found.append(str(password))
    return sorted((one for one in found if one), key=len, reverse=True)


def log_file(settings: Settings) -> Path:
    """Return the file that the server's log goes to."""
    return settings.data_dir / "logs" / NAME


def set_up(settings: Settings) -> None:
    """Have all that is logged in this process go to standard error and to the log file.

    Calling it again changes nothing.
    """
    root = logging.getLogger()
    if any(isinstance(handler, RotatingLog) for handler in root.handlers):
        return
    lines = JsonLines if settings.log_format == "json" else TextLines
    for handler in (logging.StreamHandler(), RotatingLog(log_file(settings))):
        handler.setFormatter(lines(secrets_of(settings)))
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    # It logs each address that it asks, which may hold a key.
    logging.getLogger("httpx").setLevel(logging.WARNING)
