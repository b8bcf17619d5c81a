"""The judge of the chaos sees each thing that must not be, and nothing where all is well."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pytest import param

from chaos import judge
from chaos.judge import Left
from chaos.shapes import Shape
from support.kube import Object

UID = "uid-run"


def condition(kind: str) -> Object:
    return {"type": kind, "status": "True"}


def job(attempt: int, *conditions: str) -> Object:
    labels = {"cairn.dev/execution-uid": UID, "cairn.dev/job": "a", "cairn.dev/attempt": str(attempt)}
    return {"metadata": {"name": f"a-{attempt}", "uid": f"uid-{attempt}", "labels": labels}, "spec": {},
            "status": {"conditions": [condition(kind) for kind in conditions]}}  # fmt: skip


def pod(attempt: int, phase: str) -> Object:
    labels = {"batch.kubernetes.io/controller-uid": f"uid-{attempt}"}
    return {"metadata": {"name": f"pod-{attempt}", "labels": labels}, "status": {"phase": phase}}


def checkpoint(id: str, parent: str = "") -> Object:
    more = {"parent": {"checkpointId": parent, "digest": f"digest-{parent}"}} if parent else {}
    return {"metadata": {"name": f"c-{id}"}, "spec": {"executionRef": {"name": "run"}},
            "status": {"phase": "Ready", "checkpointId": id, "digest": f"digest-{id}",
                       "conditions": [condition("Stored")]} | more}  # fmt: skip


class World:
    """One execution whose job has failed once and then completed, with two checkpoints: all is well."""

    def __init__(self) -> None:
        record = {"id": "a", "state": "Completed", "attempt": 2, "disruptions": 1}
        execution = {"metadata": {"name": "run", "uid": UID}, "spec": {},
                     "status": {"phase": "Succeeded", "jobs": [record]}}  # fmt: skip
        self.record, self.status = record, execution["status"]
        self.left = Left(
            [execution], [checkpoint("1"), checkpoint("2", "1")], [job(1, "Failed"), job(2, "Complete")],
            [pod(1, "Failed"), pod(2, "Succeeded")], {"1": "digest-1", "2": "digest-2"}, {"0"},
        )  # fmt: skip
        shape = Shape({}, {})
        self.user = SimpleNamespace(created={"run"}, cancelled=set(), redone=set(), shapes={"run": shape})
        pods = defaultdict(set, {"uid-1": {"p1"}, "uid-2": {"p2"}})
        saved = {"0": "digest-0", "1": "digest-1", "2": "digest-2"}
        self.seen = SimpleNamespace(pods=pods, succeeded={"uid-2"}, saved=saved)

    def found(self) -> list[str]:
        user: Any = self.user
        seen: Any = self.seen
        return sorted({finding.kind for finding in judge.judge(self.left, user, seen)})


def test_where_all_is_well_nothing_is_found() -> None:
    world = World()
    assert world.found() == []
    assert judge.settled(world.left, set()) == []


def lose_failure(world: World) -> None:
    world.user.shapes["run"] = Shape({}, {"a": 1})
    world.record |= {"state": "Failed", "failures": 1}
    world.status["phase"] = "Failed"
    world.left.jobs[1] = job(2, "Failed")


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        param(lambda w: w.user.created.add("other"), "lost", id="an execution is gone"),
        param(lambda w: w.status.update(phase="Failed"), "wrong", id="the phase is not that of its shape"),
        param(lambda w: w.left.jobs.append(copy.deepcopy(w.left.jobs[0])), "doubled", id="two Kubernetes Jobs"),
        param(lambda w: w.left.jobs.pop(0), "lost", id="the Kubernetes Job of an attempt is gone"),
        param(lambda w: w.left.jobs.__setitem__(0, job(1, "Complete")), "doubled", id="it completed twice"),
        param(lambda w: w.left.jobs.append(job(3)), "lost", id="a Kubernetes Job of no recorded attempt"),
        param(lambda w: w.left.jobs.__setitem__(0, job(1)), "wrong", id="a Kubernetes Job that runs on"),
        param(lambda w: w.left.pods.append(pod(2, "Running")), "wrong", id="a pod that runs on"),
        param(lambda w: w.seen.pods["uid-2"].add("p3"), "doubled", id="there was a second pod"),
        param(lambda w: w.left.rows.update({"2": "other"}), "lost", id="a row holds something else"),
        param(lambda w: w.left.graves.clear(), "lost", id="a checkpoint is gone, and nobody has deleted it"),
        param(lambda w: w.left.checkpoints.append(checkpoint("2")), "doubled", id="an id was given twice"),
        param(lambda w: w.left.checkpoints[0]["status"].update(parent={"checkpointId": "2"}), "wrong",
              id="it sorts before its parent"),
        param(lose_failure, "lost", id="a retry is missing"),
    ],
)  # fmt: skip
def test_what_must_not_be_is_found(harm: Callable[[World], object], expected: str) -> None:
    world = World()
    harm(world)
    assert expected in world.found()


@pytest.mark.parametrize(
    "harm",
    [
        param(lambda w: w.status.update(phase="Running"), id="it runs"),
        param(lambda w: w.status.update(checkpointing={"pending": [{}]}), id="a checkpoint is pending"),
        param(lambda w: w.left.checkpoints[0]["status"].update(phase="Pending"), id="one is not taken"),
        param(lambda w: w.left.checkpoints[0]["status"].update(conditions=[]), id="one is not stored"),
        param(lambda w: w.left.checkpoints[0]["metadata"].update(deletionTimestamp="x"), id="a finalizer hangs"),
        param(lambda w: w.left.rows.update({"9": "d"}), id="a row has no object"),
        param(lambda w: w.left.rows.pop("1"), id="an object has no row"),
    ],
)  # fmt: skip
def test_what_has_not_settled_is_told(harm: Callable[[World], object]) -> None:
    world = World()
    harm(world)
    assert judge.settled(world.left, set())
