import shutil
import tracemalloc
import wave
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from services.audio import SAMPLE_RATE
from services.audio.decode import Decoder, probe
from services.errors import UnreadableMedia
from tests import media

SECONDS = 2.0


def decoded(path: Path) -> tuple[np.ndarray, Decoder]:
    decoder = Decoder(path)
    samples = np.concatenate(list(decoder.blocks()))
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert decoder.seconds == pytest.approx(samples.size / SAMPLE_RATE)
    return samples, decoder


def frequency(samples: np.ndarray) -> float:
    middle = samples[samples.size // 4 : -samples.size // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))
    return float(spectrum.argmax() * SAMPLE_RATE / middle.size)


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(2 * np.mean(samples[samples.size // 4 : -samples.size // 4] ** 2)))


CONTAINERS = [
    ("wav", "pcm_s16le", 44_100, "mono", False),
    ("wav", "pcm_s16le", 8_000, "mono", False),
    ("wav", "pcm_s16le", 96_000, "stereo", False),
    ("wav", "pcm_s24le", 48_000, "stereo", False),
    ("wav", "pcm_f32le", 16_000, "mono", False),
    ("wav", "pcm_s16le", 48_000, "5.1", False),
    ("aiff", "pcm_s16be", 44_100, "stereo", False),
    ("flac", "flac", 44_100, "stereo", False),
    ("flac", "flac", 96_000, "5.1", False),
    ("mp3", "libmp3lame", 44_100, "stereo", False),
    ("m4a", "aac", 44_100, "stereo", False),
    ("m4a", "aac", 48_000, "5.1", False),
    ("m4a", "alac", 44_100, "stereo", False),
    ("aac", "aac", 44_100, "stereo", False),
    ("ogg", "vorbis", 44_100, "stereo", False),
    ("ogg", "libopus", 48_000, "stereo", False),
    ("opus", "libopus", 48_000, "mono", False),
    ("webm", "libopus", 48_000, "stereo", False),
    ("webm", "libopus", 48_000, "stereo", True),
    ("wma", "wmav2", 44_100, "stereo", False),
    ("mp4", "aac", 44_100, "stereo", True),
    ("mov", "pcm_s16le", 44_100, "stereo", True),
    ("mkv", "flac", 44_100, "stereo", True),
    ("avi", "libmp3lame", 44_100, "stereo", True),
]


def test_the_picture_on_a_cover_makes_no_video(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44_100, layout="mono")
        cover = container.add_stream("png", rate=1, width=16, height=16, pix_fmt="rgb24")
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        frame = av.AudioFrame.from_ndarray(media.tone(1, 44_100).reshape(1, -1), "fltp", "mono")
        frame.sample_rate = 44_100
        for packet in [
            *cover.encode(picture),
            *cover.encode(None),
            *sound.encode(frame),
            *sound.encode(None),
        ]:
            container.mux(packet)
    with av.open(str(path)) as written:
        assert len(written.streams.video) == 1
    assert not probe(path).video


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "layout", "video"),
    CONTAINERS,
    ids=["-".join(map(str, c)).replace("-False", "").replace("True", "video") for c in CONTAINERS],
)
def test_every_format_keeps_length_pitch_and_level(tmp_path, suffix, codec, rate, layout, video):
    path = tmp_path / f"tone.{suffix}"
    media.write_sound(path, media.tone(SECONDS, rate), rate, codec, layout, video)
    samples, decoder = decoded(path)
    assert decoder.seconds == pytest.approx(SECONDS, abs=0.1)
    assert frequency(samples) == pytest.approx(440, abs=2)
    assert 0.3 < level(samples) < 0.8  # 0.5 went in; two equal channels add up a little
    assert decoder.notes == []
    info = probe(path)
    assert info.video is video
    if suffix != "aac":  # a bare stream says no length
        assert info.duration == pytest.approx(SECONDS, abs=0.15)


def test_a_name_that_lies_about_the_format_does_not_matter(tmp_path):
    path = media.write_sound(tmp_path / "a.flac", media.tone(1, 44_100), 44_100, "flac")
    assert decoded(shutil.copy(path, tmp_path / "a.mp3"))[1].seconds == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("other", [-1.0, -0.85])
@pytest.mark.parametrize(("suffix", "codec"), [("flac", "flac"), ("m4a", "aac")])
def test_channels_that_cancel_each_other_leave_the_sound_of_one(tmp_path, suffix, codec, other):
    """A balanced microphone in a stereo socket: the second channel is the first one upside down."""
    path = tmp_path / f"balanced.{suffix}"
    one = media.tone(3.5, 44_100)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44_100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([one, other * one]), "fltp", "stereo")
        frame.sample_rate = 44_100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    samples, decoder = decoded(path)
    assert decoder.seconds == pytest.approx(3.5, abs=0.1)
    assert frequency(samples) == pytest.approx(440, abs=2)
    assert level(samples) == pytest.approx(0.5, abs=0.05)


def test_blocks_are_short_and_join_without_a_seam(tmp_path):
    path = media.write_sound(tmp_path / "long.flac", media.tone(70, 16_000), 16_000, "flac")
    blocks = list(Decoder(path).blocks())
    assert max(block.size for block in blocks) <= 31 * SAMPLE_RATE and len(blocks) == 3
    assert np.allclose(np.concatenate(blocks), media.tone(70), atol=1e-3)


def test_a_truncated_mp3_gives_what_is_there_and_says_so(tmp_path):
    whole = media.write_sound(tmp_path / "a.mp3", media.tone(20, 44_100), 44_100, "libmp3lame")
    assert b"Info" in whole.read_bytes()[:1000] or b"Xing" in whole.read_bytes()[:1000]
    samples, decoder = decoded(media.halved(whole, tmp_path / "half.mp3"))
    assert decoder.seconds == pytest.approx(10, abs=0.5)
    assert frequency(samples) == pytest.approx(440, abs=2)
    assert any("ends early" in note and "of 20.0 s" in note for note in decoder.notes)


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("flac", "flac")])
def test_a_file_cut_in_half_says_so(tmp_path, suffix, codec):
    whole = media.write_sound(tmp_path / f"a.{suffix}", _noise(20), 16_000, codec)
    decoder = decoded(media.halved(whole, tmp_path / f"half.{suffix}"))[1]
    assert decoder.seconds == pytest.approx(10, abs=0.5)
    assert any("ends early" in note and "of 20.0 s" in note for note in decoder.notes)


