"""The observed side of an execution, as frozen values and as the compact form that is stored in its `status`.

Rules:
- `status.jobs` holds one compact record per job; a field at its default is not written (1,000 jobs must stay small).
- A record is the operator's memory. What it says about an attempt is written *before* the effect (see `core.planner`).
- `used` is the highest attempt number that was ever given, where that is beyond the attempt that is described: after a
  rewind the record goes back, and the numbers go on.
- `stopping` says that this attempt is being ended on purpose and why; it is recorded before its Kubernetes Job is
  suspended, so that a restarted operator does not mistake the dying pod for a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cairn.core.checkpoint import book
from cairn.core.checkpoint.book import Book
from cairn.core.restore import progress
from cairn.core.restore.progress import Fork, Progress, RestoredFrom
from cairn.core.times import format_time, known_time, parse_time
from cairn.core.wire import UNREADABLE, broken_part, without_empty
from cairn.names import MESSAGE_LIMIT


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


TERMINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED})


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
    def running(self) -> bool:
        """Whether an attempt is under way: intended, launched, or being stopped."""
        return self.state is JobState.RUNNING

    def with_reason(self, reason: str, message: str = "") -> JobRecord:
        """The same state, explained."""
        return replace(self, reason=reason, message=message[:MESSAGE_LIMIT])

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


# --- The stored form -------------------------------------------------------------------------------------------------

_OF_THE_WHOLE = frozenset({"phase", "reason", "message", "observedGeneration"})
_RECORD_TIMES = {"launchedAt": "launched_at", "startedAt": "started_at", "finishedAt": "finished_at",
                 "retryAt": "retry_at"}  # fmt: skip
_RECORD_PLAIN = {
    "attempt": "attempt", "reason": "reason", "message": "message", "uid": "uid", "podUid": "pod_uid",
    "hash": "definition", "result": "result", "failures": "failures", "disruptions": "disruptions",
    "extraRetries": "extra_retries", "pausedFor": "paused_for", "used": "used",
}  # fmt: skip


def record_to_wire(record: JobRecord) -> dict[str, Any]:
    """The compact form: only what differs from a default."""
    wire: dict[str, Any] = {"id": record.id, "state": record.state.value}
    for key, name in _RECORD_PLAIN.items():
        if value := getattr(record, name):
            wire[key] = value
    for key, name in _RECORD_TIMES.items():
        if value := getattr(record, name):
            wire[key] = format_time(value)
    if record.exit_code is not None:
        wire["exitCode"] = record.exit_code
    if record.stopping is not None:
        wire["stopping"] = record.stopping.value
    return wire


def record_from_wire(wire: Mapping[str, Any]) -> JobRecord:
    """The record that `record_to_wire` wrote."""
    known: dict[str, Any] = {name: wire[key] for key, name in _RECORD_PLAIN.items() if key in wire}
    known |= {name: parse_time(wire[key]) for key, name in _RECORD_TIMES.items() if key in wire}
    stopping = wire.get("stopping")
    return JobRecord(
        id=wire["id"],
        state=JobState(wire["state"]),
        exit_code=wire.get("exitCode"),
        stopping=Stopping(stopping) if stopping else None,
        **known,
    )


def _time(value: datetime | None) -> str | None:
    return format_time(value) if value else None


def _pause_to_wire(pause: PauseState) -> dict[str, Any]:
    return without_empty(
        {"phase": pause.phase.value, "since": format_time(pause.since), "generation": pause.generation,
         "by": pause.by, "reason": pause.reason, "mode": pause.mode, "until": _time(pause.until),
         "running": list(pause.running)}
    ) | {"count": pause.count}  # fmt: skip


def _pause_from_wire(wire: Mapping[str, Any]) -> PauseState:
    return PauseState(
        phase=PausePhase(wire["phase"]), since=known_time(wire["since"]), generation=wire.get("generation", 0),
        by=wire.get("by", "user"), reason=wire.get("reason", ""), mode=wire.get("mode", "Drain"),
        until=parse_time(wire.get("until")), running=tuple(wire.get("running", ())), count=wire.get("count", 0),
    )  # fmt: skip


def _condition_to_wire(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type, "status": "True" if condition.status else "False", "reason": condition.reason,
        "message": condition.message, "observedGeneration": condition.observed_generation,
        "lastTransitionTime": format_time(condition.last_transition),
    }  # fmt: skip


def _condition_from_wire(wire: Mapping[str, Any]) -> Condition:
    told = (wire["type"], wire["status"] == "True", wire["reason"], wire.get("message", ""))
    return Condition(*told, wire.get("observedGeneration", 0), known_time(wire["lastTransitionTime"]))


def _acknowledged_to_wire(ack: Acknowledged) -> dict[str, Any]:
    return without_empty(
        {"id": ack.id, "type": ack.type, "at": format_time(ack.at), "outcome": ack.outcome, "job": ack.job,
         "message": ack.message, "by": ack.by}
    )  # fmt: skip


def _acknowledged_from_wire(wire: Mapping[str, Any]) -> Acknowledged:
    return Acknowledged(
        wire["id"], wire["type"], known_time(wire["at"]), wire.get("outcome", "Done"), wire.get("job", ""),
        wire.get("message", ""), wire.get("by", ""),
    )  # fmt: skip


def count_states(records: Iterable[JobRecord]) -> dict[str, int]:
    """How many jobs are in each state, by its lower-case name, and in total."""
    counts = {"total": 0} | {state.value.lower(): 0 for state in JobState}
    for record in records:
        counts["total"] += 1
        counts[record.state.value.lower()] += 1
    return counts


def to_wire(status: Status) -> dict[str, Any]:
    """The `status` of the custom resource, counts and progress for its columns included."""
    counts = count_states(status.jobs.values())
    cancel = status.cancel
    return without_empty(
        {
            "observedGeneration": status.observed_generation,
            "phase": status.phase.value,
            "reason": status.reason,
            "message": status.message,
            "startedAt": _time(status.started_at),
            "finishedAt": _time(status.finished_at),
            "progress": f"{counts['completed']}/{counts['total']}" if status.jobs else None,
            "counts": counts if status.jobs else None,
            "pause": _pause_to_wire(status.pause) if status.pause else None,
            "cancel": {"requestId": cancel.request_id, "reason": cancel.reason, "at": format_time(cancel.at)}
            if cancel
            else None,
            "timedOutAt": _time(status.timed_out_at),
            "requests": [_acknowledged_to_wire(r) for r in status.requests],
            "jobs": [record_to_wire(r) for r in status.jobs.values()],
            "checkpointing": book.to_wire(status.checkpointing),
            "restore": progress.to_wire(status.restore) if status.restore else None,
            "restoredFrom": progress.restored_to_wire(status.restored_from) if status.restored_from else None,
            "forks": [progress.fork_to_wire(f) for f in status.forks],
            "conditions": [_condition_to_wire(c) for c in status.conditions],
        }
    ) | {"pausedMillis": status.paused_millis, "epoch": status.epoch}


def from_wire(wire: Mapping[str, Any]) -> Status:
    """The status that `to_wire` wrote; an empty mapping is the status of a new execution.

    Of what was written by other hands, and cannot be read, only what it says of the whole is kept.
    """
    try:
        return _from_wire(wire)
    except UNREADABLE:
        whole = {key: wire[key] for key in _OF_THE_WHOLE & wire.keys()}
        return replace(_from_wire(whole), unreadable=broken_part(wire, _from_wire))


def _from_wire(wire: Mapping[str, Any]) -> Status:
    cancel = wire.get("cancel")
    timedelta(milliseconds=wire.get("pausedMillis", 0))  # an int64 may be more than any calculation with it can bear
    return Status(
        phase=Phase(wire.get("phase", "Pending")),
        reason=wire.get("reason", ""),
        message=wire.get("message", ""),
        observed_generation=wire.get("observedGeneration", 0),
        started_at=parse_time(wire.get("startedAt")),
        finished_at=parse_time(wire.get("finishedAt")),
        pause=_pause_from_wire(wire["pause"]) if wire.get("pause") else None,
        paused_millis=wire.get("pausedMillis", 0),
        epoch=wire.get("epoch", 0),
        cancel=CancelState(cancel["requestId"], cancel.get("reason", ""), known_time(cancel["at"])) if cancel else None,
        timed_out_at=parse_time(wire.get("timedOutAt")),
        requests=tuple(_acknowledged_from_wire(r) for r in wire.get("requests", ())),
        jobs={r["id"]: record_from_wire(r) for r in wire.get("jobs", ())},
        conditions=tuple(_condition_from_wire(c) for c in wire.get("conditions", ())),
        checkpointing=book.from_wire(wire.get("checkpointing") or {}),
        restore=progress.from_wire(wire["restore"]) if wire.get("restore") else None,
        restored_from=progress.restored_from_wire(wire["restoredFrom"]) if wire.get("restoredFrom") else None,
        forks=tuple(progress.fork_from_wire(f) for f in wire.get("forks", ())),
    )
