"""Kubernetes Events about executions and checkpoints: written beside the loop, bounded for each, never waited for.

What was launched, completed or skipped is told once a second at most, all of it together: else every hop of a chain
would cost two more requests. What else becomes of the execution is told after the progress before it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cairn import names
from cairn.core.actions import Note
from cairn.core.manifests import Identity
from cairn.core.notes import ENDS, PROGRESS, progress
from cairn.core.times import format_time
from cairn.errors import ApiError
from cairn.ports import Clock, Cluster

logger = logging.getLogger(__name__)

QUEUED_AT_MOST = 1000
BURST = 30  # Events per execution at once …
REFILL_SECONDS = 10.0  # … and one more every so many seconds
RESERVED = 10  # of these, for what is not just progress; how it ended is always told
TOGETHER_SECONDS = 1.0
_ASIDE = frozenset({"CheckpointTaken"})  # in no order with progress
_MESSAGE_LIMIT = 1000


@dataclass(slots=True)
class _Progress:
    """What is told of one execution together."""

    identity: Identity
    timer: asyncio.TimerHandle
    jobs: dict[str, list[str]] = field(default_factory=dict)  # by what became of them, in the order of the first


class EventWriter:
    """Writes notes as Events, in order; drops (and logs) what exceeds the bounds."""

    def __init__(self, cluster: Cluster, clock: Clock, component: str = "cairn") -> None:
        self._cluster = cluster
        self._clock = clock
        self._component = component
        self._queue: asyncio.Queue[tuple[Identity, Note, datetime]] = asyncio.Queue(QUEUED_AT_MOST)
        self._tokens: dict[str, tuple[float, datetime]] = {}
        self._serial = itertools.count()
        self._progress: dict[str, _Progress] = {}

    def write(self, identity: Identity, notes: Sequence[Note]) -> None:
        """Queue Events about an object, and log them."""
        for note in notes:
            level = logging.WARNING if note.warning else logging.INFO
            logger.log(level, "%s", note.logged or note.message, extra=_fields(identity, note))
            if note.jobs:
                self._gather(identity, note)
                continue
            if note.reason not in _ASIDE:
                self._tell_progress(identity.uid)
            self._put(identity, note)

    def _gather(self, identity: Identity, note: Note) -> None:
        gathered = self._progress.get(identity.uid)
        if gathered is None:
            timer = asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._tell_progress, identity.uid)
            gathered = self._progress[identity.uid] = _Progress(identity, timer)
        gathered.jobs.setdefault(note.reason, []).extend(note.jobs)

    def _tell_progress(self, uid: str) -> None:
        gathered = self._progress.pop(uid, None)
        if gathered is None:
            return
        gathered.timer.cancel()
        for reason, jobs in gathered.jobs.items():
            self._put(gathered.identity, progress(reason, jobs))

    def _put(self, identity: Identity, note: Note) -> None:
        now = self._clock()
        if self._allowed(identity.uid, note, now) and not self._queue.full():
            self._queue.put_nowait((identity, note, now))

    def forget(self, uid: str) -> None:
        """The execution is gone."""
        self._tell_progress(uid)
        self._tokens.pop(uid, None)

    async def run(self) -> None:
        """Write queued Events until cancelled."""
        while True:
            identity, note, at = await self._queue.get()
            try:
                await self._cluster.post_event(self._event(identity, note, at))
            except ApiError as error:
                logger.info("an Event could not be written: %s", error)
            finally:
                self._queue.task_done()

    async def drain(self) -> None:
        """Wait until everything is written; only while it runs."""
        for uid in list(self._progress):
            self._tell_progress(uid)
        await self._queue.join()

    def _allowed(self, uid: str, note: Note, now: datetime) -> bool:
        tokens, at = self._tokens.get(uid, (float(BURST), now))
        tokens = min(BURST, tokens + (now - at).total_seconds() / REFILL_SECONDS)
        allowed = note.reason in ENDS or tokens >= (RESERVED + 1 if note.reason in PROGRESS else 1)
        self._tokens[uid] = (tokens - 1 if allowed else tokens, now)
        return allowed

    def _event(self, identity: Identity, note: Note, at: datetime) -> dict[str, Any]:
        stamp = format_time(at)
        name = f"{identity.name[:200]}.{int(at.timestamp() * 1e6):x}{next(self._serial):x}"
        return {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": identity.namespace},
            "involvedObject": {
                "apiVersion": names.API_VERSION, "kind": identity.kind, "name": identity.name,
                "namespace": identity.namespace, "uid": identity.uid,
            },
            "reason": note.reason, "message": note.message[:_MESSAGE_LIMIT],
            "type": "Warning" if note.warning else "Normal", "firstTimestamp": stamp, "lastTimestamp": stamp,
            "count": 1, "source": {"component": self._component}, "reportingComponent": f"{names.GROUP}/operator",
            "reportingInstance": self._component, "action": note.reason,
        }  # fmt: skip


def _fields(identity: Identity, note: Note) -> dict[str, str | int]:
    """What the log record of a note names."""
    kind = "checkpoint" if identity.kind == names.CHECKPOINT_KIND else "execution"
    fields: dict[str, str | int] = {"namespace": identity.namespace, kind: identity.name, "reason": note.reason}
    return fields | ({"job": note.job, "attempt": note.attempt} if note.job else {})
