"""The rest of the cluster: the Job controller, the kubelets of three nodes, the garbage collector.

Each does what is next for an object some time after it has changed, in no order but that of its own delays. What the
real ones do was read in their code and measured on 1.35:
- Suspending a Job kills its pod and keeps the Job; a Job fails when its one pod has failed or was deleted, first as
  `FailureTarget`, and `Failed` once the pod has ended; a pod stripped of its finalizer and deleted is replaced.
- A deleted pod ends within its grace period; on a lost node it neither ends nor is seen to, until the node is back.
- What an owner leaves behind goes later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from cairn import names
from cairn.core.times import format_time, parse_time
from simulation.judge import Judge, attempt_of, has_ended, owner_of
from simulation.server import CONFIG_MAP, EXECUTION, JOB, POD, RESULT, ApiServer, Body, Event

NODES = 3


@dataclass
class _Counted:
    """What the Job controller has counted of the pods that it let go."""

    failed: int = 0
    succeeded: bool = False


class Kubernetes:
    """Everything that happens by itself."""

    def __init__(self, server: ApiServer, judge: Judge, random: Random, *, chance: Callable[[Body], float]) -> None:
        self._server = server
        self._judge = judge
        self._random = random
        self._chance = chance  # that a pod fails
        self._counted: dict[str, _Counted] = {}
        self._due: set[tuple[str, str]] = set()  # looks at an object that are on their way
        self._serial = 0
        self.lost_until = [0.0] * NODES
        self.broken: Callable[[Exception], None] = lambda error: None
        server.watchers.append(self._heard)

    # --- What leads to what

    def _heard(self, event: Event) -> None:
        name = event.body["metadata"]["name"]
        match event.kind:
            case "Job" if event.deleted:
                self._soon(lambda: self._collect_pods(event.uid))
            case "Job" if not self._is_owned(event.body):
                self._soon(lambda: self._collect_late(name))
            case "Job":
                self._look_at(JOB, name, self._sync, (0.01, 0.05, 0.3, 1.0))
            case "Pod" if event.deleted:
                self._look_at(JOB, event.body["metadata"]["labels"][_JOB_NAME], self._sync, (0.01, 0.3, 1.0))
            case "Pod":
                self._look_at(JOB, event.body["metadata"]["labels"][_JOB_NAME], self._sync, (0.01, 0.3, 1.0))
                self._look_at(POD, name, self._step, (0.02, 0.2, 1.0, 5.0))
            case "DAGExecution" if event.deleted:
                self._soon(lambda: self._collect(event.uid))

    def _look_at(self, kind: str, name: str, work: Callable[[Body], None], delays: tuple[float, ...]) -> None:
        if (kind, name) in self._due:
            return
        self._due.add((kind, name))

        def look() -> None:
            self._due.discard((kind, name))
            if (held := self._server.find(kind, name)) is not None:
                self._guarded(lambda: work(held))

        asyncio.get_running_loop().call_later(self._random.choice(delays), look)

    def _soon(self, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._random.choice((0.1, 1.0, 10.0)), lambda: self._guarded(work))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.broken(error)

    # --- The Job controller

    def _sync(self, held: Body) -> None:
        conditions = _conditions(held)
        if "Complete" in conditions or "Failed" in conditions:
            return
        uid, name = held["metadata"]["uid"], held["metadata"]["name"]
        pods = [p for p in self._server.all(POD) if owner_of(p) == uid]
        live = [p for p in pods if not has_ended(p)]
        wanted, kill, make = self._decide(held, conditions, pods, live)
        for pod in live if kill else ():
            self._server.change(POD, pod["metadata"]["name"], _mark(self._now()), uid=pod["metadata"]["uid"])
        if make:
            self._make_pod(held)
        began = held["status"].get("startTime") or self._now()
        counts: Body = {
            "active": sum(not _deleting(p) for p in live) + make, "terminating": sum(map(_deleting, live)),
            "startTime": None if held["spec"].get("suspend") else began,
        }  # fmt: skip
        self._server.change(JOB, name, lambda body: _set_status(body, wanted, counts), uid=uid)

    def _decide(
        self, held: Body, conditions: dict[str, Body], pods: list[Body], live: list[Body]
    ) -> tuple[dict[str, str], bool, bool]:
        """The conditions that are to be true (with reasons), whether to kill its pods, whether to make one."""
        spec, counted = held["spec"], self._counted.setdefault(held["metadata"]["uid"], _Counted())
        kept = {kind: c.get("reason", "") for kind, c in conditions.items()}
        failing = kept.get("FailureTarget") or self._late(held)
        succeeded = counted.succeeded or any(p["status"]["phase"] == "Succeeded" for p in pods)
        failed = counted.failed or any(p["status"]["phase"] == "Failed" or _deleting(p) for p in pods)
        if succeeded and not live and not failing:
            return kept | {"Complete": ""}, False, False
        if failing or counted.failed or (failed and not spec.get("suspend")):
            reason = failing or "BackoffLimitExceeded"
            done = "FailureTarget" in kept and not live
            return kept | {"FailureTarget": reason} | ({"Failed": reason} if done else {}), True, False
        if spec.get("suspend"):
            return kept | {"Suspended": ""}, True, False
        kept.pop("Suspended", None)
        return kept, False, bool(not live and spec["parallelism"])

    def _late(self, held: Body) -> str:
        begun, limit = parse_time(held["status"].get("startTime")), held["spec"].get("activeDeadlineSeconds")
        late = begun and limit and (self._server.now() - begun).total_seconds() >= limit
        return "DeadlineExceeded" if late and not held["spec"].get("suspend") else ""

    def _make_pod(self, held: Body) -> None:
        self._serial += 1
        labels = held["spec"]["template"]["metadata"]["labels"]
        self._server.create({
            "kind": POD,
            "metadata": {
                "name": f"pod-{self._serial}", "labels": labels | {_JOB_NAME: held["metadata"]["name"]},
                "ownerReferences": [{"uid": held["metadata"]["uid"], "controller": True}],
                "finalizers": ["batch.kubernetes.io/job-tracking"],
            },
            "spec": {"containers": [{"name": "main"}], "nodeName": f"node-{self._random.randrange(NODES)}"},
            "status": {"phase": "Pending"},
        })  # fmt: skip
        if limit := held["spec"].get("activeDeadlineSeconds"):
            asyncio.get_running_loop().call_later(limit + 0.1, self._sync_again, held["metadata"]["name"])

    def _sync_again(self, name: str) -> None:
        self._look_at(JOB, name, self._sync, (0.01,))

    # --- The kubelets

    def _step(self, held: Body) -> None:
        """The next thing that happens to a pod by itself."""
        name, phase = held["metadata"]["name"], held["status"]["phase"]
        away = self.lost_until[int(held["spec"]["nodeName"][-1])] - asyncio.get_running_loop().time()
        if away > 0:
            asyncio.get_running_loop().call_later(away, lambda: self._look_at(POD, name, self._step, (0.1, 1.0)))
        elif _deleting(held) and has_ended(held):
            self._let_go(held)
        elif _deleting(held):
            lucky = phase == "Running" and self._random.random() < 0.2  # it ends well within its grace period
            self._end(held, "Succeeded" if lucky else "Failed", 0 if lucky else 143)
        elif phase == "Pending":
            self._judge.start(held)
            running = {"running": {"startedAt": self._now()}}
            self._set(name, {"phase": "Running", "containerStatuses": [{"name": "main", "state": running}]})
        elif phase == "Running":
            fails = Random(f"{attempt_of(held)}").random() < self._chance(held)
            self._end(held, "Failed" if fails else "Succeeded", int(fails))

    def _end(self, held: Body, phase: str, code: int) -> None:
        began = held["status"].get("containerStatuses", [{}])[0].get("state", {}).get("running", {}).get("startedAt")
        if began is None:
            self._set(held["metadata"]["name"], {"phase": "Failed"})
            return
        ended: Body = {
            "exitCode": code, "startedAt": began, "finishedAt": self._now(), "message": said(held) if not code else "",
            "reason": "Error" if code else "Completed",
        }  # fmt: skip
        statuses = [{"name": "main", "state": {"terminated": ended}}]
        self._set(held["metadata"]["name"], {"phase": phase, "containerStatuses": statuses})

    def _let_go(self, held: Body) -> None:
        """The finalizer keeps a pod until its Job's controller has counted it; not so under a suspended Job."""
        job = self._server.find(JOB, held["metadata"]["labels"][_JOB_NAME])
        if job is not None and job["metadata"]["uid"] == owner_of(held):
            counted = self._counted.setdefault(job["metadata"]["uid"], _Counted())
            counted.succeeded |= held["status"]["phase"] == "Succeeded"
            counted.failed += held["status"]["phase"] == "Failed" and not job["spec"].get("suspend")
        self._server.remove(POD, held["metadata"]["name"])

    def _set(self, name: str, status: Body) -> None:
        self._server.change(POD, name, lambda body: body.update(status=status))

    # --- Whoever else touches pods

    def delete_pod(self, held: Body) -> None:
        """Begin to delete a pod."""
        self._server.change(POD, held["metadata"]["name"], _mark(self._now()))

    def strip_pod(self, held: Body) -> None:
        """Take a pod's finalizer and force its deletion: its Job's controller makes another one."""
        self._judge.excused.add(attempt_of(held))
        self._server.remove(POD, held["metadata"]["name"])

    def evict_pod(self, held: Body) -> None:
        """The node is short of something."""
        why = [{"type": "DisruptionTarget", "status": "True"}]
        self._set(held["metadata"]["name"], {"phase": "Failed", "reason": "Evicted", "conditions": why})

    def squat(self, name: str) -> None:
        """Somebody's own Kubernetes Job, that has nothing to do with Cairn."""
        if self._server.find(JOB, name) is None:
            labels = {names.LABEL_EXECUTION_UID: "nobody", names.LABEL_JOB: "theirs", names.LABEL_ATTEMPT: "1"}
            spec = {"suspend": True, "parallelism": 1, "template": {"metadata": {"labels": labels}}}
            self._server.create({"kind": JOB, "metadata": {"name": name, "labels": labels}, "spec": spec})

    # --- The garbage collector

    def _collect(self, uid: str) -> None:
        for kind in (JOB, RESULT, CONFIG_MAP):
            for body in self._server.all(kind):
                if any(o["uid"] == uid for o in body["metadata"].get("ownerReferences", ())):
                    self._server.remove(kind, body["metadata"]["name"])

    def _is_owned(self, body: Body) -> bool:
        owners = [o["uid"] for o in body["metadata"].get("ownerReferences", ())]
        return not owners or any(e["metadata"]["uid"] in owners for e in self._server.all(EXECUTION))

    def _collect_late(self, name: str) -> None:
        """Created when its owner was gone."""
        if self._server.find(JOB, name) is not None:
            self._server.remove(JOB, name)

    def _collect_pods(self, uid: str) -> None:
        for pod in [p for p in self._server.all(POD) if owner_of(p) == uid]:
            self.delete_pod(pod)

    def _now(self) -> str:
        return format_time(self._server.now())


_JOB_NAME = "batch.kubernetes.io/job-name"


def said(pod: Body) -> str:
    """What a program hands out: it depends on which attempt it is."""
    _, job, attempt = attempt_of(pod)
    return json.dumps({"job": job, "attempt": attempt})


def log_of(pod: Body) -> bytes:
    """What a program has written, with its outputs in a block."""
    return f"working\n::cairn-outputs::\n{said(pod)}\n::end-cairn-outputs::\ndone\n".encode()


def _conditions(held: Body) -> dict[str, Body]:
    return {c["type"]: c for c in held["status"].get("conditions", ()) if c["status"] == "True"}


def _set_status(body: Body, wanted: dict[str, str], counts: dict[str, int]) -> None:
    known = {c["type"] for c in body["status"].get("conditions", ())}
    body["status"]["conditions"] = [
        {"type": kind, "status": str(kind in wanted), "reason": wanted.get(kind, "")}
        for kind in sorted(known | wanted.keys())
    ]
    body["status"] |= counts


def _deleting(body: Body) -> bool:
    return "deletionTimestamp" in body["metadata"]


def _mark(now: str) -> Callable[[Body], None]:
    def mark(body: Body) -> None:
        body["metadata"].setdefault("deletionTimestamp", now)

    return mark
