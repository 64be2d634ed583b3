import gc
import subprocess
import sys
import threading

import psutil
import pytest

from services.documents.process import DocumentProcess
from services.errors import PasswordNeeded, UnreadableDocument, WorkerDied
from tests import media
from tests.systems import open_files


@pytest.fixture
def process():
    made = DocumentProcess(memory_mb=1024, page_timeout=20)
    yield made
    made.close()


@pytest.fixture
def pdf(tmp_path):
    return media.write_pdf(tmp_path / "a.pdf", ["one", "two", "three"])


def workers() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "services.documents.worker" in child.cmdline()
    ]


def texts(process: DocumentProcess, path) -> list[str]:
    events = process.call("read", path=str(path), name=path.name, first=1, readers=["pypdf"])
    return [e["page"]["text"].strip() for e in events if e["event"] == "page"]


def test_one_process_answers_many_calls(process, pdf):
    assert workers() == [], "it starts at the first call"
    assert texts(process, pdf) == ["one", "two", "three"]
    (worker,) = workers()
    (counted,) = process.call("count", path=str(pdf), name="a.pdf")
    assert counted == {"event": "opened", "count": 3}
    assert workers() == [worker]


def test_what_the_worker_says_of_a_file_is_raised_here_and_ends_nothing(process, tmp_path, pdf):
    locked = media.write_pdf(tmp_path / "locked.pdf", ["x"], password="x")
    with pytest.raises(PasswordNeeded, match=r"“locked\.pdf”"):
        texts(process, locked)
    (worker,) = workers()
    with pytest.raises(UnreadableDocument):
        texts(process, tmp_path / "gone.pdf")
    assert texts(process, pdf) == ["one", "two", "three"] and workers() == [worker]


def test_a_worker_that_died_between_calls_is_replaced(process, pdf):
    assert texts(process, pdf)
    (worker,) = workers()
    worker.kill()
    worker.wait(10)
    assert texts(process, pdf) == ["one", "two", "three"]


def test_a_worker_that_dies_at_its_work_is_an_error_and_the_next_call_works(process, tmp_path, pdf):
    slow = media.write_slow_pdf(tmp_path / "slow.pdf", slow=2, pages=2)
    seen = []
    with pytest.raises(WorkerDied, match="memory or crashed"):
        for event in process.call(
            "read", path=str(slow), name="slow.pdf", first=1, readers=["pypdf"]
        ):
            seen.append(event["event"])
            if event["event"] == "page":  # the worker is busy with the slow one now
                (worker,) = workers()
                worker.kill()
    assert seen == ["opened", "page"]
    assert texts(process, pdf) == ["one", "two", "three"]


def test_one_that_takes_too_long_is_ended(tmp_path, pdf):
    process = DocumentProcess(memory_mb=1024, page_timeout=0.3)
    slow = media.write_slow_pdf(tmp_path / "slow.pdf", slow=2, pages=3)
    try:
        seen = []
        with pytest.raises(WorkerDied, match="longer than 0.3 s|longer than 0 s"):
            for event in process.call(
                "read", path=str(slow), name="slow.pdf", first=1, readers=["pypdf"]
            ):
                seen.append(event["event"])
        assert seen == ["opened", "page"] and workers() == []
        assert texts(process, pdf) == ["one", "two", "three"]
    finally:
        process.close()


def test_more_memory_than_it_may_take_ends_it_or_its_page(tmp_path, pdf):
    """A stream that inflates to a gigabyte, as a hostile file would hold."""
    import zlib

    packed = zlib.compress(b" " * (1 << 30), 9)
    start = b"%PDF-1.7\n" + b"5 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(
        packed
    )
    body = media.raw_pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 5 0 R >>",
    )
    path = tmp_path / "bomb.pdf"
    path.write_bytes(
        start
        + packed
        + b"\nendstream\nendobj\n"
        + body[9:].split(b"xref")[0]
        + (b"trailer << /Root 1 0 R /Size 6 >>\n%%EOF")
    )
    process = DocumentProcess(memory_mb=512, page_timeout=20)
    try:
        try:
            events = list(
                process.call("read", path=str(path), name="bomb.pdf", first=1, readers=["pypdf"])
            )
        except (WorkerDied, UnreadableDocument):
            pass
        else:
            assert events[-1]["page"]["error"]
        assert texts(process, pdf) == ["one", "two", "three"]
    finally:
        process.close()


def test_leaving_early_ends_the_process(process, pdf):
    events = process.call("read", path=str(pdf), name="a.pdf", first=1)
    next(events)
    (worker,) = workers()
    events.close()
    assert not worker.is_running() and workers() == []


def test_close_ends_the_process_and_may_be_repeated(process, pdf):
    texts(process, pdf)
    process.close()
    process.close()
    assert workers() == []


def test_a_new_process_takes_over_after_many_calls(pdf):
    process = DocumentProcess(memory_mb=1024, page_timeout=20, calls=2)
    try:
        texts(process, pdf)
        (first,) = workers()
        texts(process, pdf)
        assert workers() == []
        assert texts(process, pdf) and workers() != [first]
    finally:
        process.close()


def test_opening_and_closing_leaks_nothing(pdf):
    mine = psutil.Process()

    def round_trip() -> None:
        process = DocumentProcess(memory_mb=1024, page_timeout=20)
        process._started()  # the process itself, without the time that its libraries take
        process.close()

    def used() -> tuple[int, int, int]:
        gc.collect()
        for thread in threading.enumerate():
            if thread.name == "document-answers":
                thread.join(10)
        return open_files(), threading.active_count(), len(mine.children())

    round_trip()
    before = used()
    for _ in range(50):
        round_trip()
    assert used() == before


def test_a_process_that_takes_too_much_memory_is_ended_from_outside(tmp_path):
    """The parent watches on every platform; here the process has no limit of its own."""
    process = DocumentProcess(memory_mb=20, page_timeout=20, programs=True)
    slow = media.write_slow_pdf(tmp_path / "slow.pdf", slow=1, pages=1)
    with pytest.raises(WorkerDied, match="more than 20 MiB of memory"):
        texts(process, slow)
    assert workers() == []


def test_a_beat_comes_while_nothing_else_does(process, tmp_path):
    slow = media.write_slow_pdf(tmp_path / "slow.pdf", slow=1, pages=1, lines=20_000)
    request = {"path": str(slow), "name": "slow.pdf", "first": 1, "readers": ["pypdf"]}
    seen = [event["event"] for event in process.call("read", beat=0.2, **request)]
    assert seen[-1] == "page" and "waiting" in seen


def test_a_worker_ends_when_its_server_is_gone(process, pdf):
    texts(process, pdf)
    (worker,) = workers()
    process._process.stdin.close()
    worker.wait(20)


PROBE = """
import socket, subprocess, sys
from services.documents import sandbox
sandbox.enter(2048, may_start_programs=False)
import ctypes, os
def refused(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False
print(refused(lambda: socket.getaddrinfo("localhost", 80)))
print(sys.platform != "linux" or refused(lambda: socket.socket()))
print(sys.platform != "linux" or refused(lambda: subprocess.run([sys.executable, "-V"])))
"""


def test_a_worker_has_no_network_and_starts_no_program():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 3, done.stderr
