"""What the demo shows: a live table where a person looks at a terminal, plain lines with the time everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from demo.execution import Execution
from demo.table import SYMBOLS, note, table

Show = Callable[[Execution, str], None]

_USUAL = frozenset({"Launching", "Waiting"})  # on the way to its container; of no interest once it runs


class Screen(Protocol):
    """Where the demo shows itself."""

    def heading(self, text: str) -> None:
        """A new part begins."""

    def say(self, text: str) -> None:
        """A sentence."""

    def command(self, text: str) -> None:
        """A command, before it is run."""

    def output(self, text: str) -> None:
        """What a command has printed."""

    def following(self, *, keep: bool = True) -> AbstractContextManager[Show]:
        """A context in which an execution is shown as it changes; `keep` leaves its last state standing."""


class Terminal:
    """For a person: colours, and a table that changes in place, below whatever else is said."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, text: str) -> None:
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left", style="cyan")

    def say(self, text: str) -> None:
        self._console.print(Text(text))

    def command(self, text: str) -> None:
        self._console.print(Text("$ ", style="green") + Text(text, style="bold"), soft_wrap=True)

    def output(self, text: str) -> None:
        if text.strip():
            self._console.print(Text(text.rstrip("\n"), style="bright_black"), soft_wrap=True)

    @contextmanager
    def following(self, *, keep: bool = True) -> Iterator[Show]:
        with Live(console=self._console, refresh_per_second=4, transient=not keep) as live:

            def show(execution: Execution, caption: str) -> None:
                live.update(table(execution, caption, datetime.now(UTC)))

            yield show


class Lines:
    """For a file or a log: one line with the time for each thing that happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, str] = {}

    def heading(self, text: str) -> None:
        self._print("")
        self._stamped(f"=== {text}")

    def say(self, text: str) -> None:
        for line in text.splitlines():
            self._stamped(line)

    def command(self, text: str) -> None:
        self._stamped(f"$ {text}")

    def output(self, text: str) -> None:
        if text.strip():
            self._print(text.rstrip("\n"))

    @contextmanager
    def following(self, *, keep: bool = True) -> Iterator[Show]:
        yield self._show

    def _show(self, execution: Execution, caption: str) -> None:
        now = datetime.now(UTC)
        for job in execution.jobs:
            attempt = f"attempt {job.attempt}" if job.attempt else ""
            said = "" if job.reason in _USUAL else note(job, execution, now)
            fact = f"{job.state} {job.attempt} {said and job.reason}"
            self._changed(job.id, fact, f"{SYMBOLS[job.state]} {job.id:<14} {job.state:<10} {attempt:<10} {said}")
        running = f": {', '.join(execution.draining)} still running" if execution.draining else ""
        shown = f"{execution.phase} {execution.pause}".strip()
        line = f"  {execution.name}: {shown}{running} ({execution.ended} of {len(execution.jobs)} jobs ended)"
        self._changed("", f"{shown} {execution.draining}", line)

    def _changed(self, key: str, fact: str, line: str) -> None:
        before = self._shown.get(key)
        self._shown[key] = fact
        if before is None and fact.startswith("Pending 0"):
            return  # nobody needs to read that every job begins as pending
        if before != fact:
            self._stamped(line.rstrip())

    def _stamped(self, text: str) -> None:
        self._print(f"{datetime.now():%H:%M:%S} {text}")

    def _print(self, text: str) -> None:
        self._console.out(text, highlight=False)


def screen() -> Screen:
    """What fits where standard output goes."""
    console = Console()
    return Terminal(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)
