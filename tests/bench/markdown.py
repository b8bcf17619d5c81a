"""What the sections of docs/performance.md are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.figures import Figure

Body = Mapping[str, Any]
Files = dict[str, str]
"""Names of plots, and what is in them."""


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines) + "\n"


def run_of(record: Body) -> str:
    """When and on what it was measured."""
    about = record["about"]
    quick = ", a quick run" if about["quick"] else ""
    return (
        f"Measured {about['date']} at {about['commit']}{quick}; {about['cores']} cores, {about['architecture']}, "
        f"Python {about['python']}; load average at the begin {about['load']}.\n\n"
    )


def picture(name: str, what: str) -> str:
    """A plot, by its name."""
    return f"![{what}](performance/{name}.svg)\n\n"


def figure_table(figures: Sequence[Figure]) -> str:
    """Figures, one a row."""
    rows = [(f"`{f.name}`", f"{f.value:g} {f.unit}".strip(), f.note) for f in figures]
    return table(("figure", "value", ""), rows)
