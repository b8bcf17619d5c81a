"""Finds the checkpoint that a restore asks for: in its object, or its row where that is gone, checked either way.

Rules:
- Every copy that there is must be as it was written. One that is not is named, and refuses the restore unless somebody
  insists (`force`); then what can still be read is used, the intact copy first.
- With the database away the object will do; without an object it is waited for.
- Another namespace is looked into only where the operator is told that an admission policy has asked on the user's
  behalf: the operator's own rights say nothing about theirs.
- What happened to a fork's origin since counts: its live status, else its newest checkpoint, else it is unknown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cairn import names
from cairn.app.checkpoints.chains import PAGE, every_row
from cairn.app.checkpoints.outbox import reason_of
from cairn.app.checkpoints.views import Lane
from cairn.app.executions import ExecutionView
from cairn.app.views import Views
from cairn.config import Settings
from cairn.core import status_wire
from cairn.core.checkpoint import objects, serializer
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.checkpoint.state import Checkpoint, CheckpointState, Stored
from cairn.core.parse import parse
from cairn.core.restore.plan import Known
from cairn.core.restore.progress import Origin
from cairn.core.restore.source import Found, NotFound, Wanted, saved_of
from cairn.core.spec import ExecutionSpec, Restore, Source
from cairn.errors import Gone, InvalidSpec, NewerSchema, StoreError, Unreadable
from cairn.ports import Body, Clock, Cluster, Query, Rows

logger = logging.getLogger(__name__)

_AGAIN = timedelta(seconds=10)
_LARGE = 300_000  # bytes: what takes too long to be read on the loop
_LISTED = 5

_HOW_TO_TAKE = "a checkpoint is taken by creating a Checkpoint object whose spec.executionRef names the execution"


class _Refusal(Exception):
    """Why there is nothing to restore; `passes`: it may be another time."""

    def __init__(self, reason: str, message: str, *, passes: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.passes = passes


@dataclass(frozen=True, slots=True)
class _Copy:
    """A checkpoint as one place holds it."""

    place: str
    stored: Stored | None  # None: nothing can be made of it
    damage: str = ""  # what is wrong with it


class Restores:
    """Looks for checkpoints on behalf of restores."""

    def __init__(
        self, cluster: Cluster, views: Views, rows: Rows | None, tenant: Callable[[str], Awaitable[str]], clock: Clock,
        settings: Settings,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._views = views
        self._rows = rows
        self._tenant = tenant
        self._clock = clock
        self._settings = settings

    async def find(self, view: ExecutionView, asked: Restore) -> Found | NotFound:
        """The checkpoint, or why there is none to restore. Raises the errors of the API."""
        wanted = Wanted.by(asked)
        try:
            return await self._find(view, wanted)
        except _Refusal as refusal:
            retry_at = self._clock() + _AGAIN if refusal.passes else None
            return NotFound(wanted, refusal.reason, str(refusal), retry_at)

    async def _find(self, view: ExecutionView, wanted: Wanted) -> Found:
        namespace = self._namespace(view, wanted.source)
        body, id = await self._which(namespace, wanted.source)
        if body is not None and not ((seen := objects.view(body)).is_ready or seen.is_broken):
            self._refuse_unready(seen)
        copies = await self._copies(namespace, body, id)
        if not copies:
            raise await self._not_found(namespace, wanted.source)
        stored, damage, warning = _chosen(copies, wanted)
        state, spec = await _beside(stored, lambda: _read(stored, damage))
        found = stored.checkpoint
        origin = Origin(
            found.id, found.object_name, found.digest, found.namespace, found.execution, found.execution_uid
        )  # fmt: skip
        known = Known() if found.execution_uid == view.key.uid else await self._since(found, state)
        return Found(
            wanted, origin, saved_of(state, found.digest, spec), state.status, state.attempts, state.spec, known,
            warning,
        )  # fmt: skip

    def _namespace(self, view: ExecutionView, source: Source) -> str:
        namespace = source.namespace or view.key.namespace
        if namespace != view.key.namespace and not self._settings.fork_across_namespaces:
            text = (
                f"checkpoints of namespace {namespace} are not given to this one: where the admission policy that"
                " asks whether the user may read them is installed, CAIRN_FORK_ACROSS_NAMESPACES=true allows it"
            )
            raise _Refusal(names.NAMESPACE_NOT_ALLOWED, text)
        return namespace

    # --- Which one

    async def _which(self, namespace: str, source: Source) -> tuple[Body | None, str]:
        """The object of the checkpoint, if there is one, and its id as far as that is known."""
        if source.checkpoint_name:
            body = await self._object(namespace, source.checkpoint_name)
            if body is None and (row := await self._row_of(namespace, source.checkpoint_name)):
                return None, row.id
            return body, objects.view(body).id if body else ""
        if source.checkpoint_id:
            seen, id = await self._object_with(namespace, source.checkpoint_id), source.checkpoint_id
        else:
            seen, id = await self._latest(namespace, source.latest_of)
        return await self._object(namespace, seen.name) if seen else None, id

    async def _object(self, namespace: str, name: str) -> Body | None:
        try:
            return await self._cluster.get_checkpoint(namespace, name)
        except Gone:
            return None

    async def _object_with(self, namespace: str, id: str) -> CheckpointObject | None:
        wanted = {"status.checkpointId": id}
        seen = next((seen for seen in await self._objects(namespace, **wanted) if seen.id == id), None)
        if seen is None and not self._partial:  # it may be newer than what was seen
            seen = next((c for c in await self._listed(namespace) if c.id == id), None)
        return seen

    @property
    def _partial(self) -> bool:
        """Whether there are objects that other operators see: then what is not seen here says nothing."""
        return self._views.selection.partial

    async def _objects(self, namespace: str, **fields: str) -> list[CheckpointObject]:
        """The objects of a namespace: as they were seen, or read where not everything there is watched.

        Of those that are read only those whose selectable fields are these; whoever names some looks at them as well.
        """
        if self._partial:
            return _living(await self._cluster.find_checkpoints(namespace, **fields))
        if not self._settings.namespaces or self._views.knows(namespace):
            return [seen for seen in self._views.checkpoints if seen.namespace == namespace and not seen.deleting]
        return await self._listed(namespace)

    async def _listed(self, namespace: str) -> list[CheckpointObject]:
        return _living(await self._cluster.list_checkpoints(namespace))

    async def _latest(self, namespace: str, execution: str) -> tuple[CheckpointObject | None, str]:
        lane = Lane(namespace, execution)
        found = await self._objects(namespace, **{"spec.executionRef.name": execution})
        there = [c for c in found if c.execution == lane.execution and c.is_ready]
        seen = max(there, key=lambda c: c.id, default=None)
        row = await self._row_where(namespace, Query((), execution=execution, limit=1))
        if row is not None and (seen is None or row.id > seen.id):
            return None, row.id
        return seen, seen.id if seen else ""

    async def _row_of(self, namespace: str, object_name: str) -> Checkpoint | None:
        """The newest row whose object had that name."""
        return await self._row_where(namespace, Query((), limit=PAGE), lambda row: row.object_name == object_name)

    async def _row_where(
        self, namespace: str, query: Query, right: Callable[[Checkpoint], bool] = lambda row: True
    ) -> Checkpoint | None:
        """The newest row that is asked for. With the database away, there is none that can be seen."""
        if self._rows is None:
            return None
        query = replace(query, tenants=[await self._tenant(namespace)])
        try:
            async for row in every_row(self._rows, query):
                if right(row):
                    return row
        except StoreError as error:
            logger.warning("the rows of namespace %s cannot be looked through: %s", namespace, error)
        return None

    # --- Its copies

    async def _copies(self, namespace: str, body: Body | None, id: str) -> list[_Copy]:
        """The copies that there are, the object's first. Raises _Refusal where only a database that is away has one."""
        tenant = await self._tenant(namespace) if self._rows is not None else ""
        copies: list[_Copy] = []
        if body is not None and objects.view(body).has_state:
            copies.append(_checked("object", lambda: objects.unchecked(body, tenant)))
        if self._rows is None or not id:
            return copies
        try:
            row = await self._rows.read([tenant], id)
        except Unreadable as error:
            return [*copies, _Copy("row", None, f"its row is damaged: {error}")]
        except StoreError as error:
            if copies:
                logger.warning("the row of checkpoint %s is not checked: %s", id, error)
                return copies
            text = f"the object does not hold the state, and the database cannot be read: {error}"
            raise _Refusal(reason_of(error), text, passes=True) from error
        return [*copies, _checked("row", lambda: row)] if row is not None else copies

    async def _not_found(self, namespace: str, source: Source) -> _Refusal:
        """What there is instead, and how to take one."""
        there = [c for c in await self._objects(namespace, **{"status.phase": objects.READY}) if c.is_ready]
        if source.latest_of:
            text = f"execution {source.latest_of} in namespace {namespace} has no checkpoint that is Ready"
        else:
            text = f"there is no {source} in namespace {namespace}"
        newest = sorted(there, key=lambda seen: seen.id, reverse=True)
        listed = [f"{seen.name} (of {seen.execution}, {seen.label or 'no label'})" for seen in newest[:_LISTED]]
        more = f" and {len(newest) - _LISTED} more" if len(newest) > _LISTED else ""
        what = f"; there are: {', '.join(listed)}{more}" if listed else "; there are none in it"
        return _Refusal(names.CHECKPOINT_NOT_FOUND, f"{text}{what}; {_HOW_TO_TAKE}", passes=True)

    def _refuse_unready(self, seen: CheckpointObject) -> None:
        if seen.is_failed:
            text = f"checkpoint {seen.name} holds nothing, it could not be taken: {seen.ready[0]}: {seen.ready[1]}"
            raise _Refusal(names.CHECKPOINT_HOLDS_NOTHING, text)
        text = f"checkpoint {seen.name} is still Pending: wait until it is Ready"
        raise _Refusal(names.CHECKPOINT_NOT_READY, text, passes=True)

    # --- What has happened since

    async def _since(self, found: Checkpoint, state: CheckpointState) -> Known:
        """What is known of the execution that a checkpoint was taken of, after that."""
        try:
            body = await self._cluster.get_execution(found.namespace, found.execution)
        except Gone:
            body = None
        if body is not None and body["metadata"]["uid"] == found.execution_uid:
            live = status_wire.from_wire(body.get("status") or {})
            return Known(live.jobs, final=live.finished)
        newest = await self._newest_state(found) or state
        return Known(newest.status.jobs, final=newest.status.finished)

    async def _objects_of(self, found: Checkpoint) -> Collection[CheckpointObject]:
        """The objects of the execution that a checkpoint was taken of."""
        if self._partial:
            return await self._objects(found.namespace, **{"status.executionUid": found.execution_uid})
        of = self._views.checkpoints.of_execution(found.namespace, found.execution, found.execution_uid)
        return of.values()

    async def _newest_state(self, found: Checkpoint) -> CheckpointState | None:
        """The state in the newest other checkpoint of that execution which can be read."""
        ids = {seen.id: seen for seen in await self._objects_of(found) if seen.is_ready}
        row = await self._row_where(found.namespace, Query((), execution_uid=found.execution_uid, limit=1))
        newest = max([*ids, row.id if row else ""], default="")
        if newest <= found.id:
            return None
        try:
            body = await self._object(found.namespace, ids[newest].name) if newest in ids else None
            copies = await self._copies(found.namespace, body, newest)
            whole = next((copy.stored for copy in copies if copy.stored and not copy.damage), None)
            if whole is None:
                return None
            newer: CheckpointState = await _beside(whole, lambda: serializer.deserialize(whole.content))
            return newer
        except (_Refusal, Unreadable) as error:
            logger.warning("checkpoint %s, newer than %s, cannot be read: %s", newest, found.id, error)
            return None


