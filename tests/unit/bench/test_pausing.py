"""A launch is late if a version after the patch's answer records it; a pause is seen in such a version."""

from __future__ import annotations

from typing import Any

from bench.pausing import Pauses, Watched


def _body(version: int, *launched: str, pause: str = "", **status: str) -> dict[str, Any]:
    records: list[dict[str, Any]] = [{"id": id, "state": "Running", "attempt": 1} for id in launched]
    told = {"pause": {"phase": pause}} if pause else {}
    jobs = [*records, {"id": "waits", "state": "Pending"}]
    return {"metadata": {"resourceVersion": str(version)}, "status": {"jobs": jobs} | told | status}


def test_what_the_answer_has_is_not_late_and_what_comes_after_it_is() -> None:
    watched = Watched(Pauses())
    watched.paused(_body(5, "a"), at=1.0)
    watched.take_in(_body(4), at=1.1)
    watched.take_in(_body(6, "a"), at=1.2)
    assert watched.found == Pauses()
    watched.take_in(_body(7, "a", "b"), at=1.5)
    watched.take_in(_body(8, "a", "b"), at=1.6)
    assert watched.found == Pauses(1, [500.0], [])


def test_a_pause_is_seen_once() -> None:
    watched = Watched(Pauses())
    watched.paused(_body(5), at=1.0)
    assert not watched.seen
    watched.take_in(_body(6, pause="Draining"), at=1.25)
    watched.take_in(_body(7, pause="Paused"), at=1.5)
    assert watched.seen
    assert watched.found == Pauses(0, [], [250.0])


def test_a_pause_that_the_watch_shows_before_the_answer_is_here_counts_as_seen_at_once() -> None:
    watched = Watched(Pauses())
    watched.take_in(_body(6, pause="Paused"), at=0.9)
    watched.paused(_body(5), at=1.0)
    assert watched.found == Pauses(0, [], [0.0])


def test_after_a_resume_every_launch_is_welcome() -> None:
    watched = Watched(Pauses())
    watched.paused(_body(5), at=1.0)
    watched.resumed()
    watched.take_in(_body(9, "a", pause="Paused"), at=2.0)
    assert (watched.seen, watched.found) == (True, Pauses())


def test_one_that_has_finished_is_known_to_be() -> None:
    watched = Watched(Pauses())
    watched.take_in(_body(1, finishedAt="2026-01-31T00:00:00Z"), at=0.0)
    assert watched.finished
