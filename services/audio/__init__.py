"""From a media file to a transcript: decoding, speech engines, segments, exports."""

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside, mono float32: what every speech model here expects."""
