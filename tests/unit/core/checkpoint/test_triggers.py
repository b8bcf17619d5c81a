"""Which checkpoint a step calls for: edges between two sets of records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest import param

from cairn.core.checkpoint import triggers
from cairn.core.checkpoint.book import Book, Failure, Last
from cairn.core.checkpoint.settings import CheckpointSettings
from cairn.core.checkpoint.trigger import Trigger
from cairn.core.status import Acknowledged, JobRecord, PausePhase, PauseState, Phase, Status
from simulation.build import EARLIER, NOW, ended, failed, running, skipped

LEVELS = {"a": 0, "b": 0, "c": 1}
PENDING = JobRecord("c")


def by_id(*records: JobRecord) -> dict[str, JobRecord]:
    return {r.id: r for r in records}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        param([running("a")], [ended("a")], ("a",), id="completed"),
        param([running("a")], [failed("a")], ("a",), id="failed"),
        param([ended("a")], [ended("a")], (), id="had ended before"),
        param([failed("a")], [failed("a", attempt=2)], ("a",), id="failed again, by another attempt"),
        param([JobRecord("a")], [skipped("a")], (), id="skipped is neither completed nor failed"),
        param([failed("a")], [ended("a", attempt=2)], ("a",), id="completed by hand"),
        param([], [ended("a")], ("a",), id="seen for the first time"),
        param([running("a"), running("b")], [ended("a"), ended("b")], ("a", "b"), id="two in one step, in order"),
    ],
)
def test_jobs_that_end(before: list[JobRecord], after: list[JobRecord], expected: tuple[str, ...]) -> None:
    assert triggers.ended_jobs(by_id(*before), by_id(*after)) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        param([running("a"), ended("b")], [ended("a"), ended("b")], (0,), id="the last job of a level"),
        param([running("a"), running("b")], [ended("a"), running("b")], (), id="another one still runs"),
        param([running("a"), ended("b")], [failed("a"), ended("b"), skipped("c")], (0, 1), id="two levels at once"),
        param([ended("a"), ended("b")], [ended("a"), ended("b")], (), id="was complete before"),
        param([ended("a"), ended("b")], [ended("a"), ended("b"), ended("x")], (), id="a job that was removed"),
        param([], [ended("a")], (), id="a job of the level has no record yet"),
    ],
)
def test_levels_that_end(before: list[JobRecord], after: list[JobRecord], expected: tuple[int, ...]) -> None:
    assert triggers.ended_levels(by_id(*before), by_id(*after), LEVELS) == expected


def paused(phase: PausePhase) -> Status:
    return Status(pause=PauseState(phase, EARLIER, 1))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        param(Status(), paused(PausePhase.PAUSED), True, id="nothing ran when it began"),
        param(paused(PausePhase.DRAINING), paused(PausePhase.PAUSED), True, id="drained"),
        param(paused(PausePhase.PAUSED), paused(PausePhase.PAUSED), False, id="had drained before"),
        param(Status(), paused(PausePhase.DRAINING), False, id="draining"),
        param(paused(PausePhase.PAUSED), Status(), False, id="resumed"),
    ],
)
def test_a_pause_that_has_drained(before: Status, after: Status, expected: bool) -> None:
    assert triggers.drained(before, after) is expected


TIMED = CheckpointSettings(triggers=frozenset({Trigger.TIME_BASED}), time_interval_ms=60_000)
MINUTE = timedelta(minutes=1)
LAST = Last("c", "checkpoint_1", Trigger.MANUAL, NOW, "", 0)


@pytest.mark.parametrize(
    ("settings", "status", "book", "expected"),
    [
        param(TIMED, Status(started_at=EARLIER), Book(), NOW, id="from the start"),
        param(TIMED, Status(started_at=EARLIER), Book(last=LAST), NOW + MINUTE, id="from the last one, of any trigger"),
        param(TIMED, Status(started_at=EARLIER), Book(failed=Failure("c", "", "", NOW)), NOW + MINUTE,
              id="from the last that failed"),
        param(TIMED, Status(), Book(), None, id="not started"),
        param(TIMED, Status(started_at=EARLIER, phase=Phase.SUCCEEDED), Book(), None, id="finished"),
        param(replace(TIMED, enabled=False), Status(started_at=EARLIER), Book(), None, id="not enabled"),
        param(CheckpointSettings(), Status(started_at=EARLIER), Book(), None, id="another trigger"),
    ],
)  # fmt: skip
def test_the_next_time(settings: CheckpointSettings, status: Status, book: Book, expected: Any) -> None:
    assert triggers.next_time(status, book, settings) == expected


def test_jobs_that_ran_and_are_done_are_counted() -> None:
    assert triggers.ended(by_id(ended("a"), failed("b"), skipped("c"), running("d"), PENDING)) == 2


def test_a_cause_is_the_same_for_whoever_looks_and_another_one_after_a_repair() -> None:
    records = by_id(ended("a"), ended("b"))
    status = Status(jobs=records)
    repaired = replace(status, requests=(Acknowledged("r", "Retry", NOW),))
    for due in (
        lambda s, r: triggers.level_due((0,), s, r, LEVELS),
        lambda s, r: triggers.job_due(("a", "b"), s, r),
        lambda s, r: triggers.critical_due(("a",), s, r, 1),
    ):
        first = due(status, records)
        assert due(status, records) == first
        assert due(repaired, records).key != first.key
        assert due(replace(status, epoch=1), records).key != first.key
        assert due(status, by_id(ended("a", attempt=2), ended("b"))).key != first.key


def test_a_critical_launch_after_another_pause_is_another_one() -> None:
    records = by_id(JobRecord("a"))
    later = triggers.critical_due(("a",), Status(), records, 3)
    assert triggers.critical_due(("a",), Status(), records, 1).key != later.key


def test_each_pause_has_its_own_cause() -> None:
    one = replace(paused(PausePhase.PAUSED), pause=PauseState(PausePhase.PAUSED, EARLIER, 1, reason="look"))
    due = triggers.pause_due(one)
    assert (due.trigger, due.causes) == (Trigger.MANUAL, ("look",))
    assert triggers.pause_due(paused(PausePhase.PAUSED)).causes == ()
    again, other = (Status(pause=PauseState(PausePhase.PAUSED, NOW, generation)) for generation in (1, 2))
    assert triggers.pause_due(again).key == due.key == triggers.pause_key(1)
    assert triggers.pause_due(other).key != due.key


def test_a_time_is_told_by_the_clock() -> None:
    assert triggers.time_due(NOW.replace(hour=14, minute=5)).causes == ("2026-01-31T14:05:00.000Z",)
