"""Figures, as `build/bench.json` keeps them and as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside the baseline of the same run."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    note: str = ""

    @classmethod
    def beside(cls, name: str, value: float, unit: str, baseline: float, note: str = "") -> Figure:
        """A figure with its ratio to a baseline."""
        return cls(name, round(value, 3), unit, round(baseline, 3), round(value / baseline, 4), note)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Keep figures in a file; those of other names that are there already stay."""
    known = {f["name"]: f for f in json.loads(path.read_text())} if path.exists() else {}
    for figure in figures:
        known[figure.name] = asdict(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(known.values()), indent=1) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """The figures as lines of text."""
    lines = [f"{'name':<28} {'value':>10} {'unit':<8} {'baseline':>10} {'ratio':>8}  note"]
    for f in figures:
        baseline = f"{f.baseline:.3f}" if f.baseline is not None else "-"
        ratio = f"{f.ratio:.3f}" if f.ratio is not None else "-"
        lines.append(f"{f.name:<28} {f.value:>10.3f} {f.unit:<8} {baseline:>10} {ratio:>8}  {f.note}")
    return "\n".join(lines)
