"""Requests by hand (`spec.requests`): retry a job, mark it completed, skip it, allow it more retries.

Rules:
- A request's id acts once; every request is answered, `Done` or `Refused` with a reason, in `status.requests`.
- A completed job is never run again by a request (that takes a restore), and a running one is not interfered with.
- What had been skipped because of the repaired job is considered again; a finished execution is taken up again, and the
  time it stood finished does not count for its timeout.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import assert_never

from cairn import names
from cairn.core import manifests
from cairn.core.actions import SaveResult
from cairn.core.draft import Draft
from cairn.core.outputs import OutputsError, from_text
from cairn.core.spec import Request, RequestType
from cairn.core.status import Acknowledged, JobRecord, JobState, Phase

_RECONSIDERED = {names.DEPENDENCY_FAILED, names.DEPENDENCY_SKIPPED, names.EXECUTION_FAILING, names.NOTHING_FAILED}


class _Refused(Exception):
    """Why a request is not carried out, for its answer."""


def answer_requests(draft: Draft) -> None:
    """Carry out, or refuse, every request that has not been answered before."""
    for request in draft.spec.requests:
        if not draft.status.acknowledged(request.id):
            _answer(draft, request)


def _answer(draft: Draft, request: Request) -> None:
    outcome, message = "Done", request.reason
    try:
        record = _carry_out(draft, request)
    except _Refused as refusal:
        outcome, message = "Refused", str(refusal)
    else:
        draft.put(record)
        _reconsider(draft, request)
    said = message[: names.MESSAGE_LIMIT]
    answer = Acknowledged(request.id, request.type.value, draft.now, outcome, request.job, said, request.by)
    kept = (*draft.status.requests, answer)[-names.RECORDED_REQUESTS :]
    draft.status = replace(draft.status, requests=kept)


def _carry_out(draft: Draft, request: Request) -> JobRecord:
    record = draft.records.get(request.job)
    if record is None:
        raise _Refused(f"job {request.job} was added too late: the execution has finished")
    if draft.ending:
        raise _Refused("the execution is cancelled or timed out")
    if request.type is RequestType.EXTEND_RETRIES:
        return replace(record, extra_retries=record.extra_retries + request.limit)
    if record.state is JobState.COMPLETED:
        raise _Refused(f"job {record.id} is completed; only a restore runs it again")
    if record.state is JobState.RUNNING:
        raise _Refused(f"job {record.id} is running; wait for it, or stop it by a pause with mode Stop")
    match request.type:
        case RequestType.RETRY:
            return _retried(record)
        case RequestType.SKIP:
            text = request.reason or "skipped by hand"
            return replace(record, finished_at=None).as_ended(JobState.SKIPPED, names.SKIPPED_BY_HAND, text, draft.now)
        case RequestType.COMPLETE:
            return _completed(draft, record, request)
        case _ as never:
            assert_never(never)


def _retried(record: JobRecord) -> JobRecord:
    if record.state is JobState.PENDING and record.retry_at is None:
        raise _Refused(f"job {record.id} has not run yet")
    return replace(record.as_pending("", ""), failures=0, disruptions=0)


def _completed(draft: Draft, record: JobRecord, request: Request) -> JobRecord:
    """Completed by hand, as an attempt of its own that no Kubernetes Job has run."""
    try:
        outputs = from_text(json.dumps(request.outputs, ensure_ascii=False)) if request.has_outputs else None
    except OutputsError as error:
        raise _Refused(error.message) from error
    done = JobRecord(
        record.id, attempt=record.last + 1, launched_at=draft.now, result=outputs.digest if outputs else "",
        failures=record.failures, disruptions=record.disruptions, extra_retries=record.extra_retries,
    ).as_ended(JobState.COMPLETED, names.COMPLETED_BY_HAND, request.reason, draft.now)  # fmt: skip
    draft.before.append(SaveResult(manifests.result(draft.identity, done, outputs, request.reason), outputs))
    if outputs is not None:
        draft.outputs[outputs.digest] = outputs
    return done


def _reconsider(draft: Draft, request: Request) -> None:
    """Whatever was skipped because of a failure is pending again, and a finished execution goes on."""
    if request.type is RequestType.EXTEND_RETRIES:
        return
    for record in list(draft.records.values()):
        if record.state is JobState.SKIPPED and record.reason in _RECONSIDERED:
            draft.put(replace(record.as_pending("", ""), finished_at=None))  # attempts go on: no number is used twice
    status = draft.status
    if status.finished and status.finished_at is not None:
        stood = int((draft.now - status.finished_at).total_seconds() * 1000)
        draft.status = replace(
            status, phase=Phase.RUNNING, finished_at=None, paused_millis=status.paused_millis + stood
        )
