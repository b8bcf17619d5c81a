"""Checkpoints by whatever name they are given, for people and programs: find, pin, delete, go on from one.

Rules:
- A checkpoint is looked for among the tenants that the caller may see: in its object, and where that is gone, in its
  row.
- Going on from a checkpoint rewinds the execution that it was taken of; if that is gone, it forks.
- A rewind is committed before the pause is taken off: nothing of the state that is given up is launched in between.
"""

from __future__ import annotations

from collections.abc import Mapping

from cairn import names
from cairn.app.checkpoints.chains import PAGE, every_row
from cairn.app.control.executions import Executions
from cairn.app.control.restores import RestoreControl, Restored
from cairn.core import asking
from cairn.core.checkpoint import objects
from cairn.core.checkpoint.state import Checkpoint
from cairn.core.naming import fork_name
from cairn.core.refs import ExecutionRef, is_checkpoint_id, is_name
from cairn.errors import Gone, NotFound, StoreError, WrongState
from cairn.ports import Body, Clock, Desk, Query, Rows

_SHOWN = 5

Tenants = Mapping[str, str]  # the namespaces that a caller may see, and their UIDs


class Checkpoints:
    """What the ways in share."""

    def __init__(self, desk: Desk, rows: Rows | None, clock: Clock) -> None:
        self._desk = desk
        self._rows = rows
        self._executions = Executions(desk)
        self._restores = RestoreControl(desk, rows, clock)

    # --- Finding

    async def find(self, tenants: Tenants, ref: str) -> Checkpoint | None:
        """A checkpoint that is Ready, by its id, or by the name of its object where only one namespace may be seen.

        Raises StoreError where only the database could know, and the errors of the API.
        """
        body = await self.body(tenants, ref)
        if body is not None and (seen := objects.view(body)).is_ready:
            return seen.summary(tenants[seen.namespace])
        return await self._row(tenants, ref)

    async def body(self, tenants: Tenants, ref: str) -> Body | None:
        """The object of a checkpoint, if there is one. Raises the errors of the API."""
        only = next(iter(tenants)) if len(tenants) == 1 else ""
        if is_checkpoint_id(ref):
            found = await self._desk.find_checkpoints(only, **{"status.checkpointId": ref})
            return next((body for body in found if body["metadata"]["namespace"] in tenants), None)
        try:
            return await self._desk.get_checkpoint(only, ref) if only and is_name(ref) else None
        except Gone:
            return None

    async def _row(self, tenants: Tenants, ref: str) -> Checkpoint | None:
        if self._rows is None or not (is_checkpoint_id(ref) or is_name(ref)):
            return None
        uids = list(tenants.values())
        if is_checkpoint_id(ref):
            stored = await self._rows.read(uids, ref)
            return stored.checkpoint if stored else None
        async for row in every_row(self._rows, Query(uids, limit=PAGE)):
            if row.object_name == ref:  # the newest one: a name can be used again
                return row
        return None

    async def newest(self, tenants: Tenants, execution: str | None = None) -> list[Checkpoint]:
        """The newest ones, of an execution if one is named, for somebody to choose from."""
        if self._rows is not None:
            try:
                query = Query(list(tenants.values()), execution=execution, limit=_SHOWN)
                return list((await self._rows.list(query)).items)
            except StoreError:
                pass  # then the objects are what there is to choose from
        found: list[Checkpoint] = []
        for namespace, uid in tenants.items():
            bodies = await self._desk.find_checkpoints(namespace, **{"status.phase": objects.READY})
            found += [objects.view(body).summary(uid) for body in bodies]
        wanted = (one for one in found if execution in (None, one.execution))
        return sorted(wanted, key=lambda one: one.id, reverse=True)[:_SHOWN]

    # --- Changing

    async def pin(self, tenants: Tenants, ref: str, pinned: bool) -> Body:
        """Set whether retention leaves it alone; the object. Raises NotFound, WrongState, and the errors of the API."""
        seen = objects.view(await self._object(tenants, ref))
        patch = {"metadata": {"uid": seen.uid}, "spec": {"pinned": pinned}}
        await self._desk.patch_checkpoint(seen.namespace, seen.name, patch)
        return await self._desk.get_checkpoint(seen.namespace, seen.name)

    async def delete(self, tenants: Tenants, ref: str) -> None:
        """Delete the object; its row follows. Raises NotFound, WrongState, and the errors of the API."""
        seen = objects.view(await self._object(tenants, ref))
        await self._desk.delete_checkpoint(seen.namespace, seen.name, seen.uid, "")

    async def _object(self, tenants: Tenants, ref: str) -> Body:
        body = await self.body(tenants, ref)
        if body is not None:
            return body
        if await self._row(tenants, ref) is not None:
            text = f"of checkpoint {ref} only the row is left, which is never changed: it goes with its retention"
            raise WrongState(text)
        raise NotFound(f"there is no checkpoint {ref}")

    # --- Going on

    async def resume(self, found: Checkpoint, key: str, request_id: str) -> Restored:
        """Rewind the execution of a checkpoint and take off its pause; if it is gone, fork.

        The same key: only one fork; the same request id: only one rewind, and a pause that came after it stays. Raises
        KeyReused, WrongState (with what the plan objects to), TimeoutError if no operator answers, and the errors of
        the API.
        """
        ref, asks = ExecutionRef(found.namespace, found.execution), {"checkpointId": found.id}
        try:
            there = await self._executions.get(ref)
        except NotFound:
            there = None
        if there is not None and there["metadata"]["uid"] == found.execution_uid:
            restored = await self._restores.rewind(ref, {**asks, "requestId": request_id})
            await self._executions.change(ref, asking.unpause_after(request_id))
            return restored
        spec = await self._restores.fork_spec(found.namespace, asks)
        meta = {
            "namespace": found.namespace, "name": fork_name(found.execution, key),
            "annotations": {names.ANNOTATION_REQUEST: found.id},
        }  # fmt: skip
        return await self._restores.fork({"metadata": meta, "spec": spec})
