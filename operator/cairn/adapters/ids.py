"""Where ids come from that nobody may guess."""

from __future__ import annotations

import secrets


def random_id() -> str:
    """128 random bits, as 32 hexadecimal digits."""
    return secrets.token_hex(16)
