"""What is written down: lines that name their job, and no secret."""

from __future__ import annotations

import errno
import json
import logging
import threading
import time
from pathlib import Path

import pytest

from services.api.door import COOKIE
from services.config import Settings
from services.errors import DiskFull
from services.files.logs import KEPT, RotatingLog
from services.logs import JsonLines, TextLines, about, about_job, secrets_of, without_secrets
from services.people.models import Role, Scope
from services.people.shares import Audience
from services.runtime import Runtime
from tests import media
from tests.web import client_of

PASSWORD = "correct horse battery"
KEY, HOOK, DATABASE = "sk-llm-key-0123456789", "whsec_MDEyMzQ1Njc4OTAxMjM0NQ==", "db-password"


@pytest.fixture
def written(tmp_path):
    """A log in a file, as the server writes it; returns how to read it."""
    made = []

    def begin(lines: logging.Formatter):
        handler = RotatingLog(tmp_path / "logs" / "server.log")
        handler.setFormatter(lines)
        handler.setLevel(logging.DEBUG)
        logging.getLogger("services").addHandler(handler)
        logging.getLogger("services").setLevel(logging.DEBUG)
        made.append(handler)
        return lambda: (tmp_path / "logs" / "server.log").read_text(encoding="utf-8")

    yield begin
    for handler in made:
        logging.getLogger("services").removeHandler(handler)
        handler.close()
    logging.getLogger("services").setLevel(logging.NOTSET)


