"""Everything a plan can ask the world to do, as data. Only `app.reconcile` performs it.

Order (design: result, then status record, then everything else):
`Plan.before` must have taken effect before the status is written, `Plan.after` only once it has been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from cairn.core.checkpoint.book import Pending
from cairn.core.observed import KubePod
from cairn.core.outputs import Outputs
from cairn.core.spec import Restore
from cairn.core.status import Status
from cairn.core.status_wire import to_wire

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SaveResult:
    """Create the JobResult of an ended attempt; it is there already if its name is taken."""

    manifest: Manifest
    outputs: Outputs | None = None


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Write `spec.paused`, the one thing the operator writes in a spec; refused if the execution has changed."""

    paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Create the Kubernetes Job of a recorded intent, its inputs first. Held under a pause: created suspended."""

    name: str
    manifest: Manifest
    inputs: tuple[Manifest, ...] = ()
    due: datetime | None = None  # since when nothing but Cairn kept it from starting, where that is known

    @property
    def held(self) -> bool:
        """Whether it gets no pod for now."""
        return bool(self.manifest["spec"].get("suspend"))


@dataclass(frozen=True, slots=True)
class Release:
    """Un-suspend a held Kubernetes Job, naming the version in which it was seen held."""

    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Mark a still suspended Job as held by a newer pause, so that a release decided before it is refused."""

    name: str
    uid: str
    resource_version: str
    generation: int


@dataclass(frozen=True, slots=True)
class StopJob:
    """Suspend a Kubernetes Job for good: its pod gets its grace period, the Job stays as the attempt's tombstone.

    Its parallelism becomes 0 as well, so that whoever un-suspends it (a queue controller) starts no second pod.
    `stray`: it runs without a live record, which is reported; only to be done if the execution has not changed.
    """

    name: str
    uid: str
    stray: bool = False


@dataclass(frozen=True, slots=True)
class LookUp:
    """Read a Kubernetes Job, or its pods, live, since a view does not show it."""

    name: str
    pods: bool = False


@dataclass(frozen=True, slots=True)
class Explain:
    """Find the newest warning Event about an object that waits for longer than usual."""

    uid: str


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read the outputs block from the log of a pod that succeeded."""

    name: str
    pod: KubePod


@dataclass(frozen=True, slots=True)
class KeepLogTail:
    """Keep the last lines of an ended attempt's log with its result; best effort, never waited for."""

    manifest: Manifest
    pod: KubePod


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Read the outputs of an earlier attempt, known by digest, from its JobResult."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class FetchPacks:
    """Read the kept results that a fork has taken over; `digests` are those that are wanted now."""

    names: tuple[str, ...]
    digests: frozenset[str]


@dataclass(frozen=True, slots=True)
class FetchJobs:
    """Read the jobs of a fork whose spec has none, from the object that holds them."""

    name: str


@dataclass(frozen=True, slots=True)
class FetchCheckpoint:
    """Find and read the checkpoint that a restore asks for."""

    asked: Restore


@dataclass(frozen=True, slots=True)
class SavePack:
    """Create an object that holds what a fork takes over; it is there already if its name is taken."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class TakeCheckpoint:
    """Make the object of a decided checkpoint and save in it the state as it is stored now."""

    pending: Pending


@dataclass(frozen=True, slots=True)
class DeleteExecution:
    """Delete the finished execution: its time to live is over."""


Action = (
    SaveResult | SetPaused | Launch | Release | Hold | StopJob | LookUp | Explain | ReadLog | KeepLogTail
    | FetchResult | FetchPacks | FetchJobs | FetchCheckpoint | SavePack | TakeCheckpoint | DeleteExecution
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """A Kubernetes Event to be written about the execution, once the status that it tells of is stored."""

    reason: str
    message: str
    warning: bool = False
    # For the log alone, so no part of what makes two Events the same. The text stands in for a message that quotes what
    # a container said: logs have other readers than the namespace has.
    logged: str = field(default="", compare=False)
    job: str = field(default="", compare=False)
    attempt: int = field(default=0, compare=False)
    jobs: tuple[str, ...] = field(default=(), compare=False)  # of progress, which may be told together with more


class Urgency(Enum):
    """How soon the status must be stored. SOON may wait a moment for more to write; nothing depends on it yet."""

    NONE = 0
    SOON = 1
    NOW = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is next for one execution."""

    status: Status
    urgency: Urgency = Urgency.NONE
    before: tuple[Action, ...] = ()
    after: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    requeue_after: float | None = None  # seconds
    mended: Mapping[str, Any] | None = None  # what is stored in place of `status`, which cannot be written down

    @property
    def wire(self) -> Mapping[str, Any]:
        """`status` as it is to be stored; empty where there is nothing to store."""
        if self.urgency is Urgency.NONE:
            return {}
        return to_wire(self.status) if self.mended is None else self.mended

    @property
    def in_time(self) -> tuple[Action, ...]:
        """Of `after`, what may be done while the write of the status waits: all that it does not tell of."""
        return tuple(action for action in self.after if not isinstance(action, KeepLogTail))

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do: the fixpoint."""
        return self.urgency is Urgency.NONE and not self.before and not self.after