def test_a_plain_wav_is_read_as_the_decoder_reads_it_without_what_follows_the_sound(tmp_path):
    path = media.write_wav(tmp_path / "a.wav", _noise(65))
    data = path.read_bytes()
    note = b"LIST" + (6).to_bytes(4, "little") + b"INFO\1\2"
    path.write_bytes(data[:12] + note + data[12:] + note)
    decoder = Decoder(path)
    by_decoder = np.concatenate(list(decoder._decoded()))
    samples, plain = decoded(path)
    assert np.array_equal(samples, by_decoder) and samples.size == 65 * SAMPLE_RATE
    assert plain.declared == decoder.declared == 65
    assert probe(path).duration == 65


@pytest.mark.parametrize("size", [0, 0x7FFF_F024, 0xFFFF_FFFF])
def test_a_wav_whose_header_gives_no_size_is_whole(tmp_path, size):
    path = media.write_wav(tmp_path / "piped.wav", media.tone(3))
    data = bytearray(path.read_bytes())
    data[40:44] = size.to_bytes(4, "little")
    path.write_bytes(data)
    decoder = decoded(path)[1]
    assert decoder.seconds == pytest.approx(3) and decoder.notes == []


@pytest.mark.parametrize("finished", [True, False])
def test_an_rf64_whose_recorder_ended_is_whole(tmp_path, finished):
    """A WAV beyond 4 GiB has its sizes in a chunk that is filled in at the end."""
    plain = media.write_wav(tmp_path / "plain.wav", media.tone(3)).read_bytes()
    sound = len(plain) - 44
    sizes = (len(plain) + 28, sound, sound // 2) if finished else (0, 0, 0)
    chunk = b"ds64" + (28).to_bytes(4, "little")
    chunk += b"".join(size.to_bytes(8, "little") for size in sizes) + bytes(4)
    path = tmp_path / "long.wav"
    unknown = b"\xff" * 4
    path.write_bytes(
        b"RF64" + unknown + b"WAVE" + chunk + plain[12:36] + b"data" + unknown + plain[44:]
    )
    samples, decoder = decoded(path)
    assert decoder.seconds == pytest.approx(3) and decoder.notes == []
    assert frequency(samples) == pytest.approx(440, abs=2)
    assert decoder.misplaced is not finished, "browsers play nothing of it"


def test_an_m4a_that_broke_off_before_its_index_cannot_be_read(tmp_path):
    whole = media.write_sound(tmp_path / "a.m4a", media.tone(5, 44_100), 44_100, "aac")
    with pytest.raises(UnreadableMedia, match="“half.m4a” cannot be read as audio or video"):
        decoded(media.halved(whole, tmp_path / "half.m4a"))


def test_an_mp3_damaged_in_the_middle_keeps_both_ends(tmp_path):
    whole = media.write_sound(tmp_path / "a.mp3", media.tone(20, 44_100), 44_100, "libmp3lame")
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = np.random.default_rng(1).bytes(4000)
    whole.write_bytes(data)
    samples, decoder = decoded(whole)
    assert decoder.seconds == pytest.approx(20, abs=1)
    assert frequency(samples[-5 * SAMPLE_RATE :]) == pytest.approx(440, abs=2)
    assert decoder.notes


def test_sound_whose_rate_and_channels_change_is_read_to_its_end(tmp_path):
    """Two MP3s joined by hand: players play both."""
    first = media.write_sound(
        tmp_path / "a.mp3", media.tone(3, 44_100), 44_100, "libmp3lame", "stereo"
    )
    second = media.write_sound(
        tmp_path / "b.mp3", media.tone(3, 22_050, hertz=1000), 22_050, "libmp3lame", "mono"
    )
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    samples, decoder = decoded(joined)
    assert decoder.seconds == pytest.approx(6, abs=0.3)
    assert frequency(samples[: 2 * SAMPLE_RATE]) == pytest.approx(440, abs=2)
    assert frequency(samples[-2 * SAMPLE_RATE :]) == pytest.approx(1000, abs=2)


def test_tags_in_an_old_encoding_do_not_matter(tmp_path):
    plain = media.write_wav(tmp_path / "a.wav", media.tone(1)).read_bytes()
    title = "Café".encode("latin-1") + b"\0\0"
    info = b"INFOINAM" + len(title).to_bytes(4, "little") + title
    data = plain + b"LIST" + len(info).to_bytes(4, "little") + info
    path = tmp_path / "tagged.wav"
    path.write_bytes(b"RIFF" + (len(data) - 8).to_bytes(4, "little") + data[8:])
    assert decoded(path)[1].seconds == pytest.approx(1)


def test_invalid_samples_become_silence_and_are_counted(tmp_path):
    samples = media.tone(2)
    samples[1000:9000] = np.nan
    samples[9000] = np.inf
    path = media.write_sound(tmp_path / "nan.wav", samples, 16_000, "pcm_f32le")
    found, decoder = decoded(path)
    assert np.isfinite(found).all() and not found[1000:9001].any()
    assert decoder.notes == ["0.50 s of invalid samples (NaN or infinite) were taken as silence."]


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_nothing_but_invalid_samples_is_an_error(tmp_path, rate):
    samples = np.full(2 * rate, np.nan, np.float32)
    path = media.write_sound(tmp_path / "nan.wav", samples, rate, "pcm_f32le")
    with pytest.raises(UnreadableMedia, match="“nan.wav” holds only invalid samples"):
        list(Decoder(path).blocks())


def test_silence_is_sound(tmp_path):
    path = media.write_wav(tmp_path / "a.wav", np.zeros(SAMPLE_RATE))
    assert not decoded(path)[0].any()


def test_a_10_ms_clip_is_refused_and_a_tenth_of_a_second_is_not(tmp_path):
    path = media.write_wav(tmp_path / "click.wav", media.tone(0.01))
    with pytest.raises(UnreadableMedia, match="“click.wav” is only 10 ms long"):
        list(Decoder(path).blocks())
    assert decoded(media.write_wav(tmp_path / "short.wav", media.tone(0.1)))[0].size == 1600


def _noise(seconds: float) -> np.ndarray:
    """Sound that no codec makes smaller, so that half the file is half the time."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, int(seconds * 16_000)).astype(np.float32)


def _only_a_header(path: Path) -> Path:
    return media.halved(media.write_wav(path, media.tone(1)), path, 44 / 32_044)


UNREADABLE = {
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("Dear Ana,\n" * 500), "cannot be read as audio"),
    "garbage": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(20_000)),
        "cannot be read as audio",
    ),
    "no samples": (lambda path: media.write_wav(path, np.zeros(0)), "holds no sound"),
    "only a header": (_only_a_header, "holds no sound"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_sound_has_a_sentence_that_names_it(tmp_path, what):
    make, message = UNREADABLE[what]
    make(tmp_path / "stored")
    with pytest.raises(UnreadableMedia, match=f"“my talk.wav” {message}"):
        list(Decoder(tmp_path / "stored", "my talk.wav").blocks())


def test_a_video_without_sound_says_so(tmp_path):
    path = media.write_silent_video(tmp_path / "mute.mp4")
    for read in (probe, lambda path: list(Decoder(path).blocks())):
        with pytest.raises(UnreadableMedia, match="“mute.mp4” has no sound"):
            read(path)


def raw_wav(path: Path, rate: int, samples: int) -> Path:
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(1)
        writer.setframerate(rate)
        writer.writeframes(b"\x80" * samples)
    return path


def test_a_small_file_cannot_fill_the_memory(tmp_path):
    """At 10 Hz 70 kilobytes of it would be seven gigabytes at 16 kHz."""
    bomb = raw_wav(tmp_path / "bomb.wav", 10, 70_000)
    tracemalloc.start()
    with pytest.raises(UnreadableMedia, match=r"“bomb.wav” says .* has 10 samples in a second"):
        list(Decoder(bomb).blocks())
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    low = raw_wav(tmp_path / "low.wav", 1000, 70_000)
    assert sum(block.size for block in Decoder(low).blocks()) == pytest.approx(70 * 16_000, abs=100)


def test_a_piece_that_lasts_for_hours_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("services.audio.decode.LONGEST_FRAME", 0.01)
    path = media.write_sound(tmp_path / "a.flac", media.tone(1, 44_100), codec="flac")
    with pytest.raises(UnreadableMedia, match=r"“a.flac” holds .* in one piece"):
        list(Decoder(path).blocks())


@pytest.mark.parametrize("rate", [16_000, 8_000], ids=["plain", "decoded"])
def test_what_is_longer_than_may_be_ends_there(tmp_path, rate):
    path = media.write_wav(tmp_path / "long.wav", media.tone(100, rate), rate)
    decoder = Decoder(path, longest=45)
    with pytest.raises(UnreadableMedia, match=r"“long.wav” is longer than 0.0125 hours"):
        list(decoder.blocks())
    assert decoder.seconds < 100
    assert len(list(Decoder(path, longest=101).blocks())) > 2


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "m3u": "#EXTM3U\n{}\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\na={}\n",
    "mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [None, "wav", "mp4"])
def test_a_playlist_that_names_a_file_of_this_machine_is_refused(tmp_path, kind, suffix):
    secret = media.write_wav(tmp_path / "secret.wav", media.tone(2))
    path = tmp_path / f"list.{suffix or kind}"
    path.write_text(PLAYLISTS[kind].format(secret))
    with pytest.raises(UnreadableMedia, match="cannot be read as audio"):
        list(Decoder(path).blocks())


def test_the_file_is_closed_when_reading_ends_or_is_given_up(tmp_path):
    import psutil

    path = media.write_wav(tmp_path / "a.wav", media.tone(70))
    blocks = Decoder(path).blocks()
    next(blocks)
    mine = psutil.Process()
    assert str(path) in [opened.path for opened in mine.open_files()]
    blocks.close()
    assert str(path) not in [opened.path for opened in mine.open_files()]


def test_seconds_grow_while_it_reads(tmp_path):
    path = media.write_wav(tmp_path / "a.wav", media.tone(100))
    decoder = Decoder(path)
    seen = [decoder.seconds for _ in decoder.blocks()]
    assert all(a < b for a, b in pairwise(seen)) and decoder.declared == pytest.approx(100)


@pytest.mark.parametrize(
    ("offset", "wrong"), [(20, b"\xee\xee"), (28, b"")], ids=["unknown codec", "cut header"]
)
def test_a_header_that_is_damaged_is_told_in_a_sentence(tmp_path, offset, wrong):
    path = media.write_wav(tmp_path / "a.wav", media.tone(0.1))
    data = path.read_bytes()
    rest = data[offset + len(wrong) :] if wrong else b""
    path.write_bytes(data[:offset] + wrong + rest)
    with pytest.raises(UnreadableMedia, match="“a.wav” cannot be read"):
        probe(path)
