"""What a PDF holds beside its text: links, notes, forms, attachments, and what could act.

Nothing of it is run, opened or followed. Runs in worker processes only.
"""

from __future__ import annotations

from typing import Any

from pypdf.generic import ArrayObject, DictionaryObject, NameObject

from services.documents.document import Link
from services.documents.pdf_file import PdfFile
from services.documents.text import clean

_MOST = 1_000
"""Of links, notes, fields and attachments that are listed."""
_ACTIONS = {
    "/JavaScript": "JavaScript",
    "/Launch": "an action that starts a program",
    "/SubmitForm": "an action that sends form data",
    "/ImportData": "an action that imports data",
    "/GoToE": "an action that opens an embedded file",
    "/RichMedia": "embedded media",
}


def attachments(pdf: PdfFile) -> list[str]:
    """Return the names of the files inside the file."""
    names = pdf.attempt(lambda: list(pdf.reader.attachments)) or []
    return [clean(name) for name in names[:_MOST]]


def form_fields(pdf: PdfFile) -> dict[str, str]:
    """Return the values of form fields, by name; those that are not filled in are empty."""
    found = pdf.attempt(lambda: pdf.reader.get_fields()) or {}
    values: dict[str, str] = {}
    for name, field in list(found.items())[:_MOST]:
        value = pdf.attempt(lambda field=field: field.value)  # type: ignore[misc]
        values[clean(str(name))] = "" if value is None else clean(str(value)).lstrip("/")
    return values


def document_actions(pdf: PdfFile) -> set[str]:
    """Return what the file would do when it is opened, printed or closed, in words."""
    found: set[str] = set()

    def look() -> None:
        root = pdf.reader.root_object
        for key in ("/OpenAction", "/AA"):
            _actions(root.get(key), found)
        names = _dictionary(_dictionary(root.get("/Names")).get("/JavaScript"))
        if names.get("/Names") or names.get("/Kids"):
            found.add(_ACTIONS["/JavaScript"])
        if "/XFA" in _dictionary(root.get("/AcroForm")):
            found.add("an XFA form")

    pdf.attempt(look)
    return found


class Marks:
    """The links, notes and actions of one page.

    Attributes:
        links: Where its links lead.
        notes: What people wrote into notes and markings.
        entries: What is filled into the fields of a form, and how high the middle of the field is,
            in points from the origin of the page.
        actions: What could act, in words.
    """

    def __init__(self, pdf: PdfFile, number: int) -> None:
        self.links: list[Link] = []
        self.notes: list[str] = []
        self.entries: list[tuple[str, float]] = []
        self.actions: set[str] = set()
        self._pdf = pdf
        page = pdf.attempt(lambda: pdf.page(number))
        if page is None:
            return
        pdf.attempt(lambda: _actions(page.get("/AA"), self.actions))
        found = pdf.attempt(lambda: page.get("/Annots"))
        annotations = getattr(found, "get_object", lambda: None)()
        if isinstance(annotations, ArrayObject):
            for annotation in annotations[:_MOST]:
                pdf.attempt(lambda annotation=annotation: self._look(annotation))  # type: ignore[misc]

    def _look(self, reference: Any) -> None:
        annotation = reference.get_object()
        kind = annotation.get("/Subtype")
        _actions(annotation.get("/A"), self.actions)
        _actions(annotation.get("/AA"), self.actions)
        if kind == "/Link":
            self._link(annotation)
        elif kind == "/Widget":
            value = annotation.get("/V") or _dictionary(annotation.get("/Parent")).get("/V")
            if isinstance(value, str) and not isinstance(value, NameObject) and value.strip():
                edges = [float(edge) for edge in annotation["/Rect"]]
                self.entries.append((clean(value), (edges[1] + edges[3]) / 2))
        elif kind in ("/RichMedia", "/Screen", "/Movie", "/3D"):
            self.actions.add(_ACTIONS["/RichMedia"])
        elif kind != "/Popup" and (written := annotation.get("/Contents")):
            self.notes.append(clean(str(written)))

    def _link(self, annotation: DictionaryObject) -> None:
        action = _dictionary(annotation.get("/A"))
        if address := action.get("/URI"):
            self.links.append(Link(address=clean(str(address))))
            return
        target = annotation.get("/Dest") or action.get("/D")
        if target is None:
            return
        target = target.get_object()
        number = None
        if isinstance(target, str):
            number = self._pdf.named_page(target)
        elif isinstance(target, bytes):
            number = self._pdf.named_page(target.decode("latin-1"))
        elif isinstance(target, ArrayObject) and target:
            number = self._pdf.number_of(target[0])
        if number is not None:
            self.links.append(Link(page=number))


def _dictionary(value: Any) -> Any:
    value = getattr(value, "get_object", lambda: value)()
    return value if isinstance(value, DictionaryObject) else DictionaryObject()


def _actions(value: Any, found: set[str], depth: int = 0) -> None:
    """Add to `found` what an action, or a dictionary of actions, would do."""
    actions = _dictionary(value)
    if depth > 5 or not actions:
        return
    if kind := actions.get("/S"):
        if name := _ACTIONS.get(str(kind)):
            found.add(name)
        _actions(actions.get("/Next"), found, depth + 1)
        return
    for key in list(actions)[:20]:
        _actions(actions.get(key), found, depth + 1)
