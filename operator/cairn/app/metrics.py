"""What the operator counts, for Prometheus: named by its conventions, served beside the health endpoints.

What is true now (executions, jobs, queues) is read off the views when Prometheus asks for it: see `census`.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from cairn import names
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.status import FINISHED
from cairn.errors import CairnError

LEADER = Gauge("cairn_leader", "Whether this replica leads: only that one works.")

LAUNCHES = Counter("cairn_launches", "Tries to create a Kubernetes Job, by what came of it.", ["outcome"])
ATTEMPTS = Counter("cairn_attempts", "Attempts that have ended, by the state that they came to.", ["state"])
RETRIES = Counter("cairn_retries", "Attempts that failed and are followed by another, by what had failed.", ["kind"])
ENDED = Counter("cairn_executions_ended", "Executions that have come to their end, by phase.", ["phase"])
HOP_SECONDS = Histogram(
    "cairn_hop_duration_seconds", "From the end of a job's last dependency until its Kubernetes Job was there.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60),
)  # fmt: skip
START_SECONDS = Histogram(
    "cairn_start_duration_seconds", "From the recorded launch of an attempt to the start of its container.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)  # fmt: skip

RECONCILE_SECONDS = Histogram(
    "cairn_reconcile_duration_seconds", "One look at what a queue holds: observe, plan, apply.", ["queue"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)  # fmt: skip
RECONCILE_ERRORS = Counter("cairn_reconcile_errors", "Looks that ended with an error, by its kind.", ["queue", "error"])
QUEUE_ADDS = Counter("cairn_queue_adds", "Keys that were put into a queue.", ["queue"])
WATCH_EVENTS = Counter("cairn_watch_events", "Events that the watches have brought, by kind of object.", ["resource"])
WATCH_LAST = Gauge("cairn_watch_last_event_timestamp_seconds", "When the last of them came.", ["resource"])
UNSEEN_DELETES = Counter(
    "cairn_watch_unseen_deletes", "Objects that were found gone, and no watch had told of it.", ["resource"]
)  # fmt: skip

LOOP_LAG = Histogram(
    "cairn_event_loop_lag_seconds", "How late the event loop has come back to a task that had slept.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1),
)  # fmt: skip

CHECKPOINTS = Counter("cairn_checkpoints", "Checkpoints settled, by trigger and outcome.", ["trigger", "outcome"])
CHECKPOINT_SECONDS = Histogram(
    "cairn_checkpoint_duration_seconds", "Gathering a state and writing it down, without the calls that store it.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
CHECKPOINT_BYTES = Counter("cairn_checkpoint_bytes", "Bytes of serialized state, before compression.")
ROWS_WRITTEN = Counter("cairn_checkpoint_rows_written", "Checkpoints carried over to the database.")
ORPHANED_ROWS = Gauge("cairn_checkpoint_orphaned_rows", "Rows without an object, as of the last sweep.")

_WATCHED = (names.EXECUTIONS, names.CHECKPOINTS, "jobs", "pods")

# What alerts divide or compare with zero is there from the start: a series that appears with 1 has no increase.
for _kind in ("application", "infrastructure"):
    RETRIES.labels(_kind)
for _outcome in ("created", "adopted", "taken", "refused", "rejected", "failed"):
    LAUNCHES.labels(_outcome)
for _resource in _WATCHED:
    UNSEEN_DELETES.labels(_resource)
for _trigger in Trigger:
    for _outcome in ("ready", "failed"):
        CHECKPOINTS.labels(_trigger.value, _outcome)
for _phase in FINISHED:
    ENDED.labels(_phase.value)
for _queue in ("executions", "checkpoints", "rows"):
    RECONCILE_ERRORS.labels(_queue, "unexpected")


_EVENTS = {resource: (WATCH_EVENTS.labels(resource), WATCH_LAST.labels(resource)) for resource in _WATCHED}


def note_event(resource: str) -> None:
    """A watch has brought an event, now."""
    count, last = _EVENTS[resource]
    count.inc()
    last.set_to_current_time()


def kind_of(error: Exception) -> str:
    """An error as a label: Cairn's own by name, all others are unexpected."""
    return type(error).__name__ if isinstance(error, CairnError) else "unexpected"
