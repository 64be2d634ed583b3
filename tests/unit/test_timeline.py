"""Sound is where its file's timestamps put it, and what players get wrong is known."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from services.audio import SAMPLE_RATE
from services.audio.bare import says_length
from services.audio.decode import Decoder, probe
from tests import media

RATE = 48_000
BURSTS = (1.0, 6.0)
"""Where the sound is, in seconds; it is 8 s long."""


def bursts(seconds: float = 8.0) -> np.ndarray:
    """Return silence with a tone of half a second at each of `BURSTS`."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    for at in BURSTS:
        samples[round(at * RATE) :][: RATE // 2] = media.tone(0.5, RATE)
    return samples


def write(
    path: Path,
    codec: str,
    late: float = 0.0,
    pictures: float | None = None,
    gaps: tuple[tuple[float, float], ...] = (),
    **options: str,
) -> Path:
    """Write the bursts with timestamps that a program gives that lost sound or began late.

    Args:
        late: Seconds that every timestamp of the sound is later.
        pictures: When the pictures begin, in seconds; none without.
        gaps: Second of the sound from which its timestamps are later, and by how many seconds.
    """
    packets = []
    with av.open(str(path), "w", options=options) as container:
        if pictures is not None:
            picture = container.add_stream("libvpx" if path.suffix == ".webm" else "mpeg4", rate=10)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
            for number in range(80):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
                frame.pts = number + round(pictures * 10)
                packets += picture.encode(frame)
            packets += picture.encode(None)
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        form = stream.codec_context.format.name
        samples = bursts()
        if form == "s16":
            samples = (samples * 32767).astype("<i2")
        for at in range(0, samples.size, RATE // 50):  # a piece an encoder's frame or shorter
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + RATE // 50], form, "mono")
            frame.sample_rate, frame.pts = RATE, at
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            if packet.stream is stream:
                at = float(packet.pts * packet.time_base)
                more = late + sum(longer for begin, longer in gaps if at >= begin)
                packet.pts += round(more / packet.time_base)
                packet.dts = packet.pts
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            container.mux(packet)
    return path


def heard(path: Path) -> tuple[list[float], Decoder]:
    """Return when each burst begins, in seconds."""
    decoder = Decoder(path)
    samples = np.concatenate(list(decoder.blocks()))
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    firsts = loud[np.diff(loud, prepend=-SAMPLE_RATE) > SAMPLE_RATE // 2]
    return [round(int(first) / SAMPLE_RATE, 2) for first in firsts], decoder


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "aac"), ("mp4", "aac"), ("mov", "aac"), ("webm", "libopus")]
)
def test_sound_that_begins_after_the_pictures_is_where_they_are(tmp_path, suffix, codec):
    path = write(tmp_path / f"a.{suffix}", codec, late=3, pictures=0)
    times, decoder = heard(path)
    assert times == pytest.approx([4, 9], abs=0.05)
    assert decoder.seconds == pytest.approx(11, abs=0.1)
    assert probe(path).duration == pytest.approx(11, abs=0.1)
    assert decoder.notes == [] and not decoder.misplaced


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "aac"), ("webm", "libopus"), ("ogg", "libopus")]
)
def test_a_file_that_does_not_begin_at_0_counts_from_its_beginning(tmp_path, suffix, codec):
    pictures = None if suffix == "ogg" else 5
    path = write(tmp_path / f"a.{suffix}", codec, late=5, pictures=pictures)
    times, decoder = heard(path)
    assert times == pytest.approx([1, 6], abs=0.05)
    assert probe(path).duration == pytest.approx(8, abs=0.1)
    assert decoder.notes == [], "nothing of it is missing"
    assert decoder.misplaced, "Chrome counts from the first timestamp, Firefox from 0"


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "aac"), ("webm", "libopus"), ("mp4", "aac"), ("ogg", "libopus")]
)
def test_what_was_never_recorded_is_silent(tmp_path, suffix, codec):
    path = write(tmp_path / f"a.{suffix}", codec, gaps=((3, 5.0),))
    times, decoder = heard(path)
    assert times == pytest.approx([1, 11], abs=0.05)
    assert decoder.seconds == pytest.approx(13, abs=0.1)
    (note,) = decoder.notes
    assert note.startswith("5.0 s of sound are missing")
    assert decoder.misplaced


