import itertools
import weakref

import numpy as np
import pytest

from services.audio import SAMPLE_RATE
from services.audio.clips import LIKELY, SPEECH, Clip, Silence, clips, is_unbroken, speech_spans
from services.audio.vad import WINDOW, speech_probabilities
from tests import media

LIMIT = 10.0


@pytest.fixture(scope="module")
def speech():
    """About a minute of prompts, with pauses of many lengths between them."""
    rng = np.random.default_rng(7)
    parts = []
    for pause, name in zip((0.3, 1.0, 4.0, 0.1, 6.0, 2.0), sorted(media.PROMPTS), strict=True):
        parts += [np.zeros(int(pause * SAMPLE_RATE)), media.at_16k(media.DATA / name)]
    joined = np.concatenate([*parts, *parts[::-1]])
    return (joined + rng.normal(0, 1e-4, joined.size)).astype(np.float32)


def spoken_windows(samples) -> np.ndarray:
    return np.flatnonzero(speech_probabilities(samples) >= 0.5)


def melody(seconds: int) -> np.ndarray:
    """Plucked notes in thirds and fifths, two a second."""
    time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    notes = [
        sum(
            np.sin(2 * np.pi * hertz * part * time) * weight
            for part, weight in (
                (1, 1),
                (2, 1 / 2),
                (3, 1 / 3),
                (4, 1 / 4),
                (1.26, 1 / 2),
                (1.5, 1 / 2),
            )
        )
        for hertz in (220, 262, 330, 392, 440, 330, 262, 392)
    ]
    played = np.concatenate([notes[n % 8] * np.exp(-3 * time) for n in range(2 * seconds)])
    return (played / np.abs(played).max() / 2).astype(np.float32)


def in_blocks(samples, seconds: float):
    size = int(seconds * SAMPLE_RATE)
    return [samples[i : i + size] for i in range(0, samples.size, size)]


def covered(cut, size: int) -> np.ndarray:
    inside = np.zeros(size + WINDOW, bool)
    for clip in cut:
        start = round(clip.start * SAMPLE_RATE)
        inside[start : start + clip.samples.size] = True
    return inside


@pytest.mark.parametrize("block", [0.7, 5, 30, 1000])
def test_no_speech_is_lost_however_the_recording_arrives(speech, block):
    cut = list(clips(in_blocks(speech, block), LIMIT))
    assert cut and max(clip.seconds for clip in cut) <= LIMIT
    inside = covered(cut, speech.size)
    missed = [w for w in spoken_windows(speech) if not inside[w * WINDOW : (w + 1) * WINDOW].all()]
    assert missed == []


@pytest.mark.parametrize("block", [0.7, 30])
def test_clips_hold_the_samples_of_their_place_and_do_not_overlap(speech, block):
    end = 0
    for clip in clips(in_blocks(speech, block), LIMIT):
        start = round(clip.start * SAMPLE_RATE)
        assert start >= end
        end = start + clip.samples.size
        original = speech[start:end]
        assert np.array_equal(clip.samples[: original.size], original)


def test_a_long_pause_is_left_out(speech):
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    gap = np.zeros(20 * SAMPLE_RATE, np.float32)
    first, second = clips([np.concatenate([prompt, gap, prompt])], 30)
    assert second.start - (first.start + first.seconds) > 15


def test_a_short_pause_stays_inside_a_clip():
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    gap = np.zeros(SAMPLE_RATE, np.float32)
    assert len(list(clips([np.concatenate([prompt, gap, prompt])], 30))) == 1


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(40 * SAMPLE_RATE, np.float32),
        np.zeros(0, np.float32),
        np.random.default_rng(0).normal(0, 0.01, 20 * SAMPLE_RATE).astype(np.float32),
        media.tone(20),
        melody(20),
    ],
    ids=["silence", "nothing", "noise", "tone", "melody"],
)
def test_where_nobody_speaks_there_are_no_clips(samples):
    assert list(clips([samples], 30)) == []


def white(rng, size: int) -> np.ndarray:
    return rng.normal(size=size)


def chord(rng, size: int) -> np.ndarray:
    time, lowest = np.arange(size) / SAMPLE_RATE, rng.uniform(80, 300)
    parts = [(part, step) for part in (1, 2, 3, 4) for step in (1, 1.26, 1.5)]
    made = sum(np.sin(2 * np.pi * lowest * p * step * time) / p for p, step in parts)
    return made / np.abs(made).max()


@pytest.mark.parametrize("make", [white, media.pink_noise, chord])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 3])
def test_steady_sounds_of_any_level_are_not_speech(make, level, seed):
    made = make(np.random.default_rng(seed), 60 * SAMPLE_RATE) * level
    found = clips([np.clip(made, -1, 1).astype(np.float32)], 30)
    assert [one for one in found if isinstance(one, Clip)] == []


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_recording_that_begins_with_notes_has_no_speech(seed):
    """The detector, before it has heard some seconds, takes the first ones for vowels."""
    made = media.single_notes(np.random.default_rng(seed), 20)
    assert [one for one in clips([made], 30) if isinstance(one, Clip)] == []


