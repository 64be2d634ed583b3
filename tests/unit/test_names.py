import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.files.names import clean_name, display_name, stored_name

SHA = "a" * 64
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"
}
FORBIDDEN = set('<>:"/\\|?*')

any_name = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(exclude_categories=())),  # lone surrogates too
    st.text(alphabet="/\\.: \x00\u202e\u0301aé🎙", max_size=40),
    st.tuples(st.sampled_from(sorted(DEVICES)), st.text(alphabet=". aé:\u200b")).map("".join),
)


def assert_safe(name: str) -> None:
    assert name not in ("", ".", "..")
    assert not FORBIDDEN & set(name)
    assert not [c for c in name if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    assert name == name.rstrip(". ") and name == name.lstrip()
    assert name.split(".")[0].rstrip().upper() not in DEVICES
    assert name == unicodedata.normalize("NFC", name)


@given(any_name)
def test_any_name_becomes_one_that_every_platform_accepts(name):
    assert_safe(clean_name(name))
    stored = stored_name(SHA, name)
    assert_safe(stored)
    assert len(stored.encode()) <= 255 and len(stored.encode("utf-16-le")) // 2 <= 255


@given(any_name)
def test_a_clean_name_stays_as_it_is(name):
    assert clean_name(clean_name(name)) == clean_name(name)


@given(any_name)
def test_a_name_to_show_is_never_empty_and_hides_nothing(name):
    shown = display_name(name)
    assert shown.strip()
    assert not set("/\\\n\r\x00\u202e\u200b\u2028") & set(shown)


@given(st.text(max_size=400), st.sampled_from([".wav", ".PDF", ".jpeg", ".m4a", ".öga"]))
def test_the_extension_is_kept(stem, suffix):
    assert clean_name(f"x{stem}{suffix}").endswith(suffix)


def test_an_extension_that_is_no_extension_counts_to_the_name():
    name = clean_name("minutes." + "x" * 300)
    assert name.startswith("minutes.xxx") and len(name.encode()) <= 97


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("talk.wav", "talk.wav"),
        ("my talk (final) v2.wav", "my talk (final) v2.wav"),
        ("CON.pdf", "_CON.pdf"),
        ("con .pdf", "_con.pdf"),
        ("nul", "_nul"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("console.pdf", "console.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "file"),
        ("/", "unnamed"),
        ("", "unnamed"),
        (" . ", "file"),
        ("a:b?.wav", "a_b_.wav"),
        ('"Ana\'s" talk.wav', "_Ana's_ talk.wav"),
        ("🎙️ día.mp3", "🎙️ día.mp3"),
        ("notes.", "notes"),
        ("gpj\u202e.exe", "gpj.exe"),
        (".hidden", ".hidden"),
    ],
)
def test_names_that_people_choose(name, clean):
    assert clean_name(name) == clean


def test_a_name_of_300_characters_keeps_its_beginning_and_extension():
    name = clean_name("é" * 300 + ".flac")
    assert name == "é" * 40 + ".flac"


def test_different_content_of_the_same_name_has_different_names():
    assert stored_name("a" * 64, "x.wav") != stored_name("b" * 64, "x.wav")
