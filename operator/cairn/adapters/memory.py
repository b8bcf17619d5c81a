"""Checkpoints, and the Lease, in memory: the contracts without a database or a cluster. For tests, and for trying."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import count

from cairn.core.checkpoint import serializer
from cairn.core.checkpoint.state import Checkpoint, Grave, Stored
from cairn.core.leading import Lease
from cairn.errors import AlreadyExists, ApiError, Conflict, Gone, IdTaken, Unavailable
from cairn.ports import Page, Query, Stats


class MemoryStore:
    """`ports.Rows` in dictionaries."""

    def __init__(self) -> None:
        self._rows: dict[str, Stored] = {}
        self._graves: dict[str, Grave] = {}

    async def put(self, stored: Stored) -> None:
        found = stored.checkpoint
        if found.id in self._graves:
            return
        known = self._rows.setdefault(found.id, stored).checkpoint
        if (known.namespace_uid, known.digest) != (found.namespace_uid, found.digest):
            raise IdTaken(f"another checkpoint has the id {found.id}")

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        stored = self._mine(tenants, id)
        if stored is not None:
            serializer.verify(stored.content, stored.parent_digest)
        return stored

    async def read(self, tenants: Collection[str], id: str) -> Stored | None:
        return self._mine(tenants, id)

    async def list(self, query: Query) -> Page:
        return Page.of(self._all(), query)

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        stored = self._mine(tenants, id)
        if stored is None:
            return False
        found = stored.checkpoint
        await self.bury(Grave(id, found.namespace_uid, found.execution_uid, found.digest, found.parent))
        return True

    async def pin(self, tenants: Collection[str], id: str, pinned: bool) -> bool:
        stored = self._mine(tenants, id)
        if stored is None:
            return False
        self._rows[id] = replace(stored, checkpoint=replace(stored.checkpoint, pinned=pinned))
        return True

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        query = Query(tenants, execution_uid)
        return Stats.of([c for c in self._all() if query.wants(c)])

    async def bury(self, grave: Grave) -> None:
        """See `ports.Rows`."""
        stored = self._rows.get(grave.id)
        if stored is not None and stored.checkpoint.namespace_uid == grave.namespace_uid:
            del self._rows[grave.id]
        self._graves.setdefault(grave.id, grave)

    async def graves(
        self, tenants: Collection[str], execution_uid: str | None, ids: Collection[str] = ()
    ) -> tuple[Grave, ...]:
        """See `ports.Rows`."""
        asked = (g for g in self._graves.values() if g.execution_uid == execution_uid or g.id in ids)
        return tuple(sorted((g for g in asked if g.namespace_uid in tenants), key=lambda g: g.id, reverse=True))

    async def collect_results(self, namespace_uid: str) -> int:
        """See `ports.Rows`: here each checkpoint has its own texts, so there is nothing to collect."""
        return 0

    def _mine(self, tenants: Collection[str], id: str) -> Stored | None:
        stored = self._rows.get(id)
        return stored if stored is not None and stored.checkpoint.namespace_uid in tenants else None

    def _all(self) -> Iterable[Checkpoint]:
        return (stored.checkpoint for stored in self._rows.values())


class MemoryLeases:
    """`ports.Leases` in one variable. `error` is what every call raises; answers of updates can be lost."""

    def __init__(self) -> None:
        self._lease: Lease | None = None
        self._versions = count(1)
        self.error: ApiError | None = None
        self.lose_answers = 0

    async def get(self) -> Lease | None:
        if self.error is not None:
            raise self.error
        return self._lease

    async def create(self, lease: Lease) -> Lease:
        if await self.get() is not None:
            raise AlreadyExists("there is a Lease")
        return self._put(lease)

    async def update(self, lease: Lease) -> Lease:
        if (known := await self.get()) is None:
            raise Gone("there is no Lease")
        if known.version != lease.version:
            raise Conflict("it has changed")
        written = self._put(lease)
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable("the answer was lost")
        return written

    def _put(self, lease: Lease) -> Lease:
        self._lease = replace(lease, version=str(next(self._versions)))
        return self._lease
