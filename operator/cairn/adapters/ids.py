"""Where new ids come from: random, and in small letters and digits, so that they can be part of an object's name."""

from __future__ import annotations

import secrets


def new_id() -> str:
    """Twelve hexadecimal digits that nobody has had before."""
    return secrets.token_hex(6)
