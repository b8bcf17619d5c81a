"""The live table of an execution."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.execution import Execution, Job

SYMBOLS = {"Pending": "·", "Running": "▶", "Completed": "✓", "Failed": "✗", "Skipped": "–"}
_STYLES = {"Pending": "bright_black", "Running": "bold yellow", "Completed": "green", "Failed": "bold red",
           "Skipped": "magenta"}  # fmt: skip
_PAUSE_STYLES = {"Draining": "bold yellow", "Paused": "bold blue"}


def table(execution: Execution, caption: str, now: datetime) -> RenderableType:
    """The execution now: a line of totals and one row for each job."""
    rows = Table(box=None, padding=(0, 2, 0, 0), header_style="bright_black", expand=True)
    rows.add_column("JOB", no_wrap=True)
    rows.add_column("STATE", no_wrap=True)
    rows.add_column("ATTEMPT", justify="right", no_wrap=True)
    rows.add_column("TIME", justify="right", no_wrap=True)
    rows.add_column("NOTE", no_wrap=True, overflow="ellipsis", ratio=1)
    for job in execution.jobs:
        rows.add_row(*_row(job, execution, now))
    return Group(Text(), _totals(execution, caption), Text(), rows, Text())


def note(job: Job, execution: Execution, now: datetime) -> str:
    """Why a job is where it is, in a few words; empty if that goes without saying."""
    if job.state == "Pending" and job.retry is not None and not execution.pause:
        return f"again in {max(0, (job.retry - now).total_seconds()):.0f} s: {job.message}"
    if job.state == "Pending" and not job.reason:
        held = execution.pause and execution.ready(job)
        return "held by the pause" if held else f"after {', '.join(job.after)}" if job.after else ""
    return ": ".join(part for part in (job.reason, job.message) if part)


def _row(job: Job, execution: Execution, now: datetime) -> tuple[Text, ...]:
    style = _STYLES[job.state]
    seconds = job.seconds(now) if job.state in ("Running", "Completed", "Failed") else None
    return (
        Text(job.id, style="bold" if job.state == "Running" else ""),
        Text(f"{SYMBOLS[job.state]} {job.state}", style=style),
        Text(str(job.attempt) if job.attempt else "", style="yellow" if job.attempt > 1 else ""),
        Text("" if seconds is None else f"{seconds:.0f} s"),
        Text(note(job, execution, now), style="bright_black"),
    )


def _totals(execution: Execution, caption: str) -> RenderableType:
    line = Table.grid(padding=(0, 2, 0, 0))
    bar = ProgressBar(total=len(execution.jobs), completed=execution.ended, width=24)
    state = Text(execution.phase, style="bold")
    if execution.pause:
        state += Text(f" {execution.pause}", style=_PAUSE_STYLES.get(execution.pause, "bold"))
    ended = Text(f"{execution.ended} of {len(execution.jobs)} jobs ended")
    line.add_row(Text(execution.name, style="bold cyan"), state, bar, ended, Text(caption, style="italic"))
    return line
