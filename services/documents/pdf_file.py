"""Opens a PDF with pypdf: its pages and what it says of itself. Runs in worker processes only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pypdf import PageObject, PasswordType, PdfReader, __version__
from pypdf.errors import LimitReachedError
from pypdf.generic import DictionaryObject, NullObject

from services.documents.document import OutlineEntry
from services.documents.text import clean
from services.errors import PasswordNeeded, UnreadableDocument
from services.files.operations import open_to_read

log = logging.getLogger(__name__)

READER = f"pypdf {__version__}"

_METADATA = ("title", "author", "subject", "keywords", "creator", "producer")
_MOST_OUTLINE = 5_000
_MOST_OBJECTS = 100_000
"""Objects that are kept for a second look: half a gigabyte, in a manual with many links."""
_MOST_IN_MEMORY = 200_000_000
"""Bytes of a file that is read from memory; a larger one stays on the disk, and is slower."""

T = TypeVar("T")


class PdfFile:
    """An open PDF. One that is damaged is repaired in memory where pikepdf can do that.

    Args:
        look: Whether only to look at it: to take the number of pages that it says it has, where
            that can be, instead of going through all of them, which takes twenty times longer.

    Attributes:
        content: What other libraries may open instead of the file: bytes or an open file.
        count: Number of pages.
        encrypted: Whether it is; with an empty user password it opens all the same.
        locked: Whether it opened with the password only.
        limited: Whether pypdf stopped at one of its limits, as it does for hostile files.
        repaired: Whether pikepdf had to write it anew.

    Raises:
        PasswordNeeded: it opens only with a password, or with another one.
        UnreadableDocument: it is empty, no PDF, damaged beyond reading, or has no pages.
    """

    def __init__(
        self, path: Path, name: str, password: str | None = None, look: bool = False
    ) -> None:
        self.name = name
        self._look = look
        self.limited = self.repaired = False
        self._numbers: dict[int, int] = {}
        self._names: dict[str, Any] | None = None
        size = path.stat().st_size
        if size == 0:
            raise UnreadableDocument(f"“{name}” is empty (0 bytes). Upload it again.")
        self.content: bytes | BinaryIO = open_to_read(path)
        if size <= _MOST_IN_MEMORY:
            with self.content as handle:
                self.content = handle.read()
        try:
            self._open(password)
        except (MemoryError, PasswordNeeded):
            raise
        # pypdf raises whatever the damage leads to: its own errors, TypeError, KeyError, …
        except Exception as error:
            log.info("%s cannot be opened", path, exc_info=True)
            self.note_limit(error)
            if self.limited or not self._repair(password):
                self.count = 0
                raise DamagedDocument(
                    self,
                    f"“{name}” is damaged or not a PDF and cannot be read "
                    f"({type(error).__name__}). Open it in a PDF viewer; if it shows there, "
                    "print it to a new PDF and upload that.",
                ) from error
        if self.count == 0 and not self._repair(password):
            raise UnreadableDocument(f"“{name}” has no pages. Check the file in a PDF viewer.")

    @property
    def in_memory(self) -> bool:
        """Whether `content` is the whole file, and not an open one."""
        return isinstance(self.content, bytes)

    def forget(self) -> None:
        """Free the objects that were read: pypdf reads them again where it needs them.

        Those that lie packed in one stream stay if they are not too many: to read one again is
        to read hundreds.
        """
        read, packed = self.reader.resolved_objects, self.reader.xref_objStm
        for key in [key for key in read if key[1] not in packed]:
            del read[key]
        if len(read) > _MOST_OBJECTS:
            read.clear()

    def page(self, number: int) -> PageObject:
        """Return page `number`, from 1, as pypdf has it."""
        return self.reader.pages[number - 1]

    def page_text(self, number: int) -> str:
        """Return the text of page `number` (from 1) as pypdf reads it.

        Raises:
            Exception: whatever the damage of a page leads to.
        """
        return clean(self.page(number).extract_text())

    def has_lost(self, number: int) -> bool:
        """Whether what page `number` (from 1) shows may be missing from the file.

        What was repaired does not tell a page that was empty from one that has lost its content.
        """
        if self.repaired:
            return True
        contents = self.attempt(lambda: self.page(number).get("/Contents"))
        there = self.attempt(lambda: getattr(contents, "get_object", lambda: contents)())
        return contents is not None and (there is None or isinstance(there, NullObject))

    def metadata(self) -> dict[str, str]:
        """Return what the file says of itself: title, author, dates, … where given."""
        found: dict[str, str] = {}
        info = self.attempt(lambda: self.reader.metadata)
        if info is None:
            return found
        for name in _METADATA:
            if value := self.attempt(lambda name=name: getattr(info, name)):  # type: ignore[misc]
                found[name] = clean(str(value))
        for name in ("creation_date", "modification_date"):
            if value := self.attempt(lambda name=name: getattr(info, name)):  # type: ignore[misc]
                found[name] = value.isoformat()
        return found

    def labels(self) -> list[str]:
        """Return what the document calls its pages, in order; empty where it just counts them."""
        labels = self.attempt(lambda: list(self.reader.page_labels)) or []
        plain = [str(number) for number in range(1, self.count + 1)]
        return [] if labels == plain else [clean(label) for label in labels]

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
                page = self.number_of(item.page)
                entries.append(OutlineEntry(clean(str(item.title)), page, level))

        self.attempt(lambda: walk(self.reader.outline, 1))
        return entries

    def number_of(self, target: Any) -> int | None:
        """Return the number of the page that a reference of the file leads to, or None."""
        if not self._numbers:
            for number in range(1, self.count + 1):
                reference = self.attempt(lambda number=number: self.page(number).indirect_reference)  # type: ignore[misc]
                if reference is not None:
                    self._numbers.setdefault(reference.idnum, number)
        return self._numbers.get(getattr(target, "idnum", -1))

    def named_page(self, name: str) -> int | None:
        """Return the number of the page that a name of the file leads to, or None."""
        if self._names is None:
            found = self.attempt(lambda: self.reader.named_destinations) or {}
            self._names = {str(key): target.page for key, target in found.items()}
        return self.number_of(self._names.get(name))

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return what `read` gives, or None where the damage of a file makes it fail."""
        try:
            return read()
        except MemoryError:
            raise
        except Exception as error:
            log.debug("a part of %s cannot be read", self.name, exc_info=True)
            self.note_limit(error)
            return None

    def note_limit(self, error: BaseException) -> None:
        """Remember that pypdf stopped at a limit, if `error` says so."""
        self.limited |= isinstance(error, LimitReachedError)

    def _open(self, password: str | None) -> None:
        source = self.content
        self.reader = PdfReader(BytesIO(source) if isinstance(source, bytes) else source)
        self.encrypted = self.reader.is_encrypted
        self.locked = self.encrypted and not self.reader.decrypt("")
        if self.locked:
            if password is None:
                raise PasswordNeeded(
                    f"“{self.name}” is protected with a password. Open it here and enter the "
                    "password, or upload a copy without one."
                )
            if self.reader.decrypt(password) is PasswordType.NOT_DECRYPTED:
                raise PasswordNeeded(
                    f"That is not the password of “{self.name}”. Enter another one."
                )
        self.count = (self._look and self.attempt(self._said_count)) or len(self.reader.pages)

    def _said_count(self) -> int:
        """Return how many pages the file says it has, or 0 where that cannot be."""
        root: Any = self.reader.root_object["/Pages"]
        count, first = root["/Count"], root["/Kids"][0].get_object()
        objects = sum(map(len, self.reader.xref.values())) + len(self.reader.xref_objStm)
        can_be = isinstance(first, DictionaryObject) and 0 < int(count) <= objects
        return int(count) if can_be else 0

    def _repair(self, password: str | None) -> bool:
        """Let pikepdf write the file anew in memory, and open that; return whether it went."""
        if self.repaired or not isinstance(self.content, bytes):
            return False
        import pikepdf

        self.repaired = True
        mended = BytesIO()
        try:
            with pikepdf.open(BytesIO(self.content), password=password or "") as pdf:
                pdf.save(mended)
            damaged, self.content = self.content, mended.getvalue()
            try:
                self._open(password)
            except Exception:
                self.content = damaged
                raise
        except MemoryError:
            raise
        except Exception as error:
            log.info("%s cannot be repaired", self.name, exc_info=True)
            self.note_limit(error)
            return False
        return self.count > 0


class DamagedDocument(UnreadableDocument):
    """A PDF that neither pypdf nor pikepdf can open; PDFium may."""

    def __init__(self, pdf: PdfFile, message: str) -> None:
        super().__init__(message)
        self.pdf = pdf


class UnparsedPdf(PdfFile):
    """A file that pypdf cannot open and PDFium can: its text is all that there is to know."""

    def __init__(self, damaged: PdfFile, count: int) -> None:
        self.name, self.content, self.count = damaged.name, damaged.content, count
        self.encrypted = self.locked = self.limited = False
        self.repaired = True

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return None: pypdf reads nothing of it."""
        return None

    def forget(self) -> None:
        """Do nothing: pypdf holds nothing of it."""

    def page(self, number: int) -> PageObject:
        """Raise UnreadableDocument: pypdf has no pages of it."""
        raise UnreadableDocument("pypdf cannot open the file")
