"""What is counted, for Prometheus: named by its conventions, served beside the health endpoints."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

LEADER = Gauge("cairn_leader", "Whether this replica leads: only that one works.")
CHECKPOINTS = Counter("cairn_checkpoints", "Checkpoints settled, by trigger and outcome.", ["trigger", "outcome"])
CHECKPOINT_SECONDS = Histogram(
    "cairn_checkpoint_duration_seconds", "Gathering a state and writing it down, without the calls that store it.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
CHECKPOINT_BYTES = Counter("cairn_checkpoint_bytes", "Bytes of serialized state, before compression.")
ROWS_WRITTEN = Counter("cairn_checkpoint_rows_written", "Checkpoints carried over to the database.")
BACKLOG = Gauge("cairn_checkpoint_backlog", "Checkpoints that wait for their row.")
ORPHANED_ROWS = Gauge("cairn_checkpoint_orphaned_rows", "Rows without an object, as of the last sweep.")
DATABASE_UP = Gauge("cairn_database_up", "Whether the last call to the database succeeded.")
DATABASE_ERRORS = Counter("cairn_database_errors", "Calls to the database that failed, by reason.", ["reason"])
