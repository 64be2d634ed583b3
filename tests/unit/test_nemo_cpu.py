"""What is computed in another way on a CPU, beside NeMo's own way."""

import copy

import pytest
import torch
from nemo.collections.asr.parts.submodules.subsampling import ConvSubsampling

from services.audio.engines.nemo_cpu import Subsampling, tune


def subsampling(kind: str, causal: bool = False) -> ConvSubsampling:
    torch.manual_seed(1)
    activation = torch.nn.ReLU(True)
    return ConvSubsampling(kind, 8, 80, 64, 32, activation=activation, is_causal=causal).eval()


@pytest.mark.parametrize("kind", ["dw_striding", "striding"])
@pytest.mark.parametrize("lengths", [[300], [300, 299, 157, 1], [120, 301, 8]])
def test_clips_of_any_lengths_are_shortened_as_nemo_does_it(kind, lengths):
    nemo = subsampling(kind)
    ours = copy.deepcopy(nemo)
    tune(torch.nn.Sequential(ours))
    assert isinstance(ours.conv, Subsampling)
    # What lies behind a clip's end is not zero: it must not be heard.
    clips, frames = torch.randn(len(lengths), max(lengths), 80), torch.tensor(lengths)
    with torch.inference_mode():
        expected, ends = nemo(clips.clone(), frames)
        found, found_ends = ours(clips.clone(), frames)
    assert found_ends.tolist() == ends.tolist()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_layers_that_are_not_known_are_left_as_they_are():
    nemo = subsampling("dw_striding", causal=True)
    before = nemo.conv
    tune(torch.nn.Sequential(nemo))
    assert nemo.conv is before
