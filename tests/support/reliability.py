"""What the runs that try to break Cairn have found, as data beside the docs, and the page that is made of it.

Each part (simulation, crash points, …) writes one file, docs/reliability/<part>.json, by the run itself; nothing of a
part is written by hand but what it covers, which bugs it found and what it leaves out, and that is in its code.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reliability"

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of a run."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Bug:
    """Something that a run found, and the test that would find it again (path::name)."""

    what: str
    test: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the proof did, and what came of it."""

    name: str  # of the file
    title: str
    command: str  # as it was run
    text: str  # what is tried, how, and how the result is judged: Markdown, a paragraph or two
    tables: Sequence[Table] = ()
    bugs: Sequence[Bug] = ()
    not_covered: Sequence[str] = ()
    losses: int = 0  # of whatever kind, in this run
    duplicates: int = 0  # attempts that ran twice, rows and objects that are there twice


def save(part: Part, *, seconds: float) -> Path:
    """Write what a run has come to; `seconds`: how long it took."""
    path = FOLDER / f"{part.name}.json"
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": _commit(), "seconds": round(seconds, 1)}
    FOLDER.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(part) | about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.strip()


def percentiles(title: str, samples: Mapping[str, Sequence[float]], unit: str = "s") -> Table:
    """How long things took: median, 95th percentile, most, of each kind."""
    rows: list[list[Cell]] = [[kind, len(found), *(_told(_quantile(sorted(found), q)) for q in (0.5, 0.95, 1.0))]
                              for kind, found in samples.items() if found]  # fmt: skip
    return Table(title, ("what", "times", f"p50 ({unit})", f"p95 ({unit})", f"max ({unit})"), rows)


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def _told(value: float) -> str:
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def markdown(part: Mapping[str, Any]) -> str:
    """A part of the page."""
    took = _duration(part["seconds"])
    text = f"## {part['title']}\n\n{part['text']}\n\n"
    text += f"`{part['command']}`, {part['date']}, at {part['commit']}, {took}: "
    text += f"**{part['losses']} lost, {part['duplicates']} doubled.**\n\n"
    text += "".join(_table(table) for table in part["tables"])
    if part["bugs"]:
        text += "Found on the way:\n\n"
        text += "".join(f"- {bug['what']} (`{bug['test']}`)\n" for bug in part["bugs"]) + "\n"
    if part["not_covered"]:
        text += "Not covered:\n\n" + "".join(f"- {what}\n" for what in part["not_covered"]) + "\n"
    return text


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _table(table: Mapping[str, Any]) -> str:
    lines = [table["columns"], ["---"] * len(table["columns"]), *table["rows"]]
    told = "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
    return f"{table['title']}:\n\n{told}\n"
