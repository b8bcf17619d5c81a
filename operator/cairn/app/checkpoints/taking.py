"""From an execution as it is stored to the state that a checkpoint holds, and to the status of its object."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from cairn import names
from cairn.app.checkpoints.archive import Archive
from cairn.app.executions import ExecutionView
from cairn.core.checkpoint import payload, serializer
from cairn.core.checkpoint.objects import CheckpointObject, Taken
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.checkpoint.state import CheckpointState, Label, Origin, Parent, Serialized
from cairn.core.checkpoint.triggers import ended
from cairn.core.checkpoint.validate import validate
from cairn.core.naming import checkpoint_id, manual_name
from cairn.errors import CannotSave

_MANY = 100  # jobs: writing down so many takes a few milliseconds, and 1,000 would hold everything else up


@dataclass(frozen=True, slots=True)
class Cut:
    """A state written down, and what the object tells of it."""

    taken: Taken
    content: Serialized


def _written(state: CheckpointState) -> tuple[Serialized, str]:
    """A state written down, and the text of it for an object. Raises CannotSave."""
    if problems := validate(state):  # else it could be saved, and never restored
        raise CannotSave(names.SERIALIZATION_FAILED, "; ".join(problems)[: names.MESSAGE_LIMIT])
    content = serializer.serialize(state)
    return content, payload.to_text(content)


def label_of(seen: CheckpointObject, parent: Parent | None, now: datetime) -> Label:
    """What the checkpoint is called; its id is the one it was given before, if it was."""
    return Label(
        id=seen.id or checkpoint_id(now, seen.uid), name=seen.label or manual_name(now), trigger=seen.trigger,
        created_at=now, created_by=seen.created_by, metadata=seen.metadata, parent=parent,
    )  # fmt: skip


async def state_of(view: ExecutionView, label: Label, archive: Archive) -> CheckpointState:
    """The state of an execution at the version seen. Raises CannotSave, and the errors of the API."""
    key, execution = view.key, view.execution
    return CheckpointState(
        label=label,
        origin=Origin(key.namespace, key.name, key.uid, execution.generation, view.resource_version),
        spec=view.spec,
        status=execution.status.of_the_run,
        attempts=await archive.attempts(view),
    )


async def cut(view: ExecutionView, label: Label, archive: Archive, *, limit: int) -> Cut:
    """The state of an execution at the version seen; none for the object if it is larger there than `limit`.

    Raises CannotSave, and the errors of the API.
    """
    if view.execution.status.unreadable:
        raise CannotSave(names.STATUS_UNREADABLE, view.execution.status.unreadable)
    state, spec = await state_of(view, label, archive), view.execution.spec
    many = len(state.status.jobs) > _MANY
    content, text = await asyncio.to_thread(_written, state) if many else _written(state)
    taken = Taken(
        label=label, execution_uid=view.key.uid, job_count=len(state.status.jobs),
        ended_jobs=ended(state.status.jobs), execution_status=serializer.phase_word(state.status.phase),
        size_bytes=content.size, digest=content.digest, state_digest=content.state_digest,
        state=text if len(text) <= limit else None,
        settings=spec.checkpoint if spec else CheckpointSettings(),
    )  # fmt: skip
    return Cut(taken, content)
