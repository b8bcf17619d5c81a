"""A drawing in the language of Graphviz: `cairn graph NAME -o dot | dot -Tpdf`."""

from __future__ import annotations

from collections.abc import Iterator

from cairn.core.checkpoint.changes import readable
from cairn.core.drawing.marks import mark
from cairn.core.drawing.model import Drawing, Flag, Node

_HEAD = """\
  rankdir=LR
  node [shape=box style="rounded,filled" fontname="Helvetica" fontsize=11 margin="0.15,0.07"]
  edge [color="#94a3b8" arrowsize=0.7]"""


def dot(drawing: Drawing) -> str:
    """The graph. Every name is quoted, so that nothing in it is a word of the language."""
    return "\n".join([f"digraph {_quoted(drawing.name or 'execution')} {{", _HEAD, *_statements(drawing), "}", ""])


def _statements(drawing: Drawing) -> Iterator[str]:
    for node in drawing.nodes:
        yield f"  {_quoted(node.id)} [{_attributes(node)}]"
    for place, junction in enumerate(drawing.junctions):
        hub = _quoted(f" {place}")  # no id begins with a space
        yield f"  {hub} [shape=point width=0.08 color=\"#94a3b8\" xlabel={_quoted(junction.group)}]"
        for source in junction.sources:
            yield f"  {_quoted(source)} -> {hub} [arrowhead=none]"
        for target in junction.targets:
            yield f"  {hub} -> {_quoted(target)}"
    for edge in drawing.edges:
        yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)}"


def _attributes(node: Node) -> str:
    look = mark(node.state)
    told = ", ".join(filter(None, (f"{look.glyph} {look.word}".strip(), *node.facts)))
    flags = f"({', '.join(node.flags)})" if node.flags else ""
    label = r"\n".join(map(_escaped, filter(None, (node.id, told, flags))))
    style = ' style="rounded,filled,dashed"' if Flag.HELD in node.flags else ""
    return f'label="{label}" fillcolor="{look.fill}" color="{look.stroke}" fontcolor="{look.ink}"{style}'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return readable(text).replace("\\", "\\\\").replace('"', '\\"')
