"""Checkpoints and results as wrong hands make and change them.

Asked of each: a Checkpoint that was created is answered; whatever is in its status, a fork from it is answered, others
go on, `cairn verify` says how it stands, and once the status is put back it can be restored. A result that somebody has
put in the place of one to come stops nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from os import environ

from cairn.core.naming import attempt_name
from mutations.api import Object, Refused
from mutations.lane import KIND, Finding, Lane, condition_of, pipeline
from mutations.places import changed, without
from mutations.schemas import Field, fields
from mutations.specs import Mutation, remove
from mutations.statuses import every
from mutations.tally import Outcome, Tally
from mutations.values import Kind, values
from support.jobs import hanging, job

CHECKPOINTS, RESULTS = "checkpoints", "jobresults"
VERIFIED = 10  # of so many broken ones, one is verified on the command line: a process each


def begin(lane: Lane) -> None:
    """An execution to take checkpoints of."""
    spec = {"jobs": pipeline(hangs=False), "checkpoint": {"triggers": ["manual"]}}
    lane.api.create(KIND, lane.body(lane.train, spec))
    lane.answered(lane.train)
    lane.finish(lane.train)


def taken(lane: Lane, name: str, spec: Object) -> Object:
    """A Checkpoint as it is created, once it is answered. Raises Refused."""
    meta = {"apiVersion": "cairn.dev/v1alpha1", "kind": "Checkpoint", "metadata": {"name": name}}
    lane.api.create(CHECKPOINTS, meta | {"spec": spec})

    def settled() -> Object | None:
        body = lane.api.get(CHECKPOINTS, name)
        return body if (body.get("status") or {}).get("phase") in ("Ready", "Failed") else None

    found: Object = lane.wait("checkpoint answered", settled, lambda: lane.api.get(CHECKPOINTS, name))
    return found


# --- Specs -----------------------------------------------------------------------------------------------------------


def created(lane: Lane, tally: Tally, *, mutation: Mutation) -> None:
    """Create a Checkpoint with that in its spec; then nothing of it can be changed but the pin."""
    name = lane.name("made")
    spec = changed({"executionRef": {"name": lane.train}}, CHECKPOINTS, mutation.field, mutation.value.value)
    try:
        body = taken(lane, name, spec)
    except Refused:
        tally.note(mutation.field, Outcome.REFUSED)
        return
    if mutation.value.kind is Kind.REFUSED:
        raise Finding(f"the schema lets {mutation} through")
    tally.note(mutation.field, Outcome.ACCEPTED if body["status"]["phase"] == "Ready" else Outcome.NOT_ACCEPTED)
    _stands(lane, name, body["spec"])
    lane.api.delete(CHECKPOINTS, name)


_OTHER: Object = {
    "executionRef": {"name": "other"}, "name": "other", "metadata": {"x": "other"}, "trigger": "time-based",
    "createdBy": "other",
}  # fmt: skip


def _stands(lane: Lane, name: str, spec: Object) -> None:
    lane.api.merge(CHECKPOINTS, name, {"spec": {"pinned": not spec.get("pinned")}})
    for key, other in _OTHER.items():
        try:
            lane.api.merge(CHECKPOINTS, name, {"spec": {key: None if spec.get(key) == other else other}})
        except Refused:
            continue
        raise Finding(f"spec.{key} of a checkpoint can be changed")


# --- Statuses --------------------------------------------------------------------------------------------------------


def broken(lane: Lane, tally: Tally, *, mutation: Mutation | Field, verify: bool) -> None:
    """Break the status of a Checkpoint, fork from it, verify it, put it back, fork from it again."""
    name = lane.name("point")
    good = taken(lane, name, {"executionRef": {"name": lane.train}})["status"]
    status = _changed(good, mutation)
    where = mutation if isinstance(mutation, Field) else mutation.field
    try:
        if status is None:
            return
        lane.api.replace_status(CHECKPOINTS, name, status)
    except Refused:
        tally.note(where, Outcome.REFUSED)
        return
    finally:
        if status is None:
            lane.api.delete(CHECKPOINTS, name)
    if isinstance(mutation, Mutation) and mutation.value.kind is Kind.REFUSED:
        raise Finding(f"the schema lets {mutation} through")
    healthy = lane.healthy()
    done = _forked(lane, name)
    tally.note(where, Outcome.ACCEPTED if done else Outcome.NOT_ACCEPTED)
    if verify:
        _verified(lane)
    healthy()
    try:
        lane.api.replace_status(CHECKPOINTS, name, good)
    except Refused:
        pass  # what is set once cannot be put back
    else:
        lane.wait("restorable again", lambda: _forked(lane, name), lambda: lane.api.get(CHECKPOINTS, name)["status"])
    lane.api.delete(CHECKPOINTS, name)


def _changed(status: Object, mutation: Mutation | Field) -> Object | None:
    if isinstance(mutation, Field):
        return without(status, CHECKPOINTS, mutation)
    return changed(status, CHECKPOINTS, mutation.field, mutation.value.value, mutation.index)


def _forked(lane: Lane, checkpoint: str) -> bool:
    """Whether a fork from it takes place; it is answered in any case."""
    name = lane.name("fork")
    lane.api.create(KIND, lane.body(name, {"restoreFrom": {"checkpointName": checkpoint}}))

    def told() -> bool | None:
        body = lane.execution(name)
        return condition_of(body, "Restored") == "True" if condition_of(body, "Restored") else None

    try:
        began: list[bool] = [lane.wait("fork answered", lambda: _boxed(told()), lambda: lane.execution(name))[0]]
        return began[0]
    finally:
        remove(lane, name)


def _boxed(answer: bool | None) -> list[bool] | None:
    return None if answer is None else [answer]


def _verified(lane: Lane) -> None:
    """The command line says how the execution's checkpoints stand, the broken one among them: in its own words."""
    command = [sys.executable, "-m", "cairn", "verify", lane.train, "-n", lane.api.namespace]
    done = subprocess.run(
        command, env=environ | {"KUBECONFIG": str(lane.api.kubeconfig), "DATABASE_URL": ""}, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if "Traceback" in done.stderr or done.returncode not in (0, 1, 2):
        raise Finding(f"cairn verify exits with {done.returncode}: {done.stderr[-2000:]}")


# --- Results ---------------------------------------------------------------------------------------------------------


def misplaced(lane: Lane, tally: Tally, *, mutation: Mutation) -> None:
    """Put a result where one is to come, then let the job end that it is of."""
    name = lane.name("robbed")
    lane.api.create(KIND, lane.body(name, {"jobs": [hanging("a"), job("b", "a")]}))
    uid = lane.wait("running", lambda: _running(lane, name), lambda: lane.execution(name))
    plain = {"execution": name, "executionUid": uid, "job": "a", "attempt": 1, "state": "Completed", "outputs": "1"}
    top = mutation.field.path[0]
    body: Object = {
        "apiVersion": "cairn.dev/v1alpha1", "kind": "JobResult",
        "metadata": {"name": attempt_name(name, uid, "a", 1), "labels": {"cairn.dev/execution-uid": uid}},
        "spec": plain,
    }  # fmt: skip
    body[top] = changed(body.get(top, {}), RESULTS, mutation.field, mutation.value.value)
    try:
        lane.api.create(RESULTS, body)
    except Refused:
        tally.note(mutation.field, Outcome.REFUSED)
    else:
        if mutation.value.kind is Kind.REFUSED:
            raise Finding(f"the schema lets {mutation} through")
        tally.note(mutation.field, Outcome.ACCEPTED)
        lane.finish(name)
        lane.operator.check()
    remove(lane, name)


def _running(lane: Lane, name: str) -> str | None:
    body = lane.execution(name)
    records = (body.get("status") or {}).get("jobs") or [{}]
    return str(body["metadata"]["uid"]) if records[0].get("startedAt") else None


def mutations(kind: str, top: str) -> Iterator[Mutation]:
    """All mutations of a kind's spec or status."""
    return (Mutation(field, value) for field in fields(kind, top) for value in values(field))


def every_status() -> list[Mutation | Field]:
    """All mutations of a Checkpoint's status, and each of its fields taken away."""
    return every(CHECKPOINTS)
