"""From a media file to a transcript: decoding, speech engines, segments, exports."""

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside, mono float32: what every speech model here expects."""

ALL_TRACKS = 0
"""In place of a sound track's number: every track of the file, mixed."""

MOST_TRACKS = 32
"""Sound tracks that are known by number, or mixed; recorders have 16 at most."""
