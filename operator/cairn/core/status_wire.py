"""The compact form of a status that is stored: the `status` of the custom resource.

A field at its default is not written: 1,000 jobs must stay small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cairn.core.checkpoint import book
from cairn.core.restore import progress
from cairn.core.status import (
    Acknowledged,
    CancelState,
    Condition,
    JobRecord,
    JobState,
    PausePhase,
    PauseState,
    Phase,
    Status,
    Stopping,
)
from cairn.core.times import format_time, known_time, parse_time
from cairn.core.wire import UNREADABLE, broken_part, without_empty

_RECORDS_AT_HAND = 8192  # a write of the status tells of every job, and few of them have changed since the last one
_OF_THE_WHOLE = frozenset({"phase", "reason", "message", "observedGeneration"})
_RECORD_TIMES = {"launchedAt": "launched_at", "startedAt": "started_at", "finishedAt": "finished_at",
                 "retryAt": "retry_at"}  # fmt: skip
_RECORD_PLAIN = {
    "attempt": "attempt", "reason": "reason", "message": "message", "uid": "uid", "podUid": "pod_uid",
    "hash": "definition", "result": "result", "failures": "failures", "disruptions": "disruptions",
    "extraRetries": "extra_retries", "pausedFor": "paused_for", "used": "used",
}  # fmt: skip


@lru_cache(maxsize=_RECORDS_AT_HAND)
def record_to_wire(record: JobRecord) -> Mapping[str, Any]:
    """The compact form: only what differs from a default. The same record has the same one, so nobody changes it."""
    wire: dict[str, Any] = {"id": record.id, "state": record.state.value}
    for key, name in _RECORD_PLAIN.items():
        if value := getattr(record, name):
            wire[key] = value
    for key, name in _RECORD_TIMES.items():
        if value := getattr(record, name):
            wire[key] = format_time(value)
    if record.exit_code is not None:
        wire["exitCode"] = record.exit_code
    if record.stopping is not None:
        wire["stopping"] = record.stopping.value
    return wire


def record_from_wire(wire: Mapping[str, Any]) -> JobRecord:
    """The record that `record_to_wire` wrote."""
    known: dict[str, Any] = {name: wire[key] for key, name in _RECORD_PLAIN.items() if key in wire}
    known |= {name: parse_time(wire[key]) for key, name in _RECORD_TIMES.items() if key in wire}
    stopping = wire.get("stopping")
    return JobRecord(
        id=wire["id"],
        state=JobState(wire["state"]),
        exit_code=wire.get("exitCode"),
        stopping=Stopping(stopping) if stopping else None,
        **known,
    )


def _time(value: datetime | None) -> str | None:
    return format_time(value) if value else None


def _pause_to_wire(pause: PauseState) -> dict[str, Any]:
    return without_empty(
        {"phase": pause.phase.value, "since": format_time(pause.since), "generation": pause.generation,
         "by": pause.by, "reason": pause.reason, "mode": pause.mode, "until": _time(pause.until),
         "running": list(pause.running)}
    ) | {"count": pause.count}  # fmt: skip


def _pause_from_wire(wire: Mapping[str, Any]) -> PauseState:
    return PauseState(
        phase=PausePhase(wire["phase"]), since=known_time(wire["since"]), generation=wire.get("generation", 0),
        by=wire.get("by", "user"), reason=wire.get("reason", ""), mode=wire.get("mode", "Drain"),
        until=parse_time(wire.get("until")), running=tuple(wire.get("running", ())), count=wire.get("count", 0),
    )  # fmt: skip


def _condition_to_wire(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type, "status": "True" if condition.status else "False", "reason": condition.reason,
        "message": condition.message, "observedGeneration": condition.observed_generation,
        "lastTransitionTime": format_time(condition.last_transition),
    }  # fmt: skip


def _condition_from_wire(wire: Mapping[str, Any]) -> Condition:
    told = (wire["type"], wire["status"] == "True", wire["reason"], wire.get("message", ""))
    return Condition(*told, wire.get("observedGeneration", 0), known_time(wire["lastTransitionTime"]))


def _acknowledged_to_wire(ack: Acknowledged) -> dict[str, Any]:
    return without_empty(
        {"id": ack.id, "type": ack.type, "at": format_time(ack.at), "outcome": ack.outcome, "job": ack.job,
         "message": ack.message, "by": ack.by}
    )  # fmt: skip


def _acknowledged_from_wire(wire: Mapping[str, Any]) -> Acknowledged:
    return Acknowledged(
        wire["id"], wire["type"], known_time(wire["at"]), wire.get("outcome", "Done"), wire.get("job", ""),
        wire.get("message", ""), wire.get("by", ""),
    )  # fmt: skip


def count_states(records: Iterable[JobRecord]) -> dict[str, int]:
    """How many jobs are in each state, by its lower-case name, and in total."""
    counts = Counter(record.state for record in records)
    return {"total": counts.total()} | {state.value.lower(): counts[state] for state in JobState}


def to_wire(status: Status) -> dict[str, Any]:
    """The `status` of the custom resource, counts and progress for its columns included."""
    counts = count_states(status.jobs.values())
    cancel = status.cancel
    return without_empty(
        {
            "observedGeneration": status.observed_generation,
            "phase": status.phase.value,
            "reason": status.reason,
            "message": status.message,
            "startedAt": _time(status.started_at),
            "finishedAt": _time(status.finished_at),
            "progress": f"{counts['completed']}/{counts['total']}" if status.jobs else None,
            "counts": counts if status.jobs else None,
            "pause": _pause_to_wire(status.pause) if status.pause else None,
            "cancel": {"requestId": cancel.request_id, "reason": cancel.reason, "at": format_time(cancel.at)}
            if cancel
            else None,
            "timedOutAt": _time(status.timed_out_at),
            "requests": [_acknowledged_to_wire(r) for r in status.requests],
            "jobs": [record_to_wire(r) for r in status.jobs.values()],
            "checkpointing": book.to_wire(status.checkpointing),
            "restore": progress.to_wire(status.restore) if status.restore else None,
            "restoredFrom": progress.restored_to_wire(status.restored_from) if status.restored_from else None,
            "forks": [progress.fork_to_wire(f) for f in status.forks],
            "conditions": [_condition_to_wire(c) for c in status.conditions],
        }
    ) | {"pausedMillis": status.paused_millis, "epoch": status.epoch}


def from_wire(wire: Mapping[str, Any]) -> Status:
    """The status that `to_wire` wrote; an empty mapping is the status of a new execution.

    Of what was written by other hands, and cannot be read, only what it says of the whole is kept.
    """
    try:
        return _from_wire(wire)
    except UNREADABLE:
        whole = {key: wire[key] for key in _OF_THE_WHOLE & wire.keys()}
        return replace(_from_wire(whole), unreadable=broken_part(wire, _from_wire))


def _from_wire(wire: Mapping[str, Any]) -> Status:
    cancel = wire.get("cancel")
    timedelta(milliseconds=wire.get("pausedMillis", 0))  # an int64 may be more than any calculation with it can bear
    return Status(
        phase=Phase(wire.get("phase", "Pending")),
        reason=wire.get("reason", ""),
        message=wire.get("message", ""),
        observed_generation=wire.get("observedGeneration", 0),
        started_at=parse_time(wire.get("startedAt")),
        finished_at=parse_time(wire.get("finishedAt")),
        pause=_pause_from_wire(wire["pause"]) if wire.get("pause") else None,
        paused_millis=wire.get("pausedMillis", 0),
        epoch=wire.get("epoch", 0),
        cancel=CancelState(cancel["requestId"], cancel.get("reason", ""), known_time(cancel["at"])) if cancel else None,
        timed_out_at=parse_time(wire.get("timedOutAt")),
        requests=tuple(_acknowledged_from_wire(r) for r in wire.get("requests", ())),
        jobs={r["id"]: record_from_wire(r) for r in wire.get("jobs", ())},
        conditions=tuple(_condition_from_wire(c) for c in wire.get("conditions", ())),
        checkpointing=book.from_wire(wire.get("checkpointing") or {}),
        restore=progress.from_wire(wire["restore"]) if wire.get("restore") else None,
        restored_from=progress.restored_from_wire(wire["restoredFrom"]) if wire.get("restoredFrom") else None,
        forks=tuple(progress.fork_from_wire(f) for f in wire.get("forks", ())),
    )
