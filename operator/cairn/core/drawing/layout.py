"""Where everything goes in a picture: columns by level, from left to right.

Rules:
- A drawing of a usual size is laid out in layers: jobs on the even ones, junctions on the odd ones between them. A
  line that passes a level gets a place of its own there, so that it runs between the jobs and not behind them. Sweeps
  to and fro put everything near what it is joined to.
- A large one is a grid: long levels are broken into several columns, and many columns into bands, like the lines of a
  text. So no picture is wider than a screen can scroll.
- Lengths are pixels; `y` is the middle of a thing, `x` its left edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from cairn.core.drawing.model import Drawing, Junction

WIDTH = 224  # of a job
HEIGHT = 46
COLUMN_GAP = 84
ROW_GAP = 22
_PASSING_GAP = 12  # around a line that passes a level
_NARROW_GAP = 28  # between columns of one level
_BAND_GAP = 64
_LAYERED_LEVELS = 24
_LAYERED_ROWS = 40
_COLUMNS = 24  # of a band
_SWEEPS = 4


class Kind(Enum):
    """What stands at a place."""

    JOB = auto()
    JUNCTION = auto()
    PASSING = auto()  # a line that goes on to a later level


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that has a place; `key` is the id of a job, or tells one from another of its kind."""

    kind: Kind
    key: str
    layer: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where it stands."""

    x: float
    y: float
    width: float

    @property
    def end(self) -> float:
        """Its right edge."""
        return self.x + self.width


@dataclass(frozen=True, slots=True)
class Layout:
    """Every place, what is joined, where a level begins, and how large it all is."""

    places: dict[Slot, Place]
    links: tuple[tuple[Slot, Slot], ...]
    titles: tuple[tuple[int, float, float], ...]  # level, x, y (of the upper edge of its first column)
    width: float
    height: float
    crowded: bool = False  # so many lines that they must not hide the jobs


def layout(drawing: Drawing) -> Layout:
    """Where everything goes."""
    slots, links = _joined(drawing)
    levels = drawing.levels
    if len(levels) <= _LAYERED_LEVELS and len(drawing.nodes) <= _LAYERED_LEVELS * _LAYERED_ROWS:
        split = _passing(links)
        layers = _layers([*slots, *(slot for link in split for slot in link)])
        if max(map(len, layers), default=0) <= _LAYERED_ROWS:
            return _layered(layers, split)
    return _grid(drawing, slots, links)


# --- What is joined --------------------------------------------------------------------------------------------------

Links = Sequence[tuple[Slot, Slot]]


def _joined(drawing: Drawing) -> tuple[list[Slot], list[tuple[Slot, Slot]]]:
    jobs = {node.id: Slot(Kind.JOB, node.id, 2 * node.level) for node in drawing.nodes}
    links = [(jobs[edge.source], jobs[edge.target]) for edge in drawing.edges]
    slots = list(jobs.values())
    for number, junction in enumerate(drawing.junctions):
        hub = Slot(Kind.JUNCTION, str(number), _layer_of(junction, jobs))
        slots.append(hub)
        links += ((jobs[source], hub) for source in junction.sources)
        links += ((hub, jobs[target]) for target in junction.targets)
    return slots, links


def _layer_of(junction: Junction, jobs: dict[str, Slot]) -> int:
    return min(jobs[target].layer for target in junction.targets) - 1


def _passing(links: Links) -> list[tuple[Slot, Slot]]:
    """The links with a place on every level that they pass; lines from one source pass together."""
    found: dict[tuple[Slot, Slot], None] = {}
    for source, target in links:
        between = range(source.layer + 2 - source.layer % 2, target.layer, 2)  # the even ones
        passed = (Slot(Kind.PASSING, f"{source.kind.name} {source.key}", layer) for layer in between)
        found |= dict.fromkeys(pairwise([source, *passed, target]))
    return list(found)


def _layers(slots: Sequence[Slot]) -> list[list[Slot]]:
    found: list[list[Slot]] = [[] for _ in range(max((slot.layer for slot in slots), default=-1) + 1)]
    for slot in dict.fromkeys(slots):
        found[slot.layer].append(slot)
    return found


# --- In layers -------------------------------------------------------------------------------------------------------


def _layered(layers: list[list[Slot]], links: Links) -> Layout:
    before: dict[Slot, list[Slot]] = {slot: [] for layer in layers for slot in layer}
    behind: dict[Slot, list[Slot]] = {slot: [] for slot in before}
    for source, target in links:
        behind[source].append(target)
        before[target].append(source)
    y = {slot: place for layer in layers for slot, place in _stacked(layer)}
    for _ in range(_SWEEPS):
        for order, near in ((layers, before), (layers[::-1], behind)):
            for layer in order:
                wanted = {slot: _mean([y[other] for other in near[slot]], y[slot]) for slot in layer}
                layer.sort(key=wanted.__getitem__)
                y |= _packed(layer, wanted)
    return _placed(layers, y, links)


def _placed(layers: list[list[Slot]], y: dict[Slot, float], links: Links) -> Layout:
    top = min((y[slot] for layer in layers for slot in layer), default=0) - HEIGHT / 2
    places = {slot: Place(_x(slot), round(y[slot] - top, 1), _width(slot)) for layer in layers for slot in layer}
    columns = layers[::2]
    titles = tuple((level, _x(column[0]), 0.0) for level, column in enumerate(columns))
    width = len(columns) * (WIDTH + COLUMN_GAP) - COLUMN_GAP if columns else 0
    return Layout(places, tuple(links), titles, width, max((p.y for p in places.values()), default=0) + HEIGHT / 2)


def _x(slot: Slot) -> float:
    level, between = divmod(slot.layer, 2)
    return level * (WIDTH + COLUMN_GAP) + between * (WIDTH + COLUMN_GAP / 2)


def _width(slot: Slot) -> float:
    return 0 if slot.kind is Kind.JUNCTION else WIDTH


def _apart(upper: Slot, lower: Slot) -> float:
    """How far the middles of two neighbours must be from each other."""
    jobs = (upper.kind is Kind.JOB) + (lower.kind is Kind.JOB)
    return jobs * HEIGHT / 2 + (ROW_GAP if jobs == 2 else _PASSING_GAP)


def _stacked(layer: Sequence[Slot]) -> Iterator[tuple[Slot, float]]:
    """One under the other, around zero."""
    offsets = [0.0]
    for upper, lower in pairwise(layer):
        offsets.append(offsets[-1] + _apart(upper, lower))
    return ((slot, offset - offsets[-1] / 2) for slot, offset in zip(layer, offsets, strict=False))


def _packed(layer: Sequence[Slot], wanted: dict[Slot, float]) -> dict[Slot, float]:
    """As near to where each wants to be as they can all come, in their order.

    Pushed down and pushed up they keep their distances, and so does the middle of both.
    """
    down = [wanted[slot] for slot in layer]
    up = list(down)
    for place, (upper, lower) in enumerate(pairwise(layer), 1):
        down[place] = max(down[place], down[place - 1] + _apart(upper, lower))
    for place in range(len(layer) - 2, -1, -1):
        up[place] = min(up[place], up[place + 1] - _apart(layer[place], layer[place + 1]))
    return {slot: (low + high) / 2 for slot, low, high in zip(layer, down, up, strict=True)}


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


# --- In a grid -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    level: int
    first: bool  # of its level
    ids: Sequence[str]


def _grid(drawing: Drawing, slots: Sequence[Slot], links: Links) -> Layout:
    columns = list(_columns(drawing))
    jobs = {slot.key: slot for slot in slots if slot.kind is Kind.JOB}
    places: dict[Slot, Place] = {}
    titles: list[tuple[int, float, float]] = []
    top, width = 0.0, 0.0
    for start in range(0, len(columns), _COLUMNS):
        band = columns[start : start + _COLUMNS]
        x = 0.0
        for place, column in enumerate(band):
            x += (COLUMN_GAP if column.first else _NARROW_GAP) if place else 0
            if column.first:
                titles.append((column.level, x, top))
            for row, id in enumerate(column.ids):
                places[jobs[id]] = Place(x, top + HEIGHT / 2 + row * (HEIGHT + ROW_GAP), WIDTH)
            x += WIDTH
        width = max(width, x)
        top += max(len(column.ids) for column in band) * (HEIGHT + ROW_GAP) - ROW_GAP + _BAND_GAP
    places |= _junction_places(slots, titles)
    return Layout(places, tuple(links), tuple(titles), width, top - _BAND_GAP, crowded=True)


def _columns(drawing: Drawing) -> Iterator[_Column]:
    rows = min(max(math.ceil(math.sqrt(2 * len(drawing.nodes))), 12), _LAYERED_ROWS)
    for level, nodes in enumerate(drawing.levels):
        for start in range(0, len(nodes), rows):
            yield _Column(level, start == 0, [node.id for node in nodes[start : start + rows]])


def _junction_places(slots: Sequence[Slot], titles: Sequence[tuple[int, float, float]]) -> dict[Slot, Place]:
    """Before the first column of the level that waits, one under the other."""
    begins = {level: (x, y) for level, x, y in titles}
    count = dict.fromkeys(begins, 0)
    found: dict[Slot, Place] = {}
    for slot in slots:
        if slot.kind is Kind.JUNCTION:
            level = (slot.layer + 1) // 2
            x, y = begins[level]
            found[slot] = Place(x - COLUMN_GAP / 2, y + HEIGHT / 2 + count[level] * _PASSING_GAP * 2, 0)
            count[level] += 1
    return found
