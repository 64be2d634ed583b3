"""What the command line says: sentences and bars on standard error, JSON on standard output."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from services.files.logs import open_log
from services.logs import TextLines

log = logging.getLogger(__name__)

T = TypeVar("T")


class Terminal:
    """Where the command line writes; made before anything can print beside it.

    Args:
        verbose: Write the log to standard error instead of `log`.
        log: The file for the log, and for whatever libraries print.
    """

    def __init__(self, verbose: bool, log: Path) -> None:
        self._answers = sys.stdout
        if isinstance(self._answers, io.TextIOWrapper):
            self._answers.reconfigure(errors="backslashreplace")  # Windows pipes are not UTF-8
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._console.file = sys.stderr  # this one, whatever standard error is led to later
        self._verbose = verbose
        self._log = log

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep what libraries print off standard output, and off the bars unless `verbose`."""
        with contextlib.ExitStack() as stack:
            stream: TextIO = sys.stderr
            if not self._verbose:
                stream = stack.enter_context(open_log(self._log))
                stack.enter_context(contextlib.redirect_stderr(stream))
            stack.enter_context(contextlib.redirect_stdout(stream))
            handler = logging.StreamHandler(stream)
            handler.setFormatter(TextLines())
            root = logging.getLogger()
            root.setLevel(logging.INFO)
            root.addHandler(handler)
            stack.callback(root.removeHandler, handler)
            yield

    def say(self, text: str, style: str = "") -> None:
        """Say a sentence to the person."""
        self._console.print(escape(text), style=style)

    def trouble(self, text: str) -> None:
        """Say what went wrong; the log gets where it did. To be called in an `except` block."""
        log.exception(text)
        where = "above" if self._verbose else f"in {self._log}"
        self.say(f"{text.rstrip('.')}. The log is {where}.", "red")

    def answer(self, value: Any) -> None:
        """Give a program its answer: JSON on standard output."""
        json.dump(value, self._answers, indent=2)
        self._answers.write("\n")
        self._answers.flush()

    def write(self, text: str) -> None:
        """Write a line to standard output."""
        self._answers.write(f"{text}\n")
        self._answers.flush()

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table on standard output, for a program with tabs and without the head."""
        if not self._answers.isatty():
            for row in rows:
                self._answers.write("\t".join(row) + "\n")
            return
        table = Table(*head, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*map(escape, row))
        Console(file=self._answers, highlight=False).print(table)

    @contextlib.contextmanager
    def bars(self) -> Iterator[Bars]:
        """Show bars while the block runs: nothing of them where no person watches."""
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}", style="dim"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as progress:
            yield Bars(progress)

    def counting(self, items: Sequence[T], label: str) -> Iterator[T]:
        """Yield the items, and show how many have been taken."""
        with self.bars() as bars:
            for number, item in enumerate(items):
                bars.show("all", label, number / len(items), f"{number} of {len(items)}")
                yield item


class Bars:
    """Bars by key, made when they are first shown."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def show(self, key: str, label: str, share: float, detail: str = "") -> None:
        """Show a bar: `share` runs from 0 to 1."""
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(
                escape(shorten(label)), total=1.0, detail=escape(shorten(detail))
            )
        self._progress.update(
            self._tasks[key],
            description=escape(shorten(label)),
            completed=share,
            detail=escape(shorten(detail)),
        )

    def keep(self, keys: Iterable[str]) -> None:
        """Remove the bars of all other keys."""
        for key in set(self._tasks) - set(keys):
            self._progress.remove_task(self._tasks.pop(key))


def shorten(text: str, most: int = 32) -> str:
    """Return the text with its middle left out where it is too long for a line."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"
