"""A drawing as a Mermaid flowchart: for Markdown that GitHub and others render.

Jobs are called by their number, since an id may be a word of the language (`end`) or hold what it does not take; the id
is in the label, with every character that could end or mean something written as an entity.
"""

from __future__ import annotations

import string

from cairn.core.checkpoint.changes import readable
from cairn.core.drawing.marks import MARKS, mark
from cairn.core.drawing.model import Drawing, Flag, Node
from cairn.core.status import JobState

_PLAIN = frozenset(string.ascii_letters + string.digits + " .-_,:()[]/+")


def mermaid(drawing: Drawing) -> str:
    """The flowchart."""
    numbers = {node.id: f"j{place}" for place, node in enumerate(drawing.nodes)}
    lines = ["flowchart LR"]
    lines += (f'  {numbers[node.id]}("{_label(node)}")' for node in drawing.nodes)
    for place, junction in enumerate(drawing.junctions):
        lines.append(f'  g{place}(("{_escaped(junction.group) or " "}"))')
        lines += (f"  {numbers[source]} --- g{place}" for source in junction.sources)
        lines += (f"  g{place} --> {numbers[target]}" for target in junction.targets)
    lines += (f"  {numbers[edge.source]} --> {numbers[edge.target]}" for edge in drawing.edges)
    for state in drawing.counts:
        lines += _class(drawing, state, numbers)
    if held := [numbers[node.id] for node in drawing.nodes if Flag.HELD in node.flags]:
        lines += ["  classDef held stroke-dasharray:4 3", f"  class {','.join(held)} held"]
    return "\n".join([*lines, ""])


def _class(drawing: Drawing, state: JobState, numbers: dict[str, str]) -> list[str]:
    look, word = MARKS[state], state.lower()
    members = ",".join(numbers[node.id] for node in drawing.nodes if node.state is state)
    return [
        f"  classDef {word} fill:{look.fill},stroke:{look.stroke},color:{look.ink}",
        f"  class {members} {word}",
    ]


def _label(node: Node) -> str:
    look = mark(node.state)
    state = f"{look.glyph} {look.word}".strip()
    told = ", ".join(filter(None, (state, *map(_escaped, map(readable, node.facts)))))
    flags = f"({', '.join(node.flags)})" if node.flags else ""
    return "<br/>".join(filter(None, (_escaped(readable(node.id)), told, flags)))


def _escaped(text: str) -> str:
    return "".join(c if c in _PLAIN else f"#{ord(c)};" for c in text)
