"""What differs between two checkpoints, or between one and now.

Rules:
- Compared is what a person would call the state of the run: whose it is, how far it has come, what each job came to and
  handed out, and the spec. Not times, UIDs, messages and versions: two saves of one state have no difference.
- The order is that of `after`, then follows what only `before` has. So two states have one diff.
- Words are those of the serialized state: a phase and the state of a job in lower case.
- How values are compared and shown is for `core.checkpoint.changes` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cairn.core.checkpoint.changes import ABSENT, Absent, Change, Changes, Value, bounded, changes, in_order, readable
from cairn.core.checkpoint.serializer import phase_word
from cairn.core.checkpoint.state import Attempt, CheckpointState
from cairn.core.status import JobRecord, PauseState
from cairn.core.times import format_time, known_time


@dataclass(frozen=True, slots=True)
class JobDiff:
    """What differs of one job."""

    id: str
    before: bool  # whether that side has the job at all
    after: bool
    record: tuple[Change, ...]  # state, attempt, reason, exitCode, definition
    outputs: Changes
    attempts_added: tuple[int, ...]  # those that only `after` has
    attempts_removed: tuple[int, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.record or self.outputs.items or self.attempts_added or self.attempts_removed)


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared: a checkpoint, or an execution as it is now."""

    id: str
    name: str
    namespace: str
    execution: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs."""

    before: Side
    after: Side
    origin: tuple[Change, ...]  # none: the same execution
    run: tuple[Change, ...]  # phase, reason, pause, cancel, epoch
    jobs: tuple[JobDiff, ...]
    definitions: Changes  # of jobs, in the spec
    spec: Changes  # all the rest of it

    @property
    def empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.origin or self.run or self.jobs or self.definitions.items or self.spec.items)

    def __str__(self) -> str:
        return "\n".join(lines(self))


def diff(before: CheckpointState, after: CheckpointState) -> Diff:
    """What differs between two states."""
    jobs = (_job(id, before, after) for id in in_order(before.status.jobs, after.status.jobs))
    definitions = _definitions(before.spec.get("jobs", ABSENT), after.spec.get("jobs", ABSENT))
    return Diff(
        before=_side(before),
        after=_side(after),
        origin=tuple(changes("", _origin(before), _origin(after))),
        run=tuple(changes("", _run(before), _run(after))),
        jobs=tuple(job for job in jobs if not job.empty),
        definitions=bounded(definitions),
        spec=bounded(changes("", _without_jobs(before.spec), _without_jobs(after.spec))),
    )


# --- States as JSON --------------------------------------------------------------------------------------------------


def _side(state: CheckpointState) -> Side:
    label, origin = state.label, state.origin
    return Side(label.id, label.name, origin.namespace, origin.name, label.created_at)


def _origin(state: CheckpointState) -> dict[str, Any]:
    origin = state.origin
    return {"namespace": origin.namespace, "execution": origin.name, "uid": origin.uid}


def _run(state: CheckpointState) -> dict[str, Any]:
    status, cancel = state.status, state.status.cancel
    told: dict[str, Any] = {"phase": phase_word(status.phase), "epoch": status.epoch}
    told |= {"reason": status.reason} if status.reason else {}
    told |= {"pause": _pause(status.pause)} if status.pause else {}
    return told | ({"cancel": {"requestId": cancel.request_id, "reason": cancel.reason}} if cancel else {})


def _pause(pause: PauseState) -> dict[str, Any]:
    told = {"phase": pause.phase.value.lower(), "mode": pause.mode, "by": pause.by, "reason": pause.reason}
    return told | {"since": format_time(pause.since)} | ({"until": format_time(pause.until)} if pause.until else {})


def _record(record: JobRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    told: dict[str, Any] = {"state": record.state.value.lower(), "attempt": record.attempt}
    told |= {"reason": record.reason} if record.reason else {}
    told |= {"exitCode": record.exit_code} if record.exit_code is not None else {}
    return told | ({"definition": record.definition} if record.definition else {})


def _outputs(record: JobRecord | None, tries: tuple[Attempt, ...]) -> Any:
    """What the latest attempt of a job has handed out."""
    latest = record.attempt if record else 0
    found = next((one.outputs for one in tries if one.number == latest), None)
    return ABSENT if found is None else found.value


def _without_jobs(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key != "jobs"}


# --- What differs ----------------------------------------------------------------------------------------------------


def _job(id: str, before: CheckpointState, after: CheckpointState) -> JobDiff:
    old, new = before.status.jobs.get(id), after.status.jobs.get(id)
    tried, tries = before.attempts.get(id, ()), after.attempts.get(id, ())
    known, now = {one.number for one in tried}, {one.number for one in tries}
    return JobDiff(
        id=id,
        before=old is not None,
        after=new is not None,
        record=tuple(changes("", _record(old), _record(new))),
        outputs=bounded(changes("outputs", _outputs(old, tried), _outputs(new, tries), 1)),
        attempts_added=tuple(sorted(now - known)),
        attempts_removed=tuple(sorted(known - now)),
    )


def _definitions(before: Any, after: Any) -> Iterator[Change]:
    old, new = _by_id(before), _by_id(after)
    if old is None or new is None or not (old or new):  # no list of jobs: none was accepted, but it was saved
        yield from changes("jobs", before, after, 0)
        return
    for id in in_order(old, new):
        yield from changes(f"jobs[{readable(id)}]", old.get(id, ABSENT), new.get(id, ABSENT))
    if old.keys() == new.keys():  # their order decides which of two that could start starts first
        yield from changes("jobs", list(old), list(new))


def _by_id(jobs: Any) -> dict[str, Any] | None:
    if isinstance(jobs, Absent):
        return {}
    if not isinstance(jobs, list) or not all(isinstance(j, dict) and isinstance(j.get("id"), str) for j in jobs):
        return None
    found = {job["id"]: job for job in jobs}
    return found if len(found) == len(jobs) else None


# --- For people ------------------------------------------------------------------------------------------------------


def lines(diff: Diff) -> list[str]:
    """The diff for a terminal: `+` was added, `-` was removed, `~` was changed."""
    found = [*_section("execution", [_line(change) for change in (*diff.origin, *diff.run)])]
    found += _section("jobs", [line for job in diff.jobs for line in _job_lines(job)])
    found += _section("definitions", _all_lines(diff.definitions))
    found += _section("spec", _all_lines(diff.spec))
    return [_side_line("before", diff.before), _side_line("after ", diff.after), *(found or ["no difference"])]


def _side_line(which: str, side: Side) -> str:
    where = f"({side.namespace}/{side.execution}, {format_time(side.created_at)})"
    return readable(f"{which} {side.id}  {side.name}  {where}")


def _section(title: str, found: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in found)] if found else []


def _job_lines(job: JobDiff) -> list[str]:
    mark = _mark(job.before, job.after)
    tries = [f"+ attempt {n}" for n in job.attempts_added] + [f"- attempt {n}" for n in job.attempts_removed]
    found = [*map(_line, job.record), *_all_lines(job.outputs), *tries]
    return [f"{mark} {readable(job.id)}", *(f"    {line}" for line in found)]


def _all_lines(found: Changes) -> list[str]:
    return [*map(_line, found.items), *([f"… and {found.more} more"] if found.more else [])]


def _line(change: Change) -> str:
    values = " -> ".join(_said(value) for value in (change.before, change.after) if value is not None)
    return f"{_mark(change.before, change.after)} {change.path}: {values}"


def _mark(before: object, after: object) -> str:
    return "~" if before and after else "+" if after else "-"


def _said(value: Value) -> str:
    return value.text if value.cut_from is None else f"{value.text} (cut, {value.cut_from} characters in all)"


# --- For programs ----------------------------------------------------------------------------------------------------


def to_wire(diff: Diff) -> dict[str, Any]:
    """The diff as plain JSON. A value is `{json: its text}`, or `{part, of}`: a part of so many characters."""
    return {
        "same": diff.empty,
        "before": _side_to_wire(diff.before),
        "after": _side_to_wire(diff.after),
        "origin": [_change_to_wire(change) for change in diff.origin],
        "run": [_change_to_wire(change) for change in diff.run],
        "jobs": [_job_to_wire(job) for job in diff.jobs],
        "definitions": _changes_to_wire(diff.definitions),
        "spec": _changes_to_wire(diff.spec),
    }


def _side_to_wire(side: Side) -> dict[str, Any]:
    return {
        "id": side.id, "name": side.name, "namespace": side.namespace, "execution": side.execution,
        "createdAt": format_time(side.created_at),
    }  # fmt: skip


def _job_to_wire(job: JobDiff) -> dict[str, Any]:
    return {
        "id": job.id,
        "change": {"~": "changed", "+": "added", "-": "removed"}[_mark(job.before, job.after)],
        "record": [_change_to_wire(change) for change in job.record],
        "outputs": _changes_to_wire(job.outputs),
        "attemptsAdded": list(job.attempts_added),
        "attemptsRemoved": list(job.attempts_removed),
    }


def _changes_to_wire(found: Changes) -> dict[str, Any]:
    return {"items": [_change_to_wire(change) for change in found.items], "more": found.more}


def _change_to_wire(change: Change) -> dict[str, Any]:
    both = {"before": change.before, "after": change.after}
    return {"path": change.path} | {side: _value_to_wire(v) for side, v in both.items() if v is not None}


def _value_to_wire(value: Value) -> dict[str, Any]:
    return {"json": value.text} if value.cut_from is None else {"part": value.text, "of": value.cut_from}


def from_wire(wire: Mapping[str, Any]) -> Diff:
    """The diff that `to_wire` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return Diff(
        before=_side_from_wire(wire["before"]),
        after=_side_from_wire(wire["after"]),
        origin=tuple(map(_change_from_wire, wire["origin"])),
        run=tuple(map(_change_from_wire, wire["run"])),
        jobs=tuple(map(_job_from_wire, wire["jobs"])),
        definitions=_changes_from_wire(wire["definitions"]),
        spec=_changes_from_wire(wire["spec"]),
    )


def _side_from_wire(wire: Mapping[str, Any]) -> Side:
    return Side(wire["id"], wire["name"], wire["namespace"], wire["execution"], known_time(wire["createdAt"]))


def _job_from_wire(wire: Mapping[str, Any]) -> JobDiff:
    return JobDiff(
        wire["id"], wire["change"] != "added", wire["change"] != "removed",
        tuple(map(_change_from_wire, wire["record"])), _changes_from_wire(wire["outputs"]),
        tuple(wire["attemptsAdded"]), tuple(wire["attemptsRemoved"]),
    )  # fmt: skip


def _changes_from_wire(wire: Mapping[str, Any]) -> Changes:
    return Changes(tuple(map(_change_from_wire, wire["items"])), int(wire["more"]))


def _change_from_wire(wire: Mapping[str, Any]) -> Change:
    before, after = (_value_from_wire(wire[side]) if side in wire else None for side in ("before", "after"))
    return Change(wire["path"], before, after)


def _value_from_wire(wire: Mapping[str, Any]) -> Value:
    return Value(wire["json"]) if "json" in wire else Value(wire["part"], int(wire["of"]))
