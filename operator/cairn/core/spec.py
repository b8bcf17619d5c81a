"""What the user asked for, as frozen values: the ``spec`` of a DAGExecution after defaults, groups and merging.

Parsing (and finding everything that is wrong) is `core.parse`; these types only say what an accepted spec holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from cairn.core.checkpoint.settings import CheckpointSettings


class RunOn(StrEnum):
    """What the dependencies of a job must have come to for it to run."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    DONE = "Done"


class Scheduling(StrEnum):
    """When a job may start: as soon as its own dependencies are done, or when the whole level before it is."""

    DEPENDENCIES = "Dependencies"
    LEVELS = "Levels"


class FailurePolicy(StrEnum):
    """What an unhandled failure does to the rest of the execution."""

    STOP = "Stop"
    CONTINUE = "Continue"
    PAUSE = "Pause"


class PauseMode(StrEnum):
    """Whether a pause lets running jobs finish or stops them."""

    DRAIN = "Drain"
    STOP = "Stop"


class OutputsFrom(StrEnum):
    """Where a job hands out its outputs: the termination message (4 KiB) or a marked block of its log (64 KiB)."""

    TERMINATION = "Termination"
    LOG = "Log"


class Replay(StrEnum):
    """Whether an attempt that may have had effects can be run again without a person's word."""

    SAFE = "Safe"
    UNSAFE = "Unsafe"
    CONFIRM = "Confirm"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how soon a failed attempt is tried again. Times are seconds."""

    limit: int = 0
    backoff_seconds: float = 10
    factor: float = 2
    max_seconds: float = 300
    on_exit_codes: tuple[int, ...] = ()  # empty: every exit code


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One node of the DAG, complete: `jobDefaults` merged under it, groups expanded, the short form folded in."""

    id: str
    index: int  # its place in spec.jobs
    depends_on: tuple[str, ...] = ()  # job ids only, without duplicates, in spec order
    group: str | None = None
    run_on: RunOn = RunOn.SUCCESS
    when: str | None = None
    pod_template: Mapping[str, Any] = field(default_factory=dict)  # {metadata, spec}; container `main` or the first
    retry: Retry = Retry()
    timeout_seconds: int = 0
    outputs: OutputsFrom = OutputsFrom.TERMINATION
    replay: Replay = Replay.SAFE
    digest: str = ""  # 16 hex digits over what an attempt of this job runs (pod template, timeout, outputs)


@dataclass(frozen=True, slots=True)
class Pause:
    """How a pause is to be carried out; whether it is one is `ExecutionSpec.paused` alone."""

    mode: PauseMode = PauseMode.DRAIN
    reason: str = ""
    until: datetime | None = None
    checkpoint: bool = True


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request to cancel; `request_id` acts once."""

    request_id: str
    reason: str = ""


class RequestType(StrEnum):
    """The repairs a person can ask for."""

    RETRY = "Retry"
    COMPLETE = "Complete"
    SKIP = "Skip"
    EXTEND_RETRIES = "ExtendRetries"


@dataclass(frozen=True, slots=True)
class Request:
    """A repair asked for by hand; `id` acts once."""

    id: str
    type: RequestType
    job: str
    outputs: Any = None
    has_outputs: bool = False  # *no outputs* and *outputs: null* differ
    limit: int = 0
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Which checkpoint a restore starts from: exactly one of the first three is set."""

    checkpoint_name: str = ""
    checkpoint_id: str = ""
    latest_of: str = ""
    namespace: str = ""  # empty: the execution's own

    def __str__(self) -> str:
        if self.latest_of:
            return f"newest checkpoint of execution {self.latest_of}"
        return f"checkpoint {self.checkpoint_name or self.checkpoint_id}"


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore that is asked for: a fork in a new execution, a rewind in one that has started."""

    source: Source
    rerun: frozenset[str] = frozenset()  # run again although the checkpoint holds their results
    confirm: frozenset[str] = frozenset()  # `replay: Confirm`, and yes
    force: bool = False
    dry_run: bool = False
    plan_digest: str = ""  # of the plan that was looked at; another one is refused
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionSpec:
    """A whole accepted spec."""

    jobs: tuple[JobSpec, ...] = ()
    paused: bool = False
    pause: Pause = Pause()
    hold: frozenset[str] = frozenset()
    cancel: Cancel | None = None
    scheduling: Scheduling = Scheduling.DEPENDENCIES
    parallelism: int = 0
    failure_policy: FailurePolicy = FailurePolicy.STOP
    timeout_seconds: int = 0
    ttl_seconds_after_finished: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    requests: tuple[Request, ...] = ()
    restore: Restore | None = None  # with one, `jobs` may be empty: they come from the checkpoint
