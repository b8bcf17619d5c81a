"""Checkpoints for programs: create, get, list, delete, count, and what retention would do.

Rules:
- Creating one means creating its object, and waiting for what the operator makes of it; so there is one way to take
  a checkpoint, whoever asks.
- Reads come from the database while it answers, since it also has what has no object any more; else from the objects.
- Deleting means deleting the object, whose finalizer sees to the row; only a row without an object is deleted itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cairn import names
from cairn.app.checkpoints.lifetimes import retired
from cairn.app.looking import eventually, look
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.retention import Retired
from cairn.core.checkpoint.state import Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.naming import checkpoint_name
from cairn.errors import AlreadyExists, CannotSave, KeyReused, StoreUnavailable
from cairn.ports import CheckpointStore, Clock, Cluster, Page, Query, Stats


@dataclass(frozen=True, slots=True)
class Wish:
    """A checkpoint that somebody asks for."""

    namespace: str
    execution: str
    key: str  # the same key makes the same object: asking twice takes one checkpoint
    name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_by: str | None = None
    pinned: bool = False  # retention leaves it alone
    digest: str = ""  # of what was asked for with that key; another one is refused


async def ask_for(cluster: Cluster, wish: Wish) -> str:
    """Ask for a checkpoint; the name of its object, which then exists. Raises KeyReused, and the errors of the API."""
    name = checkpoint_name(wish.execution, wish.namespace, Trigger.MANUAL, wish.key)
    body: objects.Body = {
        "apiVersion": names.API_VERSION, "kind": names.CHECKPOINT_KIND,
        "metadata": {"name": name, "namespace": wish.namespace},
        "spec": {"executionRef": {"name": wish.execution}, "metadata": dict(wish.metadata)},
    }  # fmt: skip
    more = {"name": wish.name, "createdBy": wish.created_by, "pinned": wish.pinned}
    body["spec"] |= {field: value for field, value in more.items() if value}
    body["metadata"] |= {"annotations": {names.ANNOTATION_REQUEST: wish.digest}} if wish.digest else {}
    try:
        await cluster.create(body)
    except AlreadyExists:
        there = await cluster.get_checkpoint(wish.namespace, name)
        if (there["metadata"].get("annotations") or {}).get(names.ANNOTATION_REQUEST, "") != wish.digest:
            raise KeyReused(f"checkpoint {name} was asked for with the same key, but otherwise") from None
    return name


async def settled(cluster: Cluster, namespace: str, name: str, *, seconds: float | None) -> CheckpointObject:
    """A checkpoint as soon as it is Ready; None seconds: however long that takes.

    Raises CannotSave with the reason of the condition, TimeoutError, and the errors of the API.
    """

    async def read() -> CheckpointObject | None:
        seen = objects.view(await cluster.get_checkpoint(namespace, name))
        if seen.is_failed:
            raise CannotSave(*seen.ready)
        return seen if seen.is_ready else None

    if (found := await eventually(read, seconds=seconds)) is None:
        raise TimeoutError  # what was waited for, whoever waits says in their own words
    return found


class CheckpointManager:
    """What the ways in share."""

    def __init__(self, cluster: Cluster, store: CheckpointStore, rows: CheckpointStore | None, clock: Clock) -> None:
        self._cluster = cluster
        self._objects = store
        self._rows = rows
        self._clock = clock

    async def create(self, wish: Wish, *, seconds: float = 30) -> CheckpointObject:
        """Take a checkpoint now, and wait until it is Ready.

        Raises CannotSave with the reason of the condition, TimeoutError if there is no answer within so many seconds
        (it is taken when an operator is there again), and the errors of the API.
        """
        name = await ask_for(self._cluster, wish)
        return await settled(self._cluster, wish.namespace, name, seconds=seconds)

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        """A checkpoint with what it holds, checked. Raises Unreadable, and the errors of the API."""
        try:
            found = await self._rows.get(tenants, id) if self._rows else None
        except StoreUnavailable:
            found = None
        return found or await self._objects.get(tenants, id)

    async def list(self, query: Query) -> Page:
        """Those that a query asks for, newest first."""
        try:
            return await (self._rows or self._objects).list(query)
        except StoreUnavailable:
            return await self._objects.list(query)

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        """How many there are, and of what kind."""
        try:
            return await (self._rows or self._objects).stats(tenants, execution_uid)
        except StoreUnavailable:
            return await self._objects.stats(tenants, execution_uid)

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        """Delete a checkpoint; whether it was there. Raises StoreError, and the errors of the API."""
        if await self._objects.delete(tenants, id):
            return True
        return bool(self._rows and await self._rows.delete(tenants, id))

    async def due(self, namespace: str, execution: str) -> tuple[Retired, ...]:
        """What retention would remove now, and why: the dry run. Raises Gone if there is no such execution."""
        return await due(self._cluster, namespace, execution, self._clock())


async def due(
    cluster: Cluster, namespace: str, execution: str, now: datetime, *, after_another: bool = False
) -> tuple[Retired, ...]:  # fmt: skip
    """What retention would remove now, and why; or as soon as another checkpoint like the newest has been taken.

    Raises Gone if there is no such execution.
    """
    view = await look(cluster, await cluster.get_execution(namespace, execution))
    every = map(objects.view, await cluster.list_checkpoints(namespace))
    found = [c for c in every if c.execution_uid == view.key.uid and c.is_settled and not c.deleting]
    newest = max((c for c in found if c.is_ready), key=lambda c: c.id, default=None)
    if after_another and newest is not None:
        found.append(replace(newest, name="", uid="", id="", taken_at=now, pinned=False))
    return retired(view.execution, found, (), now)
