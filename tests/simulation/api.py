"""The request helper of one operator on the simulated API server: what `adapters.kube.api.Api` is on a real one.

So the adapters above it are those that ship, paths and patches included.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from cairn import names
from cairn.core.sharding import Selection
from cairn.errors import Gone, Refused
from cairn.ports import Roll
from simulation.judge import Judge, Known, has_ended
from simulation.network import Caller, Network
from simulation.server import (
    CHECKPOINT,
    CONFIG_MAP,
    EXECUTION,
    JOB,
    POD,
    RESULT,
    ApiServer,
    Body,
    copied,
    merged,
)

T = TypeVar("T")

_GROUP = r"/apis?/(?:[a-z0-9.]+/)?v1(?:alpha1)?"
_PATH = re.compile(_GROUP + r"(?:/namespaces/([^/]+))?(?:/([^/]+)(?:/([^/]+)(?:/([^/]+))?)?)?")
_KINDS = {
    names.EXECUTIONS: EXECUTION, "jobs": JOB, "pods": POD, names.CHECKPOINTS: CHECKPOINT, names.RESULTS: RESULT,
    "configmaps": CONFIG_MAP, "leases": "Lease", "events": "Event", "": "Namespace",
}  # fmt: skip


class SimApi:
    """JSON requests of one process. `may_write` is asked before each write, as the guard of a leader."""

    def __init__(
        self, server: ApiServer, network: Network, judge: Judge, caller: Caller, logs: Callable[[str], bytes],
        known: Known, selection: Selection, may_write: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._server = server
        self._network = network
        self._judge = judge
        self._caller = caller
        self._logs = logs  # what a pod has written, by name
        self._known = known  # what the process has heard of executions
        self._selection = selection  # which objects are its own
        self._asked: dict[str, int] = {}  # when it has asked last who names a checkpoint: the version of the answer
        self._may_write = may_write

    def guarded(self, may_write: Callable[[], None]) -> SimApi:
        """The same, but a write is only sent if `may_write` raises nothing."""
        return SimApi(
            self._server, self._network, self._judge, self._caller, self._logs, self._known, self._selection, may_write
        )

    # --- Reads

    async def get(self, path: str, **query: str) -> Body:
        """See `Api`."""
        kind, name, _ = _parsed(path)
        if kind == "Event":
            return {"items": []}
        if kind == "Namespace":
            return await self._call("get Namespace", lambda: {"metadata": {"name": name, "uid": f"uid of {name}"}})
        return await self._call(f"get {kind}", lambda: self._server.get(kind, name))

    async def list_all(self, path: str, **query: str) -> list[Body]:
        """See `Api`."""
        kind, _, _ = _parsed(path)

        def every() -> list[Body]:
            field, _, named = query.get("fieldSelector", "").partition("=")
            if field == "spec.restoreFrom.checkpointName":
                self._asked[named] = self._server.version
            return _selected(self._server.all(kind), query)

        return await self._call(f"list {kind}", every)

    async def list_metadata(self, path: str) -> list[Body]:
        """See `Api`."""
        return [_metadata(body) for body in await self.list_all(path)]

    async def list_uids(self, path: str, **query: str) -> Roll:
        """See `Api`."""
        kind, _, _ = _parsed(path)

        def roll() -> Roll:
            every = _selected(self._server.all(kind), {"labelSelector": query.get("labelSelector", "")})
            live = (b for b in every if not query.get("fieldSelector") or not _has_ended(kind, b))
            return Roll(frozenset(b["metadata"]["uid"] for b in live), self._server.version)

        return await self._call(f"list {kind}", roll)

    async def stream(self, path: str, seconds: float = 0, /, **query: str) -> AsyncIterator[bytes]:
        """See `Api`: the log of a pod."""
        _, name, _ = _parsed(path)

        def read() -> bytes:
            self._server.get(POD, name)
            return self._logs(name)

        text = await self._call("get Log", read)
        for place in range(0, len(text), 40):
            yield text[place : place + 40]

    # --- Writes

    async def create(self, path: str, body: Body, **query: str) -> Body:
        """See `Api`."""
        kind, _, _ = _parsed(path)
        if kind == "Event":
            return {}
        heard = self._known((body["metadata"].get("labels") or {}).get(names.LABEL_EXECUTION_UID, ""))

        def create() -> Body:
            if kind == JOB and self._judge.refuses():
                raise Refused("exceeded quota", status=403)
            self._judge.check_create(kind, body, heard)
            return self._server.create(body | {"kind": kind})

        return await self._write(f"create {kind}", create)

    async def replace(self, path: str, body: Body, **query: str) -> Body:
        """See `Api`."""
        kind, name, part = _parsed(path)
        version, uid = body["metadata"]["resourceVersion"], body["metadata"].get("uid", "")

        def replace() -> Body:
            def change(held: Body) -> None:
                self._judge.check_turn(kind, held, self._selection)
                self._judge.check_replace(kind, held, body)
                what = "status" if part == "status" else "spec"
                held[what] = copied(body[what])

            return _metadata(self._server.change(kind, name, change, uid=uid, version=version))

        return await self._write(f"put {kind}{part and '/' + part}", replace)

    async def patch(self, path: str, body: Body, *, metadata_only: bool = False, **query: str) -> Body:
        """See `Api`."""
        kind, name, part = _parsed(path)
        wanted = body.get("metadata") or {}

        def patch() -> Body:
            def change(held: Body) -> None:
                self._judge.check_turn(kind, held, self._selection)
                self._judge.check_patch(kind, held, body)
                given = {"status": body["status"]} if part else _without_preconditions(body)
                held.update(merged(held, given))
                if kind == EXECUTION and "paused" in body.get("spec", {}):
                    held["metadata"]["managedFields"] = paused_by(query.get("fieldManager", ""))

            return self._server.change(
                kind, name, change, uid=wanted.get("uid", ""), version=wanted.get("resourceVersion", "")
            )

        answer = await self._write(f"patch {kind}{part and '/' + part}", patch)
        return _metadata(answer) if metadata_only else answer

    async def delete(
        self, path: str, *, uid: str, resource_version: str = "", propagation: str = "Background"
    ) -> None:
        """See `Api`."""
        kind, name, _ = _parsed(path)
        metas = [e["metadata"] for e in self._server.all(EXECUTION)]
        asked = self._asked.get(name, 0)  # what is another shard's, nobody tells it of
        heard = {
            meta["uid"]: self._known(meta["uid"]) if self._selection.takes(meta) else asked for meta in metas
        }  # when it is sent, not when it arrives

        def delete() -> None:
            if (held := self._server.find(kind, name)) is not None and held["metadata"]["uid"] == uid:
                self._judge.check_turn(kind, held, self._selection, resource_version)
                self._judge.check_delete(kind, held, resource_version, heard)
            self._server.delete(kind, name, uid=uid, version=resource_version)

        await self._write(f"delete {kind}", delete)

    # --- Inside

    async def _write(self, action: str, work: Callable[[], T]) -> T:
        self._may_write()
        return await self._call(action, work)

    async def _call(self, action: str, work: Callable[[], T]) -> T:
        return await self._network.call(self._caller, action, work)


def paused_by(manager: str) -> list[Body]:
    """What the API server records of who wrote the pause last."""
    return [{"manager": manager, "fieldsV1": {"f:spec": {"f:paused": {}}}}]


def _parsed(path: str) -> tuple[str, str, str]:
    """Kind, name and subresource of a path."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise Gone(f"there is nothing at {path}", status=404)
    namespace, plural, name, part = (text or "" for text in found.groups())
    return _KINDS[plural], name if plural else namespace, part


