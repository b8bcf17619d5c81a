"""What a restore makes of the records, and how those are written down while running attempts are being stopped.

Rules:
- Attempt numbers go on: in a rewind every record remembers the highest number that was ever given to its job.
- A fork is a new execution, whose own Kubernetes Jobs begin at attempt 1; a kept record keeps its attempt's number.
- What is kept is kept whole: times, counts, exit code, definition and the digest of the result.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cairn import names
from cairn.core.restore.progress import JobPlan, RestorePlan, Verdict
from cairn.core.status import JobRecord
from cairn.core.status_wire import record_from_wire, record_to_wire

Records = Mapping[str, JobRecord]


def forked(plan: RestorePlan, saved: Records) -> dict[str, JobRecord]:
    """The records with which a fork begins."""
    found: dict[str, JobRecord] = {}
    for job in plan.jobs:
        if stands(job):
            found[job.id] = _kept(saved[job.id])
        elif job.verdict is not Verdict.SKIP:
            before = saved.get(job.id) or JobRecord(job.id)
            found[job.id] = before.as_fresh(used=0)
    return found


def going_back(plan: RestorePlan, saved: Records) -> tuple[JobRecord, ...]:
    """The records that a rewind goes back to; what is not among them begins anew, or goes on where it still runs."""
    return tuple(_kept(saved[job.id]) for job in plan.jobs if stands(job) and job.reason != names.STILL_RUNS)


def stands(job: JobPlan) -> bool:
    """Whether the job's record is kept as it is."""
    return job.verdict is Verdict.KEEP or (job.verdict is Verdict.SKIP and job.reason != names.REMOVED)


def adopted(plan: RestorePlan) -> frozenset[str]:
    """The jobs whose running attempt goes on through a rewind."""
    return frozenset(job.id for job in plan.jobs if job.reason == names.STILL_RUNS)


def rewound(back_to: Iterable[JobRecord], adopted: frozenset[str], live: Records) -> dict[str, JobRecord]:
    """The records after a rewind."""
    back = {record.id: record for record in back_to}
    return {name: _rewound(back.get(name), name in adopted, record) for name, record in live.items()} | {
        name: record for name, record in back.items() if name not in live
    }


def _rewound(back: JobRecord | None, adopted: bool, live: JobRecord) -> JobRecord:
    if adopted:
        return live
    if back is None:
        return live.as_fresh(used=live.last)
    last = max(back.last, live.last)
    return replace(back, used=last if last > back.attempt else 0)


def _kept(record: JobRecord) -> JobRecord:
    """A record that stands: nothing of what an operator had under way with it."""
    return replace(record, retry_at=None, stopping=None, paused_for=False)


# --- Written down ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """What a rewind goes back to."""

    records: tuple[JobRecord, ...]
    worked_millis: int  # how far the clock of the run had come
    ended: int  # jobs that had run and were done


def to_text(target: Target) -> str:
    """The target as a compact text for the status: several times smaller than the records themselves."""
    wire = {"records": [record_to_wire(r) for r in target.records], "worked": target.worked_millis,
            "ended": target.ended}  # fmt: skip
    return b64encode(zlib.compress(json.dumps(wire, separators=(",", ":")).encode(), 5)).decode("ascii")


def from_text(text: str) -> Target:
    """The target that `to_text` wrote."""
    wire = json.loads(zlib.decompress(b64decode(text)))
    return Target(tuple(map(record_from_wire, wire["records"])), wire["worked"], wire["ended"])
