"""How a serialized checkpoint is put into a Checkpoint object, and into a jsonb column.

Rules:
- In an object (`status.state`) it is text that no API server changes: a tag that names the codec, then the document, a
  newline and the texts as canonical JSON; above 4 KiB compressed and in base64. ASCII only, and no control character
  but that newline.
- A tag that this version does not know was written by a newer one. Whatever else is not what `to_text` writes is
  damaged. The size after decompression is bounded, whatever the payload claims.
- jsonb is for queries: it cannot hold U+0000 or half a surrogate pair, and rewrites numbers. Whether it gives back the
  very bytes of the document is known beforehand, so that they are kept beside it only where it does not.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode, b64encode
from typing import Any

from cairn.core.checkpoint import reading
from cairn.core.checkpoint.canonical import canonical, parse
from cairn.core.checkpoint.state import Serialized
from cairn.errors import DamagedPayload, NewerSchema

PLAIN_LIMIT = 4096  # up to here compression saves too little to give up that a person can read it
DECOMPRESSED_LIMIT = 64 * 1024 * 1024
_PLAIN = "json"
_COMPRESSED = "zlib"
_LEVEL = 5  # measured on 165 KB: level 6 takes twice the time for 3 % less, level 3 two thirds for 10 % more
_TAG = re.compile(r"[a-z][a-z0-9.+-]{0,15}")

# A pair of surrogates and an escaped backslash are gone over, so that what follows is not taken for an escape.
_ESCAPE = re.compile(
    r"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_REPLACEMENT = r"\ufffd"


def to_text(content: Serialized) -> str:
    """The document and its texts as one text for an object."""
    return framed(content.document + b"\n" + canonical(dict(content.texts)), PLAIN_LIMIT)


def framed(data: bytes, plain_limit: int) -> str:
    """ASCII as a tagged text for an object, compressed beyond so many bytes."""
    if len(data) <= plain_limit:
        return f"{_PLAIN}:{data.decode('ascii')}"
    return f"{_COMPRESSED}:{b64encode(zlib.compress(data, _LEVEL)).decode('ascii')}"


def from_text(text: str, digest: str) -> Serialized:
    """What `to_text` wrote, with the digest that is kept beside it; not checked yet, `serializer.verify` does that.

    Raises NewerSchema, DamagedPayload.
    """
    document, newline, rest = unframed(text).partition(b"\n")
    if not newline:
        raise DamagedPayload("the payload: there are no texts after the document")
    texts = parse(rest, "the texts")
    if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
        raise DamagedPayload("the texts: not a map of texts")
    return Serialized(document, texts, digest, reading.state_digest_of(reading.head(document)))


def unframed(text: str) -> bytes:
    """What `framed` was given. Raises NewerSchema, DamagedPayload."""
    tag, colon, rest = text.partition(":")
    if not colon or not _TAG.fullmatch(tag):
        raise DamagedPayload("the payload: no tag that names its codec")
    if tag not in (_PLAIN, _COMPRESSED):
        raise NewerSchema(f"codec {tag}, but this version of Cairn reads {_PLAIN} and {_COMPRESSED}")
    try:
        data = rest.encode("ascii")
        return data if tag == _PLAIN else _decompress(b64decode(data, validate=True))
    except (ValueError, zlib.error) as error:  # base64's own error is a ValueError
        raise DamagedPayload(f"the payload: {error}") from error


def _decompress(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    frame = stream.decompress(data, DECOMPRESSED_LIMIT)
    if stream.unconsumed_tail:
        raise DamagedPayload(f"the payload: more than {DECOMPRESSED_LIMIT} bytes when decompressed")
    if not stream.eof:
        raise DamagedPayload("the payload: truncated")
    if stream.unused_data:
        raise DamagedPayload("the payload: something follows the compressed data")
    return frame


# --- jsonb -----------------------------------------------------------------------------------------------------------


def jsonb_form(document: bytes) -> tuple[str, bool]:
    """A document of `serialize` as JSON that jsonb takes, and whether `from_jsonb` of what jsonb returns is the same.

    What jsonb cannot hold is replaced by U+FFFD. Its numbers are decimals: they keep the digits after the point, but
    not the sign of -0.0, and an exponent that leaves no such digits makes an integer (1e+16).
    """
    text = document.decode("ascii")
    if r"\u0000" in text or r"\ud" in text:
        kept = _ESCAPE.sub(lambda found: found[1] or _REPLACEMENT, text)
        if kept != text:
            return kept, False
    return text, not _numbers_change(text)


def from_jsonb(value: Any) -> bytes:
    """The document, of what jsonb returned."""
    return canonical(value)


def _numbers_change(text: str) -> bool:
    if "e+" not in text and "-0.0" not in text:  # as nearly always; else look whether that was in a string
        return False
    changed: list[str] = []
    json.loads(text, parse_float=lambda number: changed.append(number) if "e+" in number or number == "-0.0" else None)
    return bool(changed)
