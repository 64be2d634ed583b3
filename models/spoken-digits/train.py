"""Train and measure the spoken-digits test model.

The model is a small FastConformer with a CTC head over characters. It hears the ten English
digits and nothing else, which is enough to test everything around a real NeMo checkpoint:
loading, batching, long recordings and word times.

    python train.py

trains from nothing on the recordings of the Free Spoken Digit Dataset, writes
``spoken-digits.nemo`` and prints the error rates on recordings it never trained on.
"""

from __future__ import annotations

import argparse
import io
import math
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import nemo.collections.asr as nemo_asr
import numpy as np
import soundfile
import soxr
import torch
from nemo.utils import logging as nemo_logging
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

Audio = NDArray[np.float32]
Span = tuple[float, float]

SAMPLE_RATE = 16_000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LABELS = [" ", *sorted(set("".join(WORDS)))]

DEVELOPMENT_TAKES = frozenset(range(40, 45))
HELD_BACK_TAKES = frozenset(range(45, 50))

SPEEDS = (0.9, 0.95, 1.0, 1.05, 1.1)
SUBSAMPLING = 4
FRAME_SECONDS = 0.01 * SUBSAMPLING

BATCHES_PER_EPOCH = 100
DIGITS_PER_BATCH = 110
WARMUP_BATCHES = 200
PEAK_LEARNING_RATE = 2e-3
FINAL_LEARNING_RATE = 2e-5
PLACE_LOSS_WEIGHT = 0.5


@dataclass(frozen=True)
class Recording:
    """One spoken digit at 16 kHz, with the seconds at which its speech starts and ends."""

    digit: int
    speaker: str
    take: int
    audio: Audio
    speech: Span


@dataclass(frozen=True)
class Utterance:
    """One or more joined digits: the sound, the text, and where each word is spoken."""

    audio: Audio
    text: str
    spans: list[Span]


@dataclass(frozen=True)
class TimeError:
    """How far the word times of correctly heard utterances are from the true ones, seconds."""

    start_p95: float
    start_worst: float
    end_p95: float
    end_worst: float
    words: int


# --- Recordings ---------------------------------------------------------------------------------


