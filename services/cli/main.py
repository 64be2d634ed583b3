"""The commands with their options; what they do is in `actions`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from services.audio import ALL_TRACKS, MOST_TRACKS
from services.cli import backup, library, service, users
from services.cli.terminal import Terminal
from services.config import Settings, load_settings
from services.errors import ScriptoriumError, SettingsError
from services.files.operations import make_private_dir
from services.files.temp import use_temp_root
from services.processes import ENDING


class Exit(IntEnum):
    """What the exit code says; `EXIT_CODES` tells it to people."""

    DONE = 0
    NOT_ALL = 1
    USAGE = 2
    TROUBLE = 3
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: 0 everything is done, 1 something failed or was cancelled, 2 the command or a "
    "setting is wrong, 3 it could not go on (a full disk, a directory that cannot be used), "
    "130 interrupted."
)


class UsageError(Exception):
    """The command asks for what is not there or cannot be."""


class Engine(StrEnum):
    """The speech engines that can be asked for."""

    AUTO = "auto"
    NEMO = "nemo"
    WHISPER = "whisper"


Action = Callable[[Settings, Terminal], Exit]

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON answer on standard output.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write the results here.")
]
Format = Annotated[
    str, typer.Option("--format", "-f", help="Some of: txt, md, docx, srt, vtt, csv, json.")
]
Show = Annotated[
    str,
    typer.Option(help="What transcripts show: some of times, speakers, summary, paragraphs."),
]
SHOWN = "speakers,summary,paragraphs"
Force = Annotated[bool, typer.Option("--force", help="Overwrite files in --out.")]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the end, or only put into the queue.")
]
Batch = Annotated[str, typer.Argument(help="Its id, or how that begins.")]
BatchOrJob = Annotated[str, typer.Argument(help="The id of a batch or a job, or how it begins.")]

app = typer.Typer(
    name="python -m services",
    help="Turn audio, video and PDFs into text. A server that runs on the same data does the "
    "work; where there is none, the command does it itself.",
    epilog=EXIT_CODES,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(library.app, name="library")
app.add_typer(service.app, name="service")
app.add_typer(users.app, name="users")


@app.command(epilog=EXIT_CODES)
def run(
    files: Annotated[list[str], typer.Argument(help="Files, folders and patterns.")],
    out: Out = None,
    format: Format = "txt",
    show: Show = SHOWN,
    force: Force = False,
    engine: Annotated[Engine | None, typer.Option(help="Speech engine.")] = None,
    model: Annotated[str | None, typer.Option(help="Speech model: a name or a path.")] = None,
    speakers: Annotated[
        bool | None,
        typer.Option("--speakers/--no-speakers", help="Whether to tell speakers apart."),
    ] = None,
    track: Annotated[
        int | None,
        typer.Option(
            min=ALL_TRACKS,
            max=MOST_TRACKS,
            help="Sound track of a recording: 1, 2, …; 0 for all, mixed.",
        ),
    ] = None,
    owner: Annotated[str, typer.Option(help="Whose batch it is.")] = "local",
    wait: Wait = True,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Process files as one batch and write the results."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        return actions.run(
            settings,
            terminal,
            files,
            output=actions.output(out, format, show, force, wait),
            engine=engine.value if engine else None,
            model=model,
            speakers=speakers,
            track=track,
            owner=owner,
            wait=wait,
            as_json=json,
        )

    carry_out(act, verbose)


@app.command(epilog="The exit code is 0 when the question could be answered.")
def status(
    batch: Annotated[str | None, typer.Argument(help="Its id, or how that begins.")] = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show the newest batches, or the files of one."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        return actions.status(settings, terminal, batch, as_json=json)

    carry_out(act, verbose)


@app.command(epilog=EXIT_CODES)
def retry(
    id: BatchOrJob,
    out: Out = None,
    format: Format = "txt",
    show: Show = SHOWN,
    force: Force = False,
    wait: Wait = True,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Try again what failed, or do one file again."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        to = actions.output(out, format, show, force, wait)
        return actions.retry(settings, terminal, id, to, wait=wait, as_json=json)

    carry_out(act, verbose)


@app.command(epilog=EXIT_CODES)
def resume(
    batch: Batch,
    out: Out = None,
    format: Format = "txt",
    show: Show = SHOWN,
    force: Force = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Go on with a batch, or wait for one that runs."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        to = actions.output(out, format, show, force, True)
        return actions.resume(settings, terminal, batch, to, as_json=json)

    carry_out(act, verbose)


@app.command(epilog="The exit code is 0 also when there was nothing left to cancel.")
def cancel(
    ids: Annotated[list[str], typer.Argument(help="Ids of batches and jobs.")],
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Cancel what has not ended in batches, or single files."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        return actions.cancel(settings, terminal, ids, as_json=json)

    carry_out(act, verbose)


@app.command(epilog=EXIT_CODES)
def export(
    batch: Batch,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Write them here.")],
    format: Format = "txt",
    show: Show = SHOWN,
    force: Force = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write the results that a batch has into a directory."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        to = actions.output(out, format, show, force, True)
        return actions.export(settings, terminal, batch, to, as_json=json)

    carry_out(act, verbose)


@app.command(epilog="Ctrl-C ends it, with exit code 0; 2 where there is nothing to watch.")
def watch(verbose: Verbose = False) -> None:
    """Look after the watched folders, without a page."""

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli import actions

        return actions.watch(settings, terminal)

    carry_out(act, verbose)


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command line; return its exit code."""
    try:
        app(args=arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return Exit.DONE


def carry_out(act: Action, verbose: bool) -> NoReturn:
    """Call `act` with the settings; whatever goes wrong becomes a sentence and an exit code."""
    try:
        settings = load_settings()
        make_private_dir(settings.data_dir)
        # Before services.runtime is imported: libraries remember the first temporary directory.
        use_temp_root(settings.temp_root)
    except ScriptoriumError as error:
        print(error, file=sys.stderr)  # noqa: T201
        raise typer.Exit(Exit.USAGE) from None
    terminal = Terminal(verbose, settings.data_dir / "logs" / "command-line.log")
    before = {number: signal.signal(number, _interrupt) for number in ENDING}
    try:
        with terminal.quiet():
            try:
                code = act(settings, terminal)
            except KeyboardInterrupt:
                terminal.say("Interrupted.")
                code = Exit.INTERRUPTED
            except (UsageError, SettingsError) as error:
                terminal.say(str(error), "red")
                code = Exit.USAGE
            except (ScriptoriumError, OSError) as error:
                terminal.trouble(str(error))
                code = Exit.TROUBLE
            except Exception as error:
                terminal.trouble(f"An internal error ({type(error).__name__}: {error}).")
                code = Exit.TROUBLE
    except OSError as error:
        print(f"The log cannot be written: {error}", file=sys.stderr)  # noqa: T201
        code = Exit.TROUBLE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    raise typer.Exit(code)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
