"""What two statuses tell in numbers: attempts that ended, retries, starts, hops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cairn import names
from cairn.core import measures
from cairn.core.actions import Launch
from cairn.core.measures import Change
from cairn.core.restore.progress import Mode, Origin, RestoredFrom
from cairn.core.status import JobRecord, Phase, Status
from simulation.build import EARLIER, NOW, after, ended, failed, intended, running, skipped

RESTORED = RestoredFrom(Mode.FORK, Origin("checkpoint_1", "ckpt", "digest", "default", "other", "uid"), NOW, 1)
WAITS = running("a", failures=1).as_pending(names.ERROR, "exit code 1", retry_at=after(10))
EVICTED = running("a", disruptions=1).as_pending(names.POD_DELETED, "evicted", retry_at=after(10))
STOPPED = running("a").as_pending(names.STOPPED, "stopped by the pause")


def of(*records: JobRecord, **fields: Any) -> Status:
    return Status(**{"phase": Phase.RUNNING, "jobs": {r.id: r for r in records}, **fields})


@pytest.mark.parametrize(
    ("before", "record", "outcome", "retry"),
    [
        (running("a"), ended("a"), "Completed", None),
        (running("a"), failed("a"), "Failed", None),
        (running("a"), WAITS, "Failed", "application"),
        (running("a"), EVICTED, "Failed", "infrastructure"),
        (running("a"), STOPPED, "Stopped", None),
        (running("a"), intended("a", 2), "Stopped", None),
        (running("a"), intended("a", 2, failures=1), "Failed", "application"),
    ],
    ids=["completed", "failed for good", "the program gets another try", "the cluster gets another try",
         "stopped on purpose, to run again", "stopped, and run again in the same step", "tried again in the same step"],
)  # fmt: skip
def test_an_attempt_that_ends(before: JobRecord, record: JobRecord, outcome: str, retry: str | None) -> None:
    (change,) = measures.changes(of(before), of(record))
    assert change.ended
    assert (change.outcome, change.retry) == (outcome, retry)


@pytest.mark.parametrize(
    ("before", "record"),
    [(JobRecord("a"), skipped("a")), (JobRecord("a"), intended("a")), (running("a"), running("a", started_at=NOW)),
     (WAITS, intended("a", 2)), (WAITS, failed("a"))],
    ids=["skipped", "launched", "started", "launched again", "given up while it waited"],
)  # fmt: skip
def test_what_is_no_end_of_an_attempt(before: JobRecord, record: JobRecord) -> None:
    (change,) = measures.changes(of(before), of(record))
    assert not change.ended and change.retry is None


@pytest.mark.parametrize(
    ("before", "record", "launched"),
    [(JobRecord("a"), intended("a"), True), (WAITS, intended("a", 2), True), (running("a"), ended("a"), False),
     (JobRecord("a"), skipped("a"), False)],
    ids=["the first", "another", "an end", "a skip"],
)  # fmt: skip
def test_a_launch(before: JobRecord, record: JobRecord, launched: bool) -> None:
    assert Change(before, record).launched is launched


@pytest.mark.parametrize(
    ("before", "record", "seconds"),
    [
        (running("a"), running("a", started_at=after(-50)), 10),
        (JobRecord("a"), ended("a", started_at=after(-50)), 10),
        (running("a"), running("a", started_at=after(-70)), 0),
        (running("a", started_at=EARLIER), ended("a", started_at=EARLIER), None),
        (running("a"), ended("a"), None),
        (running("a"), replace(running("a", started_at=NOW), launched_at=None), None),
    ],
    ids=["has started", "has started and ended", "clocks that differ", "was known", "never started", "no launch"],
)  # fmt: skip
def test_a_start(before: JobRecord, record: JobRecord, seconds: float | None) -> None:
    assert Change(before, record).start == seconds


def test_only_what_has_changed_is_looked_at() -> None:
    same = running("a")
    assert measures.changes(of(same, running("b")), of(same, running("b"))) == []
    assert [c.before for c in measures.changes(of(), of(intended("a")))] == [JobRecord("a")]


def test_what_a_restore_takes_over_has_not_happened_now() -> None:
    assert measures.changes(of(), of(ended("a"), restored_from=RESTORED)) == []
    assert measures.changes(of(failed("a")), of(ended("a"), restored_from=RESTORED)) == []


def test_what_a_restore_stops_and_launches_happens_now() -> None:
    """What goes on, or is done in the checkpoint, does not end by that."""
    before = of(running("stopped", 2), running("adopted"), running("undone", 2), running("again", 2), ended("new"))
    after = of(
        JobRecord("stopped", used=2), running("adopted"), ended("undone"), intended("again", 3), intended("new", 2),
        intended("first"), restored_from=RESTORED,
    )  # fmt: skip
    changes = measures.changes(before, after)
    assert [(c.before.id, c.before.attempt, c.outcome) for c in changes if c.ended] == [
        ("stopped", 2, "Stopped"), ("undone", 2, "Stopped"), ("again", 2, "Stopped"),
    ]  # fmt: skip
    assert [(c.after.id, c.after.attempt) for c in changes if c.launched] == [("again", 3), ("new", 2), ("first", 1)]
    assert not any(c.ended and c.launched for c in changes)
    assert all(c.retry is None and c.start is None for c in changes)


@pytest.mark.parametrize(
    ("old", "new", "phase"),
    [(Phase.RUNNING, Phase.FAILED, Phase.FAILED), (Phase.RUNNING, Phase.RUNNING, None),
     (Phase.FAILED, Phase.FAILED, None), (Phase.FAILED, Phase.RUNNING, None)],
    ids=["ends", "runs on", "had ended", "is taken up again"],
)  # fmt: skip
def test_the_end_of_an_execution(old: Phase, new: Phase, phase: Phase | None) -> None:
    assert measures.ending(of(phase=old), of(phase=new)) is phase


# --- Hops ------------------------------------------------------------------------------------------------------------


def test_a_hop_is_from_when_the_launch_was_due() -> None:
    assert measures.hop(Launch("b", {}, due=after(-2)), NOW) == 2
    assert measures.hop(Launch("b", {}, due=after(2)), NOW) == 0, "clocks differ"
    assert measures.hop(Launch("b", {}), NOW) is None