def find_speech(audio: Audio) -> Span:
    """Return when speech starts and ends in a recording, by its loudness in 10 ms steps.

    Some of the recordings hold up to half a second of quiet before the word.
    """
    step = SAMPLE_RATE // 100
    steps = audio[: len(audio) // step * step].reshape(-1, step)
    loudness = np.sqrt(np.mean(steps**2, axis=1))
    loud = np.flatnonzero(loudness > 0.1 * loudness.max())
    return float(loud[0]) / 100, float(loud[-1] + 1) / 100


def load_recordings(archive: Path, speed: float = 1.0) -> list[Recording]:
    """Read every recording of the archive at 16 kHz, played ``speed`` times as fast."""
    recordings = []
    with zipfile.ZipFile(archive) as files:
        for name in sorted(files.namelist()):
            if not name.endswith(".wav"):
                continue
            digit, speaker, take = Path(name).stem.split("_")
            samples, rate = soundfile.read(io.BytesIO(files.read(name)), dtype="float32")
            audio = soxr.resample(samples, rate, SAMPLE_RATE / speed).astype(np.float32)
            recordings.append(Recording(int(digit), speaker, int(take), audio, find_speech(audio)))
    return recordings


def with_takes(recordings: Iterable[Recording], takes: frozenset[int]) -> list[Recording]:
    """Return the recordings whose take is one of ``takes``."""
    return [recording for recording in recordings if recording.take in takes]


# --- Utterances ---------------------------------------------------------------------------------


def decibels(value: float) -> float:
    """Return the factor on samples for a change in decibels."""
    return float(10 ** (value / 20))


def rms(audio: Audio) -> float:
    """Return the root mean square of the samples."""
    return float(np.sqrt(np.mean(audio**2)) + 1e-9)


def join(
    recordings: Sequence[Recording],
    pauses: Sequence[float],
    gains: Sequence[float] | None = None,
) -> Utterance:
    """Join recordings with silence; ``pauses`` are those before, between and after them."""
    parts = [np.zeros(round(pauses[0] * SAMPLE_RATE), np.float32)]
    spans = []
    position = len(parts[0])
    for index, recording in enumerate(recordings):
        gain = 1.0 if gains is None else gains[index]
        silence = np.zeros(round(pauses[index + 1] * SAMPLE_RATE), np.float32)
        begin = position / SAMPLE_RATE
        spans.append((begin + recording.speech[0], begin + recording.speech[1]))
        parts += [recording.audio * np.float32(gain), silence]
        position += len(recording.audio) + len(silence)
    text = " ".join(WORDS[recording.digit] for recording in recordings)
    return Utterance(np.concatenate(parts), text, spans)


def make_noise(random: np.random.Generator, length: int, level: float) -> Audio:
    """Return hiss, or a duller rumble, with a root mean square of ``level``."""
    noise = random.standard_normal(length).astype(np.float32)
    if random.random() < 0.5:
        # A running mean is the cheapest low-pass there is.
        sums = np.cumsum(noise, dtype=np.float64)
        width = int(random.integers(2, 12))
        noise[width:] = (sums[width:] - sums[:-width]) / width
    return noise * np.float32(level / rms(noise))


def pad_to_second(utterance: Utterance) -> Utterance:
    """Pad a shorter utterance to one second, half before and half after, as NeMo does."""
    missing = max(0, SAMPLE_RATE - len(utterance.audio))
    before = missing // 2
    shift = before / SAMPLE_RATE
    return Utterance(
        np.pad(utterance.audio, (before, missing - before)),
        utterance.text,
        [(start + shift, end + shift) for start, end in utterance.spans],
    )


class Mixer:
    """Makes training utterances in memory, so that no two batches are the same."""

    def __init__(self, recordings: Sequence[Recording], seed: int) -> None:
        """Mix from ``recordings``; the same seed gives the same utterances."""
        self._random = np.random.default_rng(seed)
        self._all = list(recordings)
        self._by_speaker = {
            speaker: [recording for recording in recordings if recording.speaker == speaker]
            for speaker in sorted({recording.speaker for recording in recordings})
        }

    def batch(self) -> list[Utterance]:
        """Return utterances of similar length; most hold 2 to 8 digits."""
        kind = self._random.random()
        if kind < 0.25:
            count = 1
        elif kind < 0.92:
            count = int(self._random.integers(2, 9))
        else:
            # Now and then as long as the pieces that a long recording is cut into.
            count = int(self._random.integers(12, 40))
        # The same for a whole batch, as padding to the longest one costs time.
        edge = float(self._random.choice([0.0, 0.2, 0.5, 1.5], p=[0.25, 0.3, 0.35, 0.1]))
        size = max(3, min(48, DIGITS_PER_BATCH // count))
        return [self._utterance(count, edge) for _ in range(size)]

    def _utterance(self, count: int, edge: float) -> Utterance:
        random = self._random
        if random.random() < 0.03:
            return self._quiet(edge + 0.7 * count)
        recordings = self._choose(count)
        mixed = join(recordings, self._pauses(count, edge), self._gains(recordings))
        quietest = min(rms(recording.audio) for recording in recordings)
        audio = mixed.audio
        if random.random() < 0.8:
            level = decibels(random.uniform(-85, -45))
            audio = audio + make_noise(random, len(audio), min(level, quietest * 0.25))
        noisy = Utterance(self._gain(audio), mixed.text, mixed.spans)
        # NeMo pads what is handed over as an array, but not what it reads from a path.
        return pad_to_second(noisy) if random.random() < 0.6 else noisy

    def _choose(self, count: int) -> list[Recording]:
        pool = self._all
        if self._random.random() < 0.5:
            speakers = sorted(self._by_speaker)
            pool = self._by_speaker[speakers[self._random.integers(len(speakers))]]
        return [pool[index] for index in self._random.integers(len(pool), size=count)]

    def _pauses(self, count: int, edge: float) -> list[float]:
        pauses = self._random.uniform(0.08, 0.7, size=count + 1)
        pauses[0], pauses[-1] = self._random.uniform(0, 1, size=2) * edge
        return [float(pause) for pause in pauses]

    def _gains(self, recordings: Sequence[Recording]) -> list[float]:
        # The speakers are up to 30 dB apart: sometimes left so, sometimes evened out.
        if self._random.random() < 0.5:
            return [1.0] * len(recordings)
        return [
            decibels(self._random.uniform(-29, -21)) / rms(recording.audio)
            for recording in recordings
        ]

    def _gain(self, audio: Audio) -> Audio:
        gain = decibels(self._random.uniform(-12, 9))
        return np.clip(audio * np.float32(gain), -1, 1).astype(np.float32)

    def _quiet(self, seconds: float) -> Utterance:
        """Return an utterance without a word, so that silence is heard as no text."""
        length = round(seconds * SAMPLE_RATE)
        audio = np.zeros(length, np.float32)
        if self._random.random() < 0.7:
            audio = make_noise(self._random, length, decibels(self._random.uniform(-85, -35)))
        return Utterance(audio, "", [])


# --- Model --------------------------------------------------------------------------------------


def data_section() -> dict[str, Any]:
    """Return the configuration of a data loader that has no recordings of its own.

    The sections stay in the checkpoint, without manifests: NeMo reads them when it is given
    paths to transcribe.
    """
    return {
        "manifest_filepath": None,
        "sample_rate": SAMPLE_RATE,
        "labels": LABELS,
        "batch_size": 8,
        "shuffle": False,
        "num_workers": 0,
        "pin_memory": False,
        "defer_setup": True,
    }


def model_config() -> DictConfig:
    """Return the configuration of the model."""
    return OmegaConf.create(
        {
            "name": "spoken-digits",
            "sample_rate": SAMPLE_RATE,
            "labels": LABELS,
            "ctc_reduction": "mean_volume",
            "log_prediction": False,
            "validation_ds": data_section(),
            "test_ds": data_section(),
            "preprocessor": {
                "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
                "sample_rate": SAMPLE_RATE,
                "normalize": "per_feature",
                "window_size": 0.025,
                "window_stride": 0.01,
                "window": "hann",
                "features": 40,
                "n_fft": 512,
                # The recordings were made at 8 kHz: above 4 kHz there is nothing to learn.
                "highfreq": 3800,
                "log": True,
                "frame_splicing": 1,
                "dither": 0.0,
                "pad_to": 0,
            },
            "spec_augment": {
                "_target_": "nemo.collections.asr.modules.SpectrogramAugmentation",
                "freq_masks": 2,
                "freq_width": 6,
                "time_masks": 2,
                "time_width": 6,
            },
            "encoder": {
                "_target_": "nemo.collections.asr.modules.ConformerEncoder",
                "feat_in": 40,
                "feat_out": -1,
                "n_layers": 4,
                "d_model": 96,
                # Four, not eight: a short "three" has six characters in a fifth of a second.
                "subsampling": "dw_striding",
                "subsampling_factor": SUBSAMPLING,
                "subsampling_conv_channels": 64,
                "causal_downsampling": False,
                "ff_expansion_factor": 4,
                "self_attention_model": "rel_pos",
                "n_heads": 4,
                "att_context_size": [-1, -1],
                "att_context_style": "regular",
                "xscaling": False,
                "untie_biases": True,
                "pos_emb_max_len": 5000,
                "conv_kernel_size": 9,
                "conv_norm_type": "batch_norm",
                # Drawing random numbers took a fifth of the time, and the mixer already makes
                # every batch different.
                "dropout": 0.0,
                "dropout_pre_encoder": 0.1,
                "dropout_emb": 0.0,
                "dropout_att": 0.0,
            },
            "decoder": {
                "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
                "feat_in": None,
                "num_classes": len(LABELS),
                "vocabulary": LABELS,
            },
            "decoding": {"strategy": "greedy_batch"},
            "optim": {"name": "adamw", "lr": PEAK_LEARNING_RATE},
        }
    )


# --- Training -----------------------------------------------------------------------------------


def collate(utterances: Sequence[Utterance]) -> dict[str, torch.Tensor]:
    """Pad utterances into one batch, with their texts as label numbers."""
    targets = [[LABELS.index(letter) for letter in utterance.text] for utterance in utterances]
    longest = max(len(utterance.audio) for utterance in utterances)
    signal = torch.zeros(len(utterances), longest)
    text = torch.zeros(len(utterances), max(1, *map(len, targets)), dtype=torch.long)
    for row, (utterance, target) in enumerate(zip(utterances, targets, strict=True)):
        signal[row, : len(utterance.audio)] = torch.from_numpy(utterance.audio)
        text[row, : len(target)] = torch.tensor(target, dtype=torch.long)
    return {
        "signal": signal,
        "signal_length": torch.tensor([len(utterance.audio) for utterance in utterances]),
        "text": text,
        "text_length": torch.tensor([len(target) for target in targets]),
    }


def allowed_labels(utterances: Sequence[Utterance], lengths: torch.Tensor) -> torch.Tensor:
    """Return which labels may stand in which output frame, given where the words are spoken.

    The blank may stand anywhere, letters only within a word. NeMo takes the frame of the space
    for the start of the word after it, so a space may stand only where a word starts.
    """
    allowed = torch.zeros(len(utterances), int(lengths.max()), len(LABELS) + 1, dtype=torch.bool)
    allowed[..., -1] = True
    for row, utterance in enumerate(utterances):
        for start, end in utterance.spans:
            first_frame = math.floor(start / FRAME_SECONDS)
            last_frame = math.ceil(end / FRAME_SECONDS)
            allowed[row, max(0, first_frame - 1) : last_frame + 3, 1:] = True
            allowed[row, max(0, first_frame - 2) : first_frame + 2, 0] = True
        allowed[row, int(lengths[row]) :] = True
    return allowed


def learning_rate(batch: int, batches: int) -> float:
    """Return the learning rate of a batch: a short rise, then half a cosine down."""
    if batch < WARMUP_BATCHES:
        return PEAK_LEARNING_RATE * (batch + 1) / WARMUP_BATCHES
    done = (batch - WARMUP_BATCHES) / max(1, batches - WARMUP_BATCHES)
    share = 0.5 * (1 + math.cos(math.pi * done))
    return FINAL_LEARNING_RATE + (PEAK_LEARNING_RATE - FINAL_LEARNING_RATE) * share


def batch_loss(model: Any, utterances: Sequence[Utterance]) -> torch.Tensor:
    """Return the CTC loss of a batch, plus a smaller one for labels in the wrong place.

    CTC alone does not care when a letter is said, as long as the order is right. The second
    part does: it is what makes the times of the words good.
    """
    batch = collate(utterances)
    log_probs, lengths, _ = model.forward(
        input_signal=batch["signal"], input_signal_length=batch["signal_length"]
    )
    ctc = model.loss(
        log_probs=log_probs,
        targets=batch["text"],
        input_lengths=lengths,
        target_lengths=batch["text_length"],
    )
    log_probs = log_probs[:, : int(lengths.max())]
    in_place = log_probs.masked_fill(~allowed_labels(utterances, lengths), -torch.inf)
    return ctc - PLACE_LOSS_WEIGHT * in_place.logsumexp(dim=-1).mean()


def train(model: Any, mixer: Mixer, epochs: int, development: Sequence[Recording]) -> None:
    """Train the model in place, printing the loss and now and then the development error."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-2
    )
    begun = time.monotonic()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for index in range(BATCHES_PER_EPOCH):
            rate = learning_rate(epoch * BATCHES_PER_EPOCH + index, epochs * BATCHES_PER_EPOCH)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = batch_loss(model, mixer.batch())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += float(loss.detach())
        line = f"epoch {epoch + 1}/{epochs}: loss {total / BATCHES_PER_EPOCH:.4f}"
        if epoch % 4 == 3 or epoch == epochs - 1:
            singles = [join([recording], [0.0, 0.0]) for recording in development]
            sequences = make_sequences(development, 60, seed=1)
            line += f", development: singles {word_error_rate(model, singles):.2%}"
            line += f", sequences {word_error_rate(model, sequences):.2%}"
        print(f"{line}, {time.monotonic() - begun:.0f} s", flush=True)
    model.eval()


# --- Evaluation ---------------------------------------------------------------------------------


def make_sequences(recordings: Sequence[Recording], count: int, seed: int) -> list[Utterance]:
    """Join 2 to 8 recordings, at their own loudness, with pauses of 0.1 to 0.6 s.

    Every second sequence is spoken by one speaker. A little noise, at -70 dB, lies under all.
    """
    random = np.random.default_rng(seed)
    speakers = sorted({recording.speaker for recording in recordings})
    sequences = []
    for index in range(count):
        pool = list(recordings)
        if index % 2:
            speaker = speakers[random.integers(len(speakers))]
            pool = [recording for recording in recordings if recording.speaker == speaker]
        digits = int(random.integers(2, 9))
        chosen = [pool[pick] for pick in random.integers(len(pool), size=digits)]
        pauses = [float(pause) for pause in random.uniform(0.1, 0.6, size=digits + 1)]
        sequence = join(chosen, pauses)
        noise = make_noise(random, len(sequence.audio), decibels(-70))
        sequences.append(Utterance(sequence.audio + noise, sequence.text, sequence.spans))
    return sequences


def make_pieces(recordings: Sequence[Recording], minutes: float, seed: int) -> list[Utterance]:
    """Return a long recording that is cut, in its pauses, into pieces of 20 to 30 s."""
    random = np.random.default_rng(seed)
    pieces: list[Utterance] = []
    while sum(len(piece.audio) for piece in pieces) < minutes * 60 * SAMPLE_RATE:
        wanted = random.uniform(21, 29)
        chosen: list[Recording] = []
        pauses = [float(random.uniform(0.1, 0.6))]
        seconds = pauses[0]
        while seconds < wanted:
            chosen.append(recordings[int(random.integers(len(recordings)))])
            pauses.append(float(random.uniform(0.1, 0.6)))
            seconds += len(chosen[-1].audio) / SAMPLE_RATE + pauses[-1]
        piece = join(chosen, pauses)
        noise = make_noise(random, len(piece.audio), decibels(-70))
        pieces.append(Utterance(piece.audio + noise, piece.text, piece.spans))
    return pieces


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """Return how many words must be added, removed or replaced to get from one to the other."""
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, start=1):
        previous, row[0] = row[0], i
        for j, other in enumerate(right, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def transcribe(model: Any, utterances: Sequence[Utterance], timestamps: bool = False) -> list[Any]:
    """Transcribe arrays, in batches of similar length; results keep the order given."""
    order = sorted(range(len(utterances)), key=lambda index: len(utterances[index].audio))
    heard = model.transcribe(
        [utterances[index].audio for index in order],
        batch_size=8,
        timestamps=timestamps,
        return_hypotheses=True,
        verbose=False,
    )
    if len(heard) != len(utterances):
        raise RuntimeError(f"{len(utterances)} recordings went in, {len(heard)} texts came out")
    pairs = sorted(zip(order, heard, strict=True), key=itemgetter(0))
    return [hypothesis for _, hypothesis in pairs]


def word_error_rate(model: Any, utterances: Sequence[Utterance]) -> float:
    """Return the share of words that the model gets wrong."""
    heard = transcribe(model, utterances)
    wrong = sum(
        edit_distance(utterance.text.split(), hypothesis.text.split())
        for utterance, hypothesis in zip(utterances, heard, strict=True)
    )
    return wrong / sum(len(utterance.spans) for utterance in utterances)


def time_error(model: Any, utterances: Sequence[Utterance]) -> TimeError:
    """Compare the times of words with where they were joined in, where the text is right."""
    starts: list[float] = []
    ends: list[float] = []
    for utterance, hypothesis in zip(
        utterances, transcribe(model, utterances, timestamps=True), strict=True
    ):
        if hypothesis.text != utterance.text:
            continue
        words = hypothesis.timestamp["word"]
        for (start, end), word in zip(utterance.spans, words, strict=True):
            starts.append(abs(float(word["start"]) - start))
            ends.append(abs(float(word["end"]) - end))
    return TimeError(
        start_p95=float(np.percentile(starts, 95)),
        start_worst=max(starts),
        end_p95=float(np.percentile(ends, 95)),
        end_worst=max(ends),
        words=len(starts),
    )


def report(model: Any, recordings: Sequence[Recording], seed: int = 2024) -> None:
    """Print the error rates of the model on recordings that it has not heard."""
    sequences = make_sequences(recordings, 300, seed)
    sets = {
        "single digits": [join([recording], [0.0, 0.0]) for recording in recordings],
        "single digits, 0.2 s around": [join([item], [0.2, 0.2]) for item in recordings],
        "sequences of 2 to 8": sequences,
        "30 minutes in pieces of 20 to 30 s": make_pieces(recordings, 30, seed),
    }
    for name, utterances in sets.items():
        words = sum(len(utterance.spans) for utterance in utterances)
        begun = time.monotonic()
        rate = word_error_rate(model, utterances)
        seconds = sum(len(utterance.audio) for utterance in utterances) / SAMPLE_RATE
        print(
            f"{name}: {rate:.2%} of {words} words wrong"
            f" ({len(utterances)} recordings, {seconds:.0f} s heard in"
            f" {time.monotonic() - begun:.1f} s)"
        )
    times = time_error(model, sequences)
    print(
        f"times of {times.words} words: start off by up to {times.start_p95:.3f} s in 95 %,"
        f" {times.start_worst:.3f} s at worst; end {times.end_p95:.3f} s,"
        f" {times.end_worst:.3f} s at worst"
    )


# --- Command line -------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    here = Path(__file__).resolve()
    speech = here.parents[3] / "shared" / "speech" / "spoken-digits.zip"
    parser = argparse.ArgumentParser(description="Train and measure the spoken-digits model.")
    parser.add_argument("--speech", type=Path, default=speech, help="the recordings, zipped")
    parser.add_argument("--out", type=Path, default=here.with_name("spoken-digits.nemo"))
    parser.add_argument("--epochs", type=int, default=24, help="100 batches each")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="processor threads to use")
    return parser.parse_args()


def main() -> None:
    """Train, save, load again and measure."""
    arguments = parse_arguments()
    nemo_logging.setLevel(nemo_logging.ERROR)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    original = load_recordings(arguments.speech)
    kept_out = DEVELOPMENT_TAKES | HELD_BACK_TAKES
    training = [
        recording
        for speed in SPEEDS
        for recording in load_recordings(arguments.speech, speed)
        if recording.take not in kept_out
    ]

    model = nemo_asr.models.EncDecCTCModel(cfg=model_config())
    print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters")
    mixer = Mixer(training, arguments.seed)
    train(model, mixer, arguments.epochs, with_takes(original, DEVELOPMENT_TAKES))
    out = arguments.out.resolve()
    model.save_to(str(out))

    loaded = nemo_asr.models.ASRModel.restore_from(str(out), map_location="cpu")
    report(loaded, with_takes(original, HELD_BACK_TAKES))


if __name__ == "__main__":
    main()
