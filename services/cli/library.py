"""The commands about the library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from services.cli.terminal import Terminal
from services.config import Settings

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
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=False) as session:
            count = session.front.library.export(target.absolute())
        terminal.say(f"{count} passages in {target}.")
        return Exit.DONE

    carry_out(act, verbose)


@app.command()
def backup(target: Target, verbose: Verbose = False) -> None:
    """Write all of the library to a file, also while the server runs."""
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=False) as session:
            count = session.front.library.backup(target.absolute())
        terminal.say(f"{count} passages in {target}.")
        return Exit.DONE

    carry_out(act, verbose)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file of “library backup”.", exists=True)],
    verbose: Verbose = False,
) -> None:
    """Put a backup back in place of all that is there; the server must not run."""
    from services.cli.main import Exit, UsageError, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=True) as session:
            if not session.works:
                raise UsageError("The server runs and changes the library. Stop it first.")
            session.front.restore_library(source.absolute())
        terminal.say(f"The library is that of {source}.")
        return Exit.DONE

    carry_out(act, verbose)
