"""What the endpoints work with, and how they get hold of it.

Dependencies are coroutines even where they wait for nothing: FastAPI hands plain functions to a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from cairn.api.settings import ApiSettings
from cairn.api.tracing import trace_of
from cairn.app.access import Access
from cairn.app.checkpoints.inspector import Inspector
from cairn.app.checkpoints.manager import CheckpointManager
from cairn.app.control.checkpoints import Checkpoints
from cairn.app.control.executions import Executions
from cairn.app.control.reading import Reading
from cairn.app.control.restores import RestoreControl
from cairn.ports import Caller, CheckpointStore, Clock, Desk, Rows


@dataclass(frozen=True, slots=True)
class Parts:
    """The world of one application; it has no other."""

    settings: ApiSettings
    access: Access
    desk: Desk
    objects: CheckpointStore
    rows: Rows | None
    clock: Clock
    new_id: Callable[[], str]  # 128 bits that nobody may guess, as hexadecimal digits
    closing: asyncio.Event = field(default_factory=asyncio.Event)  # set when the process shuts down: streams then end

    @property
    def executions(self) -> Executions:
        """Executions, with the rights of the API's own account."""
        return Executions(self.desk)

    @property
    def restores(self) -> RestoreControl:
        """Plans, forks, rewinds."""
        return RestoreControl(self.desk, self.rows, self.clock)

    @property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints by whatever name."""
        return Checkpoints(self.desk, self.rows, self.clock)

    @property
    def manager(self) -> CheckpointManager:
        """Taking, listing and counting checkpoints."""
        return CheckpointManager(self.desk, self.objects, self.rows, self.clock)

    @property
    def inspector(self) -> Inspector:
        """Diff and verify."""
        return Inspector(self.desk, self.rows, self.clock)

    @property
    def reading(self) -> Reading:
        """Logs and outputs."""
        return Reading(self.desk)


async def parts_of(request: Request) -> Parts:
    """The parts of the application that answers."""
    parts: Parts = request.app.state.parts
    return parts


async def access_of(request: Request) -> Access:
    """Who may do what."""
    return (await parts_of(request)).access


async def caller_of(request: Request) -> Caller:
    """Who calls; the gate has let nobody in that it does not know."""
    caller = trace_of(request.scope).caller
    assert caller is not None, "an endpoint for callers must be under /api/"
    return caller


TheParts = Annotated[Parts, Depends(parts_of)]
TheAccess = Annotated[Access, Depends(access_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
