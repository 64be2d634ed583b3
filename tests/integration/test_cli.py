"""The command line as scripts use it: with a runtime of its own, and beside a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from services.audio.engines.host import EngineHost
from services.audio.transcript import Transcript
from services.cli.main import Exit, main
from services.config import Settings
from services.errors import DeviceLost
from services.front import Front
from services.jobs.models import JobFilter, Kind, NewJob, Options, State
from services.runtime import Runtime, is_served
from tests import media
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PROMPT = media.DATA / "conf-onlyone.wav"
ENVIRONMENT = {"SCRIPTORIUM_ENGINE": "whisper", "SCRIPTORIUM_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}

if sys.platform == "win32":
    GROUP_OF_ITS_OWN = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    ASK_TO_END = signal.CTRL_BREAK_EVENT
    ENDING = [signal.SIGTERM, signal.SIGBREAK]
else:
    GROUP_OF_ITS_OWN = {
        "start_new_session": True,
        # A shell that runs the tests in the background has them ignore what ^C sends.
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    ASK_TO_END = signal.SIGTERM
    ENDING = [signal.SIGTERM]


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def front(data):
    made = Front(Settings(data_dir=data))
    yield made
    made.close()


@pytest.fixture
def sources(tmp_path) -> Path:
    folder = tmp_path / "sources"
    for name in ("", "again"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "talk.wav").write_bytes(PROMPT.read_bytes())
    media.write_pdf(folder / "paper.pdf", ["A page of text."])
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    (folder / "notes.txt").write_text("not ours")
    return folder


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "services", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **GROUP_OF_ITS_OWN,
    )


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """Do what a terminal does: every process of the group gets the signal."""
    if sys.platform == "win32":  # where a group of its own hears only of Ctrl-Break
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        os.killpg(process.pid, signal.SIGINT)


def long_pdf(path: Path) -> Path:
    """A document that takes seconds to read."""
    return media.write_pdf(path, ["A page of text.\n" * 40] * 1000)


def running(front: Front, kind: Kind) -> bool:
    return front.counts().get((kind, State.RUNNING), 0) > 0


def test_files_become_results_without_a_server(sources, tmp_path):
    out = tmp_path / "out"
    environment = {**os.environ, **ENVIRONMENT, "SCRIPTORIUM_DATA": str(tmp_path / "data")}
    run = [sys.executable, "-m", "services", "run", str(sources), "--out", str(out)]
    run += ["--format", "srt,txt,json", "--owner", "ana", "--json"]
    done = subprocess.run(
        run, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == Exit.NOT_ALL, done.stderr
    answer = json.loads(done.stdout)
    assert {job["name"]: job["state"] for job in answer["jobs"]} == {
        "talk.wav": "done",
        "paper.pdf": "done",
        "bad.pdf": "failed",
    }
    assert {job["owner"] for job in answer["jobs"]} == {"ana"}
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [f"{stem}.{end}" for stem in ("talk", "talk (2)") for end in ("srt", "txt", "json")]
        + ["paper.txt", "paper.json"]
    )
    assert "-->" in (out / "talk (2).srt").read_text()
    assert "A page of text." in (out / "paper.txt").read_text()
    written = [path for job in answer["jobs"] for path in job["outputs"]]
    assert sorted(written) == sorted(map(str, out.iterdir()))
    # What went wrong is a sentence, and what to do next stands at the end.
    assert "failed     bad.pdf: “bad.pdf” is damaged" in done.stderr
    assert "Left out, as neither media nor PDF by name: notes.txt." in done.stderr
    assert f"retry {answer['batch'][:8]}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not is_served(Settings(data_dir=tmp_path / "data"))


def test_a_command_that_has_lost_the_gpu_ends_and_leaves_the_file_in_the_queue(
    data, front, monkeypatch, capsys
):
    def get(*_):
        raise DeviceLost("The GPU does not answer.")

    monkeypatch.setattr(EngineHost, "get", get)
    assert main(["run", str(PROMPT)]) == Exit.TROUBLE
    assert "The GPU does not answer." in capsys.readouterr().err
    (job,) = front.find(JobFilter())
    assert (job.state, job.crashes) == (State.QUEUED, 1)


def test_a_few_of_the_files_that_are_left_out_of_a_folder_are_named(data, tmp_path, capsys):
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.txt").touch()
    assert main(["run", str(folder)]) == Exit.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert "by name: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 3 more." in said


def test_interrupted_it_puts_back_what_runs_and_can_go_on(data, front, tmp_path):
    process = start("run", long_pdf(tmp_path / "long.pdf"), "--out", tmp_path / "out")
    until(lambda: running(front, Kind.DOCUMENT))
    assert is_served(front.settings)
    press_ctrl_c(process)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, said
    batch = front.batches()[0].batch
    assert f"resume {batch.id[:8]} --out {tmp_path / 'out'} --format txt" in said
    assert "Traceback" not in said
    [job] = front.jobs(batch.id)
    assert (job.state, job.attempts, job.not_before) == (State.QUEUED, 0, 0), job.error

    assert main(["resume", batch.id[:8], "--out", str(tmp_path / "out")]) == Exit.DONE
    assert "A page of text." in (tmp_path / "out" / "long.txt").read_text()
    # Once more: the file that is there already holds just this.
    assert main(["resume", batch.id[:8], "--out", str(tmp_path / "out")]) == Exit.DONE
    (tmp_path / "out" / "long.txt").write_text("my own notes")
    assert main(["export", batch.id[:8], "--out", str(tmp_path / "out")]) == Exit.NOT_ALL
    assert (tmp_path / "out" / "long.txt").read_text() == "my own notes"
    assert main(["export", batch.id[:8], "--out", str(tmp_path / "out"), "--force"]) == Exit.DONE
    assert "A page of text." in (tmp_path / "out" / "long.txt").read_text()


def test_beside_a_server_the_server_does_the_work(data, sources, tmp_path, capsys):
    with Runtime(Settings(data_dir=data, device="cpu", engine="whisper")) as server:
        out = tmp_path / "out"
        pdf = str(sources / "paper.pdf")
        assert main(["run", pdf, "--out", str(out), "--json"]) == Exit.DONE
        answer = json.loads(capsys.readouterr().out)
        assert (out / "paper.txt").is_file()
        assert [job.state for job in server.jobs(answer["batch"])] == [State.DONE]

        # Interrupted, it leaves the batch to the server; cancelling reaches what runs there.
        process = start("run", long_pdf(tmp_path / "long.pdf"))
        until(lambda: running(server, Kind.DOCUMENT))
        process.send_signal(ASK_TO_END)
        _, said = process.communicate(timeout=60)
        assert process.returncode == Exit.INTERRUPTED, said
        batch = server.batches()[0].batch
        assert f"The server goes on. To see it: python -m services status {batch.id[:8]}" in said
        assert running(server, Kind.DOCUMENT)
        assert main(["cancel", batch.id[:8], "--json"]) == Exit.DONE
        assert json.loads(capsys.readouterr().out) == {"cancelled": 1}
        assert server.jobs(batch.id)[0].state is State.CANCELLED

        # What holds it up is said; a file that goes on when it may.
        server.pause()
        process = start("run", sources / "paper.pdf")
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("The queue was stopped by local") for line in lines)
        server.resume()
        process.communicate(timeout=60)
        assert process.returncode == Exit.DONE

        # A batch that is only put into the queue; a file that is tried again.
        run = ["run", str(sources / "bad.pdf"), "--no-wait", "--json", "--track", "0"]
        assert main(run) == Exit.DONE
        bad = json.loads(capsys.readouterr().out)["batch"]
        assert server.jobs(bad)[0].options == replace(server.default_options(), track=0)
        assert main(["retry", bad]) == Exit.NOT_ALL
        assert "Tried again: 1." in capsys.readouterr().err
        assert len([e for e in server.history(server.jobs(bad)[0].id) if e.state == "failed"]) == 2


def test_the_work_goes_on_here_when_the_server_is_gone(data, sources, monkeypatch):
    from services.cli import session

    monkeypatch.setattr(session, "PROBE_SECONDS", 0.0)
    settings = Settings(data_dir=data, device="cpu", engine="whisper")
    with session.Session(settings, work=False) as held:
        with Runtime(settings):
            assert not held.keep_working(grace=0.0) and not held.works
        assert not held.keep_working(grace=60.0), "a server may only be starting again"
        assert held.keep_working(grace=0.0) and held.works
        batch = held.front.submit([sources / "paper.pdf"])
        held.front.wait(batch.id, timeout=60)


def test_watched_folders_are_looked_after_until_it_is_interrupted(data, tmp_path, monkeypatch):
    assert main(["watch"]) == Exit.USAGE, "there are none"
    root = tmp_path / "inbox"
    root.mkdir()
    monkeypatch.setenv("SCRIPTORIUM_WATCH", json.dumps([{"path": str(root)}]))
    monkeypatch.setenv("SCRIPTORIUM_WATCH_STILL_SECONDS", "0.2")
    media.write_pdf(root / "paper.pdf", ["A page of text."])
    process = start("watch")
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("1 taken" in line for line in lines)
    assert main(["watch"]) == Exit.USAGE, "somebody does already"
    press_ctrl_c(process)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == Exit.DONE, said
    assert "What is not done goes on at the next start." in said


def test_a_transcript_is_there_for_who_does_not_wait_for_its_speakers(data, front, tmp_path):
    new = NewJob("talk.wav", Kind.AUDIO, PROMPT, "0" * 64, 1, 2.0)
    batch = front._store.add_batch("local", tmp_path, Options(speakers=True), [new]).id
    job, said = front._store.claim(Kind.AUDIO), Transcript("hello", 2.0, "en", "e", "m")
    publish = partial(front._results.publish, job, front._results.stage(job, said))
    front._store.finish(job, publish, length=2.0, engine="e", model="m", note=None)
    assert list(front.diarizations(batch)) == [job.id]
    assert main(["export", batch, "--out", str(tmp_path / "out")]) == Exit.DONE
    assert (tmp_path / "out" / "talk.txt").exists()
    assert main(["cancel", batch]) == Exit.DONE
    assert front.diarizations(batch) == {}


def test_names_that_a_pipe_cannot_hold_are_written_all_the_same(data, tmp_path):
    odd = tmp_path / "тест 中文 😀.pdf"
    odd.write_bytes(b"%PDF-1.7 and nothing more")
    run = [sys.executable, "-m", "services"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    common = {"cwd": ROOT, "env": environment, "capture_output": True, "timeout": 60}
    queued = subprocess.run([*run, "run", str(odd), "--no-wait"], **common)
    assert queued.returncode == Exit.DONE, queued.stderr
    assert b"No server runs: it waits for one" in queued.stderr
    batch = json.loads(subprocess.run([*run, "status", "--json"], **common).stdout)["batches"][0]
    assert batch["first_name"] == odd.name
    assert b".pdf" in subprocess.run([*run, "status"], **common).stdout


def test_status_for_people_and_for_programs(data, front, sources, capsys):
    batch = front.submit([sources / "paper.pdf", sources / "bad.pdf"], owner="ana")
    assert main(["status"]) == Exit.DONE
    told = capsys.readouterr()
    row = told.out.strip().split("\t")
    assert row[0] == batch.id[:8] and row[2:] == ["ana", "1 queued, 1 failed", "paper.pdf"]
    assert "No server runs" in told.err
    assert main(["status", batch.id[:6], "--json"]) == Exit.DONE
    answer = json.loads(capsys.readouterr().out)
    assert answer["server"] is False and answer["batch"] == batch.id
    assert [job["state"] for job in answer["jobs"]] == ["queued", "failed"]
    assert main(["status", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["batches"][0]["counts"]["failed"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "missing.wav"], "There is no such file: missing.wav"),
        (["run", "*.nothing"], "There is no such file: *.nothing"),
        (["run", "{pdf}", "--format", "tape"], "“tape” is no format."),
        (["run", "{pdf}", "--format", " ,"], "--format: name one at least of txt,"),
        (["run", "{pdf}", "--out", "x", "--show", "tape"], "--show: “tape” is unknown."),
        (["run", "{pdf}", "--out", "{pdf}"], "is a file and not a directory"),
        (["run", "{pdf}", "--out", "{folder}", "--no-wait"], "--no-wait writes no results"),
        (["run", "{pdf}", "--out", "{folder}"], "paper.txt exists already"),
        (["status", "nothex"], "“nothex” is no id"),
        (["retry", "abcdef12"], "There is no batch and no job “abcdef12”"),
        (["run"], "Missing argument"),
        (["run", "{pdf}", "--engine", "guess"], "guess"),
    ],
)
def test_a_wrong_command_says_so_and_does_nothing(data, sources, capsys, arguments, sentence):
    (sources / "paper.txt").write_text("notes of mine")
    places = {"pdf": sources / "paper.pdf", "folder": sources}
    assert main([argument.format(**places) for argument in arguments]) == Exit.USAGE
    told = capsys.readouterr()
    assert sentence in told.err and "Traceback" not in told.err and told.out == ""
    assert (sources / "paper.txt").read_text() == "notes of mine"
    with_store = Front(Settings(data_dir=data))
    assert with_store.count_batches() == 0
    with_store.close()


@pytest.mark.parametrize("ending", ENDING)
def test_every_signal_that_ends_a_command_interrupts_it(data, monkeypatch, capsys, ending):
    from services.cli import actions

    before = signal.getsignal(ending)
    monkeypatch.setattr(actions, "is_served", lambda *_: signal.raise_signal(ending))
    assert main(["status"]) == Exit.INTERRUPTED
    assert capsys.readouterr().err == "Interrupted.\n"
    assert signal.getsignal(ending) is before


@pytest.mark.skipif(sys.platform == "win32", reason="tests/windows has the services of Windows")
@pytest.mark.parametrize("command", ["install", "remove"])
def test_elsewhere_than_on_windows_a_service_is_for_systemd(data, capsys, command):
    assert main(["service", command]) == Exit.USAGE
    assert "On Linux, systemd starts the server" in capsys.readouterr().err
    assert not data.exists()


def test_what_goes_wrong_inside_is_in_the_log(data, monkeypatch, capsys):
    from services.cli import actions

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(actions, "is_served", broken)
    assert main(["status"]) == Exit.TROUBLE
    said = " ".join(capsys.readouterr().err.split())
    log = data / "logs" / "command-line.log"
    assert said.splitlines() == [f"An internal error (RuntimeError: a bug). The log is in {log}."]
    assert "Traceback" in log.read_text()
