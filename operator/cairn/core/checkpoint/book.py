"""What an execution's status remembers of its checkpoints: decided ones, the last one, the last failure.

Rules:
- Intent before effect, as with launches: a checkpoint is decided in the same status write that records what it is for,
  so that no crash between the two can lose it. It stays `pending` until its object is Ready or Failed.
- None of this is state of the run: it is left out of checkpoints and of what *unchanged* means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cairn.core.checkpoint.trigger import Trigger
from cairn.core.times import format_time, known_time, parse_time

SHOWN_CAUSES = 100


@dataclass(frozen=True, slots=True)
class Pending:
    """A checkpoint that is decided and not settled yet."""

    name: str  # of its object
    trigger: Trigger
    label: str
    causes: tuple[str, ...]  # ids of jobs, numbers of levels, or a time; the first so many
    since: datetime
    more: int = 0  # causes that are not listed


@dataclass(frozen=True, slots=True)
class Last:
    """The newest checkpoint that is Ready."""

    name: str
    id: str
    trigger: Trigger
    at: datetime
    state_digest: str
    ended: int  # jobs that had run and were done


@dataclass(frozen=True, slots=True)
class Failure:
    """The newest checkpoint that could not be taken."""

    name: str
    reason: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Book:
    """The bookkeeping of one execution's checkpoints."""

    settings: Mapping[str, Any] = field(default_factory=dict)  # resolved, as they are shown
    last: Last | None = None
    failed: Failure | None = None
    pending: tuple[Pending, ...] = ()
    next: datetime | None = None  # when the next time-based one is due, if something changes until then
    unsaved: int = 0  # jobs that ended after the last one: the work at risk

    def without(self, *names: str) -> Book:
        """The book with these checkpoints no more pending."""
        return replace(self, pending=tuple(p for p in self.pending if p.name not in names))

    def awaited(self, trigger: Trigger, cause: str) -> Pending | None:
        """The pending checkpoint with that cause."""
        return next((p for p in self.pending if p.trigger is trigger and cause in p.causes), None)


# --- The stored form -------------------------------------------------------------------------------------------------


def to_wire(book: Book) -> dict[str, Any]:
    """The book as `status.checkpointing`; empty for an empty one."""
    wire: dict[str, Any] = {"settings": dict(book.settings)} if book.settings else {}
    if book.last is not None:
        last = book.last
        wire["last"] = {
            "name": last.name, "checkpointId": last.id, "trigger": last.trigger.value, "at": format_time(last.at),
            "stateDigest": last.state_digest, "endedJobs": last.ended,
        }  # fmt: skip
    if book.failed is not None:
        failed = book.failed
        wire["failed"] = {
            "name": failed.name, "reason": failed.reason, "message": failed.message, "at": format_time(failed.at),
        }  # fmt: skip
    if book.pending:
        wire["pending"] = [_pending_to_wire(p) for p in book.pending]
    if book.next is not None:
        wire["next"] = format_time(book.next)
    return wire | {"unsaved": book.unsaved} if wire else {}


def _pending_to_wire(pending: Pending) -> dict[str, Any]:
    return {
        "name": pending.name, "trigger": pending.trigger.value, "label": pending.label,
        "causes": list(pending.causes), "since": format_time(pending.since), "more": pending.more,
    }  # fmt: skip


def from_wire(wire: Mapping[str, Any]) -> Book:
    """The book that `to_wire` wrote."""
    last, failed = wire.get("last"), wire.get("failed")
    return Book(
        settings=dict(wire.get("settings", {})),
        last=_last_from_wire(last) if last else None,
        failed=_failure_from_wire(failed) if failed else None,
        pending=tuple(
            Pending(p["name"], Trigger(p["trigger"]), p["label"], tuple(p["causes"]), known_time(p["since"]), p["more"])
            for p in wire.get("pending", ())
        ),
        next=parse_time(wire.get("next")),
        unsaved=wire.get("unsaved", 0),
    )


def _last_from_wire(wire: Mapping[str, Any]) -> Last:
    return Last(
        wire["name"], wire["checkpointId"], Trigger(wire["trigger"]), known_time(wire["at"]), wire["stateDigest"],
        wire["endedJobs"],
    )  # fmt: skip


def _failure_from_wire(wire: Mapping[str, Any]) -> Failure:
    return Failure(wire["name"], wire["reason"], wire.get("message", ""), known_time(wire["at"]))
