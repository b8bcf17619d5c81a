"""What a long run says while it runs."""

from __future__ import annotations

import time


def say(text: str) -> None:
    """A line with the time of day, at once."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
