"""A small Sortformer with random weights: all of the real one but what it has learned."""

from __future__ import annotations

from pathlib import Path

WIDTH = 64


def write_sortformer(target: Path, streaming: bool = True) -> Path:
    """Write a checkpoint of a few hundred kilobytes for four speakers."""
    import torch
    from nemo.collections.asr.models import SortformerEncLabelModel
    from omegaconf import OmegaConf

    modules = "nemo.collections.asr.modules"
    config = {
        "sample_rate": 16000,
        "pil_weight": 0.5,
        "ats_weight": 0.5,
        "max_num_of_spks": 4,
        "streaming_mode": streaming,
        "model_defaults": {"fc_d_model": WIDTH, "tf_d_model": WIDTH // 2},
        "preprocessor": {
            "_target_": f"{modules}.AudioToMelSpectrogramPreprocessor",
            "normalize": "NA",
            "window_size": 0.025,
            "sample_rate": 16000,
            "window_stride": 0.01,
            "window": "hann",
            "features": 80,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 0.00001,
        },
        "encoder": {
            "_target_": f"{modules}.ConformerEncoder",
            "feat_in": 80,
            "feat_out": -1,
            "n_layers": 2,
            "d_model": WIDTH,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 32,
            "ff_expansion_factor": 2,
            "self_attention_model": "rel_pos",
            "n_heads": 4,
            "att_context_size": [-1, -1],
            "conv_kernel_size": 9,
            "conv_norm_type": "batch_norm",
        },
        "transformer_encoder": {
            "_target_": f"{modules}.transformer.transformer_encoders.TransformerEncoder",
            "num_layers": 1,
            "hidden_size": WIDTH // 2,
            "inner_size": WIDTH,
            "num_attention_heads": 4,
            "hidden_act": "relu",
            "pre_ln": False,
            "pre_ln_final_layer_norm": True,
        },
        "sortformer_modules": {
            "_target_": f"{modules}.sortformer_modules.SortformerModules",
            "num_spks": 4,
            "dropout_rate": 0.5,
            "fc_d_model": WIDTH,
            "tf_d_model": WIDTH // 2,
            "subsampling_factor": 8,
            "spkcache_len": 188,
            "fifo_len": 0,
            "chunk_len": 188,
            "spkcache_update_period": 188,
            "chunk_left_context": 1,
            "chunk_right_context": 1,
        },
        "loss": {
            "_target_": "nemo.collections.asr.losses.bce_loss.BCELoss",
            "weight": None,
            "reduction": "mean",
        },
    }
    torch.manual_seed(7)
    model = SortformerEncLabelModel(cfg=OmegaConf.create(config))
    with torch.no_grad():  # louder, so that its answers change with the sound
        model.sortformer_modules.single_hidden_to_spks.weight *= 20
    model.save_to(str(target))
    return target
