"""Reads a PDF with pypdf. Runs in a worker process only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from pypdf import PdfReader, __version__

from services.documents.document import OutlineEntry, Page
from services.errors import PasswordNeeded, UnreadableDocument
from services.files.operations import open_to_read

log = logging.getLogger(__name__)

ENGINE = f"pypdf {__version__}"

_METADATA = ("title", "author", "subject", "keywords", "creator", "producer")
_MOST_OUTLINE = 5_000


class PdfFile:
    """An open PDF.

    Raises:
        PasswordNeeded: it opens only with a password.
        UnreadableDocument: it is empty, no PDF, damaged beyond reading, or has no pages.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        if path.stat().st_size == 0:
            raise UnreadableDocument(f"“{name}” is empty (0 bytes). Upload it again.")
        with open_to_read(path) as handle:
            content = handle.read()
        try:
            self._reader = PdfReader(BytesIO(content))
            locked = self._reader.is_encrypted and not self._reader.decrypt("")
            self.count = 0 if locked else len(self._reader.pages)
        except MemoryError:
            raise
        # pypdf raises whatever the damage leads to: its own errors, TypeError, KeyError, …
        except Exception as error:
            log.info("%s cannot be opened", path, exc_info=True)
            raise UnreadableDocument(
                f"“{name}” is damaged or not a PDF and cannot be read "
                f"({type(error).__name__}). Open it in a PDF viewer; if it shows there, "
                "print it to a new PDF and upload that."
            ) from error
        if locked:
            raise PasswordNeeded(
                f"“{name}” is protected with a password. Save a copy without one and upload that."
            )
        if self.count == 0:
            raise UnreadableDocument(f"“{name}” has no pages. Check the file in a PDF viewer.")

    def metadata(self) -> dict[str, str]:
        """Return what the file says of itself: title, author, dates, … where given."""
        found: dict[str, str] = {}
        info = _attempt(lambda: self._reader.metadata)
        if info is None:
            return found
        for name in _METADATA:
            if value := _attempt(lambda name=name: getattr(info, name)):  # type: ignore[misc]
                found[name] = _text(value)
        for name in ("creation_date", "modification_date"):
            if value := _attempt(lambda name=name: getattr(info, name)):  # type: ignore[misc]
                found[name] = value.isoformat()
        return found

    def outline(self) -> list[OutlineEntry]:
        """Return the table of contents, in order, each entry with its depth."""
        entries: list[OutlineEntry] = []

        def walk(items: Any, level: int) -> None:
            for item in items:
                if len(entries) >= _MOST_OUTLINE:
                    return
                if isinstance(item, list):
                    walk(item, level + 1)
                    continue
                number = _attempt(lambda item=item: self._reader.get_destination_page_number(item))  # type: ignore[misc]
                page = number + 1 if isinstance(number, int) and number >= 0 else None
                entries.append(OutlineEntry(_text(item.title), page, level))

        _attempt(lambda: walk(self._reader.outline, 1))
        return entries

    def pages(self, first: int = 1) -> Iterator[Page]:
        """Yield pages from number `first` on; one that cannot be read carries its error."""
        for number in range(first, self.count + 1):
            try:
                yield Page(number, _text(self._reader.pages[number - 1].extract_text()))
            except MemoryError:
                raise
            except Exception as error:
                log.info("page %d of %s", number, self.name, exc_info=True)
                reason = str(error) or type(error).__name__
                yield Page(number, "", error=f"This page cannot be read: {reason}")


def _attempt(read: Any) -> Any:
    """Return what `read` gives, or None where the damage of a file makes it fail."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:
        log.debug("a part of the file cannot be read", exc_info=True)
        return None


def _text(value: object) -> str:
    # Lone surrogates come out of broken fonts and cannot be written as UTF-8.
    return str(value).encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
