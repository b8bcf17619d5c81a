"""Percentiles are values that were measured."""

from __future__ import annotations

import pytest

from bench.quantiles import Spread, quantile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([7.0], 0.99, 7.0, id="of one value every quantile is that"),
        pytest.param([3.0, 1.0, 2.0], 0.5, 2.0, id="the median of an odd number is the middle"),
        pytest.param([4.0, 3.0, 2.0, 1.0], 0.5, 2.0, id="of an even number it is the lower of two"),
        pytest.param([float(n) for n in range(1, 101)], 0.99, 99.0, id="the 99th of a hundred"),
        pytest.param([1.0, 2.0], 1.0, 2.0, id="the whole is the most"),
        pytest.param([1.0, 2.0], 0.0, 1.0, id="nothing is the least"),
    ],
)
def test_quantile(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == expected


def test_a_spread_of_nothing_is_none() -> None:
    assert Spread.of([]) is None


def test_a_spread_is_rounded_to_what_is_worth_keeping() -> None:
    assert Spread.of([0.123456, 2.0, 3.0]) == Spread(3, 2.0, 3.0, 3.0, 3.0)
