"""What checkpoint settings cost: how many a run takes at most, how large they are, how many stay."""

from __future__ import annotations

from typing import Any

import pytest

from cairn.core.checkpoint import cost
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.parse import parse

JOBS = [
    {"id": "a", "image": "x"}, {"id": "b", "image": "x", "dependsOn": ["a"], "retry": {"limit": 2}},
    {"id": "c", "image": "x", "dependsOn": ["a"], "outputs": "Log"}, {"id": "d", "image": "x", "dependsOn": ["b", "c"]},
]  # fmt: skip


def estimate(timeout: int = 0, **checkpoint: Any) -> cost.Cost:
    spec = {"jobs": JOBS, "checkpoint": checkpoint, "timeoutSeconds": timeout}
    return cost.estimate(parse(spec), spec)


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        pytest.param({}, {Trigger.LEVEL_COMPLETED: 3}, id="by default after each level"),
        pytest.param({"enabled": False}, {}, id="none by itself"),
        pytest.param({"triggers": ["manual"]}, {}, id="only those that are asked for"),
        pytest.param({"triggers": ["job-completed"]}, {Trigger.JOB_COMPLETED: 4}, id="after each job"),
        pytest.param({"profile": "LongRunning"}, {Trigger.JOB_COMPLETED: 4}, id="what a profile says"),
        pytest.param({"triggers": ["before-critical"], "criticalJobIds": ["b", "d"]}, {Trigger.BEFORE_CRITICAL: 4},
                     id="before each attempt of a critical job"),
        pytest.param({"triggers": ["time-based"], "timeIntervalMs": 60_000}, {}, id="without end"),
    ],
)  # fmt: skip
def test_how_many(settings: dict[str, Any], counts: dict[Trigger, int]) -> None:
    found = estimate(**settings)
    assert (found.counts, found.most) == (counts, sum(counts.values()))


def test_by_time_within_the_timeout_or_by_the_hour() -> None:
    bounded = estimate(600, triggers=["time-based"], timeIntervalMs=60_000)
    assert (bounded.counts, bounded.per_hour, bounded.kept) == ({Trigger.TIME_BASED: 10}, 0, 10)
    endless = estimate(triggers=["time-based"], timeIntervalMs=60_000, retentionCount=7)
    assert (endless.counts, endless.per_hour, endless.kept) == ({}, 60, 7)


def test_how_large() -> None:
    found = estimate()
    handed_out = 4 * 8192 + 3 * 4096 + 65536
    assert found.most_bytes == found.least_bytes + handed_out
    assert 2000 < found.least_bytes < 8000
    written = {"jobs": JOBS, "params": {"x": "y" * 1000}}
    assert cost.estimate(parse(written), written).least_bytes - found.least_bytes == pytest.approx(1000, abs=120)


@pytest.mark.parametrize(
    ("settings", "kept", "times"),
    [
        pytest.param({}, 3, 3, id="all there are"),
        pytest.param({"retentionCount": 2}, 2, 2, id="as many as are kept"),
        pytest.param({"retention": {"maxBytes": 1000}}, 3, 0, id="as many bytes as are kept"),
    ],
)
def test_what_is_kept(settings: dict[str, Any], kept: int, times: int) -> None:
    found = estimate(**settings)
    assert (found.kept, found.kept_bytes) == (kept, times * found.most_bytes or 1000)


def test_for_people_and_for_programs() -> None:
    spec = parse({"jobs": JOBS, "checkpoint": {"triggers": ["time-based", "level-completed"], "timeIntervalMs": 3_000}})
    some = cost.Cost({Trigger.LEVEL_COMPLETED: 3}, 1200, 4_200, 1_230_000, 10, 12_300_000)
    assert cost.lines(some, spec.checkpoint) == [
        "checkpoints: at most 3 level-completed, 1200 time-based an hour",
        "size: 4.2 KB each, 1.2 MB if every job hands out all it may, before compression",
        "retention: the newest 10 are kept: 12.3 MB at most",
    ]
    none = cost.Cost({}, 0, 1, 1, 0, 0)
    assert cost.lines(none, spec.checkpoint) == ["checkpoints: only those that somebody asks for, and of a pause"]
    assert cost.to_wire(some) == {
        "checkpointsAtMost": {"level-completed": 3}, "timeBasedPerHour": 1200, "bytesEach": 4_200,
        "bytesEachAtMost": 1_230_000, "keptAtMost": 10, "keptBytesAtMost": 12_300_000,
    }  # fmt: skip
