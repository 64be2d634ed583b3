"""The worker process: reads requests from standard input, answers on standard output.

Requests and answers are JSON objects, one a line. Each request is answered by any number of
events and then `{"event": "end"}` or `{"event": "error", "type", "message"}`.
Run as `python -m services.documents.worker MEMORY_MB`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.errors import ScriptoriumError, UnreadableDocument

Event = dict[str, Any]


def count(request: Event) -> Iterator[Event]:
    """Answer the number of pages."""
    from services.documents.pdf_text import PdfFile

    yield {"event": "opened", "count": PdfFile(Path(request["path"]), request["name"]).count}


def read(request: Event) -> Iterator[Event]:
    """Answer the number of pages, metadata and outline, then each page from `first` on."""
    from services.documents.pdf_text import ENGINE, PdfFile

    pdf = PdfFile(Path(request["path"]), request["name"])
    yield {
        "event": "opened",
        "count": pdf.count,
        "metadata": pdf.metadata(),
        "outline": [asdict(entry) for entry in pdf.outline()],
        "engine": ENGINE,
    }
    for page in pdf.pages(request["first"]):
        yield {"event": "page", **asdict(page)}


def render(request: Event) -> Iterator[Event]:
    """Write the image of page `number` to `target`."""
    from services.documents.pdf_image import render_page

    render_page(Path(request["path"]), request["number"], Path(request["target"]), request["width"])
    yield from ()


OPERATIONS = {"count": count, "read": read, "render": render}


def main() -> None:
    """Serve requests until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # nothing that a library prints may mix with the answers
    logging.basicConfig(level=logging.ERROR)
    _limit_memory(int(sys.argv[1]))

    def answer(event: Event) -> None:
        answers.write(json.dumps(event) + "\n")
        answers.flush()

    for line in sys.stdin:
        request = json.loads(line)
        try:
            for event in OPERATIONS[request["operation"]](request):
                answer(event)
            answer({"event": "end"})
        except MemoryError:
            raise  # the process may be in any state: end it, the parent starts another
        except Exception as error:
            kind = type(error) if isinstance(error, ScriptoriumError) else UnreadableDocument
            answer({"event": "error", "type": kind.__name__, "message": str(error)})


def _limit_memory(megabytes: int) -> None:
    if sys.platform == "linux":
        import resource

        size = megabytes << 20
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    main()
