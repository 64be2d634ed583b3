"""Files with several sound tracks, as of recorders with many microphones, and of screens."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from services.audio import ALL_TRACKS, MOST_TRACKS, SAMPLE_RATE, tracks
from services.audio.decode import Decoder, probe
from services.errors import UnreadableMedia
from tests import media

RATE = 8000


def burst(at: float, seconds: float) -> np.ndarray:
    """Return sound of that length with a tone of half a second, which begins at `at`."""
    sound = np.zeros(round(seconds * RATE), np.float32)
    tone = media.tone(0.5, RATE)
    begin = round(at * RATE)
    sound[begin : begin + tone.size] = tone
    return sound


def heard(path: Path, track: int) -> tuple[list[float], Decoder]:
    """Return when each burst begins, in seconds."""
    decoder = Decoder(path, track=track)
    loud = np.flatnonzero(np.abs(np.concatenate(list(decoder.blocks()))) > 0.1)
    firsts = loud[np.diff(loud, prepend=-SAMPLE_RATE) > SAMPLE_RATE // 4]
    return [round(int(first) / SAMPLE_RATE, 2) for first in firsts], decoder


@pytest.mark.parametrize(
    ("suffix", "codec", "video"), [("mkv", "pcm_s16le", False), ("mp4", "aac", True)]
)
def test_the_track_that_is_asked_for_is_read_or_all_of_them(tmp_path, suffix, codec, video):
    sounds = [burst(1, 6), burst(3, 6), np.zeros(6 * RATE, np.float32) + 1e-4]
    path = media.write_tracks(tmp_path / f"a.{suffix}", *sounds, codec=codec, video=video)
    for track, times in ((1, [1]), (2, [3]), (3, []), (ALL_TRACKS, [1, 3])):
        found, decoder = heard(path, track)
        assert found == pytest.approx(times, abs=0.05)
        assert decoder.seconds == pytest.approx(6, abs=0.2)
        assert probe(path).tracks == 3
        said = [note.partition(". ")[0] for note in decoder.notes]
        first = "The file has 3 sound tracks, and only the first was read"
        assert said == ([first] if track == 1 else [])


def test_tracks_that_begin_late_or_end_early_stay_at_their_times(tmp_path):
    """One lags more than a minute behind the other, twice."""
    late = burst(150, 160)
    late[RATE : 150 * RATE] = np.nan
    path = media.write_tracks(tmp_path / "a.mkv", burst(2, 4), burst(100, 160), late)
    found, decoder = heard(path, ALL_TRACKS)
    assert found == pytest.approx([2, 100, 150], abs=0.05)
    assert decoder.seconds == pytest.approx(160, abs=0.2)


def test_all_tracks_of_a_file_with_one_are_that_one(tmp_path):
    path = media.write_wav(tmp_path / "a.wav", media.tone(2))
    flac = media.write_sound(tmp_path / "a.flac", media.tone(2, 44_100), codec="flac")
    for one in (path, flac):
        first, mixed = Decoder(one), Decoder(one, track=ALL_TRACKS)
        assert np.array_equal(*(np.concatenate(list(d.blocks())) for d in (first, mixed)))
        assert mixed.notes == []


def test_a_track_that_is_not_there_is_said(tmp_path):
    path = media.write_tracks(tmp_path / "a.mkv", burst(1, 3), burst(1, 3))
    with pytest.raises(UnreadableMedia, match="“a.mkv” has 2 sound tracks, and number 3 was asked"):
        heard(path, 3)


@pytest.mark.parametrize("suffix", ["wav", "mkv"])
def test_of_a_file_with_one_track_that_one_is_read(tmp_path, suffix):
    path = media.write_tracks(tmp_path / f"a.{suffix}", burst(1, 3))
    assert heard(path, 2)[0] == [1.0]


def test_what_is_left_out_of_a_mix_is_said(tmp_path):
    path = media.write_tracks(tmp_path / "a.mkv", *([burst(0, 1)] * (MOST_TRACKS + 2)))
    (note,) = heard(path, ALL_TRACKS)[1].notes
    assert note.startswith("2 of the file’s 34 sound tracks were left out of the mix")


def test_invalid_samples_of_one_track_leave_the_sound_of_the_other(tmp_path):
    broken = np.full(6 * RATE, np.nan, np.float32)
    broken[::RATE] = 0
    path = media.write_tracks(tmp_path / "a.mkv", burst(3, 6), broken, codec="pcm_f32le")
    found, decoder = heard(path, ALL_TRACKS)
    assert found == [3.0]
    (note,) = decoder.notes
    assert "invalid samples" in note


@pytest.mark.parametrize("count", [1, 2])
def test_a_gap_of_hours_takes_no_memory_and_counts(tmp_path, count):
    hours = 8
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", RATE, layout="mono") for _ in range(count)]
        for at in (0, hours * 3600 * RATE):
            for stream in streams:
                frame = av.AudioFrame.from_ndarray(media.tone(1, RATE)[None], "fltp", "mono")
                frame.sample_rate, frame.pts = RATE, at
                container.mux(stream.encode(frame))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableMedia, match="longer than 2 hours"):
            for _ in Decoder(path, longest=2 * 3600, track=ALL_TRACKS).blocks():
                pass
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_two_loud_tracks_do_not_overflow(tmp_path):
    loud = np.full(2 * RATE, 0.99, np.float32)
    path = media.write_tracks(tmp_path / "a.mkv", loud, loud)
    samples = np.concatenate(list(Decoder(path, track=ALL_TRACKS).blocks()))
    assert np.abs(samples).max() == 1


def test_what_comes_after_its_turn_is_left_out_and_the_rest_is_in_its_place(tmp_path):
    path = media.write_tracks(tmp_path / "a.mkv", burst(1, 3))
    with av.open(str(path)) as container:
        track = tracks.Track(container, container.streams.audio[0])
        assert track.give(10).size == 0
        track.hold(np.arange(6, dtype=np.float32))
        track.hold(np.arange(6, 16, dtype=np.float32))
        assert list(track.give(4)) == [10, 11, 12, 13]
        assert list(track.give(4)) == [14, 15]
        track.hold(np.arange(4, dtype=np.float32))
        assert list(track.give(4)) == [2, 3]
        assert track.lost == 5 + 4 + 1, "zeros are no sound"


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        ("mp4", "aac", 44_100),
        ("mov", "pcm_s16le", 48_000),
        ("webm", "libopus", 48_000),
        ("ts", "aac", 48_000),
        ("avi", "libmp3lame", 44_100),
        ("mts", "ac3", 48_000),
    ],
)
def test_the_mix_is_the_sum_of_what_each_track_has_alone(tmp_path, suffix, codec, rate):
    chance = np.random.default_rng(1)
    sounds = [0.05 * chance.normal(size=seconds * rate) for seconds in (7, 4, 2)]
    path = media.write_tracks(tmp_path / f"a.{suffix}", *sounds, rate=rate, codec=codec)
    alone = [np.concatenate(list(Decoder(path, track=one).blocks())) for one in (1, 2, 3)]
    mixed = np.concatenate(list(Decoder(path, track=ALL_TRACKS).blocks()))
    added = np.zeros(max(one.size for one in alone))
    for one in alone:
        added[: one.size] += one / np.sqrt(3)
    assert mixed == pytest.approx(added, abs=1e-6)
