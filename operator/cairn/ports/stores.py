"""Stores of checkpoints: what is asked of one, and what they all promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cairn.core.checkpoint.state import Checkpoint, Grave, Stored, Trigger


@dataclass(frozen=True, slots=True)
class Query:
    """Which checkpoints are asked for; what is None or empty does not matter. Newest first (by `id`, downwards)."""

    tenants: Collection[str]  # UIDs of the namespaces that may be seen; empty: nothing is
    execution_uid: str | None = None
    execution: str | None = None  # by name: of all that had it, one after the other
    trigger: Trigger | None = None
    since: datetime | None = None  # created at or after
    until: datetime | None = None  # created before
    limit: int = 50  # 1 to 1000
    offset: int = 0
    after: str | None = None  # the cursor: an id, only what is older is listed; stable while others are created

    def wants(self, found: Checkpoint) -> bool:
        """Whether a checkpoint is asked for, as a store judges it that has no queries of its own."""
        return (
            found.namespace_uid in self.tenants
            and self.execution_uid in (None, found.execution_uid)
            and self.execution in (None, found.execution)
            and self.trigger in (None, found.trigger)
            and (self.since is None or found.created_at >= self.since)
            and (self.until is None or found.created_at < self.until)
            and (self.after is None or found.id < self.after)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Checkpoints, newest first, and where the next page begins."""

    items: tuple[Checkpoint, ...]
    next: str | None = None  # the cursor for `Query.after`; None: there is no more

    @classmethod
    def of(cls, found: Iterable[Checkpoint], query: Query) -> Page:
        """The page that is asked for, of all that there are, in whatever order."""
        wanted = sorted(filter(query.wants, found), key=lambda c: c.id, reverse=True)
        chosen = tuple(wanted[query.offset : query.offset + query.limit])
        more = len(wanted) > query.offset + query.limit
        return cls(chosen, chosen[-1].id if more and chosen else None)


@dataclass(frozen=True, slots=True)
class Stats:
    """What is there, in numbers."""

    total_checkpoints: int
    triggers: Mapping[Trigger, int]
    oldest_checkpoint: datetime | None
    newest_checkpoint: datetime | None
    bytes: int  # of serialized state, before compression

    @classmethod
    def of(cls, found: Sequence[Checkpoint]) -> Stats:
        """Those of some checkpoints."""
        times = [c.created_at for c in found]
        return cls(
            len(found), dict(Counter(c.trigger for c in found)), min(times, default=None), max(times, default=None),
            sum(c.size_bytes for c in found),
        )  # fmt: skip


class CheckpointStore(Protocol):
    """One place that keeps checkpoints. Every implementation passes the suite in `tests/conformance`.

    A checkpoint is a fact: it is put once, never changed (but for `pinned`), and goes only by `delete`.
    """

    async def put(self, stored: Stored) -> None:
        """Keep a checkpoint. Doing it again does nothing. Raises IdTaken if another one has that id."""
        ...

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        """A checkpoint, checked against its digests; None if those tenants have none. Raises Unreadable."""
        ...

    async def read(self, tenants: Collection[str], id: str) -> Stored | None:
        """Unchecked: what is there, as it is; raises Unreadable only where nothing can be made of it."""
        ...

    async def list(self, query: Query) -> Page:
        """Those that a query asks for."""
        ...

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        """Remove a checkpoint; whether it was there. Doing it again does nothing."""
        ...

    async def pin(self, tenants: Collection[str], id: str, pinned: bool) -> bool:
        """Set whether retention leaves it alone; whether it was there."""
        ...

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        """How many there are, of which triggers, from when to when, and how large."""
        ...


class Rows(CheckpointStore, Protocol):
    """The store that outlives the objects: it also remembers what was deleted."""

    async def bury(self, grave: Grave) -> None:
        """Delete a row, or see to it that it never comes; what is left of it stays known. Again: does nothing."""
        ...

    async def graves(
        self, tenants: Collection[str], execution_uid: str | None, ids: Collection[str] = ()
    ) -> tuple[Grave, ...]:
        """What is left of the deleted checkpoints of an execution, if one is named, and of those ids; newest first."""
        ...

    async def collect_results(self, namespace_uid: str) -> int:
        """Remove texts that no checkpoint refers to any more; how many."""
        ...
