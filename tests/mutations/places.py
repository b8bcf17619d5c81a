"""Putting a value where a path leads to, in an object that may not have got that far."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mutations.api import Object
from mutations.schemas import ITEM, KEY, Field, Schema, fields
from mutations.values import example

_KNOWN: dict[tuple[str, str], dict[tuple[str, ...], Schema]] = {}
SAMPLE_KEY = "n"


def schemas(kind: str, top: str) -> dict[tuple[str, ...], Schema]:
    """The schema of each field of a kind, by its path."""
    if (kind, top) not in _KNOWN:
        _KNOWN[kind, top] = {field.path: field.schema for field in fields(kind, top)}
    return _KNOWN[kind, top]


def changed(whole: Object, kind: str, field: Field, value: Any, index: int = 0) -> Object:
    """A copy of `spec` or `status` with a value in a field; what leads there is made as the schema requires it.

    Of a list that has items already, that one is changed which `index` says, as far as there are so many.
    """
    known = schemas(kind, field.path[0])
    top: Object = {field.path[0]: deepcopy(whole)}
    place: Any = top
    step: Any = field.path[0]
    for depth in range(1, len(field.path)):
        inner = _entered(place, step, known.get(field.path[:depth], {"type": "object"}))
        place, step = inner, _step(inner, field.path[depth], known[field.path[: depth + 1]], index)
    place[step] = deepcopy(value)
    changed_whole: Object = top[field.path[0]]
    return changed_whole


def without(whole: Object, kind: str, field: Field, index: int = 0) -> Object | None:
    """A copy without the field, where it is there."""
    known = schemas(kind, field.path[0])
    top: Object = {field.path[0]: deepcopy(whole)}
    place: Any = top
    step: Any = field.path[0]
    for depth in range(1, len(field.path)):
        place = place[step]
        step = _step(place, field.path[depth], known[field.path[: depth + 1]], index, make=False)
        if step is None:
            return None
    del place[step]
    left: Object = top[field.path[0]]
    return left


def _entered(place: Any, step: Any, schema: Schema) -> Any:
    """What stands at a step, made if it is not there or is nothing to go into."""
    there = place[step] if isinstance(place, list) else place.get(step)
    if not isinstance(there, dict | list):
        place[step] = there = example(schema) if schema.get("type") in ("object", "array") else {}
    return there


def _step(place: Any, word: str, schema: Schema, index: int, *, make: bool = True) -> Any:
    """The index or key that a step of a path stands for."""
    if word == ITEM and isinstance(place, list):
        if not place and make:
            place.append(example(schema))
        return min(index, len(place) - 1) if place else None
    if word == KEY:
        word = next(iter(place), SAMPLE_KEY)
    return word if make or (isinstance(place, dict) and word in place) else None
