"""What checkpoints hold in the simulated cluster: saved and found again by the very code of the operator.

Its calls are answered at once, so that its coroutines are run to their end without a loop.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cairn.app.checkpoints.archive import Archive
from cairn.app.checkpoints.taking import Cut, cut
from cairn.app.executions import ExecutionView
from cairn.app.restores import Restores
from cairn.app.views import Views
from cairn.config import from_environment
from cairn.core.checkpoint import objects, serializer
from cairn.core.checkpoint.state import CheckpointState, Label
from cairn.core.restore.source import Found, NotFound
from cairn.core.spec import Restore
from cairn.errors import Gone
from cairn.ports import Cluster
from simulation.loop import at_once

if TYPE_CHECKING:
    from simulation.steps.world import World

Body = dict[str, Any]
T = TypeVar("T")

_LIMIT = 1_000_000


class _Reads:
    """What is read of the cluster: of the world, and of the one that its execution was forked from."""

    def __init__(self, world: World) -> None:
        self._worlds = [world, *world.origins]

    async def list_results(self, namespace: str, uid: str) -> list[Body]:
        return [r for world in self._worlds if world.uid == uid for r in world.results.values()]

    async def get_checkpoint(self, namespace: str, name: str) -> Body:
        return self._worlds[0].checkpoint(name)

    async def list_checkpoints(self, namespace: str) -> list[Body]:
        return list(self._worlds[0].checkpoints.values())

    async def get_execution(self, namespace: str, name: str) -> Body:
        for world in self._worlds:
            if world.name == name and not world.deleted:
                return world.execution()
        raise Gone("no such DAGExecution", status=404)


def saved(world: World, view: ExecutionView, label: Label) -> Cut:
    """The state of an execution as it is seen, written down."""
    archive = Archive(cast(Cluster, _Reads(world)))
    return at_once(cut(view, label, archive, limit=_LIMIT))


def found(world: World, views: Views, view: ExecutionView, asked: Restore) -> Found | NotFound:
    """The checkpoint that a restore asks for, as it is found in this world."""

    async def tenant(namespace: str) -> str:
        return f"uid of {namespace}"

    def clock() -> datetime:
        return world.now

    restores = Restores(cast(Cluster, _Reads(world)), views, None, tenant, clock, from_environment({}))
    return at_once(restores.find(view, asked))


def held(body: Body) -> CheckpointState:
    """What a Checkpoint object that is Ready holds."""
    return serializer.deserialize(objects.stored(body, "").content)
