"""What stands above the jobs of an execution: phase, progress, pause, restore, checkpoints, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from cairn import names
from cairn.cli.render.words import STYLES, safe, word
from cairn.core import pausing
from cairn.core.ages import age, duration, whole_seconds
from cairn.core.checkpoint.book import Book
from cairn.core.draft import Execution
from cairn.core.forecast import Forecast
from cairn.core.restore.progress import Progress, RestoredFrom, Step
from cairn.core.status import JobState, Phase, Status
from cairn.core.status_wire import count_states

_BAR = 24  # characters
_GOES_WITHOUT_SAYING = frozenset({names.WORKING, names.ALL_JOBS_DONE})


def header(execution: Execution, now: datetime, forecast: Forecast | None = None) -> RenderableType:
    """All there is to say above the jobs."""
    return Group(*header_lines(execution, now, forecast))


def header_lines(execution: Execution, now: datetime, forecast: Forecast | None = None) -> list[Text]:
    """The same, line by line; only the first two are always there."""
    status = execution.status
    found = [_title(execution, now), _progress(status, forecast)]
    found += _remarks(execution)
    if status.pause is not None:
        found.append(_pause(status, now))
    if status.restore is not None and status.restore.step is not Step.DONE:
        found.append(_restoring(status.restore))
    if status.restored_from is not None:
        found.append(_restored(status.restored_from, now))
    if told := list(_checkpoints(status.checkpointing, now)):
        found.append(_line("checkpoints", "; ".join(told)))
    return found


def _line(title: str, told: str, style: str = "") -> Text:
    return Text.assemble((f"{title}: ", "bold"), safe(told, style), no_wrap=True, overflow="ellipsis")


def _title(execution: Execution, now: datetime) -> Text:
    status, identity = execution.status, execution.identity
    made = Text.assemble((f"{identity.namespace}/{identity.name}", "bold"), "  ", word(status.phase.value))
    if status.pause is not None:
        made.append_text(Text.assemble(", ", word(status.pause.phase.value)))
    if status.started_at is not None:
        lasted = duration(whole_seconds(status.started_at, status.finished_at or now))
        made.append(f"  {'took' if status.finished else 'for'} {lasted}")
    made.no_wrap, made.overflow = True, "ellipsis"
    return made


def _progress(status: Status, forecast: Forecast | None) -> Text:
    counts = count_states(status.jobs.values())
    done, total = (forecast.done, forecast.total) if forecast else (_ended(counts), counts["total"])
    fraction = forecast.fraction if forecast else done / total if total else 0.0
    filled = int(fraction * _BAR)
    made = Text.assemble(("█" * filled, "green"), ("░" * (_BAR - filled), "bright_black"), no_wrap=True)
    made.append(f" {int(fraction * 100)}%")
    if not status.finished and forecast is not None:
        made.append(f", {_left(forecast.left, forecast, paused=status.pause is not None)}")
    made.append(f"  {done} of {total} jobs")
    states = (s for s in JobState if counts[s.lower()])
    for place, found in enumerate(states):
        made.append(": " if place == 0 else ", ").append(f"{counts[found.lower()]} {found.lower()}", STYLES[found])
    made.overflow = "ellipsis"
    return made


def _ended(counts: dict[str, int]) -> int:
    return counts["completed"] + counts["failed"] + counts["skipped"]


def _left(left: timedelta | None, forecast: Forecast, *, paused: bool) -> str:
    if left is None:
        return "time left unknown"
    when = " after the resume" if paused else ""
    waiting = forecast.total - forecast.done
    rests = f" ({forecast.known} of {waiting} measured)" if forecast.known < waiting else ""
    return f"about {duration(left.total_seconds())} left{when}{rests}"


def _remarks(execution: Execution) -> Iterator[Text]:
    status = execution.status
    if execution.violations:
        yield _line("not accepted", f"{len(execution.violations)} violations: {execution.violations[0]}", "red")
    reason = "" if status.reason in _GOES_WITHOUT_SAYING else status.reason
    if told := ": ".join(filter(None, (reason, status.message))):
        yield _line("because" if status.finished else "note", told, "red" if status.phase is Phase.FAILED else "")


def _pause(status: Status, now: datetime) -> Text:
    pause = status.pause
    assert pause is not None
    told = f"{pausing.describe(pause)}; by {pause.by}, {age(pause.since, now)} ago"
    until = pausing.resume_at(pause)
    if until is not None:
        told += f"; resumes in {duration(whole_seconds(now, until))}"
    return _line("pause", told, "magenta")


def _restoring(progress: Progress) -> Text:
    where = f" to checkpoint {progress.origin.name or progress.origin.id}" if progress.origin else ""
    told = ": ".join(filter(None, (f"{progress.mode}{where}: {progress.step}", progress.reason, progress.message)))
    return _line("restore", told, "red" if progress.step is Step.REFUSED else "magenta")


def _restored(restored: RestoredFrom, now: datetime) -> Text:
    origin = restored.origin
    kept = f"{restored.jobs} {'job' if restored.jobs == 1 else 'jobs'} kept"
    told = f"{restored.mode} of checkpoint {origin.name or origin.id} of {origin.namespace}/{origin.execution}"
    return _line("restored", f"{told}, {age(restored.at, now)} ago, {kept}")


def _checkpoints(book: Book, now: datetime) -> Iterator[str]:
    if book.last is not None:
        yield f"last {age(book.last.at, now)} ago ({book.last.trigger}, {book.last.name})"
    if book.pending:
        yield f"being taken: {', '.join(pending.trigger for pending in book.pending)}"
    if book.failed is not None:
        yield f"FAILED {age(book.failed.at, now)} ago: {book.failed.reason}: {book.failed.message}"
    if book.next is not None:
        yield f"next in {duration(whole_seconds(now, book.next))}"
    if book.unsaved:
        yield f"{book.unsaved} ended {'job' if book.unsaved == 1 else 'jobs'} not saved yet"