def _selected(found: Iterable[Body], query: dict[str, str]) -> list[Body]:
    labels = list(filter(None, query.get("labelSelector", "").split(",")))
    fields = list(filter(None, query.get("fieldSelector", "").split(",")))
    return [b for b in found if all(_has_label(b, one) for one in labels) and all(_has_field(b, one) for one in fields)]


def _has_label(body: Body, wanted: str) -> bool:
    labels = body["metadata"].get("labels") or {}
    key, equals, value = wanted.partition("=")
    if key.startswith("!"):
        return key[1:] not in labels
    return labels.get(key) == value if equals else key in labels


def _has_field(body: Body, wanted: str) -> bool:
    """As of custom resources: a field that is not there is empty."""
    path, _, value = wanted.partition("=")
    found: Any = body
    for step in path.split("."):
        found = found.get(step, {})
    return (found or "") == value


def _has_ended(kind: str, body: Body) -> bool:
    """What the field selectors that Cairn uses leave out."""
    if kind == POD:
        return has_ended(body)
    return any(c["type"] == "Complete" and c["status"] == "True" for c in body["status"].get("conditions", ()))


def _metadata(body: Body) -> Body:
    return {"metadata": body["metadata"]}


def _without_preconditions(body: Body) -> Body:
    meta = {k: v for k, v in (body.get("metadata") or {}).items() if k not in ("uid", "resourceVersion")}
    return body | {"metadata": meta}
