import io
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.exports import FORMATS, Style
from services.audio.transcript import Segment, Transcript
from services.documents.document import Document, Page
from services.exports import MIME, file_name, formats, render, write_zip

TALK = Transcript("Hi.", 2.0, "en", "e", "m", [Segment(0, 1, "Hi.", "Ana")])
PAPER = Document({}, [Page(1, "text")])


def names(*results, **more) -> list[str]:
    target = io.BytesIO()
    loaders = [(name, lambda result=result: result) for name, result in results]
    write_zip(target, loaders, **more)
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_every_format_has_a_type_and_is_written():
    assert set(FORMATS) <= set(MIME)
    for result in (TALK, PAPER):
        assert all(render(result, format, "a.wav") for format in formats(result))


def test_where_a_model_lies_on_the_server_is_in_no_file(tmp_path):
    talk = replace(TALK, model=str(tmp_path / "of-ana" / "own.nemo"))
    for format in formats(talk):
        written = render(talk, format, "a.wav")
        if format == "docx":
            with zipfile.ZipFile(io.BytesIO(written)) as document:
                written = document.read("word/document.xml")
        assert b"of-ana" not in written
        assert (b"own.nemo" in written) == (format in ("md", "docx", "json"))


def test_the_style_reaches_the_text():
    assert render(TALK, "txt", "a.wav") == b"Ana: Hi.\n"
    assert render(TALK, "txt", "a.wav", Style(times=True, speakers=False)) == b"[0:00] Hi.\n"


def test_a_zip_holds_the_formats_that_were_asked_for():
    both = (("a.wav", TALK), ("b.pdf", PAPER))
    assert names(*both, wanted=["txt", "srt"]) == ["txt/a.txt", "srt/a.srt", "txt/b.txt"]
    assert set(names(*both)) == {f"{f}/a.{f}" for f in formats(TALK)} | {
        f"{f}/b.{f}" for f in formats(PAPER)
    }


@given(st.lists(st.sampled_from(["a.wav", "A.mp3", "a (2).wav", "a (2) (2).ogg"]), max_size=8))
def test_no_file_in_a_zip_overwrites_another(some):
    found = names(*((name, TALK) for name in some), wanted=["txt"])
    assert len({name.casefold() for name in found}) == len(some)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "passwd.srt"),
        ("con.wav", "_con.srt"),
        ("Gespräch 1.m4a", "Gespräch 1.srt"),
    ],
)
def test_names_of_exports_are_safe(name, expected):
    assert file_name(name, "srt") == expected


def test_half_a_character_ends_no_export():
    broken = Document({}, [Page(1, "half \ud83d")])
    assert all(render(broken, format, "a.pdf") for format in formats(broken))
