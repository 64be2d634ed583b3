"""The worker process: reads requests from standard input, answers on standard output.

Requests and answers are JSON objects, one a line. Each request is answered by any number of
events and then `{"event": "end"}` or `{"event": "error", "type", "message"}`.
Run as `python -m services.documents.worker MEMORY_MB MAY_START_PROGRAMS`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from services.documents import sandbox
from services.errors import ScriptoriumError, UnreadableDocument
from services.processes import take_input

if TYPE_CHECKING:
    from services.documents.pdf_file import PdfFile

Event = dict[str, Any]


def count(request: Event) -> Iterator[Event]:
    """Answer the number of pages, after a look at the file."""
    yield {"event": "opened", "count": _open(request, look=True).count}


def read(request: Event) -> Iterator[Event]:
    """Answer what the file says of itself, then each page from `first` on, by `readers`."""
    from services.documents import pdf_structure as structure
    from services.documents.document import page_dict
    from services.documents.page_text import PageTexts

    pdf = _open(request)
    yield {
        "event": "opened",
        "count": pdf.count,
        "encrypted": pdf.encrypted,
        "locked": pdf.locked,
        "repaired": pdf.repaired,
        "metadata": pdf.metadata(),
        "outline": [vars(entry) for entry in pdf.outline()],
        "attachments": structure.attachments(pdf),
        "fields": structure.form_fields(pdf),
        "actions": sorted(structure.document_actions(pdf)),
    }
    texts = PageTexts(pdf, tuple(request["readers"]), request.get("password"))
    try:
        for number in range(request["first"], pdf.count + 1):
            found = texts.read(number)
            yield {
                "event": "page",
                "page": page_dict(found.page),
                "scan": found.scan,
                "ruled": found.ruled,
                "actions": sorted(found.actions),
            }
    finally:
        texts.close()


def render(request: Event) -> Iterator[Event]:
    """Write the image of page `number` to `target`."""
    from services.documents.pdf_image import write_page

    write_page(
        Path(request["path"]),
        request["number"],
        Path(request["target"]),
        request["width"],
        request.get("password"),
    )
    yield from ()


def ocr(request: Event) -> Iterator[Event]:
    """Answer page `number` as OCR reads it."""
    from services.documents.document import page_dict
    from services.documents.ocr import ocr_page

    page = ocr_page(
        Path(request["path"]),
        request["number"],
        request.get("password"),
        request["engine"],
        request["languages"],
    )
    yield {"event": "page", "page": page_dict(page)}


def tables(request: Event) -> Iterator[Event]:
    """Answer the tables on each of the pages `numbers`."""
    from services.documents.tables import tables as find_tables

    pdf = _open(request, look=True)
    for number, found in find_tables(pdf.content, request.get("password"), request["numbers"]):
        yield {"event": "tables", "number": number, "tables": found}


def pages(request: Event) -> Iterator[Event]:
    """Write the pages `numbers` as a PDF to `target`."""
    from services.documents.pdf_edit import take_pages

    take_pages(_source(request), request["numbers"], Path(request["target"]))
    yield from ()


def split(request: Event) -> Iterator[Event]:
    """Write a ZIP of PDFs to `target`: of each of `parts` its name and its pages."""
    from services.documents.pdf_edit import split as split_file

    parts = [(name, numbers) for name, numbers in request["parts"]]
    for name in split_file(_source(request), parts, Path(request["target"])):
        yield {"event": "part", "name": name}


def merge(request: Event) -> Iterator[Event]:
    """Write all `sources` as one PDF to `target`."""
    from services.documents.pdf_edit import merge as merge_files

    merge_files([_source(source) for source in request["sources"]], Path(request["target"]))
    yield from ()


def searchable(request: Event) -> Iterator[Event]:
    """Write the file with the text that OCR read, from its result's JSON, to `target`."""
    from services.documents.document import Document
    from services.documents.pdf_edit import make_searchable
    from services.files.operations import open_to_read

    with open_to_read(Path(request["result"])) as handle:
        document = Document.from_dict(json.load(handle))
    make_searchable(_source(request), document, Path(request["target"]))
    yield from ()


OPERATIONS = {
    "count": count,
    "read": read,
    "render": render,
    "ocr": ocr,
    "tables": tables,
    "pages": pages,
    "split": split,
    "merge": merge,
    "searchable": searchable,
}


def main() -> None:
    """Serve requests until standard input ends, whatever is being done then."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # nothing that a library prints may mix with the answers
    logging.basicConfig(level=logging.CRITICAL)  # what damage makes libraries say
    sandbox.enter(int(sys.argv[1]), may_start_programs=sys.argv[2] == "1")
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(take_input(), requests), daemon=True).start()

    def answer(event: Event) -> None:
        answers.write(json.dumps(event) + "\n")
        answers.flush()

    while True:
        request = json.loads(requests.get())
        try:
            for event in OPERATIONS[request["operation"]](request):
                answer(event)
            answer({"event": "end"})
        except MemoryError:
            os._exit(1)  # the process may be in any state: end it, the parent starts another
        except Exception as error:
            answer({"event": "error", "type": _kind(error), "message": str(error)})


def _kind(error: Exception) -> str:
    """Return the name of the error of `services.errors` that tells the parent about `error`."""
    known = (kind for kind in type(error).__mro__ if kind.__module__ == ScriptoriumError.__module__)
    return next((kind.__name__ for kind in known), UnreadableDocument.__name__)


def _listen(lines: TextIO, requests: queue.Queue[str]) -> None:
    """Take requests; when the server is gone, end this process in the middle of its work."""
    for line in lines:
        requests.put(line)
    os._exit(0)


def _source(request: Event) -> tuple[Path, str, str | None]:
    return Path(request["path"]), request["name"], request.get("password")


def _open(request: Event, look: bool = False) -> PdfFile:
    """Open the file with pypdf, or where that cannot, with PDFium alone, unless it must not."""
    from services.documents.pdf_file import DamagedDocument, PdfFile, UnparsedPdf
    from services.documents.pdfium_text import PdfiumFile

    try:
        return PdfFile(*_source(request), look=look)
    except DamagedDocument as error:
        if error.pdf.limited or "pdfium" not in request.get("readers", ("pdfium",)):
            raise
        try:
            opened = PdfiumFile(error.pdf.content, request.get("password"))
        except RuntimeError:
            raise error from None
        count = opened.count
        opened.close()
        if not count:
            raise
        return UnparsedPdf(error.pdf, count)


if __name__ == "__main__":
    main()
