"""What is written into the spec of an execution to ask something of it: pause, resume, hold, cancel, repair, restore.

Rules:
- A request is a merge patch, made from the execution as it was read. Where it replaces a list (`FENCED`), it is to be
  written on that version, and made anew after a conflict; else on that UID, so that no busy status delays a pause.
- None: there is nothing to write, since it stands like that already. So asking twice asks once.
- A merge patch leaves alone what it does not name; so it says null of each field that belongs to an earlier request.
- What does not go with how things stand is refused here, in words, before it is written (`WrongState`); where the
  operator would refuse it, its answer in the status is waited for instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cairn.core.restore.progress import UNDER_WAY
from cairn.core.spec import RequestType
from cairn.core.status import FINISHED, PausePhase, Phase
from cairn.core.times import format_time
from cairn.core.wire import without_empty
from cairn.errors import KeyReused, WrongState
from cairn.names import RECORDED_REQUESTS

Body = Mapping[str, Any]
Patch = dict[str, Any]
Ask = Callable[[Body], Patch | None]

_REQUESTS_AT_MOST = 50
_KEYED = re.compile(r"(api-[0-9a-f]{32}-)[0-9a-f]{16}")  # what an Idempotency-Key determines, and of which body
FENCED = frozenset({"hold", "requests"})
_SOURCE = ("checkpointName", "checkpointId", "latestOf")
_RESTORE = (*_SOURCE, "namespace", "rerun", "confirm", "force", "dryRun", "planDigest", "requestId")


# --- Reading ---------------------------------------------------------------------------------------------------------


def phase_of(body: Body) -> Phase:
    """Where an execution stands; one without a status has just been created."""
    return Phase((body.get("status") or {}).get("phase", Phase.PENDING))


def is_paused(body: Body) -> bool:
    """Whether its spec asks for a pause."""
    return bool((body.get("spec") or {}).get("paused"))


def pause_generation(body: Body) -> int:
    """The generation of the spec by which its pause began, as far as that has been seen."""
    pause = (body.get("status") or {}).get("pause") or {}
    return int(pause.get("generation") or body["metadata"]["generation"])


def is_seen(body: Body) -> bool:
    """Whether its status speaks of the spec as it is now."""
    return bool((body.get("status") or {}).get("observedGeneration", 0) >= body["metadata"]["generation"])


def has_drained(body: Body) -> bool:
    """Whether its pause has come to its end. Raises WrongState if that will not be: it has finished, or goes on."""
    if not is_seen(body):
        return False
    if phase_of(body) in FINISHED:
        raise WrongState(f"{_title(body)} has finished ({phase_of(body)}) before it was paused")
    if not is_paused(body):
        raise WrongState(f"{_title(body)} was resumed before all of it had stopped")
    return ((body["status"].get("pause")) or {}).get("phase") == PausePhase.PAUSED


def has_finished(body: Body) -> bool:
    """Whether it has come to its end, and nothing that was asked since keeps it from that."""
    step = ((body.get("status") or {}).get("restore") or {}).get("phase")
    return is_seen(body) and phase_of(body) in FINISHED and step not in UNDER_WAY


def answer_to(body: Body, request_id: str) -> Mapping[str, Any] | None:
    """The answer in the status to a request (of repair, cancel or restore); None: there is none yet."""
    answers = (body.get("status") or {}).get("requests") or ()
    return next((a for a in reversed(answers) if a["id"] == request_id), None)


def refuse_reuse(body: Body, request_id: str) -> None:
    """Do nothing unless a request with the same key asked for something else. Raises KeyReused."""
    keyed = _KEYED.fullmatch(request_id)
    if keyed and any(known.startswith(keyed[1]) and known != request_id for known in _request_ids(body)):
        raise KeyReused(f"something else was asked of {_title(body)} with the same key")


def _request_ids(body: Body) -> list[str]:
    """The ids of all requests that it knows of."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    single = [(spec.get(field) or {}).get("requestId") or "" for field in ("cancel", "restoreFrom")]
    return [*single, *(each["id"] for each in (*(spec.get("requests") or ()), *(status.get("requests") or ())))]


def _title(body: Body) -> str:
    return f"execution {body['metadata']['namespace']}/{body['metadata']['name']}"


def _refuse_finished(body: Body, verb: str, way_out: str) -> None:
    phase = phase_of(body)
    if phase in FINISHED:
        raise WrongState(f"{_title(body)} has finished ({phase}) and cannot be {verb}; {way_out}", reason=phase.value)


