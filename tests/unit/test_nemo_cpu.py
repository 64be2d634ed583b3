"""What is computed in another way on a CPU, beside NeMo's own way.

NeMo is imported in the tests: to import it takes as long as to find all other tests.
"""

import copy
from typing import Any

import pytest


def subsampling(kind: str, causal: bool = False) -> Any:
    import torch
    from nemo.collections.asr.parts.submodules.subsampling import ConvSubsampling

    torch.manual_seed(1)
    activation = torch.nn.ReLU(True)
    return ConvSubsampling(kind, 8, 80, 64, 32, activation=activation, is_causal=causal).eval()


@pytest.mark.parametrize("kind", ["dw_striding", "striding"])
@pytest.mark.parametrize("lengths", [[300], [300, 299, 157, 1], [120, 301, 8]])
@pytest.mark.parametrize("behind", [0, 9])
def test_clips_of_any_lengths_are_shortened_as_nemo_does_it(kind, lengths, behind):
    import torch

    from services.audio.engines.nemo_cpu import Subsampling, tune

    nemo = subsampling(kind)
    ours = copy.deepcopy(nemo)
    tune(torch.nn.Sequential(ours))
    assert isinstance(ours.conv, Subsampling)
    # What lies behind a clip's end is not zero: it must not be heard.
    clips, frames = torch.randn(len(lengths), max(lengths) + behind, 80), torch.tensor(lengths)
    with torch.inference_mode():
        expected, ends = nemo(clips.clone(), frames)
        found, found_ends = ours(clips.clone(), frames)
    assert found_ends.tolist() == ends.tolist()
    # NeMo also shortens what lies behind every clip's end.
    torch.testing.assert_close(found, expected[:, : max(ends)], atol=1e-5, rtol=1e-4)


def test_layers_that_are_not_known_are_left_as_they_are():
    import torch

    from services.audio.engines.nemo_cpu import tune

    nemo = subsampling("dw_striding", causal=True)
    before = nemo.conv
    tune(torch.nn.Sequential(nemo))
    assert nemo.conv is before
