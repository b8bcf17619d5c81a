"""The operator's own histogram of its lag: how many probes were late, and how late the latest was at most."""

from __future__ import annotations

import pytest

from bench.counters import Counts
from bench.loop_probe import Lag


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        pytest.param([{"0.001": 9, "0.02": 10, "+Inf": 10}], Lag(10, 0, "up to 20 ms"), id="none is late"),
        pytest.param([{"0.02": 8, "0.05": 10, "1.0": 10, "+Inf": 10}], Lag(10, 2, "up to 50 ms"), id="the least edge"),
        pytest.param([{"0.02": 9, "1.0": 9, "+Inf": 10}], Lag(10, 1, "over 1 s"), id="past the last edge"),
        pytest.param([{"0.05": 4, "+Inf": 4}], Lag(4, 4, "up to 50 ms"), id="an edge that has not grown is left out"),
        pytest.param(
            [{"0.02": 9, "0.1": 9, "+Inf": 9}, {"0.1": 1, "+Inf": 1}], Lag(10, 1, "up to 100 ms"), id="several",
        ),
        pytest.param([], Lag(0, 0, "none"), id="nothing observed"),
    ],
)  # fmt: skip
def test_lag(buckets: list[Counts], expected: Lag) -> None:
    assert Lag.of(buckets) == expected


def test_a_share_of_nothing_is_none() -> None:
    assert (Lag(0, 0, "none").late_percent, Lag(200, 1, "up to 50 ms").late_percent) == (0, 0.5)
