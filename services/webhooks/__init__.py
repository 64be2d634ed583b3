"""Telling other programs when a batch has ended: a signed POST, tried again until it is taken."""
