"""What both stores have of an execution's chain of checkpoints, gathered and verified (`core.checkpoint.chain`).

Rules:
- Nothing is written. The objects are read through the cluster, the rows, where there are any, through their store.
- Objects are read before rows, and rows before graves: that is the order in which a checkpoint goes, so none that is
  deleted meanwhile is taken for a missing one.
- A database that is away is not in the way of what the objects can tell: the report says that it was not asked.
- The parent of a fork is looked for where the fork came from: in its own namespace, and in that of its `restoreFrom`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from cairn import names
from cairn.core.checkpoint import chain, objects, serializer
from cairn.core.checkpoint.chain import Copy, Held, Report
from cairn.core.checkpoint.state import Checkpoint, Grave, Serialized
from cairn.errors import Gone, NotFound, Refused, StoreError, Unreadable
from cairn.ports import Body, Cluster, Query, Rows

NO_ROWS = "the database was not asked"
PAGE = 1000

Chain = dict[str, Held]


async def every_row(rows: Rows, query: Query) -> AsyncIterator[Checkpoint]:
    """All that a query asks for, newest first, in pages of its limit."""
    while True:
        page = await rows.list(query)
        for found in page.items:
            yield found
        if page.next is None:
            return
        query = replace(query, after=page.next)


class ChainReader:
    """Reads and verifies chains."""

    def __init__(self, cluster: Cluster, rows: Rows | None) -> None:
        self._cluster = cluster
        self._rows = rows

    async def verify(self, namespace: str, execution: str) -> Report:
        """Verify the checkpoints of all executions that had a name. Raises NotFound, and the errors of the API."""
        there = await self._objects(namespace)
        held = {id: one for id, one in there.items() if _execution(one) == execution}
        uids = await self._live(namespace, execution)
        graves: tuple[Grave, ...] = ()
        elsewhere = {id: _digest(one) for id, one in there.items() if id not in held}
        without = "" if self._rows else NO_ROWS
        if self._rows is not None:
            try:
                held, graves = await self._with_rows(self._rows, namespace, execution, held, uids)
                elsewhere |= await self._parents(self._rows, namespace, held, graves)
            except StoreError as error:
                without = str(error)
                held = {id: replace(one, row=None) for id, one in held.items() if one.object is not None}
                graves = ()
        if not (held or graves or uids):
            text = f"there is no execution {execution} in namespace {namespace}, and no checkpoint of one"
            raise NotFound(f"{text}; only objects were looked at: {without}" if without else text)
        return chain.verify(held, graves, elsewhere, without_rows=without)

    async def _live(self, namespace: str, execution: str) -> set[str]:
        """The UID of the execution, if there is one."""
        try:
            return {(await self._cluster.get_execution(namespace, execution))["metadata"]["uid"]}
        except Gone:
            return set()

    # --- Objects

    async def _objects(self, namespace: str) -> Chain:
        """Every checkpoint that an object in a namespace holds, or held."""
        bodies = await self._cluster.list_checkpoints(namespace)
        return {body["status"]["checkpointId"]: _of_object(body) for body in bodies if _was_taken(body)}

    # --- Rows

    async def _with_rows(
        self, rows: Rows, namespace: str, execution: str, held: Chain, uids: set[str]
    ) -> tuple[Chain, tuple[Grave, ...]]:
        """The same with rows, and the graves. Raises StoreError."""
        tenant = await self._cluster.get_namespace_uid(namespace)
        found: dict[str, Copy] = {}
        async for row in every_row(rows, Query([tenant], execution=execution, limit=PAGE)):
            if (copy := await self._of_row(rows, tenant, row)) is not None:
                found[row.id] = copy
        both = {id: replace(held.get(id, Held()), row=found.get(id)) for id in held.keys() | found.keys()}
        known = uids | {copy.checkpoint.execution_uid for one in both.values() for _, copy in one.copies}
        graves = [grave for uid in sorted(known) for grave in await rows.graves([tenant], uid)]
        return both, tuple(graves)

    async def _of_row(self, rows: Rows, tenant: str, row: Checkpoint) -> Copy | None:
        try:
            stored = await rows.read([tenant], row.id)
        except Unreadable as error:
            return Copy(row, error)
        return Copy(stored.checkpoint, stored.content) if stored else None  # None: deleted meanwhile

    async def _parents(
        self, rows: Rows, namespace: str, held: Chain, graves: Iterable[Grave]
    ) -> dict[str, str]:
        """The digests of parents that belong to other executions. Raises StoreError."""
        wanted = set(chain.unknown_parents(held)) - {grave.id for grave in graves}
        if not wanted:
            return {}
        found: dict[str, str] = {}
        tenants = []
        for origin in sorted({namespace} | _origins(held)):
            try:
                tenants.append(await self._cluster.get_namespace_uid(origin))
                there = await self._objects(origin) if origin != namespace else {}
                found |= {id: _digest(one) for id, one in there.items()}
            except (Gone, Refused):  # gone since, or not for these eyes: then the parent is reported as missing
                continue
        found |= {grave.id: grave.digest for grave in await rows.graves(tenants, None, sorted(wanted))}
        for id in sorted(wanted - found.keys()):
            page = await rows.list(Query(tenants, after=f"{id}0", limit=1))  # the first one at or before it
            found |= {row.id: row.digest for row in page.items}
        return found


def _was_taken(body: Body) -> bool:
    """Whether an object holds a state, or held one that only its row had."""
    seen = objects.view(body)
    return seen.is_ready or (seen.ready[0] == names.ROW_LOST and bool(seen.digest))


def _of_object(body: Body) -> Held:
    seen = objects.view(body)
    content: Serialized | Unreadable | None = None
    if seen.has_state:
        try:
            content = objects.unchecked(body, "").content
        except Unreadable as error:
            content = error
    return Held(Copy(seen.summary(""), content), None, seen.is_stored)


def _execution(held: Held) -> str:
    return held.copies[0][1].checkpoint.execution


def _digest(held: Held) -> str:
    return held.copies[0][1].checkpoint.digest


def _origins(held: Chain) -> set[str]:
    """The namespaces that executions were restored from, as the states tell."""
    found = set()
    for _, copy in (pair for one in held.values() for pair in one.copies):
        if not isinstance(copy.content, Serialized):
            continue
        try:
            spec = serializer.deserialize(copy.content).spec
        except Unreadable:
            continue
        match spec.get("restoreFrom"):
            case {"namespace": str(name)}:
                found.add(name)
    return found
