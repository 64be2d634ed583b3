"""What the commands do. Imported late: it brings the libraries that read files."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from services import exports
from services.audio.exports import Style
from services.cli.follow import POLL_SECONDS, Follower, job_report
from services.cli.inputs import find_inputs
from services.cli.main import Exit, UsageError
from services.cli.outputs import Output, OutputExists
from services.cli.session import Session
from services.cli.terminal import Terminal
from services.config import Settings
from services.files.names import display_name
from services.front import Front
from services.jobs.models import BatchSummary, Job, State
from services.runtime import Runtime, is_served

COMMAND = "python -m services"
SHOWN = 8
"""Characters of an id that are shown: enough to name one."""

NEWEST = 20
NAMED = 5
"""Files left out of a folder that are named."""


def output(out: Path | None, format: str, show: str, force: bool, wait: bool) -> Output | None:
    """Return where results go, and in which form.

    Raises:
        UsageError: a format is unknown, or nobody would wait for the results.
    """
    formats = _listed(format)
    if not formats:
        raise UsageError(f"--format: name one at least of {', '.join(exports.all_formats())}.")
    if unknown := [part for part in formats if part not in exports.all_formats()]:
        raise UsageError(
            f"“{', '.join(unknown)}” is no format. Known are {', '.join(exports.all_formats())}."
        )
    if out is None:
        return None
    if not wait:
        raise UsageError("--no-wait writes no results. Leave --out away, and use export later.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: “{out}” is a file and not a directory.")
    try:
        style = Style.showing(_listed(show))
    except ValueError as error:
        raise UsageError(f"--show: {error}") from None
    return Output(out.absolute(), formats, style, force)


def _listed(text: str) -> tuple[str, ...]:
    """Return what stands between commas, each once."""
    return tuple(dict.fromkeys(part for one in text.split(",") if (part := one.strip().lower())))


def run(
    settings: Settings,
    terminal: Terminal,
    arguments: Sequence[str],
    *,
    output: Output | None,
    engine: str | None,
    model: str | None,
    speakers: bool | None,
    track: int | None,
    owner: str,
    wait: bool,
    as_json: bool,
) -> Exit:
    """Submit files as one batch and follow it."""
    inputs = find_inputs(arguments)
    if inputs.missing:
        raise UsageError("There is no such file: " + ", ".join(inputs.missing))
    if inputs.skipped:
        some = ", ".join(path.name for path in inputs.skipped[:NAMED])
        more = f" and {left} more" if (left := len(inputs.skipped) - NAMED) > 0 else ""
        terminal.say(f"Left out, as neither media nor PDF by name: {some}{more}.")
    if not inputs.files:
        raise UsageError("There is nothing to process in what was named.")
    if output:
        try:
            output.check([display_name(path.name) for path in inputs.files])
        except OutputExists as error:
            raise UsageError(str(error)) from None
    with Session(settings, work=wait) as session:
        front = session.front
        given: dict[str, Any] = {
            "engine": engine,
            "model": model,
            "speakers": speakers,
            "track": track,
        }
        chosen = {name: value for name, value in given.items() if value not in (None, "")}
        options = replace(front.default_options(), **chosen)
        workspace = front.new_workspace()
        try:
            files = terminal.counting(inputs.files, "Taking the files in")
            batch = front.submit(files, owner=owner, options=options, workspace=workspace)
        except BaseException:
            workspace.release(time.time())  # nothing was submitted
            raise
        terminal.say(f"Batch {batch.id[:SHOWN]}: {len(inputs.files)} to process.")
        return _follow(session, terminal, batch.id, output, wait, as_json)


def retry(
    settings: Settings,
    terminal: Terminal,
    id: str,
    output: Output | None,
    *,
    wait: bool,
    as_json: bool,
) -> Exit:
    """Queue again what failed, and follow it."""
    with Session(settings, work=wait) as session:
        batch_id, job_id = _find(session.front, id)
        count = session.front.retry_job(job_id) if job_id else session.front.retry(batch_id)
        terminal.say(f"Tried again: {count}." if count else "There is nothing to try again.")
        return _follow(session, terminal, batch_id, output, wait, as_json)


def resume(
    settings: Settings, terminal: Terminal, id: str, output: Output | None, *, as_json: bool
) -> Exit:
    """Follow a batch, and do the work where nobody does."""
    with Session(settings, work=True) as session:
        batch_id = _find_batch(session.front, id)
        return _follow(session, terminal, batch_id, output, True, as_json)


def export(
    settings: Settings, terminal: Terminal, id: str, output: Output | None, *, as_json: bool
) -> Exit:
    """Write what results there are."""
    with Session(settings, work=False) as session:
        batch_id = _find_batch(session.front, id)
        follower = Follower(session, terminal, batch_id, output)
        follower.look()
        return _ended(follower, terminal, batch_id, as_json)


def cancel(settings: Settings, terminal: Terminal, ids: Sequence[str], *, as_json: bool) -> Exit:
    """Cancel batches and jobs."""
    with Session(settings, work=False) as session:
        front = session.front
        found = [_find(front, id) for id in ids]
        count = sum(front.cancel(job) if job else front.cancel_batch(batch) for batch, job in found)
    terminal.say(f"Cancelled: {count}.")
    if as_json:
        terminal.answer({"cancelled": count})
    return Exit.DONE


def watch(settings: Settings, terminal: Terminal) -> Exit:
    """Look after the watched folders until somebody interrupts it."""
    if not settings.watch:
        raise UsageError(
            "The settings name no watched folder: it is a table [[watch]] in the file."
        )
    said: dict[Path, str] = {}
    with Session(settings, work=True, watch=True) as session:
        if not isinstance(session.front, Runtime):
            raise UsageError("A server runs on this data and watches the folders already.")
        try:
            while True:
                for root in session.front.watched_folders():
                    problems = "".join(f" {problem}" for problem in root.problems)
                    text = f"{root.state}, {root.in_work} in work, {root.taken} taken.{problems}"
                    if said.get(root.path) != text:
                        said[root.path] = text
                        terminal.say(f"{root.path}: {text}", "yellow" if problems else "")
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            terminal.say("Stopping. What is not done goes on at the next start.")
    return Exit.DONE


def status(settings: Settings, terminal: Terminal, id: str | None, *, as_json: bool) -> Exit:
    """Show the newest batches, or one batch's jobs."""
    served = is_served(settings)
    with Session(settings, work=False) as session:
        front = session.front
        if id is None:
            batches = front.batches(NEWEST)
            waiting = any(
                not summary.over or front.diarizations(summary.batch.id) for summary in batches
            )
            if as_json:
                terminal.answer({"server": served, "batches": list(map(_batch_report, batches))})
            else:
                terminal.table(
                    ("Batch", "Submitted", "Owner", "Files", "First"), map(_batch_row, batches)
                )
        else:
            batch_id = _find_batch(front, id)
            jobs = front.jobs(batch_id)
            waiting = any(not job.state.over for job in jobs) or bool(front.diarizations(batch_id))
            if as_json:
                reports = [job_report(job) for job in jobs]
                terminal.answer({"server": served, "batch": batch_id, "jobs": reports})
            else:
                terminal.table(("Job", "State", "Done", "File", "Why"), map(_job_row, jobs))
    if waiting and not served:
        terminal.say(f"No server runs: what waits goes on with “{COMMAND} resume BATCH”.", "yellow")
    return Exit.DONE


