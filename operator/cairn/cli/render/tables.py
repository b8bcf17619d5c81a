"""Tables as kubectl writes them: of executions, of their jobs, of checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from cairn.cli.render.words import safe, state, table, word
from cairn.core import status_wire
from cairn.core.ages import age, duration
from cairn.core.checkpoint.objects import CheckpointObject
from cairn.core.draft import Execution
from cairn.core.drawing.model import draw
from cairn.core.shape import Shape
from cairn.core.status import JobState, Status
from cairn.core.status_wire import count_states
from cairn.core.times import known_time

_NUMBERS = ("RUNNING", "FAILED", "COMPLETED", "SKIPPED", "LEVEL", "ATTEMPT", "JOBS", "SIZE")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list shows of an execution."""

    namespace: str
    name: str
    created_at: datetime
    status: Status

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Listed:
        """What a list shows of a DAGExecution as the API server gives it."""
        meta = body["metadata"]
        created = known_time(meta["creationTimestamp"])
        return cls(meta["namespace"], meta["name"], created, status_wire.from_wire(body.get("status") or {}))


def executions_table(
    executions: Iterable[Listed], now: datetime, *, wide: bool = False, namespaces: bool = False
) -> Table:
    """Executions in the order given, with the columns that `kubectl get` has for them."""
    more = ("COMPLETED", "SKIPPED", "REASON", "STARTED") if wide else ()
    where = ("NAMESPACE",) if namespaces else ()
    made = table(*where, "NAME", "PHASE", "PAUSE", "PROGRESS", "RUNNING", "FAILED", "AGE", *more, right=_NUMBERS)
    for each in executions:
        made.add_row(*([safe(each.namespace)] if namespaces else []), *_execution(each, now), *_wide(each, now, wide))
    return made


def _execution(each: Listed, now: datetime) -> list[Text]:
    status, counts = each.status, count_states(each.status.jobs.values())
    progress = f"{counts['completed']}/{counts['total']}" if status.jobs else ""
    pause = word(status.pause.phase.value) if status.pause else Text()
    failed = Text(str(counts["failed"]), "bold red" if counts["failed"] else "")
    return [
        safe(each.name, "bold"), word(status.phase.value), pause, Text(progress), Text(str(counts["running"])), failed,
        Text(age(each.created_at, now)),
    ]  # fmt: skip


def _wide(each: Listed, now: datetime, wide: bool) -> list[Text]:
    if not wide:
        return []
    status, counts = each.status, count_states(each.status.jobs.values())
    started = age(status.started_at, now) if status.started_at else ""
    return [Text(str(counts["completed"])), Text(str(counts["skipped"])), safe(status.reason), Text(started)]


def job_table(execution: Execution, shape: Shape | None, now: datetime, *, wide: bool = False) -> Table:
    """The jobs of an execution in spec order; without an accepted spec, those that are recorded."""
    made = table("JOB", *(("LEVEL",) if wide else ()), "STATE", "ATTEMPT", "DURATION", "REASON", "MESSAGE",
                 right=_NUMBERS)  # fmt: skip
    spec = execution.spec if shape is not None else None
    records = execution.status.jobs
    if spec is None or shape is None:
        for record in records.values():
            made.add_row(
                safe(record.id, "bold"), *([Text()] if wide else []), state(record.state), _attempt(record.attempt),
                Text(), safe(record.reason), safe(record.message),
            )  # fmt: skip
        return made
    for node in draw(spec, shape, execution.status, now).nodes:
        lasted = duration(node.seconds) if node.seconds is not None else ""
        message = records[node.id].message if node.id in records else ""
        made.add_row(
            safe(node.id, "bold"), *([Text(str(node.level))] if wide else []), state(node.state or JobState.PENDING),
            _attempt(node.attempt), Text(lasted), safe(node.reason), safe(message),
        )  # fmt: skip
    return made


def _attempt(number: int) -> Text:
    return Text(str(number) if number else "")


def checkpoints_table(
    checkpoints: Iterable[CheckpointObject], now: datetime, *, wide: bool = False, namespaces: bool = False
) -> Table:
    """Checkpoints in the order given. STATE: what the execution was doing; STORED: whether the database has it."""
    more = ("PINNED", "BY", "ID", "PARENT") if wide else ()
    where = ("NAMESPACE",) if namespaces else ()
    made = table(*where, "NAME", "LABEL", "TRIGGER", "EXECUTION", "JOBS", "STATE", "SIZE", "STORED", "AGE", *more,
                 right=_NUMBERS)  # fmt: skip
    for each in checkpoints:
        made.add_row(*([safe(each.namespace)] if namespaces else []), *_checkpoint(each, now), *_more(each, wide))
    return made


def _checkpoint(each: CheckpointObject, now: datetime) -> list[Text]:
    why_not = f" ({each.ready[0]})" if each.is_failed and each.ready[0] else ""
    held = safe(each.execution_status) if each.is_ready else word(each.phase).append_text(safe(why_not))
    return [
        safe(each.name, "bold"), safe(each.label), safe(each.trigger.value), safe(each.execution),
        Text(str(each.job_count)), held, Text(size(each.size_bytes)),
        safe("yes" if each.is_stored else each.stored[1] or "no"), Text(age(each.taken_at or each.created_at, now)),
    ]  # fmt: skip


def _more(each: CheckpointObject, wide: bool) -> list[Text]:
    if not wide:
        return []
    return [
        Text("yes" if each.pinned else ""), safe(each.created_by or ""), safe(each.id),
        safe(each.parent.id if each.parent else ""),
    ]  # fmt: skip


def size(count: int) -> str:
    """Bytes for a person, such as `512 B`, `1.5 KB`, `3.2 MB`; a KB has 1,000 bytes."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
