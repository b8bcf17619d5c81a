"""Looking into checkpoints, for programs: what differs between two (or one and now), and whether a chain is sound.

Rules:
- Nothing is written. The objects are read through the cluster, the rows, where there are any, through their store.
- A checkpoint is read from whichever store has a whole copy; only if none has, it is said what is wrong.
- Neither a deleted execution nor deleted objects are in the way: rows are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from cairn import names
from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.chains import NO_ROWS, PAGE, ChainReader, every_row
from cairn.app.checkpoints.taking import state_of
from cairn.app.looking import look
from cairn.core.ages import age
from cairn.core.checkpoint import objects, serializer
from cairn.core.checkpoint.chain import Report
from cairn.core.checkpoint.changes import readable
from cairn.core.checkpoint.diff import Diff, diff
from cairn.core.checkpoint.state import Checkpoint, CheckpointState, Label, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.errors import Gone, NotFound, StoreError, StoreUnavailable, Unreadable
from cairn.ports import Body, Clock, Cluster, Query, Rows

_SHOWN = 10  # checkpoints that an error names


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint, by the name of its object or by its id."""

    namespace: str
    ref: str

    @property
    def is_id(self) -> bool:
        """Whether it is the id; a name of an object holds no underscore."""
        return self.ref.startswith("checkpoint_")


@dataclass(frozen=True, slots=True)
class Now:
    """An execution as it is now."""

    namespace: str
    execution: str


Ref = Saved | Now


class Inspector:
    """What the ways in share."""

    def __init__(self, cluster: Cluster, rows: Rows | None, clock: Clock) -> None:
        self._cluster = cluster
        self._rows = rows
        self._clock = clock

    async def verify(self, namespace: str, execution: str) -> Report:
        """Whether the checkpoints of an execution are sound, in both stores; also of one that was deleted.

        Raises NotFound, and the errors of the API.
        """
        return await ChainReader(self._cluster, self._rows).verify(namespace, execution)

    async def diff(self, before: Ref, after: Ref) -> Diff:
        """What differs. Raises NotFound, Unreadable, CannotSave (of now), StoreError, and the errors of the API."""
        return diff(await self.state(before), await self.state(after))

    async def state(self, ref: Ref) -> CheckpointState:
        """The state that is meant. Raises as `diff` does."""
        match ref:
            case Saved():
                return await self._saved(ref)
            case Now():
                return await self._now(ref)
            case _:
                assert_never(ref)

    async def _now(self, ref: Now) -> CheckpointState:
        try:
            body = await self._cluster.get_execution(ref.namespace, ref.execution)
        except Gone:
            raise NotFound(f"there is no execution {ref.execution} in namespace {ref.namespace}") from None
        view = await look(self._cluster, body)
        label = Label("now", "as it is now", Trigger.MANUAL, self._clock())
        return await state_of(view, label, Archive(self._cluster))

    # --- Saved ones

    async def _saved(self, ref: Saved) -> CheckpointState:
        errors: list[Exception] = []
        for read in (self._from_row, self._from_object) if ref.is_id else (self._from_object, self._from_row):
            try:
                if (stored := await read(ref)) is not None:
                    return serializer.deserialize(stored.content)
            except (Unreadable, StoreError) as error:  # the other store may have a whole one
                errors.append(error)
        if errors:
            raise errors[0]
        known = await self._known(ref.namespace)
        raise NotFound(f"there is no checkpoint {ref.ref} in namespace {ref.namespace}{known}")

    async def _from_object(self, ref: Saved) -> Stored | None:
        body = await self._object(ref)
        if body is None:
            return None
        seen = objects.view(body)
        if not seen.is_ready:
            raise NotFound(f"checkpoint {seen.name} is {seen.phase} and holds no state: {' '.join(seen.ready)}")
        if not seen.has_state:
            why = "it was not found there" if self._rows else NO_ROWS
            text = f"only the database holds the state of checkpoint {seen.name}, and {why}"
            raise StoreUnavailable(names.NO_DATABASE, text)
        return objects.stored(body, "")

    async def _object(self, ref: Saved) -> Body | None:
        if ref.is_id:
            bodies = await self._cluster.list_checkpoints(ref.namespace)
            return next((b for b in bodies if (b.get("status") or {}).get("checkpointId") == ref.ref), None)
        try:
            return await self._cluster.get_checkpoint(ref.namespace, ref.ref)
        except Gone:
            return None

    async def _from_row(self, ref: Saved) -> Stored | None:
        if self._rows is None:
            return None
        tenant = await self._cluster.get_namespace_uid(ref.namespace)
        if ref.is_id:
            return await self._rows.get([tenant], ref.ref)
        async for found in every_row(self._rows, Query([tenant], limit=PAGE)):
            if found.object_name == ref.ref:  # the newest one: a name can be used again
                return await self._rows.get([tenant], found.id)
        return None

    async def _known(self, namespace: str) -> str:
        """The newest checkpoints of a namespace, to choose from."""
        seen = map(objects.view, await self._cluster.list_checkpoints(namespace))
        known = {c.id: c.summary("") for c in seen if c.is_ready}
        if self._rows is not None:
            try:
                tenant = await self._cluster.get_namespace_uid(namespace)
                known |= {c.id: c for c in (await self._rows.list(Query([tenant], limit=_SHOWN))).items}
            except StoreError:
                pass  # then the objects are what there is to choose from
        newest = sorted(known.values(), key=lambda c: c.id, reverse=True)[:_SHOWN]
        now = self._clock()
        return "\n".join(["; the newest there are:", *(_line(c, now) for c in newest)]) if newest else ", nor any other"


def _line(found: Checkpoint, now: datetime) -> str:
    return readable(f"  {found.object_name}  {found.id}  {found.name}  {age(found.created_at, now)} ago")
