"""Checkpoints as rows: `ports.Rows` over Postgres.

Rules:
- A row is a fact: put once, by whoever comes first; putting it again does nothing. After a conflict the row is read
  back and compared, else another tenant's id would swallow a write without a word.
- Put and bury of one id wait for each other, and a put finds the grave: what was deleted does not come back.
- A text is stored once for each tenant; only those that are not there yet are sent.
- What is read is checked against its digests before anybody sees it, but for who asks for it as it is.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from cairn.adapters.postgres import migrate
from cairn.adapters.postgres.pool import Connection, Pool
from cairn.adapters.postgres.sql import queries
from cairn.core.checkpoint import payload, serializer
from cairn.core.checkpoint.canonical import utf8
from cairn.core.checkpoint.state import Checkpoint, Grave, Parent, Serialized, Stored
from cairn.core.checkpoint.trigger import Trigger
from cairn.errors import DamagedPayload, IdTaken, Unreadable
from cairn.ports import Page, Query, Stats

Values = dict[str, Any]


class PostgresStore:
    """The rows of one database, seen in the role of its pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries()
        self._collected: dict[str, datetime] = {}
        self._checked = False

    # --- Writing

    async def put(self, stored: Stored) -> None:
        values = _values(stored)
        async with self._pool.connection() as connection:
            await self._check(connection)
            await connection.execute(self._sql["lock_put"], values)
            await self._put_texts(connection, values, stored.content)
            made = await (await connection.execute(self._sql["put"], values)).fetchone()
            if made is None:
                await self._compare(connection, values)

    async def _put_texts(self, connection: Connection, values: Values, content: Serialized) -> None:
        if not content.texts:
            return
        cursor = await connection.execute(self._sql["known_results"], values)
        known = {row["digest"] for row in await cursor.fetchall()}
        fresh = [digest for digest in content.texts if digest not in known]
        if fresh:
            bodies = [utf8(content.texts[digest]) for digest in fresh]
            await connection.execute(self._sql["put_results"], values | {"digests": fresh, "bodies": bodies})

    async def _compare(self, connection: Connection, values: Values) -> None:
        """There is a row of that id already (or its grave): is it this one?"""
        row = await (await connection.execute(self._sql["whose"], values)).fetchone()
        if row is not None and (row["namespace_uid"], row["digest"]) != (values["namespace_uid"], values["digest"]):
            raise IdTaken(f"another checkpoint has the id {values['id']}")

    async def pin(self, tenants: Collection[str], id: str, pinned: bool) -> bool:
        return await self._change("pin", {"id": id, "tenants": list(tenants), "pinned": pinned})

    async def delete(self, tenants: Collection[str], id: str) -> bool:
        return await self._change("delete", {"id": id, "tenants": list(tenants)})

    async def bury(self, grave: Grave) -> None:
        parent = grave.parent
        values = {
            "id": grave.id, "namespace_uid": grave.namespace_uid, "execution_uid": grave.execution_uid,
            "digest": grave.digest, "parent_id": parent.id if parent else None,
            "parent_digest": parent.digest if parent else None,
        }  # fmt: skip
        await self._change("bury", values)

    async def _change(self, name: str, values: Values) -> bool:
        async with self._pool.connection() as connection:
            await self._check(connection)
            await connection.execute(self._sql["lock_id"], values)
            return (await connection.execute(self._sql[name], values)).rowcount > 0

    async def collect_results(self, namespace_uid: str) -> int:
        """Remove the texts of a tenant that no row names any more; how many. Looks only if something was buried."""
        values = {"namespace_uid": namespace_uid}
        async with self._pool.connection() as connection:
            await self._check(connection)
            await connection.execute(self._sql["lock_collect"], values)
            newest = (await (await connection.execute(self._sql["newest_grave"], values)).fetchone() or {})["at"]
            if newest is None or self._collected.get(namespace_uid) == newest:
                return 0
            gone = (await connection.execute(self._sql["collect"], values)).rowcount
            await connection.execute(self._sql["collect_graves"], values)
        self._collected[namespace_uid] = newest
        return gone

    # --- Reading

    async def get(self, tenants: Collection[str], id: str) -> Stored | None:
        stored = await self.read(tenants, id)
        if stored is not None:
            serializer.verify(stored.content, stored.parent_digest)
        return stored

    async def read(self, tenants: Collection[str], id: str) -> Stored | None:
        values: Values = {"id": id, "tenants": list(tenants)}
        async with self._pool.connection() as connection:
            await self._check(connection)
            async with connection.pipeline():  # three questions, one journey
                await self._begin(connection, tenants)
                asked = [await connection.execute(self._sql[name], values) for name in ("get", "get_results")]
            row, results = await asked[0].fetchone(), await asked[1].fetchall()
        if row is None:
            return None
        return _stored(row, {r["digest"]: _text(bytes(r["body"])) for r in results})

    async def list(self, query: Query) -> Page:
        values: Values = {
            "tenants": list(query.tenants), "execution_uid": query.execution_uid, "execution": query.execution,
            "trigger": query.trigger, "since": query.since, "until": query.until, "after": query.after,
            "limit": query.limit + 1, "offset": query.offset,
        }  # fmt: skip
        rows = await self._rows("list", query.tenants, values)
        found = tuple(map(_checkpoint, rows[: query.limit]))
        return Page(found, found[-1].id if len(rows) > query.limit else None)

    async def stats(self, tenants: Collection[str], execution_uid: str | None = None) -> Stats:
        rows = await self._rows("stats", tenants, {"tenants": list(tenants), "execution_uid": execution_uid})
        return Stats(
            total_checkpoints=sum(r["total"] for r in rows),
            triggers={Trigger(r["trigger"]): r["total"] for r in rows},
            oldest_checkpoint=min((_utc(r["oldest"]) for r in rows), default=None),
            newest_checkpoint=max((_utc(r["newest"]) for r in rows), default=None),
            bytes=int(sum(r["bytes"] for r in rows)),
        )  # fmt: skip

    async def graves(
        self, tenants: Collection[str], execution_uid: str | None, ids: Collection[str] = ()
    ) -> tuple[Grave, ...]:
        values: Values = {"tenants": list(tenants), "execution_uid": execution_uid, "ids": list(ids)}
        rows = await self._rows("graves", tenants, values)
        return tuple(
            Grave(r["id"], r["namespace_uid"], r["execution_id"], r["digest"], _parent(r)) for r in rows
        )  # fmt: skip

    async def _rows(self, name: str, tenants: Collection[str], values: Values) -> Sequence[DictRow]:
        async with self._pool.connection() as connection:
            await self._check(connection)
            await self._begin(connection, tenants)
            return await (await connection.execute(self._sql[name], values)).fetchall()

    async def _begin(self, connection: Connection, tenants: Collection[str]) -> None:
        await connection.execute(self._sql["tenants"], {"tenants": json.dumps(list(tenants))})

    async def _check(self, connection: Connection) -> None:
        """Once: whether the tables are those of this version. Raises NotMigrated."""
        if not self._checked:
            await migrate.check(connection)
            self._checked = True


