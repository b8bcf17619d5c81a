"""The SQL of this package: it lives in .sql files, in sections that begin with `-- name: … --`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import LiteralString

_NAME = re.compile(r"^-- name: (\w+) --$", re.MULTILINE)
_PACKAGE = files(__package__)


@cache
def queries() -> dict[str, LiteralString]:
    """Every query by its name."""
    _, *parts = _NAME.split(text("queries.sql"))
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))


def text(name: str) -> LiteralString:
    """A file of this package."""
    return (_PACKAGE / name).read_text(encoding="utf-8")


def migrations() -> dict[str, LiteralString]:
    """The migrations by their names, in order."""

    def name(file: Traversable) -> str:
        return file.name

    found = sorted((f for f in (_PACKAGE / "migrations").iterdir() if f.name.endswith(".sql")), key=name)
    return {f.name.removesuffix(".sql"): f.read_text(encoding="utf-8") for f in found}
