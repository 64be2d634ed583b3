"""The commands about the library."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.terminal import Terminal
from services.config import Settings
from services.errors import LibraryError

LOOK_SECONDS = 0.5
"""Pause between two looks for the server's answer."""

app = typer.Typer(help="Check, export, back up and restore the library.", rich_markup_mode=None)

Target = Annotated[Path, typer.Argument(help="The file to write.", dir_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON answer on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")]

_WRONG = {
    "missing": "not in the library",
    "extra": "in the library, though not in the job store",
    "uneven": "there with too few or too many passages",
    "doubled": "there with passages twice",
}


@app.command(epilog="The exit code is 0 when nothing is wrong, and 1 otherwise.")
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Have the server index anew what is wrong.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Compare the library with the job store, and name what is missing or extra."""
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=False) as session:
            found = session.front.check_library(repair)
            if json:
                terminal.answer({**asdict(found), "broken": list(found.broken)})
            else:
                rows = [
                    (source[:8], job.name if (job := session.front.job(source)) else "", said)
                    for name, said in _WRONG.items()
                    for source in getattr(found, name)
                ]
                if rows:
                    terminal.table(("Job", "File", "What is wrong"), rows)
        if not found.broken:
            terminal.say(f"{found.chunks} passages of {found.sources} files: nothing is wrong.")
            return Exit.DONE
        terminal.say(
            f"{len(found.broken)} files are wrong. "
            + (
                "They are indexed anew by the server, or when it is started."
                if repair
                else "“library check --repair” has them indexed anew."
            ),
            "yellow",
        )
        return Exit.NOT_ALL

    carry_out(act, verbose)


@app.command()
def export(target: Target, verbose: Verbose = False) -> None:
    """Write every passage to a .parquet file, with its vector, or to a .jsonl file."""
    _write("export", target, verbose)


@app.command()
def backup(target: Target, verbose: Verbose = False) -> None:
    """Write all of the library to a file, also while the server runs."""
    _write("backup", target, verbose)


def _write(method: str, target: Path, verbose: bool) -> None:
    """Have a method of the library write `target`, and say how many passages it wrote."""
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=False) as session:
            count = getattr(session.front.library, method)(target.absolute())
        terminal.say(f"{count} passages in {target}.")
        return Exit.DONE

    carry_out(act, verbose)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file of “library backup”.", exists=True)],
    verbose: Verbose = False,
) -> None:
    """Put a backup back in place of all that is there; where a server runs, it does that."""
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=True) as session:
            if session.works:
                session.front.restore_library(source.absolute())
            else:
                terminal.say("The server does it when it has read the file at hand.")
                _by_the_server(session.front, source)
        terminal.say(f"The library is that of {source}.")
        return Exit.DONE

    carry_out(act, verbose)


def _by_the_server(front: Any, source: Path) -> None:
    from services.runtime import is_served

    request = front.ask_to_restore(source)
    try:
        while True:
            served = is_served(front.settings)
            if request.is_done():
                return
            if not served:
                raise LibraryError(
                    "The server ended before the backup was restored. Run this command again."
                )
            time.sleep(LOOK_SECONDS)
    finally:
        request.withdraw()
