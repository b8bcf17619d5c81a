"""A checkpoint's state as canonical JSON that digests are made over, and back: exactly (invariant 5).

Rules:
- `deserialize` is the inverse of `serialize`. Left out on purpose: conditions and the bookkeeping of checkpoints, which
  are no state of the run, and whatever a time has beyond milliseconds, which no object of Kubernetes keeps either.
- The document says everything, defaults included: a default that changes with a version changes no old checkpoint.
- Absent and null are told apart where they differ: `outputs`, `logTail`, `jobConfigs` and `params` are left out when
  there are none. Outputs that are `null` have a digest like any other.
- Outputs and log tails are named by SHA-256 in the document and kept beside it; the digest covers the parent's digest
  and the document, hence all of them, and the whole chain before it.
- What is read is never half right: a newer schema, a missing, surplus or changed byte, and a state that cannot be are
  refused, each with the error that says who must act. A key more or less is another schema, so it needs a new version.
- `state_digest` is over what *unchanged* means, and knows it from the status alone (see there).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from cairn.core.checkpoint import reading
from cairn.core.checkpoint.canonical import assembled, canonical, digest_of, utf8
from cairn.core.checkpoint.reading import SCHEMA_VERSION
from cairn.core.checkpoint.state import Attempt, CheckpointState, Label, Origin, Serialized
from cairn.core.checkpoint.validate import validate
from cairn.core.status import Acknowledged, JobRecord, JobState, PauseState, Phase, Status
from cairn.core.times import format_time
from cairn.errors import DamagedPayload, WrongDigest

_SHOWN = 5  # how many of the problems found an error tells


def serialize(state: CheckpointState) -> Serialized:
    """The state written down. Raises ValueError if there are attempts of a job that the status does not know."""
    if unknown := state.attempts.keys() - state.status.jobs.keys():
        raise ValueError(f"attempts of jobs that the status does not know: {', '.join(sorted(unknown))}")
    texts: dict[str, str] = {}
    # One by one: what is written beside the loop must let others have their turn, and one call would not.
    jobs = [canonical(_job(record, state.attempts.get(id, ()), texts)) for id, record in state.status.jobs.items()]
    spec = {key: canonical(value) for key, value in state.spec.items()}
    whole_spec = digest_of(assembled(spec))
    unchanged = state_digest(whole_spec, state.status)
    values = {
        "schemaVersion": SCHEMA_VERSION,
        "checkpoint": _label(state.label),
        "execution": _execution(state.origin, state.status),
        "specDigest": whole_spec,
        "stateDigest": unchanged,
        "pause": _pause(state.status.pause),
    }
    written = {key: canonical(value) for key, value in values.items()} | {"jobs": b"[" + b",".join(jobs) + b"]"}
    document = assembled(written | _spec(spec))
    parent = state.label.parent
    return Serialized(document, texts, document_digest(document, parent.digest if parent else None), unchanged)


def deserialize(content: Serialized) -> CheckpointState:
    """The state that `serialize` wrote. Raises NewerSchema, DamagedPayload, WrongDigest."""
    document = reading.head(content.document)
    parent = reading.parent_of(document)
    _check_digests(document, content, parent.digest if parent else None)
    state = reading.state_of(document, content.texts)
    if problems := validate(state):
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise DamagedPayload("; ".join(problems[:_SHOWN]) + more)
    return state


def salvage(content: Serialized) -> CheckpointState:
    """What can be made of a state whose digests do not hold, for somebody who insists. Raises as `deserialize` does."""
    state = reading.state_of(reading.head(content.document), content.texts)
    if problems := validate(state):
        raise DamagedPayload("; ".join(problems[:_SHOWN]))
    return state


def verify(content: Serialized, parent_digest: str | None) -> None:
    """Check what a store has read, with the digest of the parent that it names: every byte is as it was written.

    What it means is for `deserialize` to say. Raises NewerSchema, DamagedPayload, WrongDigest.
    """
    document = reading.head(content.document)
    _check_digests(document, content, parent_digest)
    reading.check_texts(document, content.texts)


def _check_digests(document: dict[str, Any], content: Serialized, parent_digest: str | None) -> None:
    if document_digest(content.document, parent_digest) != content.digest:
        raise WrongDigest(f"the document and its parent's digest do not give the digest {content.digest}")
    parent = reading.parent_of(document)
    if (parent.digest if parent else None) != parent_digest:
        raise WrongDigest("checkpoint.parent: not the parent that the checkpoint is stored with")
    if reading.state_digest_of(document) != content.state_digest:
        raise WrongDigest(f"stateDigest: not the one that the checkpoint is stored with, {content.state_digest}")


# --- Digests ---------------------------------------------------------------------------------------------------------


def document_digest(document: bytes, parent_digest: str | None) -> str:
    """What names a checkpoint's content, and through the parent's digest everything before it. The same for ever."""
    return digest_of((parent_digest or "").encode() + b"\n" + document)


def spec_digest(spec: Mapping[str, Any]) -> str:
    """The digest of the whole spec, jobs, params and pause included."""
    return digest_of(canonical(dict(spec)))


def state_digest(spec_digest: str, status: Status) -> str:
    """The digest over what *unchanged* means: the same work done, and the same work ahead.

    In it: the spec (so jobs, params and pause), the phase, whether the run is paused, cancelled or timed out, and of
    each job its state, its latest attempt with exit code and outputs, and what was counted of those before it.
    Not in it: times, UIDs, reasons, messages, how far a pause has come, requests, the epoch. They may change with no
    work done, and a checkpoint for each would be one too many.
    """
    jobs = [
        (r.id, r.state, r.attempt, r.exit_code, r.result, r.failures, r.disruptions, r.extra_retries)
        for r in status.jobs.values()
    ]
    ends = (status.pause is not None, status.cancel is not None, status.timed_out_at is not None)
    return digest_of(canonical((spec_digest, status.phase, ends, jobs)))


# --- Writing ---------------------------------------------------------------------------------------------------------

# Looked up, not computed: with many jobs, `.value.lower()` for each is what takes the time.
_STATES = {state: word for word, state in reading.JOB_STATES.items()}
_PHASES = {phase: word for word, phase in reading.PHASES.items()}


def phase_word(phase: Phase) -> str:
    """How the serialized state and the REST API call a phase: in lower case, and `completed` for Succeeded."""
    return _PHASES[phase]


@lru_cache(maxsize=16384)  # one checkpoint after the other writes the same times, and no other step took as long
def _time(value: datetime | None) -> str | None:
    return None if value is None else format_time(value)


def _label(label: Label) -> dict[str, Any]:
    return {
        "id": label.id,
        "name": label.name,
        "trigger": label.trigger.value,
        "createdAt": _time(label.created_at),
        "createdBy": label.created_by,
        "metadata": dict(label.metadata),
        "parent": {"id": label.parent.id, "digest": label.parent.digest} if label.parent else None,
    }


def _execution(origin: Origin, status: Status) -> dict[str, Any]:
    cancel = status.cancel
    return {
        "id": origin.uid,
        "namespace": origin.namespace,
        "name": origin.name,
        "generation": origin.generation,
        "resourceVersion": origin.resource_version,
        "status": _PHASES[status.phase],
        "reason": status.reason,
        "message": status.message,
        "observedGeneration": status.observed_generation,
        "startedAt": _time(status.started_at),
        "finishedAt": _time(status.finished_at),
        "pausedMillis": status.paused_millis,
        "epoch": status.epoch,
        "cancel": {"requestId": cancel.request_id, "reason": cancel.reason, "at": _time(cancel.at)} if cancel else None,
        "timedOutAt": _time(status.timed_out_at),
        "requests": [_request(r) for r in status.requests],
    }


def _request(answer: Acknowledged) -> dict[str, Any]:
    return {
        "id": answer.id,
        "type": answer.type,
        "at": _time(answer.at),
        "outcome": answer.outcome,
        "job": answer.job,
        "message": answer.message,
        "by": answer.by,
    }


def _spec(spec: dict[str, bytes]) -> dict[str, bytes]:
    """The spec in three parts; `jobs` and `params` are left out if the user wrote none."""
    rest = {key: text for key, text in spec.items() if key not in reading.SPEC_PARTS}
    return {"spec": assembled(rest)} | {reading.SPEC_PARTS[key]: spec[key] for key in spec.keys() - rest.keys()}


def _pause(pause: PauseState | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {
        "phase": pause.phase.value.lower(),
        "since": _time(pause.since),
        "generation": pause.generation,
        "by": pause.by,
        "reason": pause.reason,
        "mode": pause.mode,
        "until": _time(pause.until),
        "running": list(pause.running),
        "count": pause.count,
    }


def _job(record: JobRecord, attempts: tuple[Attempt, ...], texts: dict[str, str]) -> dict[str, Any]:
    return {
        "id": record.id,
        "status": _STATES[record.state],
        "attempt": record.attempt,
        "reason": record.reason,
        "message": record.message,
        "launchedAt": _time(record.launched_at),
        "startedAt": _time(record.started_at),
        "finishedAt": _time(record.finished_at),
        "uid": record.uid,
        "podUid": record.pod_uid,
        "definition": record.definition,
        "result": record.result,
        "exitCode": record.exit_code,
        "failures": record.failures,
        "disruptions": record.disruptions,
        "retryAt": _time(record.retry_at),
        "stopping": record.stopping,
        "extraRetries": record.extra_retries,
        "pausedFor": record.paused_for,
        "used": record.used,
        "attempts": [_attempt(attempt, texts) for attempt in attempts],
    }


def _attempt(attempt: Attempt, texts: dict[str, str]) -> dict[str, Any]:
    """One try; what went wrong is its `error`, and what else there is to say its `reason` and `message`."""
    said = {"reason": attempt.reason, "message": attempt.message}
    written: dict[str, Any] = {
        "number": attempt.number,
        "status": _STATES[attempt.state],
        "startedAt": _time(attempt.started_at),
        "finishedAt": _time(attempt.finished_at),
        "exitCode": attempt.exit_code,
        "uid": attempt.uid,
    } | ({"error": said} if attempt.state is JobState.FAILED else said)
    if attempt.outputs is not None:
        written["outputs"] = _text(attempt.outputs.text, attempt.outputs.digest, texts)
    if attempt.log_tail is not None:
        written["logTail"] = _text(attempt.log_tail, digest_of(utf8(attempt.log_tail)), texts)
    return written


def _text(text: str, digest: str, texts: dict[str, str]) -> dict[str, Any]:
    texts[digest] = text
    return {"sha256": digest, "bytes": len(text) if text.isascii() else len(utf8(text))}
