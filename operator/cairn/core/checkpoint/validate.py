"""What must hold in every state that a checkpoint holds, whoever wrote it.

Only that: a state that the engine can reach is never refused here, since it could then not be restored. So attempts may
have gaps (one that left nothing behind is not kept), and the spec need not be an accepted one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from cairn.core.checkpoint.state import Attempt, CheckpointState, Label
from cairn.core.status import JobRecord, JobState, Status

_CHECKPOINT_ID = re.compile(r"checkpoint_[0-9]+_[0-9A-Za-z-]+")
_JOB_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: Python holds whole ones as one character


def validate(state: CheckpointState) -> tuple[str, ...]:
    """Everything that is wrong with a state, each with its place; empty if it can be."""
    return tuple(_problems(state))


def _problems(state: CheckpointState) -> Iterator[str]:
    yield from _in_label(state.label)
    yield from _in_status(state.status)
    for id, record in state.status.jobs.items():
        place = f"jobs[{id[:64]}]"
        tries = state.attempts.get(id, ())
        if id != record.id:
            yield f"{place}: is the record of {record.id[:64]}"
        yield from _in_record(place, record)
        yield from _in_attempts(place, record, tries)
    for id in state.attempts.keys() - state.status.jobs.keys():
        yield f"jobs[{id[:64]}]: there are attempts, but no record"


def _in_label(label: Label) -> Iterator[str]:
    if not _CHECKPOINT_ID.fullmatch(label.id):
        yield "checkpoint.id: not checkpoint_<unix ms>_<suffix>"
    if label.parent and not _CHECKPOINT_ID.fullmatch(label.parent.id):
        yield "checkpoint.parent.id: not checkpoint_<unix ms>_<suffix>"
    if label.parent and not _DIGEST.fullmatch(label.parent.digest):
        yield "checkpoint.parent.digest: not a SHA-256"
    if not all(isinstance(text, str) for pair in label.metadata.items() for text in pair):
        yield "checkpoint.metadata: not all of it is text"
    yield from _naive("checkpoint", createdAt=label.created_at)


def _in_status(status: Status) -> Iterator[str]:
    if status.finished and status.finished_at is None:
        yield f"execution: {status.phase}, but without finishedAt"
    yield from _naive(
        "execution", startedAt=status.started_at, finishedAt=status.finished_at, timedOutAt=status.timed_out_at
    )
    if status.cancel:
        yield from _naive("execution.cancel", at=status.cancel.at)
    if status.pause:
        yield from _naive("pause", since=status.pause.since, until=status.pause.until)
    for index, answer in enumerate(status.requests):
        yield from _naive(f"execution.requests[{index}]", at=answer.at)


def _in_record(place: str, record: JobRecord) -> Iterator[str]:
    if not _JOB_ID.fullmatch(record.id):
        yield f"{place}: not the id of a job"
    if record.state in (JobState.RUNNING, JobState.COMPLETED) and record.attempt < 1:
        yield f"{place}: {record.state}, but never tried"
    if 0 < record.used <= record.attempt:
        yield f"{place}: {record.used} attempts are used, but {record.attempt} is described"
    if record.terminal and record.finished_at is None:
        yield f"{place}: {record.state}, but without finishedAt"
    yield from _naive(
        place, launchedAt=record.launched_at, startedAt=record.started_at, finishedAt=record.finished_at,
        retryAt=record.retry_at,
    )  # fmt: skip


def _in_attempts(place: str, record: JobRecord, tries: tuple[Attempt, ...]) -> Iterator[str]:
    numbers = [0, *(one.number for one in tries)]
    if any(before >= number for before, number in pairwise(numbers)):
        yield f"{place}.attempts: not numbered upwards from 1"
    if numbers[-1] > record.attempt:
        yield f"{place}.attempts: number {numbers[-1]} is there, but {record.attempt} is the latest"
    for one in tries:
        yield from _naive(f"{place}.attempts[{one.number}]", startedAt=one.started_at, finishedAt=one.finished_at)
    outputs = {one.number: one.outputs.text for one in tries if one.outputs is not None}
    if broken := [number for number, text in outputs.items() if not _is_utf8(text)]:
        yield f"{place}.attempts[{broken[0]}].outputs: no JSON, since it holds half a surrogate pair"
    elif record.state is JobState.COMPLETED:
        handed_out = next((one.outputs for one in tries if one.number == record.attempt), None)
        if record.result != (handed_out.digest if handed_out else ""):
            yield f"{place}.result: not the digest of what attempt {record.attempt} handed out"


def _is_utf8(text: str) -> bool:
    return text.isascii() or not _HALF.search(text)


def _naive(place: str, **times: datetime | None) -> Iterator[str]:
    for name, value in times.items():
        if value is not None and value.tzinfo is None:
            yield f"{place}.{name}: a time without a zone"
