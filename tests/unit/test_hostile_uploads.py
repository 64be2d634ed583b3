"""Five hundred files that mean harm: each ends in a workspace or is refused with a sentence.

A part of them is processed too, with all but the speech model.
"""

from __future__ import annotations

import base64
import hashlib
import io
import random
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.testclient import TestClient

from services.api import uploads
from services.audio.engines import Hints, Hypothesis, host
from services.config import Settings
from services.files.names import name_in_form
from services.files.workspace import MARKER
from services.front import Front
from services.jobs.inspect import Inspection
from services.jobs.models import State
from services.runtime import Runtime
from services.uploads.intake import LONGEST_NAME
from tests import media
from tests.unit.test_tus import PIECE, TUS, app_of, id_of
from tests.waiting import until

ENDED = (State.DONE, State.FAILED, State.CANCELLED)
COUNT = 500

NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows\\system32\\config\\sam",
    "/etc/shadow",
    "C:\\boot.ini",
    "C:talk.wav",
    "\\\\server\\share\\a.wav",
    "\\\\?\\C:\\a.wav",
    "file:///etc/passwd",
    *("con", "NUL.wav", "com1.pdf", "LPT9 .mp3", "aux.tar.gz", "CONIN$", "com¹.wav"),
    *(".", "..", "...", " ", "", "\t", "/", "\\", "a/", "-rf", "--help", "~", "$HOME", "`id`.wav"),
    "a\0b.wav",
    "line\r\nSet-Cookie: a=b.wav",
    "\x1b[31mred.wav",
    "invoice\u202efdp.exe",
    "\u200b\u200e\ufeff.wav",
    "\u2028.wav",
    "e\u0301.wav",
    "\u00e9.wav",
    "🎧" * 80 + ".wav",
    "x" * 255 + ".wav",
    "y" * 999,
    "z" * 1001,
    "w" * 9000,
    "name." + "e" * 300,
    "a.wav:stream",
    "a.wav::$DATA",
    "a.wav.",
    "a.wav ",
    "a" + "." * 200 + "wav",
    "<img src=x onerror=alert(1)>.pdf",
    "</script><script>alert(1)</script>.wav",
    '=HYPERLINK("http://evil").csv',
    "@SUM(1).wav",
    "%2e%2e%2fa.wav",
    "%00.wav",
    "{{7*7}}.wav",
    "'; DROP TABLE jobs; --.wav",
    MARKER,
    ".scriptorium-released.json",
    "upload-" + "0" * 32 + ".json",
    "upload-" + "0" * 32 + ".part",
    "incoming-x",
    "ws-000000000000",
    "0" * 64 + "-a.wav",
    ".htaccess",
    "desktop.ini",
]


