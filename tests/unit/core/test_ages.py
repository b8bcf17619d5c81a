"""Ages and durations as kubectl writes them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cairn.core.ages import age, duration
from simulation.build import NOW


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86399, "23h"), (200_000, "2d")]
)
def test_ages(seconds: int, said: str) -> None:
    assert age(NOW, NOW + timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0s"), (0.9, "0s"), (59.9, "59s"), (60, "1m"), (95, "1m35s"), (7260, "2h1m"), (7259, "2h"), (90_000, "1d1h")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
