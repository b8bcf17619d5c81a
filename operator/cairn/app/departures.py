"""Tells what has moved to another shard from what is gone, where only a part of what there is is watched.

A watch with a selector says DELETED of both, with the object as it was before. So does a list: neither has it any more.

Rules:
- A live read decides: nothing there, or another object of that name, is gone, and what follows from a delete follows.
  What is there with another label has moved: the views forget it, and nothing follows.
- While the API server does not answer, nothing is decided; it is asked again.
- A standby does it too: its views are what it would lead by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cairn import names
from cairn.app.executions import Key
from cairn.app.queue import WorkQueue
from cairn.app.views import Views
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.errors import Gone
from cairn.ports import Body, Cluster


class Heir(Protocol):
    """Who sees to what follows."""

    def execution_gone(self, key: Key) -> None:
        """An execution is gone."""
        ...

    def execution_moved(self, key: Key) -> None:
        """An execution is another shard's now."""
        ...


@dataclass(frozen=True, slots=True)
class Left:
    """An object that has left what is watched."""

    kind: str  # the plural
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Departures:
    """Looks after everything that has left."""

    def __init__(self, cluster: Cluster, views: Views, heir: Heir) -> None:
        self._cluster = cluster
        self._views = views
        self._heir = heir
        self._queue: WorkQueue[Left] = WorkQueue("departures", self.look, workers=4)

    def execution(self, key: Key) -> None:
        """An execution has left; what nobody here knows has left nothing."""
        if self._views.execution_as_seen(key.uid) is not None:
            self._queue.add(Left(names.EXECUTIONS, key))

    def checkpoint(self, seen: CheckpointObject) -> None:
        """A Checkpoint has left."""
        self._queue.add(Left(names.CHECKPOINTS, Key(seen.namespace, seen.name, seen.uid)))

    def checkpoint_of(self, uid: str) -> None:
        """Likewise, by its UID."""
        if (seen := self._views.checkpoints.get(uid)) is not None:
            self.checkpoint(seen)

    async def run(self) -> None:
        """Look after them until cancelled."""
        await self._queue.run()

    async def look(self, left: Left) -> None:
        """Whether it has moved or is gone. Raises the errors of the API, where it is not known."""
        body = await self._read(left)
        if body is not None and body["metadata"]["uid"] != left.key.uid:
            body = None  # another one, which is told of by itself
        (self._execution if left.kind == names.EXECUTIONS else self._checkpoint)(left.key, body)

    async def _read(self, left: Left) -> Body | None:
        read = self._cluster.get_execution if left.kind == names.EXECUTIONS else self._cluster.get_checkpoint
        try:
            return await read(left.key.namespace, left.key.name)
        except Gone:
            return None

    def _execution(self, key: Key, body: Body | None) -> None:
        if body is None:
            self._heir.execution_gone(key)
        elif not self._stays(body):
            self._heir.execution_moved(key)

    def _checkpoint(self, key: Key, body: Body | None) -> None:
        if body is None:
            self._views.checkpoints.forget(key.uid)
        elif not self._stays(body):
            self._views.checkpoints.move_away(key.uid)

    def _stays(self, body: Body) -> bool:
        """Whether it has come back meanwhile: the event that tells of that leads to a look."""
        return self._views.selection.takes(body["metadata"])
