"""Watched folders: what appears in them is transcribed without anybody's click."""
