"""The simulated API server: objects, their versions, and what watches are told of them.

It does what the real one does where Cairn relies on it: every change has a new version; names stay occupied; a write
on another version or UID is refused; an object with finalizers is only marked when it is deleted; the status is written
apart from the rest. What it does not do is validate: only what the schemas let through is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from cairn.core.times import format_time
from cairn.errors import AlreadyExists, Conflict, Gone

Body = dict[str, Any]
T = TypeVar("T")

EXECUTION, JOB, POD, CHECKPOINT, RESULT, CONFIG_MAP = (
    "DAGExecution", "Job", "Pod", "Checkpoint", "JobResult", "ConfigMap",
)  # fmt: skip
WATCHED = (EXECUTION, JOB, POD, CHECKPOINT)
NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Event:
    """An object as a change has left it."""

    kind: str
    version: int
    body: Body
    deleted: bool
    before: Body | None = None  # as it was

    @property
    def uid(self) -> str:
        """Of the object."""
        return str(self.body["metadata"]["uid"])

    def for_watch(self, selected: Callable[[Body], bool]) -> Event | None:
        """What a watch brings of it, if anything: what is selected no more is deleted, as it was, for that watch."""
        if selected(self.body):
            return self
        if self.before is None or not selected(self.before):
            return None
        meta = self.before["metadata"] | {"resourceVersion": str(self.version)}
        return replace(self, body=self.before | {"metadata": meta}, deleted=True)


class ApiServer:
    """Objects by kind and name; all are in one namespace.

    What is stored is never changed, only replaced: so whoever reads gets it as it is, not to be changed, and no copy.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._objects: dict[tuple[str, str], Body] = {}
        self._serial = 0
        self.version = 0
        self.log: list[Event] = []
        self.watchers: list[Callable[[Event], None]] = []

    def now(self) -> datetime:
        """The server's own time."""
        return self._clock()

    # --- Reads

    def get(self, kind: str, name: str) -> Body:
        """An object as it is. Raises Gone."""
        return self._held(kind, name)

    def find(self, kind: str, name: str) -> Body | None:
        """An object as it is; None: there is none."""
        return self._objects.get((kind, name))

    def all(self, kind: str) -> Iterator[Body]:
        """Every object of a kind."""
        return (body for (known, _), body in list(self._objects.items()) if known == kind)

    def list_at(self, kind: str, version: int) -> list[Body]:
        """The list as it was at an earlier version: what a server says that lags behind."""
        there: dict[str, Body] = {}
        for event in self.log:
            if event.version > version:
                break
            if event.kind == kind and event.deleted:
                there.pop(event.uid, None)
            elif event.kind == kind:
                there[event.uid] = event.body
        return list(there.values())

    # --- Writes

    def create(self, manifest: Body) -> Body:
        """A new object. Raises AlreadyExists."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if (kind, name) in self._objects:
            raise AlreadyExists(f"{kind} {name} exists", status=409)
        self._serial += 1
        body = copied(manifest)
        body["metadata"] |= {
            "namespace": NAMESPACE, "uid": f"{kind.lower()}-{self._serial}", "generation": 1,
            "creationTimestamp": format_time(self._clock()),
        }  # fmt: skip
        if kind == JOB:
            body.setdefault("status", {})
        self._changed(kind, name, body)
        return body

    def change(
        self, kind: str, name: str, change: Callable[[Body], None], *, uid: str = "", version: str = ""
    ) -> Body:
        """Change an object, on exactly the version and UID that are named. Raises Gone, Conflict."""
        held = self._on(kind, name, uid, version)
        body = copied(held)
        change(body)
        if body == held:
            return body
        if body.get("spec") != held.get("spec"):
            body["metadata"]["generation"] += 1
        self._changed(kind, name, body)
        self._let_go(kind, name)
        return body

    def delete(self, kind: str, name: str, *, uid: str = "", version: str = "") -> None:
        """Delete an object, or mark it while somebody's finalizer holds it. Raises Gone, Conflict."""
        held = self._on(kind, name, uid, version)
        if "deletionTimestamp" in held["metadata"]:
            return
        if not held["metadata"].get("finalizers"):
            self._remove(kind, name)
            return

        def mark(body: Body) -> None:
            body["metadata"]["deletionTimestamp"] = format_time(self._clock())

        self.change(kind, name, mark)

    def remove(self, kind: str, name: str) -> None:
        """Take an object away, whatever holds it."""
        self._remove(kind, name)

    # --- Inside

    def _held(self, kind: str, name: str) -> Body:
        if (kind, name) not in self._objects:
            raise Gone(f"there is no {kind} {name}", status=404)
        return self._objects[kind, name]

    def _on(self, kind: str, name: str, uid: str, version: str) -> Body:
        held = self._held(kind, name)
        meta = held["metadata"]
        if uid not in ("", meta["uid"]) or version not in ("", meta["resourceVersion"]):
            raise Conflict(f"{kind} {name} has another UID or version", status=409)
        return held

    def _let_go(self, kind: str, name: str) -> None:
        meta = self._objects[kind, name]["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers"):
            self._remove(kind, name)

    def _remove(self, kind: str, name: str) -> None:
        self._changed(kind, name, copied(self._held(kind, name)), deleted=True)

    def _changed(self, kind: str, name: str, body: Body, *, deleted: bool = False) -> None:
        self.version += 1
        before = self._objects.get((kind, name))
        body["metadata"]["resourceVersion"] = str(self.version)
        if deleted:
            del self._objects[kind, name]
        else:
            self._objects[kind, name] = body
        if kind not in WATCHED:
            return
        event = Event(kind, self.version, body, deleted, before)
        self.log.append(event)
        for tell in self.watchers:
            tell(event)


def copied(value: T) -> T:
    """A copy of JSON data; much faster than what the standard library does for objects of every kind."""
    if isinstance(value, dict):
        return cast(T, {key: copied(item) for key, item in value.items()})
    return cast(T, [copied(item) for item in value]) if isinstance(value, list) else value


def merged(old: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return copied(patch)
    base = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base
