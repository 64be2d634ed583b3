import itertools
import weakref

import numpy as np
import pytest

from services.audio import SAMPLE_RATE
from services.audio.clips import SPEECH, clips, speech_spans
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
    ],
    ids=["silence", "nothing", "noise", "tone"],
)
def test_where_nobody_speaks_there_are_no_clips(samples):
    assert list(clips([samples], 30)) == []


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
    probabilities[100] = SPEECH
    ((start, end),) = speech_spans(probabilities, 30)
    assert start / SAMPLE_RATE == pytest.approx(100 * 0.032 - 0.5, abs=0.033)
    assert end / SAMPLE_RATE == pytest.approx(101 * 0.032 + 0.5, abs=0.033)
