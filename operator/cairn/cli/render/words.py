"""What every picture shares: how states look, safe text, plain tables, and the way to a text without colours.

A style only repeats what a word says already, so that nothing is lost without colours.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cairn.core.checkpoint.changes import readable
from cairn.core.drawing.marks import mark
from cairn.core.status import JobState

WIDE: Final = 10_000  # columns where there is no window to fit into
STYLES: Final[Mapping[str, str]] = {
    "Pending": "bright_black", "Running": "blue", "Completed": "green", "Succeeded": "green", "Failed": "bold red",
    "Skipped": "yellow", "Cancelled": "yellow", "Draining": "magenta", "Paused": "magenta", "Ready": "green",
    "Keep": "green", "Run": "blue", "Rerun": "magenta", "Skip": "yellow",
}  # fmt: skip


def safe(text: str, style: str = "") -> Text:
    """One line of text that others have written; it is cut where the window ends, and cannot act on a terminal."""
    return Text(readable(text), style=style, no_wrap=True, overflow="ellipsis")


def word(text: str) -> Text:
    """A state, phase or verdict in its style."""
    return safe(text, STYLES.get(text, ""))


def state(value: JobState) -> Text:
    """The state of a job, with its sign."""
    return safe(f"{mark(value).glyph} {value}", STYLES[value])


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A table as kubectl writes one: a heading, no lines."""
    made = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, no_wrap=True, overflow="ellipsis", justify="right" if column in right else "left")
    return made


def plain(renderable: RenderableType, width: int = WIDE) -> str:
    """The text of it, without colours and without spaces at the ends of lines: for pipes, files and tests."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
