"""A drawing as text: a tree in which every job stands once, or, where that would be too deep, a list by level.

Rules:
- In the tree a job stands under the last of its dependencies on the level before its own; the others are named beside
  it. So a diamond repeats nothing, and whoever reads from top to bottom has met most of what a job waits for.
- Nothing recurses, and nothing that a user wrote reaches the terminal unescaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cairn.core.checkpoint.changes import readable
from cairn.core.drawing.marks import mark
from cairn.core.drawing.model import Drawing, Node

DEEPEST_TREE = 16  # levels; what is deeper would be pushed out of the window
_NAMED = 4  # dependencies beside a job


@dataclass(frozen=True, slots=True)
class Row:
    """A job in the tree: the lines that lead to it, and what it waits for besides the job above."""

    node: Node
    lines: str
    also: tuple[str, ...]


def tree(drawing: Drawing) -> list[Row]:
    """The jobs from the roots on, each once."""
    parents = _parents(drawing)
    below: dict[str | None, list[Node]] = {}
    for node in drawing.nodes:
        below.setdefault(parents[node.id], []).append(node)
    rows: list[Row] = []
    waiting = [(root, "", "") for root in reversed(below.get(None, ()))]
    while waiting:
        node, lines, indent = waiting.pop()
        rows.append(Row(node, lines, tuple(d for d in node.depends_on if d != parents[node.id])))
        children = below.get(node.id, [])
        for place, child in reversed(list(enumerate(children, 1))):
            last = place == len(children)
            waiting.append((child, indent + ("└─ " if last else "├─ "), indent + ("   " if last else "│  ")))
    return rows


def _parents(drawing: Drawing) -> dict[str, str | None]:
    levels = {node.id: node.level for node in drawing.nodes}
    return {
        node.id: next((d for d in reversed(node.depends_on) if levels[d] == node.level - 1), None)
        for node in drawing.nodes
    }


def is_deep(drawing: Drawing) -> bool:
    """Whether the drawing is better told by level."""
    return len(drawing.levels) > DEEPEST_TREE


def text(drawing: Drawing) -> str:
    """The drawing for a terminal, without colours."""
    body = _by_level(drawing) if is_deep(drawing) else _as_tree(drawing)
    return "\n".join([*_title(drawing), *body, ""])


def named(ids: Sequence[str], most: int = _NAMED) -> str:
    """Some ids, and how many more."""
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(map(readable, ids[:most])) + more


def title(drawing: Drawing) -> str:
    """Name, phase, pause and counts in a line; empty if there is nothing to tell."""
    told = [drawing.pause or drawing.phase] if drawing.phase else []
    counts = [f"{count} {state.lower()}" for state, count in drawing.counts.items()] or [f"{len(drawing.nodes)} jobs"]
    return ": ".join(filter(None, (readable(drawing.name), ", ".join([*told, *counts]))))


def _title(drawing: Drawing) -> Iterator[str]:
    yield title(drawing)


def _as_tree(drawing: Drawing) -> list[str]:
    rows = tree(drawing)
    left = [f"{row.lines}{_named(row.node)}" for row in rows]
    beside = [f"also after {named(row.also)}" if row.also else "" for row in rows]
    return _aligned(left, [row.node for row in rows], beside)


def _by_level(drawing: Drawing) -> list[str]:
    found: list[str] = []
    for number, nodes in enumerate(drawing.levels):
        found.append(f"level {number}: {len(nodes)} {'job' if len(nodes) == 1 else 'jobs'}")
        after = [f"after {named(node.depends_on)}" if node.depends_on else "" for node in nodes]
        found += _aligned([f"  {_named(node)}" for node in nodes], nodes, after)
    return found


def _named(node: Node) -> str:
    glyph = mark(node.state).glyph
    return f"{glyph} {readable(node.id)}" if glyph else readable(node.id)


def _aligned(left: Sequence[str], nodes: Sequence[Node], right: Sequence[str]) -> list[str]:
    wide = max(map(len, left), default=0)
    words = max((len(mark(node.state).word) for node in nodes), default=0)
    return [
        "  ".join([f"{name:{wide}}", *_told(node, words), *filter(None, [beside])]).rstrip()
        for name, node, beside in zip(left, nodes, right, strict=True)
    ]


def _told(node: Node, wide: int) -> list[str]:
    """State, facts and flags; of a file, no states."""
    state = [f"{mark(node.state).word:{wide}}"] if wide else []
    flags = [f"[{', '.join(node.flags)}]"] if node.flags else []
    return [*state, *map(readable, node.facts), *flags]
