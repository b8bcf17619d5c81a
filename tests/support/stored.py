"""Checkpoints as stores are given them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from cairn.core.checkpoint import serializer
from cairn.core.checkpoint.state import Checkpoint, CheckpointState, Stored
from support.states import a_state, at

_serial = itertools.count()

# Changes one text into another in what a store holds, without its knowledge.
Damage = Callable[[Stored, str, str], Awaitable[None]]


@dataclass(frozen=True)
class Tenant:
    """A namespace that a test has for itself."""

    name: str
    uid: str

    def stored(self, state: CheckpointState | None = None, *, number: int = 0, execution: str = "run",
               **label: Any) -> Stored:  # fmt: skip
        """A checkpoint of this tenant, the younger the higher its number."""
        made = at(number)
        serial = next(_serial)
        id = f"checkpoint_{int(made.timestamp() * 1000)}_{os.getpid()}x{serial:06}"
        state = state or a_state()
        given: dict[str, Any] = {"id": id, "created_at": made} | label
        state = replace(state, label=replace(state.label, **given))
        return self.of(state, f"c-{os.getpid()}-{serial}", execution)

    def of(self, state: CheckpointState, object_name: str, execution: str) -> Stored:
        """The checkpoint that holds a state."""
        content, label = serializer.serialize(state), state.label
        summary = Checkpoint(
            id=label.id, namespace=self.name, namespace_uid=self.uid, execution=execution,
            execution_uid=f"{self.uid[:20]}-{execution}"[:36], object_name=object_name, object_uid="",
            name=label.name, trigger=label.trigger, created_at=label.created_at, created_by=label.created_by,
            metadata=label.metadata, job_count=len(state.status.jobs), execution_status="running",
            size_bytes=content.size, digest=content.digest, state_digest=content.state_digest, parent=label.parent,
        )  # fmt: skip
        return Stored(summary, content)


def same(found: Stored | None, put: Stored) -> bool:
    """Whether a store gave back what it was given; an object has a UID of its own."""
    if found is None:
        return False
    told = replace(found.checkpoint, object_uid=put.checkpoint.object_uid)
    return (told, found.content) == (put.checkpoint, put.content)
