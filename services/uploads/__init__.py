"""Receiving files over HTTP, piece by piece."""
