"""Statuses of executions as wrong hands write them: broken, impossible, out of reach.

A status is the operator's own. So nothing is asked of what it makes of a wrong one but that it answers the next edit,
that others go on, and that the execution goes on to its end once what stood there before is put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mutations.api import Object, Refused
from mutations.lane import KIND, Finding, Lane
from mutations.places import changed, without
from mutations.schemas import Field, fields
from mutations.specs import Mutation, Stage, base, reach, remove
from mutations.tally import Outcome, Tally
from mutations.values import Kind, values

STAGES = (Stage.RUNNING, Stage.PAUSED, Stage.FINISHED)


def taken_away(kind: str) -> Iterator[Field]:
    """The fields that may be taken away from a status."""
    return (field for field in fields(kind, "status") if field.path[-1].isidentifier())


def sequence(lane: Lane, tally: Tally, *, stage: Stage, mutations: Iterable[Mutation | Field]) -> None:
    """Break the status of one execution again and again, put it back each time, and see it end."""
    name = lane.name("broken")
    lane.api.apply(KIND, lane.body(name, base(stage)))
    reach(lane, name, stage)
    done: list[str] = []
    try:
        for mutation in mutations:
            done.append(f"without {mutation}" if isinstance(mutation, Field) else str(mutation))
            _break(lane, name, mutation, tally)
            if lane.gone(name):
                return
        lane.api.merge(KIND, name, {"spec": {"paused": False}})
        lane.finish(name)
    except Finding as finding:
        raise Finding(f"status {stage}: {'; then '.join(done[-2:])}: {finding}") from finding
    finally:
        remove(lane, name)


def _break(lane: Lane, name: str, mutation: Mutation | Field, tally: Tally) -> None:
    good = lane.execution(name)
    status = _broken(good["status"], mutation)
    if status is None:
        return
    where = mutation if isinstance(mutation, Field) else mutation.field
    try:
        lane.api.replace_status(KIND, name, status)
    except Refused:
        tally.note(where, Outcome.REFUSED)
        return
    if isinstance(mutation, Mutation) and mutation.value.kind is Kind.REFUSED:
        raise Finding(f"the schema lets {mutation} through")
    healthy = lane.healthy()
    body = lane.touch(name)
    healthy()
    said = (body or good)["status"].get("reason") == "StatusUnreadable"
    tally.note(where, Outcome.NOT_ACCEPTED if said else Outcome.ACCEPTED)
    if body:
        lane.api.replace_status(KIND, name, good["status"])
        if (lane.touch(name) or good)["status"].get("reason") == "StatusUnreadable":
            raise Finding("put back, and still unreadable")


def _broken(status: Object, mutation: Mutation | Field) -> Object | None:
    if isinstance(mutation, Field):
        return without(status, KIND, mutation)
    return changed(status, KIND, mutation.field, mutation.value.value, mutation.index)


def every(kind: str = KIND) -> list[Mutation | Field]:
    """All mutations of a status, and each of its fields taken away."""
    made: list[Mutation | Field] = [Mutation(f, v, 0) for f in fields(kind, "status") for v in values(f)]
    return made + list(taken_away(kind))
