"""The settings that say how recordings become text."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from services.audio import ALL_TRACKS, MOST_TRACKS


class SpeechSettings(BaseModel):
    """What transcribes, and how."""

    engine: Literal["auto", "nemo", "whisper"] = "auto"
    """Speech engine for new batches."""

    nemo_model: str = "nvidia/parakeet-tdt-0.6b-v3"
    """NeMo checkpoint: a hub name, a .nemo file, or a directory that a .nemo was unpacked to."""

    nemo_input: Literal["arrays", "manifest"] = "arrays"
    """How audio reaches NeMo. `manifest` is only for models that cannot take arrays."""

    whisper_model: str | None = None
    """faster-whisper model by name or path; the offline tiny.en when unset."""

    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where speech models run."""

    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Number format that NeMo models compute in; `auto` is bfloat16 on a GPU that has it, and
    float32 on a CPU, where bfloat16 is faster if the processor has it (AVX512-BF16, AMX)."""

    hub_timeout: float = Field(3.0, gt=0, le=60)
    """Seconds that the model hub has to answer before it counts as out of reach."""

    diarization_model: str = "nvidia/diar_streaming_sortformer_4spk-v2"
    """Streaming Sortformer that tells speakers apart: a hub name, a .nemo file, or a directory."""

    speakers: bool = False
    """Whether speakers are told apart in new batches."""

    track: int = Field(1, ge=ALL_TRACKS, le=MOST_TRACKS)
    """Which sound track of recordings with several new batches read; 0 for all of them, mixed."""

    hotwords: tuple[str, ...] = ()
    """Names and terms of the team's, which every new batch listens for unless it is changed."""

    model_idle_minutes: float | None = Field(30.0, ge=0)
    """Time without work after which the speech model is freed, in minutes; never when unset."""

    clip_seconds: float = Field(30.0, ge=5, le=300)
    """Longest stretch of speech given to a model at once, in seconds; a recording that is a tenth
    longer stays whole."""

    recording_hours: float | None = Field(24.0, gt=0)
    """Hours of sound that one recording may have; a longer one fails with a sentence."""

    batch_seconds: float | None = Field(None, ge=5, le=3600)
    """Audio in one NeMo call at most, padding included, in seconds; when unset, 120 on a CPU, and
    on a GPU what its free memory holds."""

    transcription_waits: tuple[float, ...] = (0.5, 1.0, 1.5)
    """Pauses between tries of a transcription that met a lock, in seconds."""
