"""Plots as small SVG texts, made by hand: they are committed, so the same data must always give the same bytes.

Colours are legible on white and on black; every plot has a title for who cannot see it. No styles, no scripts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22")
WIDTH = 760
_LEFT, _RIGHT, _TOP = 190, 70, 34
_BAR, _GAP = 14, 12
_GREY = "#808080"

Bars = Mapping[str, Mapping[str, float]]
"""Label, series, value."""
Points = Sequence[tuple[float, float]]


def bars(title: str, unit: str, groups: Bars) -> str:
    """Horizontal bars, one for each series of each label, each with its value."""
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    scale = _scale(max((value for group in groups.values() for value in group.values()), default=0))
    parts, y = [_legend(series)], _TOP + 24
    for label, group in groups.items():
        parts.append(_text(_LEFT - 8, y + len(group) * _BAR / 2 + 4, label, "end"))
        for name, value in group.items():
            parts.append(_box(_LEFT, y, value * scale, COLOURS[series.index(name) % len(COLOURS)]))
            parts.append(_text(_LEFT + value * scale + 4, y + 11, f"{_short(value)} {unit}".strip()))
            y += _BAR
        y += _GAP
    return _svg(title, y + 4, parts)


def stacks(title: str, unit: str, groups: Bars) -> str:
    """One horizontal bar for each label, made of its series; at its end the sum."""
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    scale = _scale(max((sum(group.values()) for group in groups.values()), default=0))
    parts, y = [_legend(series)], _TOP + 24 + _BAR * ((len(series) - 1) // 3)
    for label, group in groups.items():
        parts.append(_text(_LEFT - 8, y + 11, label, "end"))
        x = float(_LEFT)
        for name, value in group.items():
            parts.append(_box(x, y, value * scale, COLOURS[series.index(name) % len(COLOURS)]))
            x += max(value, 0) * scale
        parts.append(_text(x + 4, y + 11, f"{_short(sum(group.values()))} {unit}".strip()))
        y += _BAR + _GAP
    return _svg(title, y + 4, parts)


def lines(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Lines through points, on linear axes from zero: what grows linearly is straight."""
    left, bottom, top, right = 70, 280, _TOP + 24, WIDTH - 30
    points = [point for each in series.values() for point in each]
    most_x, most_y = (_ceiling(max((point[n] for point in points), default=1)) for n in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / most_x * (right - left), bottom - y / most_y * (bottom - top)

    parts = [_legend(list(series)), _line([(left, top), (left, bottom), (right, bottom)], _GREY)]
    for step in range(1, 5):
        x, y = place(most_x * step / 4, most_y * step / 4)
        parts += [_text(x, bottom + 16, _short(most_x * step / 4), "middle"),
                  _text(left - 6, y + 4, _short(most_y * step / 4), "end")]  # fmt: skip
    for number, each in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(*point) for point in each]
        parts.append(_line(placed, colour))
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
    parts += [_text((left + right) / 2, bottom + 34, across, "middle"), _text(left - 60, top - 8, up)]
    return _svg(title, bottom + 44, parts)


def _scale(most: float) -> float:
    return (WIDTH - _LEFT - _RIGHT) / most if most > 0 else 0.0


def _ceiling(value: float) -> float:
    """The next round number."""
    if value <= 0:
        return 1.0
    power = 10.0 ** (len(f"{value:.0f}") - 1) if value >= 1 else 0.1
    return next((power * step for step in (1, 2, 4, 5, 8, 10) if power * step >= value), power * 10)


def _short(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _legend(series: Sequence[str]) -> str:
    """Names of series with their colours, three a line."""
    if len(series) < 2:
        return ""
    parts = []
    for number, name in enumerate(series):
        x, y = 10 + number % 3 * 250, _TOP + number // 3 * _BAR
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(_text(x + 14, y, name))
    return "\n".join(parts)


def _box(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{_BAR - 2}" fill="{colour}"/>'


def _line(points: Points, colour: str) -> str:
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_GREY}">{escape(text)}</text>'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" font-family="sans-serif" font-size="11">\n'
        f"<title>{escape(title)}</title>\n"
        f'<text x="10" y="16" font-size="13" font-weight="bold" fill="{_GREY}">{escape(title)}</text>\n'
        f"{body}\n</svg>\n"
    )
