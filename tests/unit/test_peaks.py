from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.audio.peaks import PER_SECOND, peaks
from tests import media

SECOND = 16_000


def test_a_peak_is_the_loudest_sample_of_its_twentieth_of_a_second():
    sound = np.zeros(SECOND, np.float32)
    sound[800], sound[15_999] = -0.5, 2.0
    assert list(peaks([sound])) == [0, 128, *[0] * 17, 255]


@given(st.lists(st.integers(0, 5000), max_size=6))
def test_it_does_not_matter_how_the_sound_is_cut_into_blocks(cuts):
    sound = media.tone(0.77) * np.linspace(0, 1, 12_320, dtype=np.float32)
    blocks = np.split(sound, sorted(cuts))
    assert peaks(blocks) == peaks([sound])
    assert len(peaks(blocks)) == 16


def test_silence_and_nothing():
    assert peaks([]) == b"" and peaks([np.zeros(0, np.float32)]) == b""
    assert peaks([np.zeros(2 * SECOND, np.float32)]) == bytes(2 * PER_SECOND)


def test_the_component_counts_on_as_many_peaks():
    script = Path(__file__).parents[2] / "pages/components/reader/wave.js"
    assert f"PEAKS_PER_SECOND = {PER_SECOND};" in script.read_text(encoding="utf-8")
