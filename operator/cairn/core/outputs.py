"""What a job hands out: JSON from the termination message or from a marked block of its log.

Rules:

1. The text is kept exactly as written, less the white space around it: what is stored, hashed and handed on are the
   same bytes, so 1.0, 1e16, -0.0 and 18446744073709551617 survive. `value` is for those who look inside.
2. Nothing is cut silently: what is too large, unended or no JSON is an error that says so and what to do.
3. Any JSON value will do. Refused is what one of its readers would change or drop: NaN and Infinity, numbers that no
   double can hold, keys that occur twice in one object, nesting beyond 100 levels, bytes that are no UTF-8.
4. A message as long as the kubelet lets through may have been cut by it, so it is too large.
5. Of several blocks in a log the last one counts. A marker stands alone on its line; white space around it is allowed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NoReturn

from cairn.errors import CairnError
from cairn.names import OUTPUTS_LIMIT

LIMIT = OUTPUTS_LIMIT
MESSAGE_LIMIT = 4096  # what the kubelet reads of one container's termination message
POD_MESSAGE_LIMIT = 12288  # what it leaves for all containers of a pod, in equal shares
MAX_DEPTH = 100
BEGIN = b"::cairn-outputs::"
END = b"::end-cairn-outputs::"
INVALID = "OutputsInvalid"
TOO_LARGE = "OutputsTooLarge"

_ELSEWHERE = "store the data elsewhere and hand out where it is"
_TOO_DEEP = f"the outputs are nested deeper than {MAX_DEPTH} levels"
_LINE_LIMIT = 1024  # a longer line is no marker, and need not be kept to know that


class OutputsError(CairnError):
    """A job has handed out something that cannot be taken."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Outputs:
    """What a job handed out; its text is JSON, checked."""

    text: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the UTF-8 bytes of the text."""
        return sha256(self.text.encode()).hexdigest()

    @cached_property
    def value(self) -> Any:
        """The JSON value."""
        return json.loads(self.text)


def from_text(text: str) -> Outputs | None:
    """The outputs that a text holds, None if there is nothing in it."""
    text = text.strip()
    if not text:
        return None
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise OutputsError(INVALID, f"character {error.start + 1} is half a surrogate pair") from error
    if size > LIMIT:
        raise OutputsError(TOO_LARGE, f"the outputs are {size} bytes long, at most {LIMIT} are allowed: {_ELSEWHERE}")
    _check(text)
    return Outputs(text)


def from_termination(message: str | None, *, containers: int) -> Outputs | None:
    """The outputs in a termination message of a pod with so many containers, init containers included."""
    limit = min(MESSAGE_LIMIT, POD_MESSAGE_LIMIT // containers)
    if message and len(message.encode(errors="replace")) >= limit:
        raise OutputsError(
            TOO_LARGE,
            f"the termination message reaches the {limit} bytes that the kubelet lets through in a pod of {containers}"
            " container(s), so it may have been cut: set `outputs: Log` and write a marked block to the log",
        )
    return from_text(message or "")


def from_log(lines: Iterable[str]) -> Outputs | None:
    """The outputs in the last marked block of a log."""
    parser = LogBlockParser()
    for line in lines:
        parser.feed(line.removesuffix("\n").encode(errors="surrogateescape") + b"\n")
    return parser.finish()


class LogBlockParser:
    """Finds the last marked block of a log that comes in chunks, in memory bounded by the largest block."""

    def __init__(self) -> None:
        self._line = bytearray()  # what there is of the current line, cut once it is certainly too long
        self._block: bytearray | None = None  # the open block
        self._last: bytearray | None = None  # the last ended block

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the log, which need not end with a line."""
        if self._block is None and b"\n" in chunk and BEGIN not in self._line + chunk:
            self._line.clear()  # the usual case, made fast: no line that ends here is a marker
            chunk = chunk[chunk.rindex(b"\n") + 1 :]
        first, *others = chunk.split(b"\n")
        self._add(first)
        for piece in others:
            self._end_line()
            self._add(piece)

    def finish(self) -> Outputs | None:
        """The log has ended: what it held."""
        self._end_line()
        if self._block is not None:
            raise OutputsError(INVALID, f"the block in the log is not ended: write {END.decode()!r} alone on a line")
        if self._last is None:
            return None
        if len(self._last) > LIMIT + _LINE_LIMIT:
            raise OutputsError(TOO_LARGE, f"the block in the log is longer than {LIMIT} bytes: {_ELSEWHERE}")
        try:
            return from_text(self._last.decode())
        except UnicodeDecodeError as error:
            raise OutputsError(INVALID, f"byte {error.start + 1} of the block is no UTF-8") from error

    def _add(self, piece: bytes) -> None:
        most = _LINE_LIMIT if self._block is None else LIMIT + _LINE_LIMIT
        self._line += piece[: most + 1 - len(self._line)]

    def _end_line(self) -> None:
        line, self._line = self._line, bytearray()
        marker = bytes(line.strip()) if len(line) <= _LINE_LIMIT else b""
        if marker == BEGIN:
            self._block = bytearray()
        elif self._block is None:
            return
        elif marker == END:
            self._last, self._block = self._block, None
        elif len(self._block) <= LIMIT + _LINE_LIMIT:
            self._block += line + b"\n"


def _check(text: str) -> None:
    try:
        value = json.loads(
            text, parse_constant=_refuse, parse_float=_float, parse_int=_int, object_pairs_hook=_without_duplicates
        )
    except json.JSONDecodeError as error:
        message = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise OutputsError(INVALID, f"the outputs are no JSON: {message}") from error
    except ValueError as error:
        raise OutputsError(INVALID, f"the outputs {error}") from error
    except RecursionError as error:
        raise OutputsError(INVALID, _TOO_DEEP) from error
    if _deeper_than(MAX_DEPTH, value):
        raise OutputsError(INVALID, _TOO_DEEP)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"contain {constant}, which JSON does not have: use null or a string")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("contain a number beyond 1.8e308, which most readers cannot hold: use a string")
    return value


def _int(text: str) -> int:
    _float(text)
    return int(text)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"contain the key {twice[:63]!r} twice in one object")
    return value


def _deeper_than(limit: int, value: Any) -> bool:
    layer = [value]
    for _ in range(limit):
        layer = [child for item in layer for child in _children(item)]
    return any(isinstance(item, dict | list) for item in layer)


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
