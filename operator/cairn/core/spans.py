"""An execution as an OpenTelemetry trace: its root, a span for each attempt, one for each checkpoint.

Rules:
- Ids are made from the execution's UID, job and attempt: whoever emits a span, and however often, emits the same one.
- A span is emitted when it has ended, from the status that records the end. Nothing has to be remembered until then.
- Names, numbers and reasons only: no params, outputs, or messages, for these may quote what a container said.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.manifests import Identity
from cairn.core.measures import Change, changes, ending
from cairn.core.status import JobState, Phase, Status
from cairn.core.status_wire import count_states

_UUID = re.compile(r"[0-9a-f]{32}", re.ASCII)
Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Span:
    """One finished piece of an execution's trace."""

    trace: int  # 128 bits
    id: int  # 64 bits
    parent: int | None
    name: str
    start: datetime
    end: datetime
    attributes: Attributes = field(default_factory=dict)
    events: tuple[tuple[str, datetime], ...] = ()
    failed: str = ""  # the reason, if it failed


def trace_id(uid: str) -> int:
    """The UID of the execution itself, where it is a UUID: so whoever has the object finds the trace."""
    written = uid.replace("-", "")
    return int(written, 16) or 1 if _UUID.fullmatch(written) else _hashed(16, uid)


def span_id(uid: str, *parts: str | int) -> int:
    """The same for the same execution, job and attempt; the root's has no parts."""
    return _hashed(8, uid, *parts)


def _hashed(size: int, *parts: str | int) -> int:
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:size]) or 1  # zero is no id


def of_status(identity: Identity, old: Status, new: Status, now: datetime) -> list[Span]:
    """The spans that have ended between two statuses, attempts first."""
    found = [_attempt(identity, change, now) for change in changes(old, new) if change.ended]
    if ending(old, new) is not None:
        found.append(_root(identity, new, now))
    return found


def of_checkpoint(identity: Identity, taken: CheckpointObject, now: datetime) -> Span:
    """A checkpoint of an execution, from its object's creation until it was Ready."""
    return Span(
        trace_id(identity.uid), span_id(identity.uid, "checkpoint", taken.uid), span_id(identity.uid),
        f"checkpoint {taken.trigger}", taken.created_at, max(now, taken.created_at),
        _about(identity) | {
            "cairn.checkpoint.id": taken.id, "cairn.checkpoint.name": taken.name,
            "cairn.checkpoint.trigger": taken.trigger.value, "cairn.checkpoint.bytes": taken.size_bytes,
        },
    )  # fmt: skip


def _about(identity: Identity) -> dict[str, str | int]:
    return {
        "k8s.namespace.name": identity.namespace, "cairn.execution.name": identity.name,
        "cairn.execution.uid": identity.uid,
    }  # fmt: skip


def _attempt(identity: Identity, change: Change, now: datetime) -> Span:
    before, after = change.before, change.after
    same = after.attempt == before.attempt
    start = before.launched_at or now
    end = max((after.finished_at if same else None) or now, start)
    reason = change.reason
    started = after.started_at if same else before.started_at
    attributes = _about(identity)
    attributes |= {"cairn.job": before.id, "cairn.attempt": before.attempt, "cairn.state": change.outcome}
    attributes |= {"cairn.reason": reason} if reason else {}
    attributes |= {"cairn.exit_code": after.exit_code} if same and after.exit_code is not None else {}
    failed = reason or change.outcome if change.outcome == JobState.FAILED else ""
    return Span(
        trace_id(identity.uid), span_id(identity.uid, before.id, before.attempt), span_id(identity.uid),
        f"job {before.id}", start, end, attributes,
        (("started", started),) if started else (), failed,
    )  # fmt: skip


def _root(identity: Identity, status: Status, now: datetime) -> Span:
    counts = count_states(status.jobs.values())
    end = status.finished_at or now
    return Span(
        trace_id(identity.uid), span_id(identity.uid), None, f"execution {identity.name}",
        min(status.started_at or end, end), end,
        _about(identity) | {"cairn.phase": status.phase.value, "cairn.reason": status.reason}
        | {f"cairn.jobs.{state}": count for state, count in counts.items()},
        failed="" if status.phase is Phase.SUCCEEDED else status.reason,
    )  # fmt: skip
