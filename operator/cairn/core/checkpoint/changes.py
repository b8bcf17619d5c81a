"""What differs between two JSON values, and how much of it is shown.

Rules:
- Values are compared by their canonical text, so 1, 1.0 and true differ. What is not there differs from `null`.
- A difference has a path, and what was there and is there; objects are looked into, lists are taken as a whole.
- What is shown of a value is bounded, and so is the number of differences; what is left out is said.
- Nothing that is shown does anything to a terminal, or cannot be written to one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from cairn.core.checkpoint.canonical import canonical

SHOWN_CHARACTERS = 120  # of one value
SHOWN_CHANGES = 50  # of the outputs of one job, and of each part of the spec
DEPTH = 8  # objects of a spec are looked into so far; what is deeper is one value
_BEFORE_DIFFERENCE = 40  # how much of a long value is shown before the first difference
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Absent:
    """Not there: no JSON value, so not `null` either."""


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value as it is shown: its text, or of a long one the part around the first difference."""

    text: str
    cut_from: int | None = None  # how many characters the whole text has, if this is not all of it


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. No `before`: it was added; no `after`: it was removed."""

    path: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences, and how many there are besides."""

    items: tuple[Change, ...] = ()
    more: int = 0


def changes(path: str, before: Any, after: Any, depth: int = DEPTH) -> Iterator[Change]:
    """What differs between two JSON values (or `ABSENT`), objects looked into so many levels deep."""
    if _canonical(before) == _canonical(after):
        return
    if depth and isinstance(before, dict) and isinstance(after, dict):
        for key in in_order(before, after):
            yield from changes(_at(path, key), before.get(key, ABSENT), after.get(key, ABSENT), depth - 1)
    else:
        yield Change(path, *_shown(before, after))


def in_order(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """The keys of `after`, then those that only `before` has."""
    return list(dict.fromkeys([*after, *before]))


def bounded(found: Iterator[Change]) -> Changes:
    """As many as are shown, and the number of the others."""
    items = tuple(islice(found, SHOWN_CHANGES))
    return Changes(items, sum(1 for _ in found))


def readable(text: str) -> str:
    """The text, with what a terminal would act on or could not write as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 128 else json.dumps(character)[1:-1]


def _canonical(value: Any) -> bytes | None:
    return None if isinstance(value, Absent) else canonical(value)


def _at(path: str, key: str) -> str:
    if _PLAIN_KEY.fullmatch(key) and len(key) <= SHOWN_CHARACTERS:
        return f"{path}.{key}" if path else key
    return f"{path}[{_cut(_text(key), 0).text}]"


def _text(value: Any) -> str:
    return readable(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def _shown(before: Any, after: Any) -> tuple[Value | None, Value | None]:
    """Both values; if they are cut, then so that the first difference is seen."""
    if isinstance(before, Absent):
        return None, _cut(_text(after), 0)
    if isinstance(after, Absent):
        return _cut(_text(before), 0), None
    old, new = _text(before), _text(after)
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = first - _BEFORE_DIFFERENCE if first > SHOWN_CHARACTERS - _BEFORE_DIFFERENCE else 0
    return _cut(old, start), _cut(new, start)


def _cut(text: str, start: int) -> Value:
    if len(text) <= SHOWN_CHARACTERS:
        return Value(text)
    end = start + SHOWN_CHARACTERS
    return Value(f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}", len(text))
