"""The one way in which the demo fails: with a sentence for the person who started it."""

from __future__ import annotations


class DemoError(Exception):
    """Something is not as the demo promises; the message says what."""
