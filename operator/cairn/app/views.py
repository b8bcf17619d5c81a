"""What the operator has seen of the cluster: compact views, fed by watches and by the answers to its own calls.

Rules:
- Newest wins: an older `resourceVersion` never replaces a newer one (they are comparable integers within one resource,
  KEP-5504), so that the answer to an own write is not undone by a late event.
- Keyed by UID: an execution that was deleted and created again under its name is another one.
- What is not of the own shard is not taken in, wherever it was read. What has left the shard is forgotten, and nothing
  follows.
- Not seeing is not knowing: an absence counts only after a live read (`note_absent`), and only for a moment.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from cairn.app.checkpoints.views import CheckpointViews
from cairn.app.consequence import leads_on
from cairn.app.executions import Borrowed, ExecutionView, Key, completed, needed_by, read, viewed
from cairn.core.observed import (
    Explanation,
    KubeJob,
    KubePod,
    LogRead,
    Observed,
    Refusal,
    kube_job,
    kube_pod,
)
from cairn.core.outputs import Outputs
from cairn.core.restore.progress import UNDER_WAY, Fork, Mode
from cairn.core.restore.source import Found, NotFound
from cairn.core.sharding import Selection
from cairn.core.status import Status
from cairn.ports import Roll

ABSENCE_COUNTS_FOR = timedelta(seconds=5)
_OUTPUTS_KEPT_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class _Seen:
    """What has been seen of the attempts of one execution."""

    jobs: dict[str, KubeJob] = field(default_factory=dict)
    pods: dict[str, dict[str, KubePod]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    absent: dict[str, datetime] = field(default_factory=dict)
    absent_pods: dict[str, datetime] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    launching: set[str] = field(default_factory=set)
    explained: dict[str, Explanation] = field(default_factory=dict)
    logs: dict[str, LogRead] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    restore: Found | NotFound | None = None


class OutputsCache:
    """Outputs by digest, the least recently used dropped beyond a total size; they can be read again."""

    def __init__(self, limit: int = _OUTPUTS_KEPT_BYTES) -> None:
        self._kept: OrderedDict[str, Outputs] = OrderedDict()
        self._size = 0
        self._limit = limit

    def put(self, out: Outputs) -> None:
        """Keep outputs at hand."""
        if out.digest in self._kept:
            return
        self._kept[out.digest] = out
        self._size += len(out.text)
        while self._size > self._limit and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1].text)

    def pick(self, digests: set[str]) -> dict[str, Outputs]:
        """Those of the digests that are at hand."""
        found = {digest: self._kept[digest] for digest in digests if digest in self._kept}
        for digest in found:
            self._kept.move_to_end(digest)
        return found


class Views:
    """Everything seen, by execution UID."""

    def __init__(self, selection: Selection | None = None) -> None:
        self.selection = selection or Selection()
        self._executions: dict[str, ExecutionView] = {}
        self._seen: dict[str, _Seen] = {}
        self._borrowed: dict[str, Borrowed] = {}
        self._forks: dict[str, dict[str, Fork]] = {}  # by UID of the execution that they were forked from
        self.checkpoints = CheckpointViews(self.selection)
        self.outputs = OutputsCache()

    # --- Executions

    def see_execution(self, body: Mapping[str, Any]) -> Key | None:
        """Take in a DAGExecution as an event or an answer shows it; its key, or None where that is nothing new."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"], meta["uid"])
        if not self.selection.takes(meta):
            self.forget_execution(key.uid)
            return None
        old = self._executions.get(key.uid)
        if old is not None and int(old.resource_version) >= int(meta["resourceVersion"]):
            return None
        view = self._executions[key.uid] = viewed(key, body, old, self._borrowed.get(key.uid))
        self._note_fork(key, view.execution.status)
        return key

    def borrow(self, uid: str, borrowed: Borrowed) -> None:
        """Take in the jobs that an execution has from a checkpoint; its spec is complete with them."""
        before, self._borrowed[uid] = self._borrowed.get(uid), borrowed
        old = self._executions.get(uid)
        if old is not None and (old.execution.lacks_jobs or borrowed != before):
            self._executions[uid] = completed(old, borrowed)

    def _note_fork(self, key: Key, status: Status) -> None:
        restored = status.restored_from
        if restored is not None and restored.mode is Mode.FORK:
            fork = Fork(key.namespace, key.name, key.uid, restored.origin.id, restored.at)
            self._forks.setdefault(restored.origin.execution_uid, {}).setdefault(key.uid, fork)

    def wrote_status(self, key: Key, resource_version: str, status: Status) -> None:
        """Take in the answer to an own status write."""
        old = self._executions.get(key.uid)
        if old is not None and int(old.resource_version) < int(resource_version):
            execution = replace(old.execution, status=status)
            needed = needed_by(status, old.asks)
            self._executions[key.uid] = replace(
                old, resource_version=resource_version, execution=execution, restores=needed
            )
            if status.restore is not None and status.restore.step not in UNDER_WAY:
                self.seen(key.uid).restore = None  # it may be large, and is read again if it is needed
            self._note_fork(key, status)
            borrowed, restored = self._borrowed.get(key.uid), status.restored_from
            if borrowed is not None and restored is not None:
                self._borrowed[key.uid] = replace(borrowed, source=restored.configs)

    def forget_execution(self, uid: str) -> None:
        """The execution is gone; its objects follow by the garbage collector."""
        view = self._executions.pop(uid, None)
        self._seen.pop(uid, None)
        self._borrowed.pop(uid, None)
        self._forks.pop(uid, None)
        self.checkpoints.departed(uid, ())
        restored = view.execution.status.restored_from if view else None
        if restored is not None:
            self._forks.get(restored.origin.execution_uid, {}).pop(uid, None)

    def forget_findings(self) -> None:
        """Keep what watches bring; what was looked up, tried or decided besides is found anew when it is needed."""
        self._seen = {uid: _Seen(jobs=seen.jobs, pods=seen.pods, gone=seen.gone) for uid, seen in self._seen.items()}

    def execution(self, uid: str) -> ExecutionView | None:
        """The execution with that UID, if it has been seen."""
        view = self._executions.get(uid)
        if view is not None and view.unread is not None:
            view = self._executions[uid] = read(view)
        return view

    def execution_as_seen(self, uid: str) -> ExecutionView | None:
        """The same; its spec may be unread."""
        return self._executions.get(uid)

    def restored_from(self, namespace: str) -> frozenset[str]:
        """Names and ids of the checkpoints that restores of executions still need."""
        found = (v.restores for v in self._executions.values() if v.restores and v.source_namespace == namespace)
        return frozenset().union(*found)

    def knows(self, namespace: str) -> bool:
        """Whether executions of that namespace have been seen, so that what else is in it is seen too."""
        return any(key.namespace == namespace for key in self.keys())

    def keys(self) -> list[Key]:
        """All executions that are known."""
        return [view.key for view in self._executions.values()]

    def executions(self) -> list[ExecutionView]:
        """All of them as last seen; the spec of some may be unread."""
        return list(self._executions.values())

    def namespaces(self) -> frozenset[str]:
        """Where there is anything."""
        return frozenset(key.namespace for key in self.keys()) | {c.namespace for c in self.checkpoints}

    def missing_executions(self, roll: Roll, namespace: str = "") -> list[Key]:
        """Those of a namespace, or of all, that are gone by a roll of them."""
        found = (view for view in self._executions.values() if namespace in ("", view.key.namespace))
        return [view.key for view in found if roll.lacks(view.key.uid, view.resource_version)]

    # --- Attempts

    def seen(self, uid: str) -> _Seen:
        """What has been seen of an execution's attempts, to be noted in."""
        return self._seen.setdefault(uid, _Seen())

    def see_job(self, body: Mapping[str, Any]) -> KubeJob | None:
        """Take in a Kubernetes Job; None where a plan would see nothing new."""
        job = kube_job(body)
        seen = self.seen(job.execution_uid)
        old = seen.jobs.get(job.name)
        if old is not None and old.uid == job.uid and int(old.resource_version) >= int(job.resource_version):
            return None
        seen.jobs[job.name] = job
        seen.absent.pop(job.name, None)
        seen.refused.pop(job.name, None)
        unchanged = old is not None and replace(old, resource_version=job.resource_version) == job
        return None if unchanged else job

    def forget_job(self, body: Mapping[str, Any]) -> str:
        """A Kubernetes Job was deleted; the UID of its execution."""
        return self.lose_job(kube_job(body))

    def lose_job(self, job: KubeJob) -> str:
        """The same, of one as it was seen."""
        seen = self._seen.get(job.execution_uid)
        if seen is not None and (known := seen.jobs.get(job.name)) is not None and known.uid == job.uid:
            del seen.jobs[job.name]
            seen.gone.add(job.name)
            self._tidy(job.execution_uid)
        return job.execution_uid

    def see_pod(self, body: Mapping[str, Any]) -> KubePod | None:
        """Take in a pod of a Kubernetes Job; None where a plan would see nothing new."""
        pod = kube_pod(body)
        seen = self.seen(pod.execution_uid)
        pods = seen.pods.setdefault(pod.job_name, {})
        old = pods.get(pod.uid)
        if old is not None and int(old.resource_version) > int(pod.resource_version):
            return None
        unchanged = old == pod
        pods[pod.uid] = pod
        seen.absent_pods.pop(pod.job_name, None)
        return None if unchanged else pod

    def leads_on(self, pod: KubePod) -> bool:
        """Whether a pod that has ended may let something happen besides being recorded."""
        view, seen = self._executions.get(pod.execution_uid), self._seen.get(pod.execution_uid)
        return view is not None and seen is not None and leads_on(view, seen.jobs, seen.pods, pod)

    def forget_pod(self, body: Mapping[str, Any]) -> str:
        """A pod object is gone; the UID of its execution. How its containers ended stays a fact, and is remembered."""
        return self.lose_pod(kube_pod(body))

    def lose_pod(self, pod: KubePod) -> str:
        """The same, of one as it was seen."""
        seen = self._seen.get(pod.execution_uid)
        if seen is not None and (pods := seen.pods.get(pod.job_name)) is not None:
            if pod.ended and pod.execution_uid in self._executions:
                pods[pod.uid] = pod
            else:
                pods.pop(pod.uid, None)
            self._tidy(pod.execution_uid)
        return pod.execution_uid

    def missing_jobs(self, roll: Roll, namespace: str = "") -> list[KubeJob]:
        """Those of a namespace, or of all, that had not ended and are gone by a roll of such ones, or have ended."""
        found = (job for seen in self._seen_in(namespace) for job in seen.jobs.values())
        return [job for job in found if not job.ended and roll.lacks(job.uid, job.resource_version)]

    def missing_pods(self, roll: Roll, namespace: str = "") -> list[KubePod]:
        """Likewise."""
        found = (pod for seen in self._seen_in(namespace) for pods in seen.pods.values() for pod in pods.values())
        return [pod for pod in found if not pod.ended and roll.lacks(pod.uid, pod.resource_version)]

    def _seen_in(self, namespace: str) -> Iterator[_Seen]:
        for uid, view in self._executions.items():
            if uid in self._seen and namespace in ("", view.key.namespace):
                yield self._seen[uid]

    def forget_orphans(self) -> None:
        """Drop what was seen of the attempts of executions that are not known: if one appears, it is looked up."""
        self._seen = {uid: seen for uid, seen in self._seen.items() if uid in self._executions}

    def _tidy(self, uid: str) -> None:
        """Keep nothing of an execution that is gone once what it owned is gone too."""
        if uid not in self._executions and not self._seen[uid].jobs and not any(self._seen[uid].pods.values()):
            del self._seen[uid]

    def note_absent(self, uid: str, name: str, now: datetime, *, pods: bool) -> None:
        """A live read did not find the Kubernetes Job (or any pod of it)."""
        seen = self.seen(uid)
        if pods:
            seen.absent_pods[name] = now
            seen.pods.pop(name, None)
        else:
            seen.absent[name] = now
            if seen.jobs.pop(name, None) is not None:
                seen.gone.add(name)

    def note_launched(self, uid: str, name: str) -> None:
        """It is no longer about to be created."""
        if (seen := self._seen.get(uid)) is not None:
            seen.launching.discard(name)

    def observe(self, uid: str, now: datetime) -> Observed:
        """What the planner may look at."""
        view, seen = self._executions[uid], self.seen(uid)
        wanted = {r.result for r in view.execution.status.jobs.values() if r.result}
        return Observed(
            jobs=seen.jobs,
            pods={name: tuple(pods.values()) for name, pods in seen.pods.items() if pods},
            gone=seen.gone,
            absent=_recent(seen.absent, now),
            absent_pods=_recent(seen.absent_pods, now),
            refused=seen.refused,
            launching=seen.launching,
            explained=seen.explained,
            logs=seen.logs,
            outputs=self.outputs.pick(wanted),
            lost=frozenset(seen.lost),
            checkpoints=self.checkpoints.of_execution(view.key.namespace, view.key.name, uid),
            departed=self.checkpoints.departed(uid, {p.name for p in view.execution.status.checkpointing.pending}),
            restore=seen.restore,
            forks=tuple(self._forks.get(uid, {}).values()),
        )


def _recent(noted: dict[str, datetime], now: datetime) -> frozenset[str]:
    return frozenset(name for name, at in noted.items() if abs(now - at) <= ABSENCE_COUNTS_FOR)
