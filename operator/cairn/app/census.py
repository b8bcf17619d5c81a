"""What is true now, read off the views each time Prometheus asks: right at once after a restart, and on a standby too.

Rules:
- Jobs are counted anew only for executions whose status has changed since the last time: the views may hold a million.
- No label grows with what people create, but for the executions most at risk: at most `LISTED` that run and have work
  which no checkpoint holds, the oldest work first, and each only while that is so.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cairn import names
from cairn.app.executions import ExecutionView, Key
from cairn.app.queue import WorkQueue
from cairn.app.views import Views
from cairn.core.checkpoint import objects
from cairn.core.sharding import Selection
from cairn.core.status import JobState, Phase, Status
from cairn.ports import Clock

LISTED = 200  # executions with series of their own
NOT_PAUSED = "None"
_PAUSES = (NOT_PAUSED, "Draining", "Paused")  # `status.pause` of what has not finished
_WAITS = frozenset((
    names.LAUNCH_REFUSED, names.WAITING, names.UNSCHEDULABLE, names.SUSPENDED, names.NODE_UNREACHABLE,
    names.READING_OUTPUTS, names.AWAITING_CHECKPOINT, names.ON_HOLD,
))  # fmt: skip
_PHASES = (objects.PENDING, objects.READY, objects.FAILED)


@dataclass(slots=True)
class _Counted:
    """The jobs of one execution, as of a status."""

    status: Status
    states: Mapping[JobState, int]
    waits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Risk:
    """An execution that runs, has checkpoints, and has work that none of them holds."""

    key: Key
    seconds: float  # since its last checkpoint, or since it began
    jobs: int


class Working(Protocol):
    """What a replica has under way while it leads."""

    @property
    def queues(self) -> Sequence[WorkQueue[Any]]:
        """What waits for workers."""
        ...

    def backlog(self) -> int:
        """How many checkpoints wait for their row; 0 where there is no database."""
        ...


class Census(Collector):
    """Gauges over everything that has been seen, and over what this replica works on, if it does."""

    def __init__(self, views: Views, clock: Clock, working: Callable[[], Working | None]) -> None:
        self._views = views
        self._clock = clock
        self._working = working
        self._counted: dict[str, _Counted] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking what there is would count it."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        views = self._views.executions()
        yield _executions(views)
        yield from self._jobs(views)
        yield from _risks(views, self._clock())
        yield from self._checkpoints()
        yield from _shards(self._views.selection)
        if (working := self._working()) is not None:
            yield GaugeMetricFamily(
                "cairn_checkpoint_backlog", "Checkpoints that wait for their row.", value=working.backlog()
            )
            yield from _waiting(working.queues)

    def _jobs(self, views: Sequence[ExecutionView]) -> Iterator[Metric]:
        self._counted = {view.key.uid: self._count(view) for view in views}
        states: Counter[JobState] = Counter()
        waits: Counter[str] = Counter()
        for counted in self._counted.values():
            states.update(counted.states)
            waits.update(counted.waits)
        yield _gauge("cairn_jobs", "Jobs of all executions that there are, by state.", "state",
                     {state.value: states[state] for state in JobState})  # fmt: skip
        yield _gauge("cairn_jobs_waiting", "Jobs that wait for what a person may have to see to, by reason.", "reason",
                     {reason: waits[reason] for reason in sorted(_WAITS)})  # fmt: skip

    def _count(self, view: ExecutionView) -> _Counted:
        status = view.execution.status
        known = self._counted.get(view.key.uid)
        if known is not None and known.status is status:
            return known
        records = status.jobs.values()
        waits = Counter(r.reason for r in records if r.reason in _WAITS and not r.terminal)
        return _Counted(status, Counter(record.state for record in records), waits)

    def _checkpoints(self) -> Iterator[Metric]:
        phases = Counter(seen.phase for seen in self._views.checkpoints)
        yield _gauge("cairn_checkpoint_objects", "Checkpoint objects that there are, by phase.", "phase",
                     {phase: phases[phase] for phase in _PHASES})  # fmt: skip


def _shards(selection: Selection) -> Iterator[Metric]:
    """Those that there should be, of which nobody else would tell that one has no operator at all."""
    own = {selection.shard: 1} if selection.shard else {}
    yield _gauge("cairn_shard_info", "The shard that this operator works on, if it is that of one.", "shard", own)
    yield _gauge("cairn_shard_expected", "Shards that new executions are given to, by the default operator.", "shard",
                 dict.fromkeys(selection.shards, 1))  # fmt: skip


def _waiting(queues: Sequence[WorkQueue[Any]]) -> Iterator[Metric]:
    yield _gauge("cairn_queue_depth", "Keys that wait for a worker.", "queue",
                 {queue.name: queue.depth() for queue in queues})  # fmt: skip
    yield _gauge("cairn_queue_oldest_seconds", "How long the first of them has waited.", "queue",
                 {queue.name: queue.oldest() for queue in queues})  # fmt: skip
    yield _gauge("cairn_queue_busy", "Keys that are being worked on.", "queue",
                 {queue.name: queue.busy() for queue in queues})  # fmt: skip


def risks(views: Iterable[ExecutionView], now: datetime) -> list[Risk]:
    """The executions with work at risk. Whoever has switched checkpoints off takes that risk on purpose."""
    found = []
    for view in views:
        status = view.execution.status
        unsaved = status.checkpointing.unsaved
        if not unsaved or status.finished or not _saves(view):
            continue
        last = status.checkpointing.last
        since = last.at if last else status.started_at or now
        found.append(Risk(view.key, max((now - since).total_seconds(), 0.0), unsaved))
    return found


def _saves(view: ExecutionView) -> bool:
    """Whether an execution takes checkpoints; as long as its spec is unread, by what it did when it was looked at."""
    if view.unread is not None:
        return bool(view.execution.status.checkpointing.settings.get("enabled", True))
    return view.execution.spec is not None and view.execution.spec.checkpoint.enabled


def _risks(views: Sequence[ExecutionView], now: datetime) -> Iterator[Metric]:
    found = risks(views, now)
    oldest = max((risk.seconds for risk in found), default=0.0)
    yield GaugeMetricFamily(
        "cairn_executions_at_risk", "Executions with jobs that ended after their last checkpoint.", value=len(found)
    )
    yield GaugeMetricFamily("cairn_work_at_risk_max_seconds", "The longest of these times.", value=oldest)
    # One label for both names: `namespace` is what Prometheus calls the namespace of the operator's own pod.
    worst = {str(risk.key): risk for risk in heapq.nlargest(LISTED, found, key=lambda risk: risk.seconds)}
    yield _gauge("cairn_work_at_risk_seconds", "Age of its newest checkpoint, or since it began.", "execution",
                 {name: risk.seconds for name, risk in worst.items()})  # fmt: skip
    yield _gauge("cairn_work_at_risk_jobs", "Its jobs that have ended since.", "execution",
                 {name: risk.jobs for name, risk in worst.items()})  # fmt: skip


def _executions(views: Iterable[ExecutionView]) -> Metric:
    counts = Counter(map(_phase_and_pause, views))
    gauge = GaugeMetricFamily(
        "cairn_executions", "Executions that there are, by phase, and whether they pause.", labels=("phase", "pause")
    )  # fmt: skip
    for phase in Phase:
        for pause in _PAUSES if phase in (Phase.PENDING, Phase.RUNNING) else (NOT_PAUSED,):
            gauge.add_metric((phase.value, pause), counts[phase.value, pause])
    return gauge


def _phase_and_pause(view: ExecutionView) -> tuple[str, str]:
    status = view.execution.status
    paused = status.pause is not None and not status.finished
    return status.phase.value, status.pause.phase.value if paused and status.pause else NOT_PAUSED


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        gauge.add_metric((value,), number)
    return gauge