# --- Rows and values -------------------------------------------------------------------------------------------------


def _values(stored: Stored) -> Values:
    found, content = stored.checkpoint, stored.content
    state, same = payload.jsonb_form(content.document)
    parent = found.parent
    return {
        "id": found.id, "execution_id": found.execution_uid, "name": _plain(found.name),
        "trigger": found.trigger.value, "state": state, "metadata": Jsonb({_plain(k): _plain(v) for k, v
                                                                           in found.metadata.items()}),
        "created_by": _plain(found.created_by) if found.created_by is not None else None,
        "created_at": found.created_at, "namespace": found.namespace, "namespace_uid": found.namespace_uid,
        "execution_name": found.execution, "object_name": found.object_name, "object_uid": found.object_uid,
        "job_count": found.job_count, "execution_status": found.execution_status, "size_bytes": found.size_bytes,
        "digest": found.digest, "state_digest": found.state_digest, "parent_id": parent.id if parent else None,
        "parent_digest": parent.digest if parent else None, "pinned": found.pinned,
        "exact": None if same else zlib.compress(content.document), "digests": list(content.texts),
    }  # fmt: skip


def _plain(text: str) -> str:
    """A text that a column can hold; the document keeps it as it is."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _stored(row: DictRow, texts: dict[str, str]) -> Stored:
    document = _document(row)
    content = Serialized(document, texts, row["digest"], row["state_digest"])
    found = _checkpoint(row)
    if row["exact"] is not None:  # columns cannot hold every character of a label, the document can
        with suppress(Unreadable):  # of a damaged one the columns tell enough
            label = serializer.deserialize(content).label
            found = replace(found, name=label.name, metadata=label.metadata, created_by=label.created_by)
    return Stored(found, content)


def _document(row: DictRow) -> bytes:
    try:
        return payload.from_jsonb(row["state"]) if row["exact"] is None else zlib.decompress(row["exact"])
    except (ValueError, zlib.error) as error:  # a number that no double can hold; bytes that are not compressed ones
        raise DamagedPayload(f"the document of {row['id']}: {error}") from error


def _text(body: bytes) -> str:
    """What a text's bytes say; of bytes that are no text any more as much as can be read, so never its digest."""
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace")


def _checkpoint(row: DictRow) -> Checkpoint:
    return Checkpoint(
        id=row["id"], namespace=row["namespace"], namespace_uid=row["namespace_uid"],
        execution=row["execution_name"], execution_uid=row["execution_id"], object_name=row["object_name"],
        object_uid=row["object_uid"], name=row["name"], trigger=Trigger(row["trigger"]),
        created_at=_utc(row["created_at"]), created_by=row["created_by"], metadata=row["metadata"] or {},
        job_count=row["job_count"], execution_status=row["execution_status"], size_bytes=row["size_bytes"],
        digest=row["digest"], state_digest=row["state_digest"], parent=_parent(row), pinned=row["pinned"],
    )  # fmt: skip


def _parent(row: DictRow) -> Parent | None:
    return Parent(row["parent_id"], row["parent_digest"]) if row["parent_id"] else None


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)