def test_many_short_gaps_as_of_calls_without_comfort_noise_add_up(tmp_path):
    gaps = tuple((2 + number / 4, 0.38) for number in range(12))
    times, decoder = heard(write(tmp_path / "call.webm", "libopus", gaps=gaps))
    assert times == pytest.approx([1, 6 + 12 * 0.38], abs=0.1)
    assert decoder.seconds == pytest.approx(8 + 12 * 0.38, abs=0.1)


def test_timestamps_that_jitter_or_drift_leave_the_sound_as_it_is(tmp_path):
    jitter = tuple((number / 10, (-1) ** number * 0.06) for number in range(80))
    drift = tuple((number / 20, 0.004) for number in range(160))
    for gaps in (jitter, drift):
        times, decoder = heard(write(tmp_path / "a.mkv", "pcm_s16le", gaps=gaps))
        assert times == pytest.approx([1, 6], abs=0.05)
        assert decoder.seconds == pytest.approx(8, abs=0.1)
        assert decoder.notes == [] and not decoder.misplaced


@pytest.mark.parametrize("jump", [-2.0, 20.0])
def test_another_clock_in_a_broadcast_is_no_gap(tmp_path, jump):
    times, decoder = heard(write(tmp_path / "a.ts", "mp2", late=30, gaps=((3, jump),)))
    assert times == pytest.approx([1, 6], abs=0.1)
    assert decoder.seconds == pytest.approx(8, abs=0.1)


def test_an_hour_that_is_missing_is_not_held_in_memory(tmp_path):
    path = write(tmp_path / "a.mkv", "aac", gaps=((3, 3600.0),))
    decoder = Decoder(path)
    sizes = [block.size for block in decoder.blocks()]
    assert sum(sizes) / SAMPLE_RATE == decoder.seconds == pytest.approx(3608, abs=0.1)
    assert max(sizes) < 62 * SAMPLE_RATE


def _mp3(path: Path, varied: bool, header: bool) -> Path:
    with av.open(str(path), "w", options={"write_xing": str(int(header))}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        if varied:
            stream.options = {"flags": "+qscale", "global_quality": "472"}
        samples = np.concatenate([bursts(), media.pink_noise(np.random.default_rng(0), 8 * RATE)])
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("varied", [True, False])
def test_an_mp3_of_changing_bit_rate_is_known_to_be_found_wrong_by_browsers(
    tmp_path, varied, header
):
    path = _mp3(tmp_path / "a.mp3", varied, header)
    with path.open("rb") as handle:
        assert says_length(handle) is header
    _, decoder = heard(path)
    assert decoder.misplaced is varied
    assert decoder.notes == [], "a guess of its length is no promise"
    assert probe(path).duration == pytest.approx(16, abs=0.1)


def test_the_length_is_found_behind_a_cover(tmp_path):
    sound = _mp3(tmp_path / "a.mp3", True, True).read_bytes()
    size = int.from_bytes(sound[6:10])
    cover = bytes(300_000)
    tag = b"ID3\3\0\0" + bytes([len(cover) >> 7 * n & 0x7F for n in (3, 2, 1, 0)]) + cover
    path = tmp_path / "covered.mp3"
    path.write_bytes(tag + sound[size + 10 :])
    with path.open("rb") as handle:
        assert says_length(handle)
    assert probe(path).duration == pytest.approx(16, abs=0.1)


def test_the_length_of_bare_aac_is_counted(tmp_path):
    path = tmp_path / "a.aac"
    media.write_sound(path, np.concatenate([bursts(), media.tone(8, RATE)]), RATE, "aac")
    assert probe(path).duration == pytest.approx(16, abs=0.1)
    assert heard(path)[1].notes == []


def test_the_length_of_what_a_browser_recorded_is_counted(tmp_path):
    path = write(tmp_path / "a.webm", "libopus", live="1")
    assert probe(path).duration == pytest.approx(8, abs=0.1)
    assert Decoder(path).declared is None


def test_what_is_behind_the_end_that_a_header_tells_is_out_of_a_browsers_reach(tmp_path):
    path = media.write_sound(tmp_path / "a.opus", bursts(), RATE, "libopus")
    path.write_bytes(2 * path.read_bytes())  # as some radio stations join two programmes
    times, decoder = heard(path)
    assert times == pytest.approx([1, 6, 9, 14], abs=0.1)
    assert decoder.misplaced
