"""Bringing in a checkpoint from elsewhere: its object is created, then filled.

Rules:
- Bringing in the same once more does nothing; one that was left half done is finished.
- What is created and cannot be filled is removed again, as far as the user may.
"""

from __future__ import annotations

import logging
from datetime import datetime

from cairn.core.checkpoint import filed, objects
from cairn.core.checkpoint.state import Stored
from cairn.errors import AlreadyExists, ApiError, WrongState
from cairn.ports import Desk

logger = logging.getLogger(__name__)


async def bring_in(desk: Desk, stored: Stored, now: datetime) -> bool:
    """Keep a checkpoint that was read from a file, under the name and in the namespace that it says.

    Returns whether that was done now. Raises WrongState if that name, or its id in that namespace, is another one's,
    and the errors of the API.
    """
    found = stored.checkpoint
    for body in await desk.find_checkpoints(found.namespace, **{"status.checkpointId": found.id}):
        there = objects.view(body)
        if there.name == found.object_name and there.is_ready and there.digest == found.digest:
            return False
        raise WrongState(f"{found.id} is in namespace {found.namespace} already, as checkpoint {there.name}")
    try:
        body = await desk.create(filed.manifest(stored))
    except AlreadyExists:
        body = await desk.get_checkpoint(found.namespace, found.object_name)
    seen = objects.view(body)
    if seen.is_settled or not seen.imported:
        text = f"there is another checkpoint {seen.name} in namespace {seen.namespace}: choose another name (--name)"
        raise WrongState(text)
    status = filed.status(stored, generation=seen.generation, now=now)
    try:
        await desk.write_checkpoint_status(seen.namespace, seen.name, seen.uid, seen.resource_version, status)
    except ApiError:
        await _remove(desk, seen)
        raise
    return True


async def _remove(desk: Desk, seen: objects.CheckpointObject) -> None:
    try:
        await desk.delete_checkpoint(seen.namespace, seen.name, seen.uid, seen.resource_version)
    except ApiError as error:
        logger.debug("%s/%s stays, until an operator says that it is incomplete: %s", seen.namespace, seen.name, error)
