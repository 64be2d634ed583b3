"""Batches and jobs: their states, the store that keeps them, the lanes that run them."""