def record(message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("services.x", logging.INFO, "x.py", 1, message, arguments, info)


class FullDisk:
    """A stream onto a disk without room for a byte."""

    def __init__(self, stream) -> None:
        self.tell = stream.tell

    def write(self, _: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_each_line_about_a_job_names_it():
    text, lines = TextLines(), JsonLines()
    with about("a1b2"):
        assert text.format(record("read")).endswith("services.x: read [job a1b2]")
        assert text.format(record("read (a1b2)")).count("a1b2") == 1
        found = json.loads(lines.format(record("“%s”\nread", "x", error=ValueError("why"))))
    assert found["job"] == "a1b2" and found["message"] == "“x”\nread"
    assert found["level"] == "INFO" and "ValueError: why" in found["error"]
    assert "job" not in json.loads(lines.format(record("idle")))
    assert "job" not in text.format(record("idle"))


def test_a_name_makes_no_second_line_and_turns_nothing_around():
    named = (
        "a\n2026-01-01 00:00:00 INFO services.x: forged\r\x1b[2K\x85\u2028\u202egpj.\u2066\t.wav"
    )
    line = TextLines().format(record("took “%s”", named))
    assert len(line.splitlines()) == 1 and line.isprintable()
    assert r"a\n2026-01-01" in line and r"\x1b[2K\x85\u2028\u202egpj.\u2066\t.wav”" in line
    assert TextLines().format(record("“Gespräch – שלום 🎧”")).endswith("“Gespräch – שלום 🎧”")
    traced = TextLines().format(record("x", error=ValueError("why")))
    assert len(traced.splitlines()) == 2 and traced.endswith("ValueError: why"), "a stack stays"


def test_a_job_is_named_in_its_thread_only():
    seen = []

    class Worker:
        @about_job
        def run(self, job, more):
            thread = threading.Thread(target=lambda: seen.append(TextLines().format(record("b"))))
            thread.start()
            thread.join()
            seen.append(TextLines().format(record("a")) + more)

    class Job:
        id = "a1b2"

    Worker().run(Job(), "!")
    assert "a1b2" not in seen[0] and seen[1].endswith("[job a1b2]!")


@pytest.mark.parametrize("lines", [TextLines, JsonLines])
def test_the_lines_of_a_job_that_runs_name_it(tmp_path, written, lines):
    media.write_pdf(tmp_path / "good.pdf", ["One."])
    (tmp_path / "bad.wav").write_bytes((media.DATA / "conf-onlyone.wav").read_bytes()[:60])
    settings = Settings(data_dir=tmp_path / "data", device="cpu", engine="whisper")
    with Runtime(settings) as runtime:
        read = written(lines())
        batch = runtime.submit([tmp_path / "good.pdf", media.DATA / "conf-onlyone.wav"])
        runtime.wait(batch.id, 120)
        jobs = runtime.jobs(batch.id)
        about_jobs = [line for line in read().splitlines() if ": done" in line or '"done' in line]
    assert len(about_jobs) == 2
    for job in jobs:
        assert sum(job.id in line for line in about_jobs) == 1
        if lines is JsonLines:
            assert any(json.loads(line)["job"] == job.id for line in about_jobs)


def test_no_secret_is_written_down(tmp_path, written, caplog):
    settings = Settings(
        data_dir=tmp_path / "data", device="cpu", engine="whisper", mode="accounts",
        llm_key=KEY, webhook_secret=HOOK, webhook_urls=("http://127.0.0.1:9/hook",),
    )  # fmt: skip
    caplog.set_level(logging.DEBUG)
    read = written(TextLines(secrets_of(settings)))
    with Runtime(settings) as runtime:
        client, people = client_of(runtime), runtime.people
        people.accounts.add("ana", PASSWORD, Role.ADMIN)
        batch = runtime.submit([media.DATA / "conf-onlyone.wav"], owner="ana")
        _, link = people.shares.create("ana", batch.id, None, Audience.LINK)
        token, _ = people.tokens.create("ana", "t", [Scope.READ])
        signed_in = client.post("/sign-in", data={"name": "ana", "password": PASSWORD})
        session = signed_in.cookies[COOKIE]
        client.post("/sign-in", data={"name": "ana", "password": PASSWORD + "!"})
        client.get(f"/s/{link}")
        client.get("/s/" + "x" * 43)
        client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        client.get("/metrics", headers={"Authorization": "Bearer scr_" + "y" * 43})
        runtime.wait(batch.id, 60)
        logging.getLogger("services.x").warning("%s", settings)
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("httpx")]
    assert len(ours) > 5, "the client's own lines, which name its addresses, are not counted"
    for secret in (PASSWORD, session, link, token, KEY, HOOK, "x" * 43, "y" * 43):
        assert secret not in read(), "in the file"
        assert secret not in "\n".join(ours), "in what is logged at all"


def test_what_others_log_loses_its_secrets():
    settings = Settings(llm_key=KEY, database_url=f"postgresql://me:{DATABASE}@db/x")
    secrets = secrets_of(settings)
    for line in (
        f"could not connect with {DATABASE}",
        f"asked with {KEY}",
        f"connect to postgresql://me:{DATABASE}@db/x",
        '127.0.0.1 - "GET /s/Zm9vYmFyYmF6cXV4 HTTP/1.1" 303',
        "Cookie: scriptorium_session=Zm9vYmFyYmF6cXV4; a=b",
        "Authorization: Bearer Zm9vYmFyYmF6cXV4",
        "token scr_Zm9vYmFyYmF6cXV4",
    ):
        clean = without_secrets(line, secrets)
        for secret in (DATABASE, KEY, "Zm9vYmFyYmF6cXV4"):
            assert secret not in clean, line
        assert clean.split()[0] == line.split()[0] and "***" in clean
    harmless = "done: /srv/static/talk.wav (0123456789abcdef0123456789abcdef)"
    assert without_secrets(harmless) == harmless


def test_a_stack_trace_loses_its_secrets_too():
    error = ValueError(f"bad key {KEY}")
    for lines in (TextLines([KEY]), JsonLines([KEY])):
        assert KEY not in lines.format(record("failed", error=error))


def test_a_cause_that_may_pass_is_told_in_its_sentence_alone():
    """While a disk is full it is met each second, by many."""
    for lines in (TextLines(), JsonLines()):
        try:
            raise DiskFull("Disk full: no room for “x”.\n2026 forged")
        except DiskFull as error:
            said = record("the pulse missed a beat")
            said.exc_info = (type(error), error, error.__traceback__)
        written = lines.format(said)
        assert "Disk full: no room for “x”." in written and "Traceback" not in written
        assert "\n2026" not in written


def test_on_a_full_disk_a_line_comes_without_a_stack_trace(tmp_path, capsys):
    log = RotatingLog(tmp_path / "server.log")
    stream = log._stream
    log._stream = FullDisk(stream)
    log.emit(record("missing"))
    log._stream = stream
    log.emit(record("there"))
    log.close()
    assert (tmp_path / "server.log").read_text().splitlines()[-1].endswith("there")
    assert capsys.readouterr().err == ""


def test_a_long_log_begins_a_new_file_and_keeps_a_few(tmp_path):
    log = RotatingLog(tmp_path / "server.log", longest=100)
    for number in range(200):
        log.emit(record(f"line {number}"))
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == KEPT + 1 and all(path.stat().st_size < 200 for path in files)
    assert "line 199" in (tmp_path / "server.log").read_text()
    newest = (tmp_path / "server.1.log").read_text().splitlines()[-1]
    oldest = (tmp_path / f"server.{KEPT}.log").read_text().splitlines()[-1]
    assert int(newest.split()[-1]) > int(oldest.split()[-1])


def test_a_log_that_another_program_holds_grows_on_and_pushes_none_out(tmp_path, monkeypatch):
    """As on Windows, where an open file cannot be moved; nobody waits for it at each line."""
    path, held = tmp_path / "server.log", True
    for number in range(1, KEPT + 1):
        path.with_suffix(f".{number}.log").write_text(f"earlier {number}")
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if held and self.name == path.name:
            raise PermissionError(13, "held")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waited"))
    log = RotatingLog(path, longest=100)
    for number in range(20):
        log.emit(record(f"line {number}"))
    earlier = [path.with_suffix(f".{n}.log") for n in range(2, KEPT + 1)]
    assert [one.read_text() for one in earlier] == [f"earlier {n}" for n in range(1, KEPT)]
    assert len(path.read_text().splitlines()) == 20, "and no line is lost"
    held = False
    log.emit(record("free"))
    log.close()
    assert "line 19" in path.with_suffix(".1.log").read_text() and "free" in path.read_text()
