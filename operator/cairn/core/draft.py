"""The plan while it is being made: what is given, and what has been decided so far.

A `Draft` lives within one call of `plan` and never leaves it; that is why it alone in the core is mutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cairn.core.actions import Action
from cairn.core.checkpoint.book import Pending
from cairn.core.manifests import Identity
from cairn.core.naming import attempt_name
from cairn.core.observed import Observed
from cairn.core.outputs import Outputs
from cairn.core.shape import Shape
from cairn.core.spec import ExecutionSpec
from cairn.core.status import JobRecord, JobState, Status
from cairn.errors import Violation


@dataclass(frozen=True, slots=True)
class Execution:
    """A DAGExecution as it was read: what was asked (`spec`, or what is wrong with it) and what is remembered."""

    identity: Identity
    generation: int
    status: Status
    spec: ExecutionSpec | None
    violations: tuple[Violation, ...] = ()
    deleting: bool = False
    paused_by_operator: bool = False  # the operator's field manager wrote `spec.paused` last
    stale_pause_reason: bool = False  # `spec.pause.reason` is the operator's, of a pause that has ended
    spec_digest: str = ""  # SHA-256 over the spec as it is written, with the jobs that come from a checkpoint
    borrows_jobs: bool = False  # its jobs come from a checkpoint
    lacks_jobs: bool = False  # … and have not been read yet
    found: Mapping[str, Any] = field(default_factory=dict)  # the status as it stands there, where it is unreadable


@dataclass(slots=True)
class Draft:
    """One plan in the making."""

    execution: Execution
    spec: ExecutionSpec
    shape: Shape
    observed: Observed
    now: datetime
    status: Status
    records: dict[str, JobRecord]
    before: list[Action] = field(default_factory=list)
    after: list[Action] = field(default_factory=list)
    wake: list[datetime] = field(default_factory=list)
    outputs: dict[str, Outputs] = field(default_factory=dict)  # by digest, of attempts that ended in this very plan
    unsettled: list[str] = field(default_factory=list)  # what keeps a pause from being complete
    critical: list[str] = field(default_factory=list)  # ready, but for a checkpoint that is to be taken first
    clean: bool = False  # no record is failed or skipped
    failing: bool = False  # `failurePolicy: Stop` lets nothing start but runOn Failure and Done
    held: bool = False  # a fork that has not begun: nothing of it is looked at
    rewinding: bool = False  # a rewind is being prepared: nothing starts meanwhile
    stopping: bool = False  # a rewind is committed: what it does not keep is stopped, and nothing else is done
    adopted: frozenset[str] = frozenset()  # … and these go on
    restored: bool = False  # the records are those of a restore that took place in this very plan
    undo: Pending | None = None  # the checkpoint of the state before a rewind, to be taken
    pausing: bool = False  # `failurePolicy: Pause` is about to pause, or has: nothing starts meanwhile

    @property
    def identity(self) -> Identity:
        """Whose plan this is."""
        return self.execution.identity

    @property
    def ending(self) -> bool:
        """Whether the execution is cancelled or timed out: only clean-up jobs still start."""
        return self.status.cancel is not None or self.status.timed_out_at is not None

    def name_of(self, record: JobRecord) -> str:
        """The name of the Kubernetes Job of the record's latest attempt."""
        return attempt_name(self.identity.name, self.identity.uid, record.id, record.attempt)

    def put(self, record: JobRecord) -> None:
        """Decide what is recorded of a job."""
        self.records[record.id] = record
        self.clean = self.clean and not record.went_wrong

    def awaits(self, moment: datetime, most: timedelta) -> bool:
        """Whether a moment is still to come; then there is another look at it.

        One that lies further ahead than a wait can be long was set by a clock that has been turned back since.
        """
        if not self.now < moment <= self.now + most:
            return False
        self.wake.append(moment)
        return True

    def find_outputs(self, digest: str) -> Outputs | None:
        """Outputs by digest, if they are at hand."""
        return self.outputs.get(digest) or self.observed.outputs.get(digest)

    def count_running(self) -> int:
        """How many attempts are under way, those being stopped included."""
        return sum(record.state is JobState.RUNNING for record in self.records.values())
