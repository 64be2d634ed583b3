"""What each kind of recording is sent as, by its content."""

from __future__ import annotations

import pytest

from services.api.media_types import media_type
from services.jobs.models import Kind
from tests import media


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [
        ("a.wav", "pcm_s16le", "audio/wav"),
        ("a.flac", "flac", "audio/flac"),
        ("a.mp3", "mp3", "audio/mpeg"),
        ("a.aac", "aac", "audio/aac"),
        ("a.m4a", "aac", "video/mp4"),
        ("a.mov", "aac", "video/quicktime"),
        ("a.ogg", "libopus", "audio/ogg"),
        ("a.webm", "libopus", "video/webm"),
        ("a.mkv", "flac", "video/x-matroska"),
        ("a.aiff", "pcm_s16be", "audio/aiff"),
        ("a.wma", "wmav2", "video/x-ms-asf"),
        ("a.avi", "pcm_s16le", "video/x-msvideo"),
        ("a.wv", "wavpack", None),
    ],
)
def test_recordings(tmp_path, name, codec, expected):
    path = media.write_sound(tmp_path / name, media.tone(0.5), rate=48_000, codec=codec)
    disguised = path.rename(tmp_path / "page.html")
    assert media_type(Kind.AUDIO, disguised) == expected


def test_what_is_no_recording_is_no_document_either(tmp_path):
    page = tmp_path / "a.html"
    page.write_bytes(b"<html>")
    assert media_type(Kind.AUDIO, page) is None
    assert media_type(Kind.UNKNOWN, page) is None
    assert media_type(Kind.DOCUMENT, page) == "application/pdf"