def _follow(
    session: Session,
    terminal: Terminal,
    batch_id: str,
    output: Output | None,
    wait: bool,
    as_json: bool,
) -> Exit:
    follower = Follower(session, terminal, batch_id, output)
    shown = batch_id[:SHOWN]
    if not wait:
        if not is_served(session.front.settings):
            terminal.say(f"No server runs: it waits for one, or for {COMMAND} resume {shown}.")
        if as_json:
            terminal.answer({"batch": batch_id})
        return Exit.DONE
    try:
        follower.follow()
    except KeyboardInterrupt:
        terminal.say(follower.summary())
        to = output.arguments if output else ""
        if session.works:
            terminal.say(f"Stopping. Go on with: {COMMAND} resume {shown}{to}")
        else:
            terminal.say(
                f"The server goes on. To see it: {COMMAND} status {shown}; to wait for it: "
                f"{COMMAND} resume {shown}{to}; to stop it: {COMMAND} cancel {shown}"
            )
        if as_json:
            terminal.answer({"batch": batch_id, "jobs": follower.report()})
        return Exit.INTERRUPTED
    code = _ended(follower, terminal, batch_id, as_json)
    if follower.counts[State.DONE] < follower.counts.total():
        terminal.say(f"Try again what is not done: {COMMAND} retry {shown}")
    elif output is None:
        terminal.say(f"Save the results: {COMMAND} export {shown} --out DIR --format txt,json")
    return code


def _ended(follower: Follower, terminal: Terminal, batch_id: str, as_json: bool) -> Exit:
    terminal.say(follower.summary())
    if as_json:
        terminal.answer({"batch": batch_id, "jobs": follower.report()})
    return Exit.DONE if follower.all_done else Exit.NOT_ALL


def _find(front: Front, id: str) -> tuple[str, str | None]:
    """Return the id of the batch, and that of the job where `id` names one."""
    begins = id.lower()
    if not re.fullmatch("[0-9a-f]{4,32}", begins):
        raise UsageError(f"“{id}” is no id. Ids are shown by: {COMMAND} status")
    batches, jobs = front.beginning_with(begins)
    if len(batches) + len(jobs) > 1:
        raise UsageError(f"More than one id begins with “{id}”: give more of it.")
    if batches:
        return batches[0], None
    job = front.job(jobs[0]) if jobs else None
    if job is None:
        raise UsageError(f"There is no batch and no job “{id}”. See: {COMMAND} status")
    return job.batch_id, job.id


def _find_batch(front: Front, id: str) -> str:
    batch_id, job_id = _find(front, id)
    if job_id is not None:
        raise UsageError(f"“{id}” is a job. Name its batch, {batch_id[:SHOWN]}.")
    return batch_id


def _batch_report(summary: BatchSummary) -> dict[str, Any]:
    batch = summary.batch
    return {
        "id": batch.id,
        "owner": batch.owner,
        "created_at": batch.created_at,
        "first_name": summary.first_name,
        "counts": {state: summary.counts.get(state, 0) for state in State},
    }


def _batch_row(summary: BatchSummary) -> tuple[str, ...]:
    batch = summary.batch
    counts = ", ".join(f"{summary.counts[s]} {s}" for s in State if summary.counts.get(s))
    submitted = f"{datetime.fromtimestamp(batch.created_at):%Y-%m-%d %H:%M}"
    return batch.id[:SHOWN], submitted, batch.owner, counts, summary.first_name


def _job_row(job: Job) -> tuple[str, ...]:
    return job.id[:SHOWN], job.state, f"{job.progress:.0%}", job.name, job.error or job.stage
