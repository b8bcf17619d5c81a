"""The attempts of running executions, as checkpoints need them: noted as they end, else read from their JobResults.

Rules:
- A JobResult is a fact: once noted it needs no second look. What is missing here is listed once; what is missing there
  too is remembered as missing.
- What the status names by digest must be found under exactly that digest, or the state cannot be saved.
- Log tails are a best effort: they are in a checkpoint if they were there in time.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cairn import names
from cairn.app.executions import ExecutionView
from cairn.core.checkpoint.state import Attempt
from cairn.core.outputs import Outputs
from cairn.core.restore import packs
from cairn.core.status import JobRecord, JobState, Status
from cairn.core.times import parse_time
from cairn.errors import CannotSave, Unreadable
from cairn.ports import Cluster

logger = logging.getLogger(__name__)

_KEPT_BYTES = 64 * 1024 * 1024
_PER_ATTEMPT = 500  # bytes, without its texts

Tries = dict[tuple[str, int], Attempt]


class Archive:
    """Ended attempts by execution; the executions used least recently are dropped beyond a total size."""

    def __init__(self, cluster: Cluster, limit: int = _KEPT_BYTES) -> None:
        self._cluster = cluster
        self._limit = limit
        self._kept: OrderedDict[str, Tries] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._total = 0

    def note(self, result: Mapping[str, Any], outputs: Outputs | None) -> None:
        """Take in the JobResult of an attempt that has just ended."""
        spec = result["spec"]
        self._put(spec["executionUid"], (spec["job"], spec["attempt"]), _attempt(result, outputs))

    def note_log_tail(self, result: Mapping[str, Any], tail: str) -> None:
        """Take in the end of an attempt's log, which follows its result."""
        spec = result["spec"]
        uid, key = spec["executionUid"], (spec["job"], spec["attempt"])
        known = self._kept.get(uid, {}).get(key) or _attempt(result, None)
        self._put(uid, key, replace(known, log_tail=tail))

    def _note_pack(self, uid: str, pack: Mapping[str, Any]) -> None:
        """Take in what a fork has kept."""
        try:
            for job, attempt in packs.read_results(pack):
                self._put(uid, (job, attempt.number), attempt)
        except Unreadable as error:
            logger.error("%s of execution %s: %s", packs.name_of(pack), uid, error)

    def forget(self, uid: str) -> None:
        """The execution is gone."""
        self._kept.pop(uid, None)
        self._total -= self._sizes.pop(uid, 0)

    async def attempts(self, view: ExecutionView) -> dict[str, tuple[Attempt, ...]]:
        """Every attempt that the status speaks of, by job. Raises CannotSave, and the errors of the API."""
        status, uid = view.execution.status, view.key.uid
        missing = self._missing(uid, status)
        if missing:
            for result in await self._cluster.list_results(view.key.namespace, uid):
                if packs.is_pack(result):
                    self._note_pack(uid, result)
                else:
                    self.note(result, _outputs(result))
            for record, number in missing:
                known = self._kept.setdefault(uid, {})
                known.setdefault((record.id, number), Attempt(number, JobState.FAILED))
        found = self._kept.get(uid, {})
        return {r.id: _tries(r, found) for r in status.jobs.values() if r.attempt}

    def _missing(self, uid: str, status: Status) -> list[tuple[JobRecord, int]]:
        known = self._kept.get(uid, {})
        return [(r, n) for r in status.jobs.values() for n in _kept_numbers(r) if (r.id, n) not in known]

    def _put(self, uid: str, key: tuple[str, int], attempt: Attempt) -> None:
        kept = self._kept.setdefault(uid, {})
        self._kept.move_to_end(uid)
        more = _size(attempt) - (_size(kept[key]) if key in kept else 0)
        self._sizes[uid] = self._sizes.get(uid, 0) + more
        self._total += more
        kept[key] = attempt
        while self._total > self._limit and len(self._kept) > 1:
            self.forget(next(iter(self._kept)))


def _kept_numbers(record: JobRecord) -> list[int]:
    """The attempts of a job that have left a JobResult: all that failed, and a success with outputs."""
    last = record.attempt
    ended_otherwise = record.running or (record.state is JobState.COMPLETED and not record.result)
    return list(range(1, last if ended_otherwise else last + 1))


def _tries(record: JobRecord, found: Tries) -> tuple[Attempt, ...]:
    numbers = range(1, record.attempt)
    earlier = [found.get((record.id, n), Attempt(n, JobState.FAILED)) for n in numbers]
    return (*earlier, _latest(record, found.get((record.id, record.attempt))))


def _latest(record: JobRecord, known: Attempt | None) -> Attempt:
    """The latest attempt: as its record tells it, with what only the JobResult has."""
    if record.running:
        return Attempt(
            record.attempt, JobState.RUNNING, record.reason, record.message, record.started_at, uid=record.uid
        )
    outputs = known.outputs if known else None
    if record.state is JobState.COMPLETED and record.result and (outputs is None or outputs.digest != record.result):
        text = f"the outputs of job {record.id}, attempt {record.attempt}, are gone or damaged"
        raise CannotSave(names.RESULT_LOST, text)
    state = JobState.COMPLETED if record.state is JobState.COMPLETED else JobState.FAILED
    told = known or Attempt(record.attempt, state, record.reason, record.message)
    return replace(
        told, state=state, outputs=outputs if record.result else None,
        started_at=record.started_at, finished_at=record.finished_at, exit_code=record.exit_code,
    )  # fmt: skip


def _attempt(result: Mapping[str, Any], outputs: Outputs | None) -> Attempt:
    spec, status = result["spec"], result.get("status") or {}
    return Attempt(
        number=spec["attempt"], state=JobState(spec.get("state", JobState.FAILED)), reason=spec.get("reason", ""),
        message=spec.get("message", ""), started_at=parse_time(spec.get("startedAt")),
        finished_at=parse_time(spec.get("finishedAt")), exit_code=spec.get("exitCode"), outputs=outputs,
        log_tail=status.get("logTail"),
    )  # fmt: skip


def _outputs(result: Mapping[str, Any]) -> Outputs | None:
    text = result["spec"].get("outputs")
    return Outputs(text) if text is not None else None


def _size(attempt: Attempt) -> int:
    texts = (attempt.outputs.text if attempt.outputs else "", attempt.log_tail or "", attempt.message)
    return _PER_ATTEMPT + sum(map(len, texts))
