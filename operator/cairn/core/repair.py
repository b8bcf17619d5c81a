"""Requests by hand (`spec.requests`): retry a job, mark it completed, skip it, allow it more retries.

Rules:
- A request's id acts once; every request is answered, `Done` or `Refused` with a reason, in `status.requests`.
- A retry runs the job again and whatever of its descendants has ended, as a restore would; naming the job is the word
  that its own `replay` may ask for, but not that of another one.
- A running job is not interfered with, and no other request changes one that has completed.
- What had been skipped because of a failure, or of a cancel, is considered again; a finished execution is taken up
  again, whatever it came to, and the time it stood finished does not count for its timeout.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import assert_never

from cairn import names
from cairn.core import graph, manifests
from cairn.core.actions import SaveResult
from cairn.core.draft import Draft
from cairn.core.notes import listed
from cairn.core.outputs import OutputsError, from_text
from cairn.core.spec import Replay, Request, RequestType
from cairn.core.status import Acknowledged, JobRecord, JobState, Phase

_RECONSIDERED = {
    names.DEPENDENCY_FAILED, names.DEPENDENCY_SKIPPED, names.EXECUTION_FAILING, names.NOTHING_FAILED,
    names.CANCELLED, names.TIMED_OUT,
}  # fmt: skip


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
    if draft.ending and not draft.status.finished:
        raise _Refused("the execution is being cancelled, or has timed out: wait until it has finished")
    if request.type is RequestType.EXTEND_RETRIES:
        return replace(record, extra_retries=record.extra_retries + request.limit)
    if record.state is JobState.RUNNING:
        raise _Refused(f"job {record.id} is running; wait for it, or stop it by a pause with mode Stop")
    if request.type is RequestType.RETRY:
        return _retried(draft, record)
    if record.state is JobState.COMPLETED:
        raise _Refused(f"job {record.id} is completed; a Retry runs it again")
    match request.type:
        case RequestType.SKIP:
            text = request.reason or "skipped by hand"
            return replace(record, finished_at=None).as_ended(JobState.SKIPPED, names.SKIPPED_BY_HAND, text, draft.now)
        case RequestType.COMPLETE:
            return _completed(draft, record, request)
        case _ as never:
            assert_never(never)


def _retried(draft: Draft, record: JobRecord) -> JobRecord:
    """The job to be run again, and with it what depends on it and has ended."""
    if record.state is JobState.PENDING and record.retry_at is None:
        raise _Refused(f"job {record.id} has not run yet")
    below = graph.reachable([record.id], draft.shape.dependents) & draft.records.keys()
    _check_below(draft, record.id, below)
    for name in below:
        ended = draft.records[name]
        if ended.terminal and ended.reason != names.SKIPPED_BY_HAND:
            draft.put(ended.as_fresh(used=ended.last))
    if record.state is JobState.COMPLETED:
        return record.as_fresh(used=record.last)
    return replace(record.as_pending("", ""), failures=0, disruptions=0)


def _check_below(draft: Draft, retried: str, below: Collection[str]) -> None:
    """Nothing that depends on the job may run now, or have had effects that nobody has agreed to repeat."""
    every = [draft.records[job.id] for job in draft.spec.jobs if job.id in below]
    if running := [r.id for r in every if r.running]:
        raise _Refused(f"{listed(running)} depends on {retried} and is running; wait, or pause with mode Stop")
    jobs = draft.shape.jobs
    if effects := [r.id for r in every if r.terminal and r.last and jobs[r.id].replay is not Replay.SAFE]:
        raise _Refused(
            f"{listed(effects)} depends on {retried}, has run, and is not Safe to replay: go back to a checkpoint with"
            f" restoreFrom, where rerun and confirm say that it may run again"
        )


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
    """Whatever was skipped because of how things went is pending again, and a finished execution goes on."""
    if request.type is RequestType.EXTEND_RETRIES:
        return
    for record in list(draft.records.values()):
        if record.state is JobState.SKIPPED and record.reason in _RECONSIDERED:
            draft.put(replace(record.as_pending("", ""), finished_at=None))  # attempts go on: no number is used twice
    status = draft.status
    if status.finished and status.finished_at is not None:
        stood = max(int((draft.now - status.finished_at).total_seconds() * 1000), 0)  # the clock may have gone back
        draft.status = replace(
            status, phase=Phase.RUNNING, finished_at=None, paused_millis=status.paused_millis + stood, cancel=None,
            timed_out_at=None,
        )  # fmt: skip
