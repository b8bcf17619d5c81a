"""Checkpoints: what is saved and when, how it is written down, and how long it is kept. Pure, like all of the core."""
