import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.audio import SAMPLE_RATE
from services.audio.clips import Clip
from services.audio.decode import Decoder
from services.jobs.batching import Piece, Window
from services.jobs.recording import Recording, Slot
from tests import media


def piece(seconds: float) -> Piece:
    decoder = Decoder(media.DATA / "conf-noempty.wav")
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    return Piece(Recording(None, decoder, iter(())), Clip(0.0, samples), Slot(None))


lengths = st.lists(st.floats(0.1, 30), max_size=40)


@given(lengths, st.floats(5, 300))
def test_batches_hold_every_clip_once_and_no_more_than_they_may(seconds, most):
    window, pieces = Window(), [piece(each) for each in seconds]
    for each in pieces:
        window.add(each)
    taken = []
    while batch := window.take(most):
        left = [one for one in pieces if one not in taken]
        assert left[0] in batch, "the one that waited longest"
        padded = max(one.clip.seconds for one in batch) * len(batch)
        assert len(batch) == 1 or padded <= most + 1e-6
        order = [one.clip.seconds for one in batch]
        assert order == sorted(order, reverse=True)
        taken += batch
    assert sorted(map(id, taken)) == sorted(map(id, pieces))
    assert not window and abs(window.seconds) < 1e-6


def test_clips_of_about_the_same_length_go_together():
    window = Window()
    for seconds in (5, 29, 6, 28, 5.5, 27):
        window.add(piece(seconds))
    batches = [[round(one.clip.seconds, 1) for one in window.take(60)] for _ in range(3)]
    assert batches == [[6, 5.5, 5], [29, 28], [27]]


def test_what_is_over_waits_no_more():
    window, pieces = Window(), [piece(5), piece(6)]
    for each in pieces:
        window.add(each)
    pieces[0].recording.over = True
    assert window.take(60) == [pieces[1]]
    assert window.take(60) == [] and window.seconds == 0
