"""An execution as `watch` shows it, within a given height.

Rules:
- What fits is a tree of dependencies, every job once. What does not is told level by level: counts for all, a line for
  each job that runs, has failed, or waits for something that a person may have to see to; what is left out is counted.
- Levels next to each other in which nothing of that kind happens are told in one line.
- A line never wraps, so the height is what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cairn.cli.render.header import header_lines
from cairn.cli.render.words import STYLES, safe
from cairn.core.draft import Execution
from cairn.core.drawing.marks import mark
from cairn.core.drawing.model import Drawing, Flag, Node, draw
from cairn.core.drawing.text import is_deep, named, tree
from cairn.core.forecast import Forecast
from cairn.core.shape import Shape
from cairn.core.status import JobRecord, JobState

_URGENT = {JobState.FAILED: 0, JobState.RUNNING: 1, JobState.PENDING: 2}
_QUIET = (frozenset({JobState.COMPLETED}), frozenset({JobState.PENDING, JobState.SKIPPED}))
_WIDEST_NAME = 48

Records = Mapping[str, JobRecord]


def execution_tree(
    execution: Execution, shape: Shape | None, now: datetime, forecast: Forecast | None = None, *, height: int = 40
) -> RenderableType:
    """Header and jobs in at most `height` lines; `shape` is None where no spec was accepted."""
    above = header_lines(execution, now, forecast)
    lines = [*above, Text()]
    if execution.spec is not None and shape is not None:
        drawing = draw(execution.spec, shape, execution.status, now)
        lines += _jobs(drawing, execution.status.jobs, height - len(lines))
    return Group(*lines[: max(height, 1)])


def _jobs(drawing: Drawing, records: Records, room: int) -> list[Text]:
    if len(drawing.nodes) <= room and not is_deep(drawing):
        rows = tree(drawing)
        also = [f"also after {named(row.also)}" if row.also else "" for row in rows]
        return _aligned([(row.lines, row.node, beside) for row, beside in zip(rows, also, strict=True)], records)
    return _by_level(drawing, records, room)


# --- One job ---------------------------------------------------------------------------------------------------------


def _aligned(rows: Sequence[tuple[str, Node, str]], records: Records) -> list[Text]:
    wide = min(max((len(lines) + len(node.id) + 2 for lines, node, _ in rows), default=0), _WIDEST_NAME)
    return [_job(lines, node, beside, wide, records.get(node.id)) for lines, node, beside in rows]


def _job(lines: str, node: Node, beside: str, wide: int, record: JobRecord | None) -> Text:
    state = node.state or JobState.PENDING
    look, style = mark(state), STYLES[state]
    made = Text.assemble((lines, "bright_black"), (f"{look.glyph} ", style), safe(node.id, "bold"), no_wrap=True)
    made.append(" " * max(wide - len(made), 0)).append(f"  {look.word:9}", style)
    facts = list(node.facts)
    if record is not None and node.reason and record.message:
        facts[0] = f"{node.reason}: {record.message}"
    for fact in facts:
        made.append("  ").append_text(safe(fact, "red" if state is JobState.FAILED else ""))
    if node.flags:
        made.append(f"  [{', '.join(node.flags)}]", "magenta")
    if beside:
        made.append(f"  {beside}", "bright_black")
    made.rstrip()
    made.overflow = "ellipsis"
    return made


# --- By level --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """Levels next to each other that are told in one line, and the jobs of them that are told one by one."""

    first: int
    last: int
    counts: Counter[JobState]
    told: list[Node] = field(default_factory=list)
    shown: int = 0

    @property
    def quiet(self) -> frozenset[JobState] | None:
        """What may be told in one line with a neighbour of the same kind: all done, or nothing of it run."""
        if self.told:
            return None
        return next((kind for kind in _QUIET if self.counts.keys() <= kind), None)


def _by_level(drawing: Drawing, records: Records, room: int) -> list[Text]:
    parts = _parts(drawing.levels)
    if len(parts) > room:
        kept, hidden = parts[: max(room - 1, 0)], parts[max(room - 1, 0) :]
        more = sum((part.counts for part in hidden), Counter[JobState]())
        return [*(_heading(_name(part), part.counts) for part in kept), _heading("… levels after that", more)]
    _share_out(parts, room - len(parts))
    lines: list[Text] = []
    for part in parts:
        lines.append(_heading(_name(part), part.counts))
        rows = _aligned([("  ", node, "") for node in part.told[: part.shown]], records)
        left = len(part.told) - part.shown
        lines += rows if not left or not rows else [*rows[:-1], Text(f"  … and {left + 1} more", "bright_black")]
    return lines


def _parts(levels: Iterable[Sequence[Node]]) -> list[_Part]:
    parts: list[_Part] = []
    for number, nodes in enumerate(levels):
        urgent = sorted(filter(_is_told, nodes), key=lambda node: _URGENT[node.state or JobState.PENDING])
        part = _Part(number, number, Counter(node.state or JobState.PENDING for node in nodes), urgent)
        if parts and part.quiet is not None and part.quiet == parts[-1].quiet:
            parts[-1].last, parts[-1].counts = number, parts[-1].counts + part.counts
        else:
            parts.append(part)
    return parts


def _is_told(node: Node) -> bool:
    held = node.state is JobState.PENDING and (bool(node.reason) or Flag.HELD in node.flags)
    return node.state in (JobState.RUNNING, JobState.FAILED) or held


def _share_out(parts: Sequence[_Part], room: int) -> None:
    """One line for each in turn, until there is no room or nothing is left to tell."""
    while room > 0 and (open_ := [part for part in parts if part.shown < len(part.told)]):
        for part in open_[:room]:
            part.shown += 1
        room -= len(open_[:room])


def _name(part: _Part) -> str:
    return f"level {part.first}" if part.first == part.last else f"levels {part.first} to {part.last}"


def _heading(title: str, counts: Counter[JobState]) -> Text:
    return Text.assemble((f"{title}: ", "bold"), _counted(counts), no_wrap=True, overflow="ellipsis")


def _counted(counts: Counter[JobState]) -> Text:
    there = (state for state in JobState if counts[state])
    return Text(", ").join(Text(f"{mark(s).glyph} {counts[s]} {s.lower()}", STYLES[s]) for s in there)
