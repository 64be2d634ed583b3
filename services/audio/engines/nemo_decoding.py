"""How a NeMo model turns its frames into words: times, confidence, phrases to listen for."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

from services.audio.engines import Hints

log = logging.getLogger(__name__)

BOOSTING_WEIGHT = 1.0
"""Weight of the phrases beside the model's own score (NeMo's `boosting_tree_alpha`)."""

ASSUMED = "en"
"""Language that a model is told, which has to be told one, where nobody said which is spoken."""


class Decoding:
    """Sets up a model's decoding once, and again only when the phrases change.

    NeMo sets it up anew at every call that asks a CTC model for times, which takes about as long as
    hearing a minute with a small model.
    """

    def __init__(self, model: Any, device: str) -> None:
        from nemo.collections.asr.models import EncDecCTCModel, EncDecMultiTaskModel

        self._model = model
        self._device = device
        self._prompted = isinstance(model, EncDecMultiTaskModel)
        self._ctc = isinstance(model, EncDecCTCModel)
        self._phrases: tuple[str, ...] | None = None
        self.phrases_refused = False
        """Whether the model cannot listen for the phrases that it was given."""
        self._plain: Any = None  # the checkpoint's own decoding

    def prepare(self, phrases: tuple[str, ...]) -> None:
        """Set up times and confidence, and `phrases` to listen for."""
        if phrases == self._phrases:
            return
        self._phrases = phrases
        if self._prompted:  # Canary: its own times, no confidence
            self.phrases_refused = bool(phrases)
            return
        from omegaconf import OmegaConf

        if self._plain is None:
            self._plain = OmegaConf.to_container(self._model.cfg.decoding, resolve=True)
        plain = OmegaConf.create(self._plain)
        tries = [self._wanted(phrases), self._wanted(()), {"compute_timestamps": True}]
        for changes in tries if phrases else tries[1:]:
            try:
                self._model.change_decoding_strategy(OmegaConf.merge(plain, changes), verbose=False)
                self.phrases_refused = bool(phrases) and changes is not tries[0]
                return
            except Exception as error:  # of a checkpoint with a decoding of its own
                log.warning("%s takes no such decoding: %s", type(self._model).__name__, error)
                if changes is tries[-1]:
                    raise

    def transcribe(self, audio: Any, batch_size: int, hints: Hints) -> Any:
        """Return what the model hears, in one batch."""
        call: dict[str, Any] = {"batch_size": batch_size, "timestamps": True, "verbose": False}
        if self._ctc:
            # Past the model's own `transcribe`, which only sets up the decoding before this.
            from nemo.collections.asr.parts.mixins import TranscriptionMixin

            return TranscriptionMixin.transcribe(self._model, audio, return_hypotheses=True, **call)
        if self._prompted:
            call |= {
                "source_lang": hints.language or ASSUMED,
                "target_lang": self.language(hints),
            }
        return self._model.transcribe(audio, **call)

    def left_aside(self, hints: Hints) -> list[str]:
        """Return sentences on what the model could not use of `hints`."""
        self.prepare(hints.hotwords)
        found = []
        if self.phrases_refused:
            found.append("This model cannot listen for the names and terms that were given.")
        if hints.translate_to and not self._prompted:
            found.append("This model does not translate: the text is in the language spoken.")
        if self._prompted and not hints.language:
            found.append(
                "This model cannot find out which language is spoken, and took it for English. "
                "If it is another, choose it and run the file again."
            )
        return found

    def language(self, hints: Hints) -> str | None:
        """Return the language of the text, as far as it is known."""
        if self._prompted:
            return hints.translate_to or hints.language or ASSUMED
        return hints.language

    def confidences(self, found: Any) -> list[float | None]:
        """Return the confidence in each word of a hypothesis, from 0 to 1; None where unknown.

        Of a CTC model it is the mean probability of the tokens that it took, blanks left out; of a
        transducer it is NeMo's own, of the same kind. (NeMo 3.0 cannot give it of a CTC model of
        characters: it joins their numbers as if they were text.)
        """
        stamps = (found.timestamp or {}).get("word", []) if found.text else []
        if self._ctc:
            best = found.y_sequence.max(dim=-1)
            taken = best.indices != self._model.decoding.blank_id
            sure, taken = best.values.float().exp().cpu().numpy(), taken.cpu().numpy()
            spans = [(int(s["start_offset"]), int(s["end_offset"]) + 1) for s in stamps]
            return [_mean(sure[start:end], taken[start:end]) for start, end in spans]
        own = found.word_confidence or []
        return [float(one) for one in own] if len(own) == len(stamps) else [None] * len(stamps)

    def _wanted(self, phrases: tuple[str, ...]) -> dict[str, Any]:
        greedy: dict[str, Any] = {}
        if phrases:
            greedy["boosting_tree"] = {
                "key_phrases_list": list(phrases),
                # Where NeMo is told to use it and it is not there, as on Windows, each call fails.
                "use_triton": self._device == "cuda" and find_spec("triton") is not None,
            }
            greedy["boosting_tree_alpha"] = BOOSTING_WEIGHT
        wanted: dict[str, Any] = {"compute_timestamps": True, "greedy": greedy}
        if self._ctc:
            return wanted | {"ctc_timestamp_type": "word"}
        if self._device == "cuda":
            greedy["use_cuda_graph_decoder"] = True
        confidence = {
            "preserve_word_confidence": True,
            "exclude_blank": True,
            "method_cfg": {"name": "max_prob"},
        }
        return wanted | {"rnnt_timestamp_type": "word", "confidence_cfg": confidence}


def _mean(sure: Any, taken: Any) -> float | None:
    chosen = sure[taken] if taken.any() else sure
    return float(chosen.mean()) if chosen.size else None
