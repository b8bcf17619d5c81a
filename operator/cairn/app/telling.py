"""Tells of what a stored status has recorded: counts it, logs it, hands its spans on. Nothing of it is waited for.

At most once: what was stored, but by a write whose answer was lost, or by a process that was killed before it told, is
told by nobody. The next look finds the status as it is, and nothing that is new. Who needs every end reads the objects.
"""

from __future__ import annotations

import logging
from datetime import datetime

from cairn import names
from cairn.app import metrics
from cairn.app.logfields import Fields
from cairn.core import measures, spans
from cairn.core.actions import Launch
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.draft import Execution
from cairn.core.manifests import Identity
from cairn.core.measures import Change
from cairn.core.status import Status
from cairn.ports import Tracer

logger = logging.getLogger(__name__)


def about_attempt(action: Launch) -> Fields:
    """What a log record about a launch names."""
    labels = action.manifest["metadata"]["labels"]
    return {"job": labels[names.LABEL_JOB], "attempt": int(labels[names.LABEL_ATTEMPT])}


class Telling:
    """What becomes known outside of an execution's own status; without a tracer there are no traces."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer

    def created(self, action: Launch, now: datetime) -> None:
        """The Kubernetes Job of an attempt has been created."""
        if (seconds := measures.hop(action, now)) is not None:
            metrics.HOP_SECONDS.observe(seconds)

    def stored(self, execution: Execution, new: Status, now: datetime) -> None:
        """A status has been stored."""
        old = execution.status
        for change in measures.changes(old, new):
            _count(change)
            _log(change)
        if (phase := measures.ending(old, new)) is not None:
            metrics.ENDED.labels(phase.value).inc()
        if self._tracer is not None:
            self._tracer.emit(spans.of_status(execution.identity, old, new, now))

    def taken(self, identity: Identity, checkpoint: CheckpointObject, now: datetime) -> None:
        """A checkpoint of an execution has become Ready."""
        if self._tracer is not None:
            self._tracer.emit([spans.of_checkpoint(identity, checkpoint, now)])


def _count(change: Change) -> None:
    if change.ended:
        metrics.ATTEMPTS.labels(change.outcome).inc()
    if (kind := change.retry) is not None:
        metrics.RETRIES.labels(kind).inc()
    if (seconds := change.start) is not None:
        metrics.START_SECONDS.observe(seconds)


def _log(change: Change) -> None:
    """One record for each attempt that begins or ends; Events tell of many at once, and not all of them."""
    before, after = change.before, change.after
    if change.ended:
        fields = {"job": before.id, "attempt": before.attempt} | ({"reason": change.reason} if change.reason else {})
        logger.info("attempt %d of job %s has ended: %s", before.attempt, before.id, change.outcome, extra=fields)
    if change.launched:
        fields = {"job": after.id, "attempt": after.attempt}
        logger.info("attempt %d of job %s is launched", after.attempt, after.id, extra=fields)