# --- Asking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that somebody asks for."""

    reason: str = ""
    mode: str = ""  # Drain or Stop; empty: as the spec has it
    until: datetime | None = None
    checkpoint: bool | None = None  # whether the drained state is saved; None: as the spec has it


def pause(asked: Pause) -> Ask:
    """Pause it. An earlier pause's reason and end do not stay."""

    def ask(body: Body) -> Patch | None:
        _refuse_finished(body, "paused", "a finished execution launches nothing")
        if is_paused(body):
            return None
        fields: Patch = {
            "reason": asked.reason or None, "until": format_time(asked.until) if asked.until else None,
        }  # fmt: skip
        fields |= {"mode": asked.mode} if asked.mode else {}
        fields |= {"checkpoint": asked.checkpoint} if asked.checkpoint is not None else {}
        return {"paused": True, "pause": fields}

    return ask


def resume(body: Body) -> Patch | None:
    """Resume it."""
    _refuse_finished(body, "resumed", "retry a job of it, rewind it, or fork one of its checkpoints")
    return unpause(body)


def unpause(body: Body) -> Patch | None:
    """Take its pause off, whatever else becomes of it."""
    return {"paused": False, "pause": {"reason": None, "until": None}} if is_paused(body) else None


def unpause_after(request_id: str) -> Ask:
    """Take off the pause that a rewind has found; one that was asked for after it stays."""

    def ask(body: Body) -> Patch | None:
        restore = (body.get("status") or {}).get("restore") or {}
        newest = restore.get("requestId") == request_id
        changed = not newest or body["metadata"]["generation"] > restore["observedGeneration"]
        return None if changed and answer_to(body, request_id) is not None else unpause(body)

    return ask


def cancel(request_id: str, reason: str = "") -> Ask:
    """Cancel it."""

    def ask(body: Body) -> Patch | None:
        refuse_reuse(body, request_id)
        if answer_to(body, request_id) is not None:
            return None
        _refuse_finished(body, "cancelled", "nothing of it runs")
        return {"cancel": without_empty({"requestId": request_id, "reason": reason})}

    return ask


def hold(add: Collection[str] = (), remove: Collection[str] = ()) -> Ask:
    """Hold jobs back, or let them go."""

    def ask(body: Body) -> Patch | None:
        held = list(body["spec"].get("hold") or ())
        wanted = [*(job for job in held if job not in remove), *(job for job in add if job not in held)]
        return {"hold": wanted} if wanted != held else None

    return ask


@dataclass(frozen=True, slots=True)
class Repair:
    """Something to be done to one job by hand."""

    id: str
    type: RequestType
    job: str
    outputs: Mapping[str, Any] | None = None  # of a job that is marked as completed
    limit: int | None = None  # of more retries
    by: str = ""
    reason: str = ""

    def to_wire(self) -> Patch:
        """The request as it is written."""
        plain = {"id": self.id, "type": self.type.value, "job": self.job, "by": self.by, "reason": self.reason}
        more = {"outputs": self.outputs, "limit": self.limit}
        return without_empty(plain) | {key: value for key, value in more.items() if value is not None}


def repair(*asked: Repair) -> Ask:
    """Repair it. Requests that were answered before make room for new ones."""

    def ask(body: Body) -> Patch | None:
        for request in asked:
            refuse_reuse(body, request.id)
        there = list(body["spec"].get("requests") or ())
        known = {request["id"] for request in there}
        fresh = [r.to_wire() for r in asked if r.id not in known and answer_to(body, r.id) is None]
        if not fresh:
            return None
        over = len(there) + len(fresh) - _REQUESTS_AT_MOST
        done = [r["id"] for r in there if answer_to(body, r["id"]) is not None][: max(over, 0)]
        if over > len(done):
            text = f"{_title(body)} has {len(there)} requests that are not answered yet; {_REQUESTS_AT_MOST} fit"
            raise WrongState(f"{text}: is the operator running?")
        return {"requests": [*(r for r in there if r["id"] not in done), *fresh]}

    return ask


def restore(asked: Mapping[str, Any]) -> Ask:
    """Rewind it, as `spec.restoreFrom` says; with a `requestId` that was answered before nothing is written."""

    def ask(body: Body) -> Patch | None:
        refuse_reuse(body, asked["requestId"])
        if answer_to(body, asked["requestId"]) is not None:
            return None
        if ((body.get("spec") or {}).get("restoreFrom") or {}).get("requestId") == asked["requestId"]:
            return None
        return {"restoreFrom": {name: asked.get(name) for name in _RESTORE}}

    return ask


assert _REQUESTS_AT_MOST < RECORDED_REQUESTS, "an answered request must not be forgotten while it can be asked again"