def test_speech_is_found_in_noise_and_where_it_is_soft(speech):
    spoken = np.zeros(speech.size // WINDOW + 1, bool)
    spoken[spoken_windows(speech)] = True
    noise = np.random.default_rng(2).normal(0, 0.02, speech.size)
    for changed in (speech * 10 ** (-30 / 20), speech + noise):
        cut = [one for one in clips([changed.astype(np.float32)], LIMIT) if isinstance(one, Clip)]
        inside = covered(cut, speech.size)[: spoken.size * WINDOW : WINDOW]
        assert inside[spoken[: inside.size].nonzero()].mean() > 0.99


def test_a_short_recording_with_speech_all_through_is_one_clip_as_it_is(speech):
    whole = np.concatenate([media.at_16k(media.DATA / name) for name in sorted(media.PROMPTS)])
    (clip,) = clips([whole[: 25 * SAMPLE_RATE]], 30)
    assert clip.start == 0 and np.array_equal(clip.samples, whole[: 25 * SAMPLE_RATE])


@pytest.mark.parametrize(("seconds", "number"), [(32.5, 1), (34.0, 2)])
def test_a_recording_a_little_longer_than_a_clip_stays_whole(seconds, number):
    whole = np.concatenate([media.at_16k(media.DATA / name) for name in sorted(media.PROMPTS)] * 2)
    found = list(clips([whole[: int(seconds * SAMPLE_RATE)]], 30))
    assert len(found) == number
    assert sum(clip.seconds for clip in found) == pytest.approx(seconds, abs=0.1)


def test_speech_all_through_is_found_without_looking_at_all_of_it():
    whole = np.concatenate([media.at_16k(media.DATA / name) for name in sorted(media.PROMPTS)])
    looked = []

    def look(samples):
        looked.append(samples.size)
        return speech_probabilities(samples)

    assert is_unbroken(whole, look)
    assert sum(looked) < 0.5 * whole.size
    gap = np.zeros(4 * SAMPLE_RATE, np.float32)
    for broken in ([whole, gap], [gap, whole], [whole, gap, whole], [gap]):
        assert not is_unbroken(np.concatenate(broken))


@pytest.mark.parametrize("end", [False, True])
def test_a_pause_at_an_end_that_is_short_stays(end):
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    recording = np.concatenate([prompt, pause, prompt, np.zeros(5 * SAMPLE_RATE, np.float32)])
    (clip,) = clips([recording[::-1] if end else recording], 30)
    edge = clip.start + clip.seconds if end else clip.start
    assert edge == pytest.approx(recording.size / SAMPLE_RATE if end else 0.0, abs=0.01)
    assert clip.seconds < recording.size / SAMPLE_RATE - 3


def test_cutting_goes_on_from_where_a_clip_says_it_can(speech):
    cut = list(clips(in_blocks(speech, 30), LIMIT))
    places = [number for number, clip in enumerate(cut) if clip.resume is not None]
    assert len(places) > 3
    spoken = spoken_windows(speech)
    for number in places:
        before, resume = cut[: number + 1], cut[number].resume
        rest = [c for c in clips(in_blocks(speech, 7), LIMIT, resume) if isinstance(c, Clip)]
        assert all(clip.start + clip.seconds <= resume / SAMPLE_RATE for clip in before)
        assert all(clip.start >= resume / SAMPLE_RATE for clip in rest)
        inside = covered([*before, *rest], speech.size)
        assert [w for w in spoken if not inside[w * WINDOW : (w + 1) * WINDOW].all()] == []


def test_silence_says_how_far_it_was_passed_at_every_step_of_its_length():
    prompt = media.at_16k(media.DATA / "conf-noempty.wav")
    silent = np.zeros(300 * SAMPLE_RATE, np.float32)
    taken = 0

    def blocks():
        nonlocal taken
        for block in in_blocks(np.concatenate([silent, prompt, silent]), 30):
            taken += 1
            yield block

    found, at = [], []
    for one in clips(blocks(), 30):
        found.append(one)
        at.append(taken * 30)
    passed = [one.resume / SAMPLE_RATE for one in found if isinstance(one, Silence)]
    assert passed == sorted(set(passed)) and max(np.diff([0, *passed])) <= 60.1
    assert max(np.diff([0, *at])) <= 60, "no step decodes more than two clips' length"
    (spoken,) = [one for one in found if isinstance(one, Clip)]
    before = [one.resume for one in found[: found.index(spoken)]]
    assert before[-1] <= spoken.start * SAMPLE_RATE, "speech is not passed over"
    assert len(before) >= 8 and len(passed) >= 17


def test_what_an_earlier_run_heard_is_passed_over_block_by_block(speech):
    steps = clips(in_blocks(speech, 10), LIMIT, 45 * SAMPLE_RATE)
    assert [next(steps) for _ in range(4)] == [Silence(45 * SAMPLE_RATE)] * 4
    assert isinstance(next(steps), Clip)


def test_no_recording_at_all():
    assert list(clips([], 30)) == []


def test_minutes_pass_through_without_being_held(speech):
    """What is alive at a time does not grow with the recording."""
    alive: weakref.WeakSet = weakref.WeakSet()
    most = 0

    class Block(np.ndarray):  # a set of weak references needs a hash
        __hash__ = object.__hash__

        def __eq__(self, other):
            return self is other

    def blocks():
        nonlocal most
        for _ in range(6):
            block = speech.copy().view(Block)
            alive.add(block)
            most = max(most, len(alive))
            yield block
            del block

    longest = held = 0.0
    for clip in clips(blocks(), LIMIT):
        assert clip.samples.base is None, "a clip must not keep the recording in memory"
        longest, held = max(longest, clip.seconds), held + clip.seconds
    assert held > 120 and longest <= LIMIT
    assert most <= 3


@pytest.mark.parametrize("longest", [5.0, 30.0])
def test_spans_of_unbroken_speech_are_cut_where_it_is_least_likely(longest):
    probabilities = np.full(4000, 0.9, np.float32)
    quiet = [130, 140, 900]
    probabilities[quiet] = 0.4
    spans = speech_spans(probabilities, longest)
    assert spans[0][0] == 0 and spans[-1][1] == probabilities.size * WINDOW
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    assert all(0 < end - start <= longest * SAMPLE_RATE for start, end in spans)
    expected = 130 if longest == 5 else 900
    assert spans[0][1] == expected * WINDOW


def test_soft_beginnings_and_ends_are_kept():
    probabilities = np.zeros(200, np.float32)
    probabilities[[60, 61]] = SPEECH
    ((start, end),) = speech_spans(probabilities, 30)
    assert start / SAMPLE_RATE == pytest.approx(60 * 0.032 - 0.5, abs=0.033)
    assert end / SAMPLE_RATE == pytest.approx(62 * 0.032 + 0.5, abs=0.033)


def doubtful(*times: float, likely: tuple[float, ...] = (), seconds: float = 60) -> np.ndarray:
    """Probabilities of a recording with a note, or speech, of a tenth of a second at some times."""
    found = np.zeros(round(seconds * SAMPLE_RATE / WINDOW), np.float32)
    for moments, value in ((times, LIKELY - 0.01), (likely, LIKELY)):
        for at in moments:
            found[round(at * SAMPLE_RATE / WINDOW) :][:3] = value
    return found


def test_a_short_recording_is_looked_at_as_it_is(monkeypatch):
    """It may be one soft word, which counts as such only where nothing was heard before."""
    looked: list[int] = []

    def found(part) -> np.ndarray:
        looked.append(part.size // WINDOW)
        return np.zeros(-(-part.size // WINDOW), np.float32)

    monkeypatch.setattr("services.audio.clips.speech_probabilities", found)
    for windows, expected in ((30, 30), (125, 125), (126, 251)):
        looked.clear()
        list(clips([np.zeros(windows * WINDOW, np.float32)], LIMIT))
        assert looked[-1] == expected


def test_what_may_be_a_note_of_music_counts_only_near_likely_speech():
    assert speech_spans(doubtful(20, 40), 30) == []
    (span,) = speech_spans(doubtful(20, 40, likely=(42.5,)), 30)
    assert 39 < span[0] / SAMPLE_RATE < 40 and 43 < span[1] / SAMPLE_RATE < 44
    assert len(speech_spans(doubtful(20, likely=(17.5,)), 30)) == 1
    assert speech_spans(doubtful(20, likely=(15,)), 30)[0][1] < 17 * SAMPLE_RATE


def test_one_soft_word_that_is_all_of_a_recording_counts():
    assert len(speech_spans(doubtful(2, seconds=5), 30)) == 1
    assert speech_spans(doubtful(2, seconds=5), 30, since=500) == []


@pytest.mark.parametrize("end", range(94, 101))
def test_likely_speech_vouches_also_for_what_is_cut_after_it(monkeypatch, end):
    """It is cut into clips of ten seconds; some are gone when the word after them is looked at."""
    notes = np.arange(end + 6, 190, 4)
    known = doubtful(end + 2, *notes, seconds=200)
    known[: round(end * SAMPLE_RATE / WINDOW)] = 0.9
    samples = np.arange(known.size * WINDOW, dtype=np.float32)  # each says where it is
    monkeypatch.setattr(
        "services.audio.clips.speech_probabilities",
        lambda part: known[int(part[0]) // WINDOW :][: -(-part.size // WINDOW)].copy(),
    )
    monkeypatch.setattr("services.audio.clips.levelled", lambda part: part)
    found = [one for one in clips([samples], LIMIT) if isinstance(one, Clip)]
    inside = covered(found, samples.size)
    assert inside[(end + 2) * SAMPLE_RATE]
    assert not inside[notes * SAMPLE_RATE].any()
