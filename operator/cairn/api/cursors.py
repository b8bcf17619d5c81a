"""Cursors of lists: opaque to clients, checked on the way in. They hold a position, never a right or a secret."""

from __future__ import annotations

import base64
import json

from cairn.errors import InvalidSpec, Violation

_LONGEST = 2048


def encode_cursor(of: str, **position: str) -> str:
    """The cursor of a position in the list `of`."""
    text = json.dumps([of, position], separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(of: str, cursor: str, *names: str, field: str = "cursor") -> dict[str, str]:
    """The position, with exactly those names. Raises InvalidSpec, which names the field."""
    try:
        found = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        _, position = found
        if position.keys() != set(names) or not all(isinstance(v, str) for v in position.values()):
            raise ValueError
        if len(cursor) > _LONGEST or encode_cursor(of, **position) != cursor:
            raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError):
        message = "is no cursor of this list: take `next` of the page before as it is, or leave it out"
        raise InvalidSpec((Violation(field, message),)) from None
    return dict(position)
