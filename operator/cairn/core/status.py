"""The observed side of an execution, as frozen values and as the compact form that is stored in its `status`.

Rules:
- A record is the operator's memory. What it says about an attempt is written *before* the effect (see `core.planner`).
- `used` is the highest attempt number that was ever given, where that is beyond the attempt that is described: after a
  rewind the record goes back, and the numbers go on.
- `stopping` says that this attempt is being ended on purpose and why; it is recorded before its Kubernetes Job is
  suspended, so that a restarted operator does not mistake the dying pod for a failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from cairn.core.checkpoint.book import Book
from cairn.core.restore.progress import Fork, Progress, RestoredFrom
from cairn.names import MESSAGE_LIMIT


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


TERMINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED})
_WENT_WRONG = frozenset({JobState.FAILED, JobState.SKIPPED})


class Phase(StrEnum):
    """Where an execution stands. Pausing does not change it."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


FINISHED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


class PausePhase(StrEnum):
    """`Draining` while something still runs or an intent is unsettled, then `Paused`."""

    DRAINING = "Draining"
    PAUSED = "Paused"


class Stopping(StrEnum):
    """Why an attempt is being ended on purpose."""

    PAUSE = "Pause"
    CANCEL = "Cancel"
    TIMEOUT = "Timeout"
    SECOND_POD = "SecondPod"
    REWIND = "Rewind"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What is known of one job; the attempt's fields are those of its latest attempt."""

    id: str
    state: JobState = JobState.PENDING
    attempt: int = 0
    reason: str = ""
    message: str = ""
    launched_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    uid: str = ""
    pod_uid: str = ""
    definition: str = ""
    result: str = ""
    exit_code: int | None = None
    failures: int = 0
    disruptions: int = 0
    retry_at: datetime | None = None
    stopping: Stopping | None = None
    extra_retries: int = 0
    paused_for: bool = False
    used: int = 0

    @property
    def last(self) -> int:
        """The highest attempt number that was ever given; the next attempt gets the one after it."""
        return max(self.attempt, self.used)

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens to this job by itself."""
        return self.state in TERMINAL

    @property
    def went_wrong(self) -> bool:
        """Whether it has failed, or is not run at all."""
        return self.state in _WENT_WRONG

    @property
    def running(self) -> bool:
        """Whether an attempt is under way: intended, launched, or being stopped."""
        return self.state is JobState.RUNNING

    def with_reason(self, reason: str, message: str = "") -> JobRecord:
        """The same state, explained."""
        message = message[:MESSAGE_LIMIT]
        said = (reason, message) == (self.reason, self.message)
        return self if said else replace(self, reason=reason, message=message)

    def as_intended(self, definition: str, now: datetime) -> JobRecord:
        """The next attempt, recorded before its Kubernetes Job is created."""
        return JobRecord(
            id=self.id, state=JobState.RUNNING, attempt=self.last + 1, launched_at=now, definition=definition,
            failures=self.failures, disruptions=self.disruptions, extra_retries=self.extra_retries,
        )  # fmt: skip

    def as_fresh(self, used: int) -> JobRecord:
        """As if it had never run, but for the attempt numbers that are taken and the retries that somebody added."""
        return JobRecord(id=self.id, used=used, extra_retries=self.extra_retries)

    def as_stopping(self, why: Stopping) -> JobRecord:
        """The running attempt, to be ended on purpose; the first cause stays."""
        return self if self.stopping else replace(self, stopping=why)

    def as_pending(self, reason: str, message: str, *, retry_at: datetime | None = None) -> JobRecord:
        """Waiting for the next attempt, the ended one still described."""
        return replace(
            self, state=JobState.PENDING, reason=reason, message=message[:MESSAGE_LIMIT], retry_at=retry_at,
            stopping=None, paused_for=False,
        )  # fmt: skip

    def as_ended(self, state: JobState, reason: str, message: str, now: datetime) -> JobRecord:
        """Terminal; `finished_at` is set unless the attempt itself told when."""
        return replace(
            self, state=state, reason=reason, message=message[:MESSAGE_LIMIT], retry_at=None, stopping=None,
            finished_at=self.finished_at or now, paused_for=False,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PauseState:
    """How far a pause has come."""

    phase: PausePhase
    since: datetime
    generation: int  # the first generation seen paused: what is held at it or later cannot be released by a stale view
    by: str = "user"
    reason: str = ""
    mode: str = "Drain"
    until: datetime | None = None
    running: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class CancelState:
    """A cancel that was acknowledged."""

    request_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A request that was answered; its id never acts again."""

    id: str
    type: str
    at: datetime
    outcome: str = "Done"
    job: str = ""
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A standard Kubernetes condition."""

    type: str
    status: bool
    reason: str
    message: str
    observed_generation: int
    last_transition: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """Everything the operator remembers of an execution."""

    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    pause: PauseState | None = None
    paused_millis: int = 0
    epoch: int = 0
    cancel: CancelState | None = None
    timed_out_at: datetime | None = None
    requests: tuple[Acknowledged, ...] = ()
    jobs: Mapping[str, JobRecord] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    checkpointing: Book = field(default_factory=Book)
    restore: Progress | None = None
    restored_from: RestoredFrom | None = None
    forks: tuple[Fork, ...] = ()
    unreadable: str = ""  # what is wrong with it: somebody else has written it, and of the run nothing is known

    @property
    def of_the_run(self) -> Status:
        """What is state of the run: without conditions and the bookkeeping of checkpoints and restores."""
        return replace(self, conditions=(), checkpointing=Book(), restore=None, restored_from=None, forks=())

    @property
    def finished(self) -> bool:
        """Whether the execution has come to its end."""
        return self.phase in FINISHED

    def condition(self, kind: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((c for c in self.conditions if c.type == kind), None)

    def acknowledged(self, request_id: str) -> bool:
        """Whether a request of that id has been answered before."""
        return any(r.id == request_id for r in self.requests)
