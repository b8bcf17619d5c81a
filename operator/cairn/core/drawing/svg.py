"""A drawing as an SVG that needs nothing else: no script, no font, no style sheet from elsewhere.

Every state is told by sign and word beside its colour; whatever does not fit on a job is in its tooltip. The picture is
as large as the drawing needs, so that a browser scrolls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from cairn.core.checkpoint.changes import readable
from cairn.core.drawing.layout import HEIGHT, WIDTH, Kind, Layout, Place, Slot, layout
from cairn.core.drawing.marks import MARKS, mark
from cairn.core.drawing.model import Drawing, Flag, Node
from cairn.core.drawing.text import named
from cairn.core.status import JobState

_MARGIN = 36
_HEADER = 112  # of title, legend and names of the levels
_LEAST_WIDTH = 760
_ID_CHARACTERS = 24
_FACT_CHARACTERS = 32
_NAMED = 20  # dependencies in a tooltip
_STYLE = """\
text{font-family:Inter,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
.title{font-size:20px;font-weight:600;fill:#0f172a}
.phase{font-size:13px;fill:#475569}
.level{font-size:11px;fill:#64748b;letter-spacing:.06em}
.id{font-size:13px;font-weight:600;fill:#0f172a}
.facts{font-size:10.5px}
.flag{font-size:9.5px;font-weight:600;fill:#ffffff;letter-spacing:.03em}
.edges{fill:none;stroke:#94a3b8;stroke-width:1.4}
.crowded{stroke-width:.8;stroke-opacity:.35}
.tips,.hub{fill:#94a3b8}"""


def svg(drawing: Drawing) -> str:
    """The picture."""
    found = layout(drawing)
    width, height = max(found.width + 2 * _MARGIN, _LEAST_WIDTH), found.height + _HEADER + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img">',
            f"<title>{_text(drawing.name or 'execution')}</title>",
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *_header(drawing),
            f'<g transform="translate({_MARGIN} {_HEADER})">',
            *_levels(found),
            *_lines(found),
            *_jobs(drawing, found),
            "</g>",
            "</svg>",
            "",
        ]
    )


# --- What stands above -----------------------------------------------------------------------------------------------


def _header(drawing: Drawing) -> Iterator[str]:
    phase = drawing.pause or drawing.phase
    told = f'<tspan class="phase" dx="12">{phase}</tspan>' if phase else ""
    yield f'<text class="title" x="{_MARGIN}" y="40">{_text(drawing.name or "execution")}{told}</text>'
    x: float = _MARGIN
    for state, count in drawing.counts.items():
        yield from _legend(state, count, x)
        x += _legend_width(state, count) + 10
    if not drawing.counts:
        yield f'<text class="phase" x="{x}" y="67">{len(drawing.nodes)} jobs</text>'


def _legend(state: JobState, count: int, x: float) -> Iterator[str]:
    look, width = MARKS[state], _legend_width(state, count)
    yield f'<rect x="{x:g}" y="54" width="{width:g}" height="22" rx="11" fill="{look.fill}" stroke="{look.stroke}"/>'
    yield f'<text class="facts" x="{x + 11:g}" y="69" fill="{look.ink}">{look.glyph} {count} {state.lower()}</text>'


def _legend_width(state: JobState, count: int) -> float:
    return 36 + 6.6 * len(f"{count} {state}")


def _levels(found: Layout) -> Iterator[str]:
    for level, x, y in found.titles:
        yield f'<text class="level" x="{x:g}" y="{y - 14:g}">LEVEL {level}</text>'


# --- Lines -----------------------------------------------------------------------------------------------------------


def _lines(found: Layout) -> Iterator[str]:
    curves = [_curve(found.places[source], found.places[target]) for source, target in found.links]
    curves += [f"M{p.x:g} {p.y:g}H{p.end:g}" for slot, p in found.places.items() if slot.kind is Kind.PASSING]
    look = "edges crowded" if found.crowded else "edges"
    yield f'<path class="{look}" d="{"".join(curves)}"/>'
    reached = dict.fromkeys(target for _, target in found.links if target.kind is Kind.JOB)
    tips = (f"M{p.x - 1:g} {p.y:g}l-7 -4v8z" for p in map(found.places.__getitem__, reached))
    yield f'<path class="tips" d="{"".join(tips)}"/>'
    for slot, place in found.places.items():
        if slot.kind is Kind.JUNCTION:
            yield f'<circle class="hub" cx="{place.x:g}" cy="{place.y:g}" r="4"/>'


def _curve(source: Place, target: Place) -> str:
    """From the right edge of one to the left edge of the other, level at both ends."""
    reach = max((target.x - source.end) / 2, 24)
    return (
        f"M{source.end:g} {source.y:g}C{source.end + reach:g} {source.y:g} "
        f"{target.x - reach:g} {target.y:g} {target.x:g} {target.y:g}"
    )


# --- Jobs ------------------------------------------------------------------------------------------------------------


def _jobs(drawing: Drawing, found: Layout) -> Iterator[str]:
    for node in drawing.nodes:
        place = found.places[Slot(Kind.JOB, node.id, 2 * node.level)]
        yield f'<g transform="translate({place.x:g} {place.y - HEIGHT / 2:g})">'
        yield f"<title>{_text(_tooltip(node))}</title>"
        yield from _job(node)
        yield "</g>"


def _job(node: Node) -> Iterator[str]:
    look = mark(node.state)
    dashed = ' stroke-dasharray="5 3"' if Flag.HELD in node.flags else ""
    yield (
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{look.fill}" stroke="{look.stroke}" '
        f'stroke-width="1.3"{dashed}/>'
    )
    told = _fitting((f"{look.glyph} {look.word}".strip(), *node.facts))
    middle = 19 if told else 28
    yield f'<text class="id" x="12" y="{middle}">{_text(_cut(node.id, _ID_CHARACTERS))}</text>'
    if told:
        yield f'<text class="facts" x="12" y="36" fill="{look.ink}">{_text(told)}</text>'
    yield from _flags(node, look.stroke)


def _flags(node: Node, colour: str) -> Iterator[str]:
    x: float = WIDTH - 8
    for flag in reversed(node.flags):
        width = 12 + 5.8 * len(flag)
        x -= width
        yield f'<rect x="{x:g}" y="-8" width="{width:g}" height="15" rx="7.5" fill="{colour}"/>'
        yield f'<text class="flag" x="{x + width / 2:g}" y="3" text-anchor="middle">{flag}</text>'
        x -= 4


def _tooltip(node: Node) -> str:
    facts = ", ".join(filter(None, (mark(node.state).word, *node.facts)))
    after = f"after {named(node.depends_on, _NAMED)}" if node.depends_on else ""
    return "\n".join(filter(None, (node.id, facts, ", ".join(node.flags), after)))


def _cut(text: str, most: int) -> str:
    """The text without its middle, if it is too long: the ends tell ids apart."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"


def _fitting(facts: Sequence[str]) -> str:
    """As many of the facts as there is room for, the first ones first."""
    told = ""
    for fact in map(readable, facts):
        longer = f"{told} · {fact}" if told else fact
        if len(longer) <= _FACT_CHARACTERS:
            told = longer
    return told


def _text(value: str) -> str:
    return escape("\n".join(map(readable, value.split("\n"))))