def _living(bodies: list[Body]) -> list[CheckpointObject]:
    return [seen for seen in map(objects.view, bodies) if not seen.deleting]


async def _beside(stored: Stored, work: Callable[[], Any]) -> Any:
    """Do it on the loop if it is short, beside it if it is not."""
    return work() if stored.content.size < _LARGE else await asyncio.to_thread(work)


def _checked(place: str, read: Callable[[], Stored]) -> _Copy:
    """A copy, and what is wrong with it. Raises _Refusal where a newer version wrote it."""
    stored = None
    try:
        stored = read()
        parent = stored.checkpoint.parent
        serializer.verify(stored.content, parent.digest if parent else None)
    except NewerSchema as error:
        raise _Refusal(names.CHECKPOINT_NEWER, f"a newer version of Cairn wrote the {place}: {error}") from error
    except Unreadable as error:
        return _Copy(place, stored, f"its {place} is damaged: {error}")
    return _Copy(place, stored)


def _chosen(copies: list[_Copy], wanted: Wanted) -> tuple[Stored, str, str]:
    """The copy to restore from, its damage, and all that is wrong. Raises _Refusal unless all is well or forced."""
    damaged = [copy.damage for copy in copies if copy.damage]
    readable = sorted((copy for copy in copies if copy.stored), key=lambda copy: bool(copy.damage))
    if not damaged and len({copy.stored.checkpoint.digest for copy in readable if copy.stored}) > 1:
        damaged = ["its object and its row do not hold the same"]
    said = "; ".join(damaged)
    if not readable or readable[0].stored is None:
        raise _Refusal(names.CHECKPOINT_DAMAGED, f"{said}; nothing can be made of it: restore another checkpoint")
    best = readable[0]
    if damaged and not wanted.force:
        way = "what can be read of it may be wrong" if best.damage else f"the {best.place} is intact"
        raise _Refusal(names.CHECKPOINT_DAMAGED, f"{said}; {way}: force restores it all the same")
    return readable[0].stored, best.damage, said


def _read(stored: Stored, damage: str) -> tuple[CheckpointState, ExecutionSpec | None]:
    """What a copy holds. Raises _Refusal where nothing can be made of it."""
    try:
        state = serializer.salvage(stored.content) if damage else serializer.deserialize(stored.content)
    except Unreadable as error:
        text = f"{damage or error}; nothing can be made of it: restore another checkpoint"
        raise _Refusal(names.CHECKPOINT_DAMAGED, text) from error
    return state, _spec(state.spec)


def _spec(written: Mapping[str, Any]) -> ExecutionSpec | None:
    """The spec of a checkpoint, if it could run: an edit may have made it wrong while the execution ran."""
    try:
        return parse(written)
    except InvalidSpec:
        return None
