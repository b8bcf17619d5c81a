"""Specs of executions, mutated in sequences: before the start, while paused, while it runs, after its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mutations.api import Object, Refused
from mutations.lane import KIND, Finding, Lane, condition_of, pipeline
from mutations.places import changed
from mutations.schemas import Field
from mutations.tally import Outcome, Tally
from mutations.values import Kind, Value
from support.jobs import condition

# What may be written once and then stands, so that mending leaves it.
FIXED = ("params", "scheduling")


class Stage(StrEnum):
    """How far the execution has come when it is mutated."""

    BEFORE = "before it starts"
    PAUSED = "while paused"
    RUNNING = "while it runs"
    FINISHED = "after its end"


@dataclass(frozen=True)
class Mutation:
    """A field, a value for it, and which item of a list is meant."""

    field: Field
    value: Value
    index: int = 1

    def __str__(self) -> str:
        text = repr(self.value.value)
        return f"{self.field} = {text if len(text) < 200 else text[:200] + '…'}"


def good(stage: Stage) -> Object:
    """The spec that a sequence ends with."""
    return {"jobs": pipeline(hangs=stage is not Stage.FINISHED), "params": {"n": 1}, "paused": False}


def base(stage: Stage) -> Object:
    """The spec that a sequence begins with."""
    spec = good(stage)
    if stage is Stage.BEFORE:
        spec["jobs"][2]["when"] = "no CEL at all"
    return spec | {"paused": stage is Stage.PAUSED}


def sequence(lane: Lane, tally: Tally, *, stage: Stage, mutations: Iterable[Mutation]) -> None:
    """Mutate one execution again and again, then mend it and see it end."""
    name = lane.name("mutated")
    spec = base(stage)
    lane.api.apply(KIND, lane.body(name, spec))
    reach(lane, name, stage)
    done: list[str] = []
    try:
        for number, mutation in enumerate(mutations):
            done.append(str(mutation))
            spec, outcome = _mutate(lane, name, stage, spec, mutation, patch=number % 2 == 1)
            tally.note(mutation.field, outcome)
            if lane.gone(name):  # it had a time to live
                return
        mend(lane, name, good(stage))
        lane.finish(name)
    except Finding as finding:
        raise Finding(f"{stage}: {'; then '.join(done)}: {finding}") from finding
    finally:
        remove(lane, name)


def remove(lane: Lane, name: str) -> None:
    """Away with it, if it is there."""
    if not lane.gone(name):
        lane.api.delete(KIND, name)


def reach(lane: Lane, name: str, stage: Stage) -> None:
    """Wait until an execution has come as far as it is to be mutated."""
    lane.answered(name)

    def there() -> bool:
        body = lane.execution(name)
        match stage:
            case Stage.BEFORE:
                return condition_of(body, "Accepted") == "False"
            case Stage.PAUSED:
                return condition_of(body, "Paused") == "True"
            case Stage.RUNNING:
                return "startedAt" in body["status"]["jobs"][0]
            case Stage.FINISHED:
                return condition_of(body, "Succeeded") == "True"

    lane.wait(f"ready to be mutated {stage}", there, lambda: lane.execution(name))


def _mutate(
    lane: Lane, name: str, stage: Stage, spec: Object, mutation: Mutation, *, patch: bool
) -> tuple[Object, Outcome]:
    """One mutation and all that is asked of what comes of it; the spec as it is written then."""
    before = lane.execution(name)
    wanted = changed(spec, KIND, mutation.field, mutation.value.value, mutation.index)
    try:
        _write(lane, name, wanted, mutation.field.path[1], patch=patch)
    except Refused as error:
        _is_refusal(lane, name, before, error)
        return spec, Outcome.REFUSED
    if mutation.value.kind is Kind.REFUSED:
        raise Finding(f"the schema lets {mutation} through")
    healthy = lane.healthy()
    body = lane.answered(name)
    if body:
        _keeps(before, body)
        _equals_fresh(lane, name, body, stage)
    healthy()
    return wanted, Outcome.ACCEPTED if not body or condition_of(body, "Accepted") == "True" else Outcome.NOT_ACCEPTED


def _write(lane: Lane, name: str, spec: Object, top: str, *, patch: bool) -> None:
    if patch:
        lane.api.merge(KIND, name, {"spec": {top: spec.get(top)}})
    else:
        lane.api.apply(KIND, lane.body(name, spec))


def _is_refusal(lane: Lane, name: str, before: Object, error: Refused) -> None:
    if error.code not in (400, 413, 422, 500):
        raise Finding(f"refused with {error.code}: {error}")
    if not str(error).strip():
        raise Finding(f"refused with {error.code} and no word")
    if error.code == 422 and not any(field.startswith(("spec", "patch", "<nil>")) for field in error.fields):
        raise Finding(f"refused without a field: {str(error)[-500:]}")
    if lane.execution(name)["metadata"]["generation"] != before["metadata"]["generation"]:
        raise Finding(f"refused, and changed all the same: {error}")


# --- The same as a fresh one -----------------------------------------------------------------------------------------


def _equals_fresh(lane: Lane, name: str, body: Object, stage: Stage) -> None:
    """Compare with a fresh execution of the same spec."""
    fresh = lane.name("fresh")
    lane.api.create(KIND, lane.body(fresh, deepcopy(body["spec"])))
    try:
        other = lane.answered(fresh)
        if not other:
            return  # its time to live was over before it was seen
        body, other = _settled(lane, name, body), _settled(lane, fresh, other)
        if body and other and (wrong := list(_differences(body, other, stage))):
            raise Finding(f"not as a fresh one: {'; '.join(wrong)}")
    finally:
        remove(lane, fresh)


def _settled(lane: Lane, name: str, body: Object) -> Object:
    """What pauses until it is paused; everything else as it is."""
    if not body["spec"].get("paused") or condition_of(body, "Accepted") != "True" or "startedAt" not in body["status"]:
        return body

    def found() -> Object | None:
        if lane.gone(name):
            return {}
        now = lane.execution(name)
        still = condition_of(now, "Finished") != "True" and now["spec"].get("paused")
        return now if condition_of(now, "Paused") == "True" or not still or _hangs(now) else None

    settled: Object = lane.wait("settled", found, lambda: lane.execution(name).get("status"))
    return settled


def _hangs(body: Object) -> bool:
    """Whether an attempt runs that would hold a pause up for ever."""
    return any(record["state"] == "Running" for record in body["status"].get("jobs", ()))


def _differences(body: Object, fresh: Object, stage: Stage) -> Iterator[str]:
    yield from _compare("Accepted", _acceptance(body), _acceptance(fresh))
    if condition_of(body, "Accepted") != "True" or "restoreFrom" in body["spec"]:
        return  # a fresh one would be a fork, and not begun where there is nothing to restore
    yield from _compare("settings of checkpoints", _settings(body), _settings(fresh))
    if all(condition_of(one, "Paused") == "True" for one in (body, fresh)) and stage is Stage.PAUSED:
        yield from _compare("jobs", _records(body), _records(fresh))
        yield from _compare("pause", _pause(body), _pause(fresh))


def _compare(what: str, one: Any, other: Any) -> Iterator[str]:
    if one != other:
        yield f"{what}: {one}, fresh: {other}"


def _acceptance(body: Object) -> tuple[Any, ...]:
    found = condition(body, "Accepted")
    return tuple(found.get(key) for key in ("status", "reason", "message"))


def _settings(body: Object) -> Any:
    return body["status"].get("checkpointing", {}).get("settings")


def _records(body: Object) -> list[tuple[Any, ...]]:
    return [tuple(r.get(key) for key in ("id", "state", "reason", "message")) for r in body["status"].get("jobs", ())]


def _pause(body: Object) -> dict[str, Any]:
    return {key: body["status"]["pause"].get(key) for key in ("phase", "by", "reason", "mode")}


def _keeps(before: Object, after: Object) -> None:
    """What had ended is as it was, unless somebody asked for something else; no attempt has two Kubernetes Jobs."""
    if any(after["spec"].get(key) for key in ("restoreFrom", "requests")):
        return
    if before["metadata"]["uid"] != after["metadata"]["uid"]:
        return  # its time to live was over, and the mutation has made another one
    now = {record["id"]: record for record in after["status"].get("jobs", ())}
    for record in before["status"].get("jobs", ()):
        there = now.get(record["id"], {})
        same = all(record.get(key) == there.get(key) for key in ("state", "attempt", "uid", "hash", "result"))
        if record["state"] == "Completed" and not same:
            raise Finding(f"{record['id']} had ended as {record}, and is now {there}")
        if record.get("uid") and record.get("attempt") == there.get("attempt") and record["uid"] != there.get("uid"):
            raise Finding(f"attempt {record['attempt']} of {record['id']} has another Kubernetes Job")


def mend(lane: Lane, name: str, spec: Object) -> None:
    """Write a spec that can run, less what stands once it has started."""
    there = lane.execution(name)
    begun = "startedAt" in there["status"]
    wanted: Object = {key: None for key in there["spec"]} | spec
    for key in FIXED if begun else ():
        wanted.pop(key, None)
    lane.api.merge(KIND, name, {"spec": wanted})
    lane.answered(name)