def riff(data: bytes, rate: int = 16_000, length: int = 0xFFFFFFFF) -> bytes:
    """A WAV file that says it is longer than it is."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", length, b"WAVE", b"fmt ", 16, 1, 1, rate, 2, 2, 16
    )
    return header + struct.pack("<4sI", b"data", length) + data


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.wav", b"\0" * 3_000_000)
    return buffer.getvalue()


def contents(folder: Path) -> list[bytes]:
    """Sound and documents that are right, wrong and worse."""
    wav = media.write_wav(folder / "a.wav", media.tone(0.2)).read_bytes()
    pdf = media.write_pdf(folder / "a.pdf", ["one"]).read_bytes()
    flac = media.write_sound(folder / "a.flac", media.tone(0.2), codec="flac").read_bytes()
    return [
        b"",
        b"\0",
        b"\xff" * 4096,
        *(wav, wav[:60], wav[:20], wav[::-1], riff(b""), riff(b"\0" * 9), riff(b"", rate=0)),
        riff(b"\0" * 64, rate=0xFFFFFFFF),
        *(flac, flac[:50], flac[: len(flac) // 2]),
        *(
            pdf,
            pdf[: len(pdf) // 2],
            pdf[::-1],
            media.pdf_with_bomb(),
            b"%PDF-",
            b"%PDF-1.7\n" + b"[" * 5000,
        ),
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 1 0 R/Kids[1 0 R]>>endobj\ntrailer<</Root 1 0 R>>",
        b"%PDF-1.4\nxref\n0 99999999\ntrailer<</Size 99999999/Prev 9>>\nstartxref\n9\n%%EOF",
        zipped(),
        b"PK\x03\x04" + b"\0" * 40,
        b"\x1f\x8b\x08" + b"\0" * 40,
        b"OggS" + b"\0" * 60,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 60,
        b"\0\0\0\x18ftypmp42" + b"\xff" * 60,
        b"\0\0\0\x01moov" + b"\xff" * 60,
        b"\x1aE\xdf\xa3" + b"\xff" * 60,
        b"#EXTM3U\n/etc/passwd\nhttp://127.0.0.1/\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        b"#!/bin/sh\nrm -rf /\n",
        b"MZ" + b"\0" * 200,
        b"\x80\x04cposix\nsystem\n(S'id'\ntR.",
    ]


def hostile(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each name and each content at least once, then the two mixed, the same in every run."""
    chance = random.Random(8)
    known = contents(folder)
    suffixes = ("", ".wav", ".pdf", ".mp3", ".mp4", ".flac", ".ogg", ".m3u8", ".zip", ".nemo")
    for number in range(COUNT):
        content = known[number % len(known)]
        if (
            number >= len(known) and content and chance.random() < 0.5
        ):  # one byte in twenty is wrong
            data = bytearray(content)
            for _ in range(max(1, len(data) // 20)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            content = bytes(data)
        if number < 2 * len(NAMES):
            name = NAMES[number % len(NAMES)]
        else:
            alphabet = 'abc./\\:*?"<>|\0\n\u202e é🎧%-'
            name = "".join(chance.choices(alphabet, k=chance.randrange(40)))
        yield name + (chance.choice(suffixes) if number >= len(NAMES) else ""), content


@pytest.fixture
def front(settings):
    front = Front(settings)
    yield front
    front.close()


def test_five_hundred_hostile_files_harm_nothing(front, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    stored, refused, usable = 0, 0, 0
    with TestClient(app_of(front)) as client:
        for name, content in hostile(outside):
            filename = base64.b64encode(name.encode("utf-8", "surrogatepass")).decode()
            headers = {
                **TUS,
                "Upload-Length": str(len(content)),
                "Upload-Metadata": f"filename {filename}",
            }
            answer = client.post(uploads.PATH, headers=headers)
            if 400 <= answer.status_code < 500:
                assert answer.json()["detail"].endswith("."), "a sentence"
                refused += 1
                continue
            assert answer.status_code == 201, (name, answer.status_code)
            address = answer.headers["Location"]
            if content:
                headers = {**PIECE, "Upload-Offset": "0"}
                assert client.patch(address, content=content, headers=headers).status_code == 204
            workspace, (file,) = front.uploaded([id_of(address)])
            assert file.path.parent == workspace.path and file.path.read_bytes() == content
            assert file.sha256 == hashlib.sha256(content).hexdigest() and file.name
            found = front.inspect(file)
            assert isinstance(found, Inspection)
            assert found.problem is None or found.problem.endswith(".")
            usable += found.problem is None
            stored += 1
        assert client.options(uploads.PATH).status_code == 204, "and the server answers as before"
    assert stored + refused == COUNT and refused >= 4 and stored > 400 and usable > 20
    everything = {path for path in tmp_path.rglob("*") if path.is_file()}
    inside = {path for path in everything if path.parent.parent == front.settings.temp_root}
    beside = {path.name for path in everything - inside if outside not in path.parents}
    assert all(name.startswith("scriptorium.") for name in beside), beside


class Deaf:
    """An engine that hears nothing: what is before and behind it is real."""

    name, model, device = "deaf", "none", "cpu"
    cores, batch_seconds = 0, 60.0

    def transcribe(self, batch: Sequence[Any], hints: Hints) -> list[Hypothesis]:
        return [Hypothesis("") for _ in batch]

    def left_aside(self, hints: Hints) -> list[str]:
        return []

    def require_device(self) -> None:
        pass

    def trim(self) -> None: ...

    def close(self) -> None: ...


def is_slow_motion(content: bytes) -> bool:
    """Whether a WAV file says that it has a few samples a second: a matter of its own."""
    return content[8:12] == b"WAVE" and int.from_bytes(content[24:28], "little") < 1000


def damaged_recordings(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Recordings of every kind of container with wrong bytes at their head, or all over."""
    chance = random.Random(15)
    kinds = {"flac": "flac", "mp3": "mp3", "m4a": "aac", "ogg": "libopus", "mkv": "pcm_s16le"}
    for suffix, codec in kinds.items():
        path = folder / f"a.{suffix}"
        whole = media.write_sound(path, media.tone(3), rate=48_000, codec=codec).read_bytes()
        yield f"whole.{suffix}", whole
        for number in range(8):
            data = bytearray(whole)
            reach = min(len(data), 300 if number % 2 else len(data))
            for _ in range(1 + reach // 50):
                data[chance.randrange(reach)] = chance.randrange(256)
            yield f"{number}.{suffix}", bytes(data)


MOST_MEMORY = 150e6
"""Bytes by which the server may grow over small files, of which none is larger than a megabyte."""


def test_hostile_files_that_are_processed_end_and_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "loader", lambda engine: lambda model, settings, report: Deaf())
    settings = Settings(
        data_dir=tmp_path / "data", device="cpu", engine="whisper", ocr="off", disk_reserve_mb=0,
        document_memory_mb=512, page_timeout=10, document_timeout=30, job_retry_waits=(),
    )  # fmt: skip
    outside = tmp_path / "outside"
    outside.mkdir()
    given = [*list(hostile(outside))[::3], *damaged_recordings(outside)]
    peak = 0

    def ended(batch_id: str) -> bool:
        nonlocal peak
        peak = max(peak, psutil.Process().memory_info().rss)
        return all(job.state in ENDED for job in runtime.jobs(batch_id))

    with Runtime(settings) as runtime:
        warm = runtime.submit([media.write_wav(outside / "warm.wav", media.tone(1))])
        until(lambda: ended(warm.id))
        before, peak = psutil.Process().memory_info().rss, 0
        workspace, files = runtime.new_workspace(), []
        for name, content in given:
            if len(name) <= LONGEST_NAME and not is_slow_motion(content):
                files.append(workspace.add(name_in_form(name), io.BytesIO(content)))
        batch = runtime.submit(files, workspace=workspace)
        until(lambda: ended(batch.id))
        jobs = runtime.jobs(batch.id)
    assert len(jobs) > 180
    states = Counter(job.state for job in jobs)
    assert states[State.DONE] > 10 and states[State.FAILED] > 10, states
    assert all(job.error.endswith(".") for job in jobs if job.state is State.FAILED)
    assert peak - before < MOST_MEMORY, f"{(peak - before) / 1e6:.0f} MB more"
