"""Canonical JSON: one value has one text, so that a digest over the text is a digest over the value.

Rules:
- Keys are sorted, there is no white space, and everything beyond ASCII is escaped. So U+0000 and lone surrogates, which
  a Kubernetes object may well hold in a message or a param, are written like any other character. (Both halves of a
  pair side by side are the one character that they make. No text that has ever been JSON holds them otherwise.)
- Numbers are written as Python's `json` reads them back: 1 and 1.0 differ, -0.0 keeps its sign, integers have no limit.
- NaN and Infinity are no JSON, and are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NoReturn

from cairn.errors import DamagedPayload


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


# Made once: `json.dumps` and `json.loads` would make one anew at each call. Nothing that came from JSON is circular.
_ENCODER = json.JSONEncoder(allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse)


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value. Raises ValueError for NaN and Infinity."""
    return _ENCODER.encode(value).encode("ascii")


def assembled(parts: Mapping[str, bytes]) -> bytes:
    """The canonical JSON of an object whose values are canonical JSON already; what stands in two is written once."""
    return b"{" + b",".join(canonical(key) + b":" + parts[key] for key in sorted(parts)) + b"}"


def parse(text: bytes, place: str) -> Any:
    """The value that canonical JSON was made of. Raises DamagedPayload, naming the place, if it is no such text."""
    try:
        return _DECODER.decode(text.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise DamagedPayload(f"{place}: {error}") from error


def utf8(text: str) -> bytes:
    """The bytes that a text's digest is made over; what is no UTF-8 (half a surrogate pair) is let through."""
    return text.encode("utf-8", "surrogatepass")


def digest_of(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(data).hexdigest()
