"""Names that are safe on every platform, made from names that people choose."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

STEM_BYTES = 80
SUFFIX_BYTES = 16

# Names that Windows gives to devices, with any extension.
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\..*)?", re.I)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def display_name(name: str) -> str:
    """Return the last part of an uploaded name as a person sees it, never empty.

    Control, format and line-separating characters are removed: one that reorders text could
    make a name pretend to have another extension.
    """
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    return _visible(last).strip() or "unnamed"


def one_line(text: str) -> str:
    """Return what somebody typed as one line that shows what it is.

    Any white space is one space; other characters that `display_name` removes go here too.
    """
    return " ".join(_visible(" ".join(text.split())).split())


def _visible(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)


def clean_name(name: str) -> str:
    """Return a file name for `name` that Windows, Linux and macOS all accept.

    At most 97 bytes of UTF-8; the extension is kept; reserved device names, separators,
    control characters and trailing dots and spaces are replaced or removed.
    """
    name = unicodedata.normalize("NFC", display_name(name))
    name = _FORBIDDEN.sub("_", name).rstrip(". ")
    path = PurePosixPath(name)
    suffix = path.suffix if len(path.suffix.encode()) <= SUFFIX_BYTES else ""
    stem = _shorten(name.removesuffix(suffix), STEM_BYTES).rstrip(". ") or "file"
    cleaned = stem + suffix
    return f"_{cleaned}" if _RESERVED.fullmatch(cleaned) else cleaned


def stored_name(sha256: str, name: str) -> str:
    """Return the name under which content is stored: its SHA-256 plus the cleaned name."""
    return f"{sha256}-{clean_name(name)}"


def _shorten(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore")


def name_in_form(written: str) -> str:
    """Return a file's name as a browser wrote it into a form.

    Three characters are escaped there, and only these:
    https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
    """
    return written.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
