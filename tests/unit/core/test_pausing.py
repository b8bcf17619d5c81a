"""The pause: when it begins and ends, how far it has come, what it says."""

from __future__ import annotations

from datetime import datetime

import pytest

from cairn.core import pausing
from cairn.core.spec import Pause, PauseMode
from cairn.core.status import PausePhase, PauseState, Phase, Status
from simulation.build import EARLIER, NOW, after, spec

PAUSE = PauseState(PausePhase.PAUSED, since=EARLIER, generation=3)


def begin_or_end(status: Status, *, by_operator: bool = False, **fields: object) -> Status:
    return pausing.begin_or_end(status, spec(**fields), generation=5, by_operator=by_operator, now=NOW)


def test_it_begins_draining_with_what_the_spec_says() -> None:
    pause = Pause(PauseMode.STOP, "maintenance", after(60))
    found = begin_or_end(Status(), paused=True, pause=pause).pause
    assert found == PauseState(
        PausePhase.DRAINING, NOW, 5, by="user", reason="maintenance", mode="Stop", until=after(60)
    )


def test_it_goes_on_from_its_first_generation_and_moment() -> None:
    found = begin_or_end(Status(pause=PAUSE), by_operator=True, paused=True, pause=Pause(reason="still")).pause
    assert found is not None
    assert (found.since, found.generation, found.phase) == (EARLIER, 3, PausePhase.PAUSED)
    assert (found.by, found.reason) == ("operator", "still")


def test_its_length_is_left_out_of_the_clock() -> None:
    status = begin_or_end(Status(pause=PAUSE, paused_millis=500))
    assert (status.pause, status.paused_millis) == (None, 60_500)


def test_a_clock_that_went_back_takes_nothing_away() -> None:
    assert begin_or_end(Status(pause=PauseState(PausePhase.PAUSED, after(5), 1))).paused_millis == 0


def test_a_pause_that_began_by_a_clock_turned_back_since_begins_now_and_its_until_is_heeded() -> None:
    ahead = PauseState(PausePhase.PAUSED, after(3 * 3600), 1)
    found = begin_or_end(Status(pause=ahead), paused=True, pause=Pause(until=after(60))).pause
    assert found is not None
    assert (found.since, pausing.resume_at(found)) == (NOW, after(60))


def test_no_pause_no_change() -> None:
    assert begin_or_end(Status()) == Status()


def test_what_has_finished_is_not_paused() -> None:
    assert begin_or_end(Status(phase=Phase.FAILED, pause=PAUSE), paused=True).pause is None


@pytest.mark.parametrize(
    ("until", "expected"),
    [(None, None), (EARLIER, None), (EARLIER.replace(year=2020), None), (after(9), after(9))],
    ids=["none", "at the pause's begin: stale", "before it: stale", "later: heeded"],
)
def test_until_counts_only_if_it_lies_after_the_begin(until: datetime | None, expected: datetime | None) -> None:
    assert pausing.resume_at(PauseState(PausePhase.PAUSED, EARLIER, 1, until=until)) == expected


def test_it_drains_until_nothing_is_unsettled() -> None:
    draining = pausing.with_progress(PAUSE, [f"j{i}" for i in range(25)])
    assert (draining.phase, draining.count, len(draining.running)) == (PausePhase.DRAINING, 25, 20)
    paused = pausing.with_progress(draining, [])
    assert (paused.phase, paused.count, paused.running) == (PausePhase.PAUSED, 0, ())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "paused"),
        ({"phase": PausePhase.DRAINING, "count": 2, "running": ("a", "b")}, "draining (2): a, b"),
        ({"phase": PausePhase.DRAINING, "count": 3, "running": ("a", "b")}, "draining (3): a, b and 1 more"),
        ({"reason": "maintenance"}, "paused; reason: maintenance"),
        ({"until": EARLIER}, "paused; pause.until is not later than the pause's begin and is ignored"),
        ({"until": NOW}, "paused"),
    ],
    ids=["paused", "what runs", "and more", "why", "a stale until is told", "a good until is not"],
)
def test_it_is_described(fields: dict, expected: str) -> None:
    assert (
        pausing.describe(PauseState(**{"phase": PausePhase.PAUSED, "since": EARLIER, "generation": 1} | fields))
        == expected
    )
