"""Where the time of a piece of work goes: how much of it was spent waiting for the API server, how much for Postgres.

Calls that run side by side each count whole, so the parts may come to more than the whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

KUBERNETES = "kubernetes"
POSTGRES = "postgres"

_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)


@contextmanager
def noted() -> Iterator[dict[str, float]]:
    """Note the seconds that are spent in calls of this task, and of those that it starts, by where they go."""
    spent: dict[str, float] = {}
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)


@contextmanager
def calling(where: str) -> Iterator[None]:
    """A call, noted if somebody does."""
    spent = _spent.get()
    if spent is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        spent[where] = spent.get(where, 0.0) + time.perf_counter() - began
