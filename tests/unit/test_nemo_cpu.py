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


def is_done_by(function: Any, module: Any) -> bool:
    """Whether `module` computes by `function` of ours."""
    return getattr(module.forward, "func", None) is function


@pytest.mark.parametrize("kind", ["dw_striding", "striding"])
@pytest.mark.parametrize("lengths", [[300], [300, 299, 157, 1, 0], [120, 301, 8]])
@pytest.mark.parametrize("behind", [0, 9])
def test_clips_of_any_lengths_are_shortened_as_nemo_does_it(kind, lengths, behind):
    import torch

    from services.audio.engines.nemo_cpu import subsample, tune

    nemo = subsampling(kind)
    ours = copy.deepcopy(nemo)
    tune(ours)
    assert is_done_by(subsample, ours.conv)
    # What lies behind a clip's end is not zero: it must not be heard.
    clips, frames = torch.randn(len(lengths), max(lengths) + behind, 80), torch.tensor(lengths)
    with torch.inference_mode():
        expected, ends = nemo(clips.clone(), frames)
        found, found_ends = ours(clips.clone(), frames)
    assert found_ends.tolist() == ends.tolist()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lengths", [[300], [300, 299, 157, 20]])
def test_a_batch_that_nemo_splits_is_shortened_too(lengths):
    import torch

    from services.audio.engines.nemo_cpu import tune

    nemo = subsampling("dw_striding")
    nemo.change_subsampling_conv_chunking_factor(2)
    ours = copy.deepcopy(nemo)
    tune(ours)
    clips, frames = torch.randn(len(lengths), max(lengths), 80), torch.tensor(lengths)
    with torch.inference_mode():
        expected, ends = nemo(clips.clone(), frames)
        found, found_ends = ours(clips.clone(), frames)
    assert found_ends.tolist() == ends.tolist()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_layers_that_are_not_known_are_left_as_they_are():
    from services.audio.engines.nemo_cpu import tune

    nemo = subsampling("dw_striding", causal=True)
    before = nemo.conv.forward
    tune(nemo)
    assert nemo.conv.forward == before


@pytest.mark.parametrize(
    "others", [{}, {"normalize": "all_features"}, {"normalize": None}, {"pad_to": 16}]
)
@pytest.mark.parametrize("lengths", [[16_000], [40_000, 39_999, 17_120, 400]])
def test_features_of_clips_of_any_lengths_are_nemos(others, lengths):
    import torch
    from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures

    from services.audio.engines.nemo_cpu import log_mels, tune

    torch.manual_seed(3)
    given = {"n_window_size": 400, "n_window_stride": 160, "dither": 0.0, "pad_to": 0} | others
    nemo, ours = FilterbankFeatures(**given).eval(), FilterbankFeatures(**given).eval()
    tune(ours)
    assert is_done_by(log_mels, ours)
    samples = torch.tensor(lengths)
    signals = torch.randn(len(lengths), max(lengths)) * (
        torch.arange(max(lengths)) < samples[:, None]
    )
    expected, ends = nemo(signals, samples)
    found, found_ends = ours(signals, samples)
    assert found_ends.tolist() == ends.tolist()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("others", [{"exact_pad": True}, {"mag_power": 1.0}, {"preemph": None}])
def test_features_of_other_kinds_are_left_to_nemo(others):
    from nemo.collections.asr.parts.preprocessing.features import FilterbankFeatures

    from services.audio.engines.nemo_cpu import tune

    features = FilterbankFeatures(**others)
    before = features.forward
    tune(features)
    assert features.forward is before


def conformer(**others: Any) -> Any:
    import torch
    from nemo.collections.asr.modules import ConformerEncoder

    torch.manual_seed(2)
    made = ConformerEncoder(
        feat_in=40, n_layers=2, d_model=32, n_heads=4, subsampling_factor=4, **others
    ).eval()
    for name, parameter in made.named_parameters():
        if "pos_bias" in name:  # zero where nothing was learned
            torch.nn.init.normal_(parameter)
    return made


@pytest.mark.parametrize("lengths", [[400], [400, 399, 161, 5], [90, 300]])
def test_frames_hear_their_own_clip_as_with_nemo(lengths):
    import torch

    from services.audio.engines.nemo_cpu import attend, tune

    nemo = conformer()
    ours = copy.deepcopy(nemo)
    tune(ours)
    assert all(is_done_by(attend, layer.self_attn) for layer in ours.layers)
    assert ours.state_dict().keys() == nemo.state_dict().keys()
    clips, frames = torch.randn(len(lengths), 40, max(lengths)), torch.tensor(lengths)
    with torch.inference_mode():
        expected, ends = nemo(audio_signal=clips, length=frames)
        found, found_ends = ours(audio_signal=clips, length=frames)
    assert found_ends.tolist() == ends.tolist() and found.shape == expected.shape
    for one, other, end in zip(found, expected, ends.tolist(), strict=True):
        torch.testing.assert_close(one[:, :end], other[:, :end], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "others",
    [
        {"att_context_size": [16, 16]},
        {"self_attention_model": "abs_pos"},
        {"att_context_size": [16, 16], "use_pytorch_sdpa_backends": ["MATH"]},
    ],
)
def test_attention_of_other_kinds_is_left_to_nemo(others):
    import torch

    from services.audio.engines.nemo_cpu import attend, tune

    nemo = conformer(**others)
    ours = copy.deepcopy(nemo)
    tune(ours)
    assert not any(is_done_by(attend, layer.self_attn) for layer in ours.layers)
    clips, frames = torch.randn(2, 40, 200), torch.tensor([200, 130])
    with torch.inference_mode():
        expected, _ = nemo(audio_signal=clips, length=frames)
        found, _ = ours(audio_signal=clips, length=frames)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_the_model_that_times_canarys_words_is_tuned_too():
    import torch

    from services.audio.engines.nemo_cpu import subsample, tune

    model, aligner = torch.nn.Module(), torch.nn.Sequential(subsampling("striding"))
    object.__setattr__(model, "timestamps_asr_model", aligner)  # as NeMo does it
    tune(model)
    assert is_done_by(subsample, aligner[0].conv)


def test_frames_of_an_earlier_part_are_left_to_nemo():
    import torch

    from services.audio.engines.nemo_cpu import tune

    nemo = conformer()
    ours = copy.deepcopy(nemo)
    tune(ours)
    attention, tuned = nemo.layers[0].self_attn, ours.layers[0].self_attn
    frames, cache = torch.randn(1, 10, 32), torch.randn(1, 6, 32)
    distances, mask = torch.randn(1, 31, 32), torch.zeros(1, 10, 16, dtype=torch.bool)
    attention.cache_drop_size = tuned.cache_drop_size = 0
    call = {"mask": mask, "pos_emb": distances, "cache": cache}
    with torch.inference_mode():
        expected, kept = attention(frames, frames, frames, **call)
        found, ours_kept = tuned(frames, frames, frames, **call)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours_kept, kept)
