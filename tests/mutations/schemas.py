"""The schemas of crds/, walked: every field there is, and what it may hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
ITEM, KEY = "[]", "{}"  # steps of a path: into a list, into a map of whatever keys


@dataclass(frozen=True)
class Field:
    """A field of a schema, by its way from the top."""

    path: tuple[str, ...]
    schema: Schema
    required: bool  # within what holds it

    def __str__(self) -> str:
        return ".".join(self.path).replace(f".{ITEM}", ITEM).replace(f".{KEY}", KEY)


def fields(kind: str, top: str) -> list[Field]:
    """Every field below `spec` or `status` of a kind, named by its plural."""
    return list(_below(schema(kind, top), (top,)))


def schema(kind: str, top: str) -> Schema:
    """The schema of `spec` or `status` of a kind."""
    crd = yaml.safe_load((ROOT / "crds" / f"{kind}.yaml").read_text())
    found: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][top]
    return found


def _below(within: Schema, path: tuple[str, ...]) -> Iterator[Field]:
    required = within.get("required", ())
    steps = [(name, inner, name in required) for name, inner in within.get("properties", {}).items()]
    if "items" in within:
        steps.append((ITEM, within["items"], False))
    if isinstance(within.get("additionalProperties"), dict):
        steps.append((KEY, within["additionalProperties"], False))
    for name, inner, must in steps:
        yield Field((*path, name), inner, must)
        yield from _below(inner, (*path, name))
